/* SPDX-License-Identifier: ISC */
/* What a peer can make one call do, and what it is ended for. The other side is OpenSSL's own, so that it can do what
 * ours does not. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <openssl/ec.h>
#include <openssl/ssl.h>

#include "../mint.h"
#include "net/tls.h"

static struct tls_context *server;

struct pair {
	int fd, peer;
	struct tls *tls;
	SSL_CTX *ctx;
	SSL *ssl;
};

static void open_pair(struct pair *p, int version)
{
	struct reason why;
	int fd[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0, "socketpair");
	p->fd = fd[0];
	p->peer = fd[1];
	must((p->tls = tls_open(server, p->fd, &why)) != NULL, "tls_open");
	p->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(p->ctx, version);
	p->ssl = SSL_new(p->ctx);
	SSL_set_fd(p->ssl, p->peer);
}

static void close_pair(struct pair *p)
{
	tls_close(p->tls);
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	close(p->fd);
	close(p->peer);
}

static void shake(struct pair *p)
{
	enum tls_result result = TLS_WANT_READ;
	struct reason why;
	int done = 0;

	for (int i = 0; i < 100 && (result != TLS_DONE || done != 1); i++) {
		done = SSL_connect(p->ssl);
		if (result != TLS_DONE)
			result = tls_handshake(p->tls, &why);
	}
	must(result == TLS_DONE && done == 1, "no handshake");
}

static int unread(const struct pair *p)
{
	int n = -1;

	ioctl(p->fd, FIONREAD, &n);
	return n;
}

/* Reads until there is nothing to read; how many calls that took. */
static int read_all(struct pair *p, enum tls_result *result, size_t *bytes, struct reason *why)
{
	char data[32];
	size_t len;
	int calls = 0;

	*bytes = 0;
	do {
		*result = tls_read(p->tls, data, sizeof data, &len, why);
		*bytes += len;
	} while (++calls < 1000 && (*result == TLS_DONE || *result == TLS_WANT_READ) && unread(p) > 0);
	return calls;
}

static void crumbs(void)
{
	/* Handshake records of a byte, the start of a hello that says it is 4 KiB long. */
	unsigned char record[6] = {22, 3, 1, 0, 1, 0};
	enum tls_result result = TLS_WANT_READ;
	struct reason why = {.text = ""};
	struct pair p;
	int calls = 0;

	open_pair(&p, 0);
	for (int i = 0; i < 200; i++) {
		record[5] = i == 0 ? 1 : i == 2 ? 16 : 0;
		must(write(p.peer, record, sizeof record) == sizeof record, "write");
	}
	ok(!tls_heard(p.tls), "nothing was heard yet");
	result = tls_handshake(p.tls, &why);
	ok(result == TLS_WANT_READ && unread(&p) > 180 * 6, "one call leaves most of 200 records for later: %d bytes",
	    unread(&p));
	ok(tls_heard(p.tls), "now it was");
	while (result == TLS_WANT_READ && ++calls < 1000)
		result = tls_handshake(p.tls, &why);
	ok(result == TLS_FAILED && strstr(why.text, "more than 64 records without data") != NULL && unread(&p) > 0,
	    "and the rest is not heard: %s", why.text);
	close_pair(&p);
}

/* Once the last record that is more than fair has come, in whatever call. */
static void key_updates(int n, bool data, bool good)
{
	enum tls_result result;
	struct reason why = {.text = ""};
	struct pair p;
	size_t bytes;
	int calls;

	open_pair(&p, TLS1_3_VERSION);
	shake(&p);
	for (int i = 0; i < n; i++) {
		SSL_key_update(p.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		must(SSL_do_handshake(p.ssl) == 1, "key update");
		if (data)
			must(SSL_write(p.ssl, "x", 1) == 1, "write");
	}
	calls = read_all(&p, &result, &bytes, &why);
	if (good)
		ok(result != TLS_FAILED && calls >= n && bytes == (data ? (size_t)n : 0),
		    "%d KeyUpdates%s: a call for each, none is too many: %d calls", n, data ? ", with data between" : "",
		    calls);
	else
		ok(result == TLS_FAILED && strstr(why.text, "records without data") != NULL && calls > 60,
		    "%d KeyUpdates are too many, after %d calls: %s", n, calls, why.text);
	close_pair(&p);
}

static void write_and_data(void)
{
	struct reason why;
	struct pair p;
	char data[64];
	size_t len;

	open_pair(&p, TLS1_2_VERSION);
	ok(tls_hello(p.tls, &why) == TLS_WANT_READ, "a server that says hello waits");
	shake(&p);
	must(SSL_write(p.ssl, "hello", 5) == 5, "write");
	ok(!tls_halfway(p.tls), "between two records nothing is halfway");
	ok(tls_read(p.tls, data, sizeof data, &len, &why) == TLS_DONE && len == 5, "data comes through");
	must(write(p.peer, "\x17\x03\x03", 3) == 3, "write");
	ok(tls_read(p.tls, data, sizeof data, &len, &why) == TLS_WANT_READ && tls_halfway(p.tls),
	    "the start of a record is halfway");
	ok(tls_write(p.tls, "answer", 6, &why) == TLS_DONE && SSL_read(p.ssl, data, sizeof data) == 6,
	    "and keeps nobody from writing");
	shutdown(p.peer, SHUT_WR);
	ok(tls_read(p.tls, data, sizeof data, &len, &why) == TLS_CLOSED, "the end is heard: %s", why.text);
	close_pair(&p);
}

int main(void)
{
	const char *const none[] = {NULL};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct cert *cert = mint("CAPF-1", key, NULL, key, EVP_sha256(), time(NULL) - 3600, time(NULL) + 3600, none);
	struct reason why;

	signal(SIGPIPE, SIG_IGN);
	must((server = tls_server(cert->x509, key, false, &why)) != NULL, "tls_server");
	crumbs();
	key_updates(60, false, true);
	key_updates(100, true, true);
	key_updates(80, false, false);
	write_and_data();
	tls_context_free(server);
	cert_free(cert);
	EVP_PKEY_free(key);
	return tap_done();
}
