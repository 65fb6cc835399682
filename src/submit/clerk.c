/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/child.h"
#include "process/sandbox.h"
#include "submit/clerk.h"
#include "x509/cert.h"
#include "x509/key.h"
#include "x509/openssl_context.h"
#include "x509/pkcs7.h"
#include "x509/secret.h"

#define MAX_PACKET (96 * 1024)	/* a request or a certificate, each of at most 64 KiB, and some text */
#define MEMORY (64 << 20)
#define WAIT_MOST UINT32_MAX	/* a certificate may begin in the year 9999 */

/* Its side. */

/* -1 when nobody listens any more. */
static int put_answer(int fd, enum clerk_job job, const struct online_answer *a, struct bytes certificate)
{
	struct buf out = {0};
	int result;

	buf_put_u8(&out, (uint8_t)job);
	buf_put_u8(&out, (uint8_t)a->outcome);
	buf_put_u64(&out, (uint64_t)(a->wait > 0 ? a->wait : 0));
	buf_put_text(&out, a->ticket);
	buf_put_text(&out, a->why.text);
	buf_put_sized(&out, certificate.p, certificate.len);
	result = !out.failed && write(fd, out.p, out.len) >= 0 ? 0 : -1;
	buf_free(&out);
	return result;
}

/* The one that is for this request's key, of all that came, and when it begins to be valid; or none, with a reason. */
static struct bytes choose(const struct csr *csr, struct bytes all, time_t *begins, struct reason *why)
{
	struct reason cause = {.text = "they are for other keys"};
	struct bytes one;

	while (pkcs7_next(&all, &one)) {
		struct cert *cert = cert_parse(one.p, one.len, &cause);
		bool good = cert != NULL && memcmp(cert->spki, csr->spki, sizeof csr->spki) == 0;

		if (good)
			*begins = cert->not_before;
		cert_free(cert);
		if (good)
			return one;
	}
	reason_set(why, "the CA sent no certificate for the key of the request: %.*s", REASON_MAX - 80, cause.text);
	return (struct bytes){NULL, 0};
}

/* Does what it was given, and answers. -1 when it is over. */
static int work(struct online_ca *ca, const struct clerk_task *task, int fd, struct bytes in)
{
	struct online_answer a = {.outcome = ONLINE_BROKEN};
	struct bytes request, certificate = {NULL, 0};
	char ticket[ONLINE_TICKET_MAX + 1];
	struct csr *csr;
	time_t begins = 0;
	uint8_t job;
	int result;

	ca->now = time(NULL) + task->clock;
	if (!bytes_get_u8(&in, &job) || !bytes_get_sized(&in, &request.p, &request.len) ||
	    !bytes_get_text(&in, ticket, sizeof ticket))
		return -1;
	if ((csr = csr_parse(request.p, request.len, task->vouchers, &a.why)) == NULL) {
		a.outcome = ONLINE_REFUSED;
	} else if (ca->kind->allows(ca->settings, csr->proof, &a.why) != 0) {
		a.outcome = ONLINE_REFUSED;
	} else if (job == CLERK_TICKET) {
		if (ca->kind->ticket(ca, csr, a.ticket, &a.why) == 0)
			a.outcome = ONLINE_ISSUED;
		else if (a.why.trouble)
			a.outcome = ONLINE_LATER;
	} else if (job == CLERK_SUBMIT) {
		ca->kind->submit(ca, csr, ticket, &a);
	} else {
		ca->kind->poll(ca, csr, ticket, job == CLERK_POLL_LOST, &a);
	}
	if (csr != NULL && job != CLERK_TICKET && a.outcome == ONLINE_ISSUED) {
		certificate = choose(csr, (struct bytes){a.certificates.p, a.certificates.len}, &begins, &a.why);
		if (certificate.len == 0)
			a.outcome = ONLINE_REFUSED;
		/* The CA's clock may be ahead of ours. */
		begins -= time(NULL) + task->clock;
		a.wait = certificate.len == 0 || begins <= 0 ? 0 : begins < WAIT_MOST ? begins : WAIT_MOST;
	}
	result = put_answer(fd, (enum clerk_job)job, &a, certificate);
	buf_free(&a.certificates);
	csr_free(csr);
	return result;
}

static bool has_token(const struct online_settings *s)
{
	return key_is_uri(s->key) || key_is_uri(s->ra_key) || key_is_uri(s->agent_key);
}

/* Keys and certificates are in memory by now: no file but what libc wants to find a host. A token's library needs its
 * own ways, and gets no sandbox. */
