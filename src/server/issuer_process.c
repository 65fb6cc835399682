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
#include "server/proof_trust.h"
#include "site/phone.h"
#include "site/phonebook.h"
#include "site/capf_identity.h"
#include "spool/spool.h"
#include "x509/cert.h"
#include "x509/csr_make.h"
#include "x509/key.h"

#define MAX_PACKET 65536	/* two messages of a phone, its key and its proof, are smaller, and so is a certificate */
/* Of processor time, for one certificate: the other phones of this worker wait for it. A signature with an RSA-8192 key
 * takes 2 s on the slowest machine. */
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

/* What it knows besides its key. */
struct bureau {
	const struct issuer_task *task;
	struct spool *spool;	/* whose phone/ it can read */
	struct issuer *issuer;
	struct trust *trust;	/* of proofs */
};

void issuer_put_proof(struct buf *b, const struct phone_auth *a, uint32_t session)
{
	buf_put_u32(b, session);
	buf_put_sized(b, a->certificate.p, a->certificate.len);
	buf_put_sized(b, a->sha1.p, a->sha1.len);
	buf_put_u8(b, a->sha2_digest);
	buf_put_sized(b, a->sha2.p, a->sha2.len);
	buf_put_u8(b, a->sudi);
	buf_put_sized(b, a->sudi_certificate.p, a->sudi_certificate.len);
	buf_put_sized(b, a->sudi_sha1.p, a->sudi_sha1.len);
	buf_put_sized(b, a->sudi_sha512.p, a->sudi_sha512.len);
}

static bool get(struct bytes *in, struct bytes *out)
{
	return bytes_get_sized(in, &out->p, &out->len);
}

static bool get_proof(struct bytes in, struct phone_auth *a, uint32_t *session)
{
	uint8_t sudi;

	*a = (struct phone_auth){.sha2_digest = 0};
	if (!bytes_get_u32(&in, session) || !get(&in, &a->certificate) || !get(&in, &a->sha1) ||
	    !bytes_get_u8(&in, &a->sha2_digest) || !get(&in, &a->sha2) || !bytes_get_u8(&in, &sudi) ||
	    !get(&in, &a->sudi_certificate) || !get(&in, &a->sudi_sha1) || !get(&in, &a->sudi_sha512))
		return false;
	a->sudi = sudi != 0;
	return true;
}

/* Has the phone proved itself by a certificate? The worker found so, but it may be in the hands of another phone. What
 * it cannot do is sign in a phone's name. 0; -1 with a reason. */
static int check_proof(const struct bureau *b, const char *device, struct bytes packet, time_t now, struct reason *why)
{
	const struct phone_auth_policy policy = {.trust = b->trust, .now = now,
	    .allow_expired = b->task->accept_expired, .allow_weak = b->task->accept_weak_mic,
	    .require_sudi = b->task->require_sudi};
	struct phone_auth proof;
	struct cert *cert;
	uint32_t session;

	if (!get_proof(packet, &proof, &session))
		return reason_set(why, "its phone has not authenticated with a certificate");
	cert = phone_auth_check(&proof, device, session, &policy, why);
	cert_free(cert);
	return cert != NULL ? 0 : -1;
}

/* Has this device an order that a certificate is part of, and was its phone here? Records and states are the records
 * process's, the worker that asks may be in the hands of a phone. 0, or -1 with a reason. */
static int check_order(const struct bureau *b, const char *device, struct bytes proof, time_t now, struct reason *why)
{
	struct phone_state st;
	struct phone_view view;
	struct phone p;
	int found = phonebook_load(b->spool, device, &p, &st, why), result = -1;

	if (found == 0)
		reason_set(why, "the issuing process knows no such device");
	if (found <= 0)
		return -1;
	phone_look(&p, &st, now, &view);
	if (p.operation != PHONE_INSTALL || view.status != PHONE_PENDING)
		reason_set(why, "its record has no order to install that is pending");
	else if (p.auth == PHONE_BY_STRING && !phone_authenticated(&p, &st))
		reason_set(why, "its phone has not sent the authentication string");
	else if (p.auth != PHONE_BY_LSC && p.auth != PHONE_BY_MIC)
		result = 0;
	else
		result = check_proof(b, device, proof, now, why);
	explicit_bzero(&p, sizeof p);
	return result;
}

