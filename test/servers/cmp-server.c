/* SPDX-License-Identifier: ISC */
/* A CA that speaks CMP over HTTP, for the tests: cmp_ca.h behind a socket of 127.0.0.1, one connection after the other.
 * Says its port on stdout. It ends after ten minutes in any case.
 *
 * usage: cmp-server -c CA.pem -k CA.key [-s SIGNER.pem -S SIGNER.key] [-a RA.pem] [-x SECRET] [-l LOG] [-w POLLS]
 *     [-t SECONDS] [-r TEXT -f FAILURE] [-o FLAG]... [-m FAULT [-M]] [-T FILE] [-d FILE]
 * -w: an answer comes after so many polls, which may come after -t seconds. -r: it refuses, with the number of a failure.
 * -o: implicit, unprotected, no-genm, other-key, other-name, refuse-confirmation. -m, for all but greetings, with -M also
 * for these: hang-up, slow, trickle, gigabyte, garbage, redirect, retry-after, unavailable. -T: over TLS, with the
 * certificate and key of that file. -d: that file gets the seconds of CLOCK_MONOTONIC at which each message had come, and at
 * which its answer had gone. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "cmp_ca.h"
#include "online/cmp_message.h"

#define REQUEST_MAX 65536

static struct cmp_ca ca;
static const char *fault = "";
static bool greetings;
static SSL_CTX *tls;
static SSL *session;		/* of the connection, NULL: none */
static FILE *durations;		/* NULL: nobody wants them */

static X509 *load_cert(const char *path)
{
	BIO *bio = BIO_new_file(path, "r");
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	if (x == NULL) {
		fprintf(stderr, "cmp-server: %s: no certificate\n", path);
		exit(1);
	}
	return x;
}

static EVP_PKEY *load_key(const char *path)
{
	BIO *bio = BIO_new_file(path, "r");
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	if (key == NULL) {
		fprintf(stderr, "cmp-server: %s: no key\n", path);
		exit(1);
	}
	return key;
}

static ssize_t receive_some(int fd, char *p, size_t len)
{
	return session != NULL ? SSL_read(session, p, (int)len) : recv(fd, p, len, 0);
}

static bool send_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = session != NULL ? SSL_write(session, p, (int)len) : send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_head(int fd, const char *status, const char *type, const char *more, size_t len)
{
	char head[512];
	int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\n%sContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n", status, type, more, len);

	return send_all(fd, head, (size_t)n);
}

/* The whole request, whose body is returned; empty when it is none. */
static struct bytes receive(int fd, char room[REQUEST_MAX + 1])
{
	struct bytes none = {NULL, 0};
	size_t len = 0, want;
	char *end, *field;
	ssize_t n;

	while ((n = receive_some(fd, room + len, REQUEST_MAX - len)) > 0) {
		room[len += (size_t)n] = '\0';
		if ((end = strstr(room, "\r\n\r\n")) == NULL)
			continue;
		if (strncmp(room, "POST ", 5) != 0 || strcasestr(room, "\r\nContent-Type: application/pkixcmp\r\n") == NULL ||
		    (field = strcasestr(room, "\r\nContent-Length:")) == NULL)
			return none;
		want = strtoul(field + 17, NULL, 10);
		end += 4;
		if (len - (size_t)(end - room) >= want)
			return (struct bytes){(unsigned char *)end, want};
	}
	return none;
}

/* For ever, or until nobody listens. */
static void pour(int fd, bool slowly)
{
	static const char block[65536];

	send_head(fd, "200 OK", "application/pkixcmp", "", (size_t)1 << 30);
	for (size_t sent = 0; sent < (size_t)1 << 30; sent += slowly ? 1 : sizeof block) {
		if (!send_all(fd, block, slowly ? 1 : sizeof block))
			return;
		if (slowly)
			usleep(200000);
	}
}

