/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cert.h"
#include "issue.h"
#include "issuing.h"
#include "key.h"
#include "pool.h"
#include "vouch.h"

#define MAX_PACKET 65536	/* one key or one certificate is much smaller */

struct issuing {
	pid_t pid;
	int fd;
	struct buf left;	/* packets to be written, each with its length */
	size_t sent;		/* of them */
	unsigned char packet[MAX_PACKET];
	struct reason why;
};

/* One packet: number and blobs in, number and certificate or reason out. */
static void answer(const struct issuer *issuer, time_t clock, struct bytes in, struct buf *out)
{
	char device[DEVICE_MAX + 1];
	struct reason why = {"a packet that is none"};
	struct issued issued = {.der = NULL};
	struct csr *csr = NULL;
	uint64_t number = 0;
	struct bytes spki;
	int ok = -1;

	if (bytes_get_u64(&in, &number) && bytes_get_text(&in, device, sizeof device) &&
	    device_ok(device, strlen(device)) && bytes_get_blob(&in, &spki.p, &spki.len) &&
	    (csr = vouch_csr(spki, device, NULL, &why)) != NULL)
		ok = issue_phone(issuer, csr, time(NULL) + clock, &issued, &why);
	out->len = 0;
	buf_put_u64(out, number);
	buf_put_u8(out, ok == 0);
	if (ok == 0)
		buf_put_blob(out, issued.der, issued.der_len);
	else
		buf_put_blob(out, why.text, strlen(why.text));
	free(issued.der);
	csr_free(csr);
}

/* Says how that went in a first packet: a reason, or "". NULL when it is over. */
static struct issuer *make_ready(const struct issuing_task *task, int fd)
{
	struct issue_policy policy = issue_policy_default;
	struct issuer *issuer = NULL;
	struct secret none = {0};
	struct reason why = {""};
	struct cert *ca = cert_load(task->certificate, &why);
	EVP_PKEY *key = ca != NULL ? key_load(task->key, &none, &why) : NULL;

	policy.days = task->days;
	if (key != NULL)
		issuer = issuer_new(ca, key, &policy, time(NULL) + task->clock, &why);
	EVP_PKEY_free(key);
	cert_free(ca);
	if (issuer != NULL)
		why.text[0] = '\0';
	/* A packet without bytes would look like the end. */
	if (send(fd, why.text, strlen(why.text) + 1, MSG_NOSIGNAL) < 0 || issuer == NULL) {
		issuer_free(issuer);
		return NULL;
	}
	return issuer;
}

static int life(void *ctx, int fd)
{
	const struct issuing_task *task = ctx;
	unsigned char *packet = malloc(MAX_PACKET);
	struct buf out = {0};
	struct issuer *issuer;
	ssize_t n;

	/* The master ends it; a signal for all of them is not for this one. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* Its memory has the key. */
	prctl(PR_SET_DUMPABLE, 0);
	if (packet == NULL || (issuer = make_ready(task, fd)) == NULL) {
		free(packet);
		return 1;
	}
	while ((n = recv(fd, packet, MAX_PACKET, 0)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		answer(issuer, task->clock, (struct bytes){packet, (size_t)n}, &out);
		if (out.failed || send(fd, out.p, out.len, MSG_NOSIGNAL) < 0)
			break;
	}
	issuer_free(issuer);
	buf_free(&out);
	free(packet);
	return 0;
}

/* The next packet, waited for. */
static ssize_t receive(struct issuing *i)
{
	struct pollfd p = {.fd = i->fd, .events = POLLIN};

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	return recv(i->fd, i->packet, sizeof i->packet, 0);
}

struct issuing *issuing_start(const struct issuing_task *task, struct reason *why)
{
	struct issuing_task copy = *task;
	struct issuing *i = calloc(1, sizeof *i);
	ssize_t n;

	if (i == NULL || (i->fd = pool_spawn(life, &copy, &i->pid)) < 0) {
		reason_set(why, "cannot start the issuing process: %s", strerror(errno));
		free(i);
		return NULL;
	}
	if ((n = receive(i)) == 1)
		return i;
	if (n > 1)
		reason_set(why, "%.*s", (int)(n - 1), (const char *)i->packet);
	else
		reason_set(why, "the issuing process ended");
	issuing_stop(i);
	return NULL;
}

void issuing_stop(struct issuing *i)
{
	if (i == NULL)
		return;
	close(i->fd);
	pool_reap(i->pid);
	buf_free(&i->left);
	free(i);
}

int issuing_fd(const struct issuing *i)
{
	return i->fd;
}

int issuing_ask(struct issuing *i, uint64_t number, const char *device, struct bytes spki)
{
	struct buf one = {0};

	buf_put_u64(&one, number);
	buf_put_text(&one, device);
	buf_put_blob(&one, spki.p, spki.len);
	if (one.failed) {
		buf_free(&one);
		errno = ENOMEM;
		return -1;
	}
	buf_put_blob(&i->left, one.p, one.len);
	buf_free(&one);
	if (i->left.failed) {
		errno = ENOMEM;
		return -1;
	}
	return issuing_write(i);
}

bool issuing_full(const struct issuing *i)
{
	return i->left.len > 0;
}

int issuing_write(struct issuing *i)
{
	struct bytes rest = {i->left.p + i->sent, i->left.len - i->sent}, one;

	while (i->left.len > 0 && bytes_get_blob(&rest, &one.p, &one.len)) {
		if (send(i->fd, one.p, one.len, MSG_NOSIGNAL) < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		i->sent = i->left.len - rest.len;
	}
	i->left.len = i->sent = 0;
	return 0;
}

int issuing_next(struct issuing *i, uint64_t *number, struct bytes *der, const char **why)
{
	ssize_t n = recv(i->fd, i->packet, sizeof i->packet, 0);
	struct bytes in = {i->packet, n > 0 ? (size_t)n : 0}, text;
	uint8_t ok;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0 || !bytes_get_u64(&in, number) || !bytes_get_u8(&in, &ok) ||
	    !bytes_get_blob(&in, &text.p, &text.len)) {
		errno = n < 0 ? errno : EPIPE;
		return -1;
	}
	*der = ok ? text : (struct bytes){NULL, 0};
	*why = NULL;
	if (!ok) {
		reason_set(&i->why, "%.*s", (int)text.len, (const char *)text.p);
		*why = i->why.text;
	}
	return 1;
}
