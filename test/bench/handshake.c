/* SPDX-License-Identifier: ISC */
/* handshake: what full TLS handshakes cost, with our own settings of TLS and nothing else around them: both
 * sides in one process, over a pair of sockets, the clock of its CPU read at each change of sides.
 *
 * usage: handshake certificate key number
 * Prints microseconds of CPU of the server's side and of the client's, for each of them. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/tls.h"
#include "x509/cert.h"
#include "x509/key.h"

struct side {
	struct tls *tls;
	int done;
	double used;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "handshake: %s\n", what);
	exit(111);
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void turn(struct side *s)
{
	double start = cpu();
	struct reason why;

	switch (tls_handshake(s->tls, &why)) {
	case TLS_DONE:
		s->done = 1;
		break;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		break;
	default:
		die(why.text);
	}
	s->used += cpu() - start;
}

static struct tls *open_side(struct tls_context *context, int fd, struct side *s)
{
	double start = cpu();
	struct reason why;
	struct tls *tls = tls_open(context, fd, &why);

	if (tls == NULL)
		die(why.text);
	s->used += cpu() - start;
	return tls;
}

static void close_side(struct side *s)
{
	double start = cpu();

	tls_close(s->tls);
	s->used += cpu() - start;
}

int main(int argc, char *argv[])
{
	struct secret none = {0};
	struct side server = {0}, client = {0};
	struct tls_context *at_server, *at_client;
	struct reason why;
	struct cert *cert;
	EVP_PKEY *key;
	long number;

	if (argc != 4 || (number = atol(argv[3])) < 1) {
		fprintf(stderr, "usage: handshake certificate key number\n");
		return 100;
	}
	signal(SIGPIPE, SIG_IGN);
	if ((cert = cert_load(argv[1], &why)) == NULL || (key = key_load(argv[2], &none, &why)) == NULL ||
	    (at_server = tls_server(cert->x509, key, false, &why)) == NULL ||
	    (at_client = tls_client(NULL, false, &why)) == NULL)
		die(why.text);
	for (long i = 0; i < number; i++) {
		int fd[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) != 0)
			die("no sockets");
		server.tls = open_side(at_server, fd[0], &server);
		client.tls = open_side(at_client, fd[1], &client);
		server.done = client.done = 0;
		while (!server.done || !client.done) {
			turn(&client);
			turn(&server);
		}
		close_side(&client);
		close_side(&server);
		close(fd[0]);
		close(fd[1]);
	}
	printf("%.1f %.1f\n", server.used / (double)number * 1e6, client.used / (double)number * 1e6);
	tls_context_free(at_server);
	tls_context_free(at_client);
	cert_free(cert);
	EVP_PKEY_free(key);
	return 0;
}