/* One packet: number, name and key in, number and certificate or reason out. */
static void answer(const struct bureau *b, struct bytes in, struct buf *out)
{
	time_t now = time(NULL) + b->task->clock;
	char device[DEVICE_MAX + 1];
	struct reason why = {.text = "a packet that is none"};
	struct issued issued = {.der = NULL};
	struct bytes spki, proof;
	struct csr *csr = NULL;
	uint64_t number = 0;
	int ok = -1;

	if (bytes_get_u64(&in, &number) && bytes_get_text(&in, device, sizeof device) &&
	    device_ok(device, strlen(device)) && get(&in, &spki) && get(&in, &proof) &&
	    check_order(b, device, proof, now, &why) == 0 && (csr = csr_make(spki, device, NULL, &why)) != NULL)
		ok = issue_phone(b->issuer, csr, now, &issued, &why);
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

/* What it says first: the issuer's certificate, or, without one, what is wrong. */
static int greet(int fd, const struct cert *ca, const struct reason *why)
{
	struct buf out = {0};
	int result = -1;

	buf_put_u8(&out, ca != NULL ? WORD_YES : why->trouble ? WORD_TROUBLE : WORD_NO);
	if (ca != NULL)
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
static int confine(const struct bureau *b, struct reason *why)
{
	const struct sandbox_path phones = {b->spool->dir[SPOOL_PHONE], NULL, SANDBOX_READ};
	const struct sandbox sb = {.profile = SANDBOX_READER, .memory = 64 << 20, .path = &phones, .paths = 1};

	if (strncmp(b->task->key, "pkcs11:", 7) == 0 || sandbox_enter(&sb) == 0)
		return 0;
	return reason_trouble(why, "cannot confine the process: %s", strerror(errno));
}

/* Those who found the fault did not know what they looked at. */
static void blame(struct reason *why, const char *what)
{
	struct reason cause = *why;

	reason_because(why, &cause, "%s: %.*s", what, REASON_MAX - 64, cause.text);
}

/* Opens the spool, and whose proofs count. -1 with a reason. */
static int open_spool(struct bureau *b, const struct cert *ca, struct reason *why)
{
	time_t now = time(NULL) + b->task->clock;
	struct cert *own;

	if ((b->spool = spool_open(b->task->path, "capf-serve", now)) == NULL)
		return reason_trouble(why, "cannot open the spool: %s", strerror(errno));
	if (capf_identity_load(b->spool, &own, NULL, why) != 0)
		return -1;
	b->trust = proof_trust_load(b->spool, (struct bytes){ca->der, ca->der_len}, own, now, why);
	cert_free(own);
	return b->trust != NULL ? 0 : -1;
}

/* -1 when it is over. */
static int make_ready(struct bureau *b, int fd)
{
	const struct issuer_task *task = b->task;
	struct issue_policy policy = issue_policy_default;
	struct secret none = {0};
	struct reason why = {.text = ""};
	struct cert *ca = cert_load(task->certificate, &why);
	EVP_PKEY *key = ca != NULL ? key_load(task->key, &none, &why) : NULL;
	int result = -1;

	policy.days = task->days;
	if (key != NULL)
		b->issuer = issuer_new(ca, key, &policy, time(NULL) + task->clock, &why);
	if (b->issuer == NULL)
		blame(&why, ca == NULL || key != NULL ? "the issuer's certificate" : "the issuer's key");
	else if (open_spool(b, ca, &why) == 0 && confine(b, &why) == 0)
		result = 0;
	EVP_PKEY_free(key);
	if (greet(fd, result == 0 ? ca : NULL, &why) != 0)
		result = -1;
	cert_free(ca);
	return result;
}

static int life(void *ctx, int fd)
{
	struct bureau b = {.task = ctx};
	unsigned char *packet = malloc(MAX_PACKET);
	struct buf out = {0};
	bool ready;
	ssize_t n;

	/* The master ends it; a signal for all of them is not for this one. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "capf-issuing");
	ready = packet != NULL && make_ready(&b, fd) == 0;
	while (ready && ((n = read(fd, packet, MAX_PACKET)) > 0 || (n < 0 && errno == EINTR))) {
		if (n < 0)
			continue;
		if (sandbox_renew(ANSWER_SECONDS) != 0)
			break;
		answer(&b, (struct bytes){packet, (size_t)n}, &out);
		if (out.failed || write(fd, out.p, out.len) < 0)
			break;
	}
	issuer_free(b.issuer);
	trust_free(b.trust);
	spool_close(b.spool);
	buf_free(&out);
	free(packet);
	return ready ? 0 : 1;
}

int issuer_spawn(const struct issuer_task *task, pid_t *pid)
{
	struct issuer_task copy = *task;

	return child_spawn(life, &copy, NULL, 0, pid);
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

int issuer_ask(struct issuer *i, uint64_t number, const char *device, struct bytes spki, struct bytes proof)
{
	struct buf one = {0};

	buf_put_u64(&one, number);
	buf_put_text(&one, device);
	buf_put_sized(&one, spki.p, spki.len);
	buf_put_sized(&one, proof.p, proof.len);
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
