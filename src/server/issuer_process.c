/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ca/issue.h"
#include "process/child.h"
#include "process/sandbox.h"
#include "server/issuer_process.h"
#include "site/phone.h"
#include "site/phonebook.h"
#include "spool/spool.h"
#include "x509/cert.h"
#include "x509/csr_make.h"
#include "x509/key.h"

#define MAX_PACKET 65536	/* one key or one certificate is much smaller */
/* Of processor time, for one certificate: the other phones of this worker wait for it. A signature with an RSA-8192 key
 * takes 2 s on the slowest board. */
#define ANSWER_SECONDS 10

/* What stands before a certificate, or before what is wrong. */
enum word {
	WORD_NO,
	WORD_YES,
	WORD_TROUBLE,	/* no, by no fault of what was asked */
};

struct issuer {
	int fd;
	bool greeted;
	struct buf certificate;
	struct buf left;	/* packets to be written, each with its length */
	size_t sent;		/* of them */
	unsigned char packet[MAX_PACKET];
	struct reason why;
};

/* Has this device an order that a certificate is part of? The worker that asks may be in the hands of a phone. 0, or
 * -1 with a reason. */
static int check_order(const struct spool *phones, const char *device, time_t now, struct reason *why)
{
	struct phone_state st;
	struct phone_view view;
	struct phone p;
	int found = phonebook_load(phones, device, &p, &st, why);
	bool wanted;

	if (found == 0)
		reason_set(why, "the issuing process knows no such device");
	if (found <= 0)
		return -1;
	phone_look(&p, &st, now, &view);
	wanted = p.operation == PHONE_INSTALL && view.status == PHONE_PENDING;
	explicit_bzero(&p, sizeof p);
	return wanted ? 0 : reason_set(why, "its record has no order to install that is pending");
}

/* One packet: number and blobs in, number and certificate or reason out. */
static void answer(const struct issuer *issuer, const struct spool *phones, time_t clock, struct bytes in,
    struct buf *out)
{
	char device[DEVICE_MAX + 1];
	struct reason why = {.text = "a packet that is none"};
	struct issued issued = {.der = NULL};
	struct csr *csr = NULL;
	uint64_t number = 0;
	struct bytes spki;
	int ok = -1;

	if (bytes_get_u64(&in, &number) && bytes_get_text(&in, device, sizeof device) &&
	    device_ok(device, strlen(device)) && bytes_get_sized(&in, &spki.p, &spki.len) &&
	    check_order(phones, device, time(NULL) + clock, &why) == 0 &&
	    (csr = csr_make(spki, device, NULL, &why)) != NULL)
		ok = issue_phone(issuer, csr, time(NULL) + clock, &issued, &why);
	out->len = 0;
	buf_put_u64(out, number);
	buf_put_u8(out, ok == 0 ? WORD_YES : WORD_NO);
	if (ok == 0)
		buf_put_sized(out, issued.der, issued.der_len);
	else
		buf_put_sized(out, why.text, strlen(why.text));
	free(issued.der);
	csr_free(csr);
}

/* What it says first: the issuer's certificate, or what is wrong. */
static int greet(int fd, const struct cert *ca, const struct issuer *issuer, const struct reason *why)
{
	struct buf out = {0};
	int result = -1;

	buf_put_u8(&out, issuer != NULL ? WORD_YES : why->trouble ? WORD_TROUBLE : WORD_NO);
	if (issuer != NULL)
		buf_put_sized(&out, ca->der, ca->der_len);
	else
		buf_put_sized(&out, why->text, strlen(why->text));
	if (!out.failed && write(fd, out.p, out.len) >= 0)
		result = 0;
	buf_free(&out);
	return result;
}

/* No files but the phones' records, for reading; no sockets, only the one that we have. A token's library needs its
 * own ways to the token as long as it signs, and gets no sandbox. */
static int narrow(const struct issuer_task *task, struct reason *why)
{
	const struct sandbox_path phones = {task->phones, NULL, SANDBOX_READ};
	const struct sandbox sb = {.profile = SANDBOX_READER, .memory = 64 << 20, .path = &phones, .paths = 1};

	if (strncmp(task->key, "pkcs11:", 7) == 0 || sandbox_enter(&sb) == 0)
		return 0;
	return reason_trouble(why, "cannot narrow the process: %s", strerror(errno));
}

/* Those who found the fault did not know what they looked at. */
static void blame(struct reason *why, const char *what)
{
	struct reason cause = *why;

	reason_because(why, &cause, "%s: %.*s", what, REASON_MAX - 64, cause.text);
}

/* NULL when it is over. */
static struct issuer *make_ready(const struct issuer_task *task, int fd)
{
	struct issue_policy policy = issue_policy_default;
	struct issuer *issuer = NULL;
	struct secret none = {0};
	struct reason why = {.text = ""};
	struct cert *ca = cert_load(task->certificate, &why);
	EVP_PKEY *key = ca != NULL ? key_load(task->key, &none, &why) : NULL;