static int confine(const struct online_settings *s)
{
	static const struct sandbox_path files[] = {
		{AT_FDCWD, "/etc", SANDBOX_READ}, {AT_FDCWD, "/usr", SANDBOX_READ}, {AT_FDCWD, "/run", SANDBOX_READ},
		{AT_FDCWD, "/lib", SANDBOX_READ}, {AT_FDCWD, "/lib64", SANDBOX_READ},
		{AT_FDCWD, "/dev/null", SANDBOX_READ | SANDBOX_WRITE},
	};
	const struct sandbox sb = {.profile = SANDBOX_CLIENT, .memory = MEMORY, .path = files,
	    .paths = sizeof files / sizeof files[0]};

	if (has_token(s))
		return 0;
	return sandbox_enter(&sb);
}

static int life(void *ctx, int fd)
{
	const struct clerk_task *task = ctx;
	struct online_answer hello = {.outcome = ONLINE_BROKEN};
	unsigned char *packet = malloc(MAX_PACKET);
	struct online_ca ca = {.kind = NULL};
	bool goes_on;
	ssize_t n;

	/* Who started it ends it; a signal for all of them is not for this one. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "capf-asking");
	secret_guard();
	if (packet != NULL && online_open(&ca, task->settings, time(NULL) + task->clock, &hello.why) == 0) {
		hello.outcome = ONLINE_ISSUED;
		if (confine(task->settings) != 0)
			online_say(&hello, ONLINE_BROKEN, "cannot confine the process: %s", strerror(errno));
	}
	goes_on = put_answer(fd, CLERK_GREET, &hello, (struct bytes){NULL, 0}) == 0 && hello.outcome == ONLINE_ISSUED;
	/* Private keys have been read; one in a token may need more of OpenSSL at each signature. */
	if (!has_token(task->settings))
		OSSL_LIB_CTX_set0_default(openssl_context_quick());
	while (goes_on && ((n = read(fd, packet, MAX_PACKET)) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0)
			goes_on = work(&ca, task, fd, (struct bytes){packet, (size_t)n}) == 0;
	online_close(&ca);
	free(packet);
	return 0;
}

/* The other side. */

int clerk_start(struct clerk *c, const struct clerk_task *task)
{
	struct clerk_task copy = *task;

	*c = (struct clerk){.busy = true};
	c->fd = child_spawn(life, &copy, NULL, 0, &c->pid);
	return c->fd < 0 ? -1 : 0;
}

int clerk_ask(struct clerk *c, enum clerk_job job, struct bytes request, const char *ticket)
{
	struct buf out = {0};
	ssize_t n = -1;

	buf_put_u8(&out, (uint8_t)job);
	buf_put_sized(&out, request.p, request.len);
	buf_put_text(&out, ticket);
	if (out.failed)
		errno = ENOMEM;
	else
		n = send(c->fd, out.p, out.len, MSG_NOSIGNAL);
	buf_free(&out);
	c->busy = n > 0;
	return n > 0 ? 0 : -1;
}

/* It goes into a file of lines, so a process that was taken over may not choose what stands in others. */
static bool is_ticket(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text >= 0x7f || *text == ';')
			return false;
	return true;
}

int clerk_next(struct clerk *c, struct buf *packet, struct clerk_answer *a)
{
	struct bytes in;
	uint8_t job, outcome;
	uint64_t wait;
	ssize_t n;

	packet->len = 0;
	if (packet->cap < MAX_PACKET) {
		buf_free(packet);
		if ((packet->p = malloc(MAX_PACKET)) == NULL)
			return 0;
		packet->cap = MAX_PACKET;
	}
	if ((n = recv(c->fd, packet->p, MAX_PACKET, 0)) <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	in = (struct bytes){packet->p, (size_t)n};
	if (!c->busy || !bytes_get_u8(&in, &job) || job > CLERK_POLL_LOST || !bytes_get_u8(&in, &outcome) ||
	    outcome > ONLINE_BROKEN || !bytes_get_u64(&in, &wait) || wait > UINT32_MAX ||
	    !bytes_get_text(&in, a->ticket, sizeof a->ticket) || !is_ticket(a->ticket) ||
	    !bytes_get_text(&in, a->why.text, sizeof a->why.text) ||
	    !bytes_get_sized(&in, &a->certificate.p, &a->certificate.len) || in.len != 0)
		return -1;
	a->job = (enum clerk_job)job;
	a->outcome = (enum online_outcome)outcome;
	a->wait = (time_t)wait;
	c->busy = false;
	c->ready = c->ready || (job == CLERK_GREET && outcome == ONLINE_ISSUED);
	return 1;
}

int clerk_stop(struct clerk *c)
{
	int status = 0;

	if (c->fd >= 0)
		status = child_end(c->pid, c->fd);
	*c = (struct clerk){.fd = -1};
	return status;
}