/* What a CA must not do. False when it did nothing. */
static bool misbehave(int fd, const struct cmp_message *message)
{
	if (*fault == '\0' || (message->body == CMP_GENM && !greetings))
		return false;
	if (strcmp(fault, "slow") == 0) {
		sleep(20);
		return false;
	}
	if (strcmp(fault, "garbage") == 0) {
		send_head(fd, "200 OK", "text/html", "", 15);
		send_all(fd, "<html>\x1b[2Jlogin", 15);
	} else if (strcmp(fault, "redirect") == 0)
		send_head(fd, "302 Found", "text/html", "Location: http://127.0.0.1:1/\r\n", 0);
	else if (strcmp(fault, "unavailable") == 0)
		send_head(fd, "503 Unavailable", "text/html", "Retry-After: 2\r\n", 0);
	else if (strcmp(fault, "retry-after") == 0) {
		send_all(fd, "HTTP/1.1 503 Busy\r\n", 19);
		for (int i = 0; i < 1000000 && send_all(fd, "Retry-After: 99999999999999999\r\n", 32); i++)
			;
	} else if (strcmp(fault, "gigabyte") == 0 || strcmp(fault, "trickle") == 0)
		pour(fd, *fault == 't');
	return true;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void serve(int fd)
{
	static char room[REQUEST_MAX + 1];
	struct bytes in = receive(fd, room);
	double came = seconds();
	struct cmp_message message;
	struct buf out = {0};

	if (in.len == 0 || !cmp_message_read(in, &message) || !cmp_ca_answer(&ca, in, &out))
		send_head(fd, "400 Bad Request", "text/plain", "", 0);
	else if (!misbehave(fd, &message)) {
		send_head(fd, "200 OK", "application/pkixcmp", "", out.len);
		send_all(fd, out.p, out.len);
	}
	buf_free(&out);
	if (durations != NULL) {
		fprintf(durations, "%.6f %.6f\n", came, seconds());
		fflush(durations);
	}
}

/* The same over TLS. */
static void serve_tls(int fd)
{
	session = SSL_new(tls);
	SSL_set_fd(session, fd);
	if (SSL_accept(session) == 1)
		serve(fd);
	SSL_shutdown(session);
	SSL_free(session);
	session = NULL;
	ERR_clear_error();
}

static void set_tls(const char *path)
{
	tls = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_file(tls, path, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, path, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "cmp-server: %s: no certificate and key\n", path);
		exit(1);
	}
}

static void set_flag(const char *name)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {{"implicit", &ca.implicit}, {"unprotected", &ca.unprotected}, {"no-genm", &ca.no_genm},
	    {"other-key", &ca.other_key}, {"other-name", &ca.other_name},
	    {"refuse-confirmation", &ca.refuse_confirmation}};

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (strcmp(name, flags[i].name) == 0)
			*flags[i].flag = true;
}

static void read_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "a:c:d:f:k:l:m:Mo:r:s:S:t:T:w:x:")) != -1)
		switch (c) {
		case 'a': ca.ra = load_cert(optarg); break;
		case 'c': ca.cert = load_cert(optarg); break;
		case 'd': durations = fopen(optarg, "ae"); break;
		case 'f': ca.failure = (int)strtol(optarg, NULL, 10); break;
		case 'k': ca.key = load_key(optarg); break;
		case 'l': ca.log = fopen(optarg, "ae"); break;
		case 'm': fault = optarg; break;
		case 'M': greetings = true; break;
		case 'o': set_flag(optarg); break;
		case 'r': ca.refusal = optarg; break;
		case 's': ca.signer = load_cert(optarg); break;
		case 'S': ca.signer_key = load_key(optarg); break;
		case 't': ca.check_after = (int)strtol(optarg, NULL, 10); break;
		case 'T': set_tls(optarg); break;
		case 'w': ca.waits = (int)strtol(optarg, NULL, 10); break;
		case 'x': ca.reference = "ra"; ca.secret = optarg; break;
		default: exit(100);
		}
	if (ca.cert == NULL || ca.key == NULL)
		exit(100);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval most = {30, 0};
	socklen_t len = sizeof at;
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	alarm(600);
	signal(SIGPIPE, SIG_IGN);
	read_options(argc, argv);
	if (bind(s, (struct sockaddr *)&at, sizeof at) != 0 || listen(s, 128) != 0 ||
	    getsockname(s, (struct sockaddr *)&at, &len) != 0) {
		perror("cmp-server");
		return 1;
	}
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	while ((fd = accept(s, NULL, NULL)) >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
		if (tls != NULL)
			serve_tls(fd);
		else
			serve(fd);
		close(fd);
	}
	return 1;
}