	policy.days = task->days;
	if (key != NULL)
		issuer = issuer_new(ca, key, &policy, time(NULL) + task->clock, &why);
	if (issuer == NULL)
		blame(&why, ca == NULL || key != NULL ? "the issuer's certificate" : "the issuer's key");
	EVP_PKEY_free(key);
	if (issuer != NULL && narrow(task, &why) != 0) {
		issuer_free(issuer);
		issuer = NULL;
	}
	if (greet(fd, ca, issuer, &why) != 0) {
		issuer_free(issuer);
		issuer = NULL;
	}
	cert_free(ca);
	return issuer;
}

static int life(void *ctx, int fd)
{
	struct issuer_task *task = ctx;
	struct spool phones = {.root = -1, .log = -1, .tail = -1};
	unsigned char *packet = malloc(MAX_PACKET);
	struct buf out = {0};
	struct issuer *issuer;
	ssize_t n;

	/* Of the spool it has this alone. */
	task->phones = fd + 1;
	for (int d = 0; d < SPOOL_DIRS; d++)
		phones.dir[d] = d == SPOOL_PHONE ? task->phones : -1;
	/* The master ends it; a signal for all of them is not for this one. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* Its memory has the key. */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NAME, "capf-issuing");
	if (packet == NULL || (issuer = make_ready(task, fd)) == NULL) {
		free(packet);
		return 1;
	}
	while ((n = read(fd, packet, MAX_PACKET)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		if (sandbox_renew(ANSWER_SECONDS) != 0)
			break;
		answer(issuer, &phones, task->clock, (struct bytes){packet, (size_t)n}, &out);
		if (out.failed || write(fd, out.p, out.len) < 0)
			break;
	}
	issuer_free(issuer);
	buf_free(&out);
	free(packet);
	return 0;
}

int issuer_spawn(const struct issuer_task *task, pid_t *pid)
{
	struct issuer_task copy = *task;

	return child_spawn(life, &copy, &task->phones, 1, pid);
}

struct issuer *issuer_open(int fd)
{
	struct issuer *i = calloc(1, sizeof *i);

	if (i == NULL)
		close(fd);
	else
		i->fd = fd;
	return i;
}

void issuer_close(struct issuer *i)
{
	if (i == NULL)
		return;
	close(i->fd);
	buf_free(&i->left);
	buf_free(&i->certificate);
	free(i);
}

/* A packet with a word and a text. As issuer_next(). */
static int receive(struct issuer *i, uint64_t *number, uint8_t *word, struct bytes *text)
{
	ssize_t n = recv(i->fd, i->packet, sizeof i->packet, 0);
	struct bytes in = {i->packet, n > 0 ? (size_t)n : 0};

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0 || (number != NULL && !bytes_get_u64(&in, number)) || !bytes_get_u8(&in, word) ||
	    !bytes_get_sized(&in, &text->p, &text->len)) {
		errno = n < 0 ? errno : EPIPE;
		return -1;
	}
	return 1;
}

int issuer_greeting(struct issuer *i, struct reason *why)
{
	struct bytes text;
	uint8_t word;
	int result = i->greeted ? 1 : receive(i, NULL, &word, &text);

	if (result < 0)
		return reason_trouble(why, "the issuing process ended");
	if (result == 0 || i->greeted)
		return result;
	if (word != WORD_YES)
		return (word == WORD_TROUBLE ? reason_trouble : reason_set)(why, "%.*s", (int)text.len,
		    (const char *)text.p);
	buf_put(&i->certificate, text.p, text.len);
	if (i->certificate.failed)
		return reason_memory(why);
	i->greeted = true;
	return 1;
}

struct bytes issuer_certificate(const struct issuer *i)
{
	return (struct bytes){i->certificate.p, i->certificate.len};
}

int issuer_fd(const struct issuer *i)
{
	return i->fd;
}

int issuer_ask(struct issuer *i, uint64_t number, const char *device, struct bytes spki)
{
	struct buf one = {0};

	buf_put_u64(&one, number);
	buf_put_text(&one, device);
	buf_put_sized(&one, spki.p, spki.len);
	if (one.failed) {
		buf_free(&one);
		errno = ENOMEM;
		return -1;
	}
	buf_put_sized(&i->left, one.p, one.len);
	buf_free(&one);
	if (i->left.failed) {
		errno = ENOMEM;
		return -1;
	}
	return issuer_write(i);
}

bool issuer_full(const struct issuer *i)
{
	return i->left.len > 0;
}

int issuer_write(struct issuer *i)
{
	struct bytes rest = {i->left.p + i->sent, i->left.len - i->sent}, one;

	while (i->left.len > 0 && bytes_get_sized(&rest, &one.p, &one.len)) {
		if (send(i->fd, one.p, one.len, MSG_NOSIGNAL) < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		i->sent = i->left.len - rest.len;
	}
	i->left.len = i->sent = 0;
	return 0;
}

int issuer_next(struct issuer *i, uint64_t *number, struct bytes *der, const char **why)
{
	struct bytes text;
	uint8_t word;
	int result = receive(i, number, &word, &text);

	if (result <= 0)
		return result;
	*der = word == WORD_YES ? text : (struct bytes){NULL, 0};
	*why = NULL;
	if (word != WORD_YES) {
		reason_set(&i->why, "%.*s", (int)text.len, (const char *)text.p);
		*why = i->why.text;
	}
	return 1;
}
