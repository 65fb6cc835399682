/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/sandbox.h"
#include "process/child.h"
#include "server/guess.h"
#include "server/outcome.h"
#include "server/records_process.h"

#define LATE_A_COMMIT 64	/* changes that were put off; the worker's poll tries all */
#define MEMORY (64 << 20)	/* for what waits for a commit */

static int commit_failed(struct records *o)
{
	guess_forget(o);
	phone_lock_drop(&o->lock);
	return -1;
}

static int stage(struct records *o, uint64_t beside, bool *staged)
{
	records_now(o);
	outcome_retry(o, LATE_A_COMMIT);
	/* Whatever the worker says of its own: the files are synced. */
	*staged = turn_stage(o->group, beside < UINT16_MAX ? (size_t)beside : UINT16_MAX) == 0;
	return *staged ? 0 : commit_failed(o);
}

static int publish(struct records *o, struct buf *answers)
{
	if (turn_publish(o->group) != 0)
		return commit_failed(o);
	/* Attempts that are on the disk may be compared. Right ones are given back before anybody else may count; when
	 * that fails they stay counted, which gives no guess away. */
	if (guess_compare(o, answers) && turn_commit(o->group) != 0)
		records_complain(o, "", "cannot give back a try", strerror(errno));
	phone_lock_drop(&o->lock);
	return 0;
}

static int look(struct records *o, const char *device, struct buf *body, struct reason *why)
{
	struct phone_state st;
	struct phone p;
	int result;

	memset(&p, 0, sizeof p);
	memset(&st, 0, sizeof st);
	result = outcome_load(o, device, &p, &st, why);
	explicit_bzero(p.string, sizeof p.string);
	buf_put(body, &p, sizeof p);
	buf_put(body, &st, sizeof st);
	return result;
}

/* One packet of the worker's. -1 when it is none, or comes out of place. */
static int answer(struct records *o, struct bytes packet, bool *staged, struct buf *out)
{
	struct records_reply reply = {.result = 0};
	struct records_request q;
	struct buf body = {0};

	if (!records_request_get(packet, &q) ||
	    *staged != (q.type == RECORDS_PUBLISH || q.type == RECORDS_ABANDON))
		return -1;
	o->reply = &reply;
	errno = 0;
	switch (q.type) {
	case RECORDS_LOOK:
		reply.result = look(o, q.device, &body, &reply.why);
		break;
	case RECORDS_GUESS:
		reply.result = guess_begin(o, &q, &reply.why);
		break;
	case RECORDS_CHANGE:
		outcome_change(o, q.device, q.order, q.version, &q.change);
		break;
	case RECORDS_NOTE:
		outcome_note(o, q.device, q.version, q.why);
		break;
	case RECORDS_UNKNOWN:
		records_now(o);
		unknown_record_knock(&o->unknown, o->spool, q.device, q.why);
		break;
	case RECORDS_RETRY:
		outcome_retry(o, SIZE_MAX);
		break;
	case RECORDS_END:
		unknown_record_write(&o->unknown, o->spool, true);
		break;
	case RECORDS_STAGE:
		reply.result = stage(o, q.number, staged);
		break;
	case RECORDS_PUBLISH:
		*staged = false;
		reply.result = publish(o, &body);
		break;
	case RECORDS_ABANDON:
		*staged = false;
		turn_abandon(o->group);
		commit_failed(o);
		break;
	case RECORDS_REQUESTS:
		break;
	}
	reply.error = errno;
	reply.pending = !turn_empty(o->group) || o->lock.any;
	reply.files = (uint32_t)turn_files(o->group);
	reply.late = !STAILQ_EMPTY(&o->late);
	reply.torn = o->spool->torn;
	reply.body = (struct bytes){body.p, body.len};
	out->len = 0;
	records_reply_put(&reply, out);
	out->failed = out->failed || body.failed;
	buf_free(&body);
	return out->failed ? -1 : 0;
}

/* The master's word. -1 when there is none any more. */
static int take_settings(struct records *o, int control)
{
	struct settings settings;
	ssize_t n = read(control, &settings, sizeof settings);

	if (n == sizeof settings)
		o->string_tries = settings.string_tries;
	return n > 0 || (n < 0 && errno == EINTR) ? 0 : -1;
}

/* 0 at the end of the worker or of the master, -1 when there is no use in going on. */
static int serve(struct records *o, int control, int worker)
{
	struct pollfd both[2] = {{.fd = control, .events = POLLIN}, {.fd = worker, .events = POLLIN}};
	unsigned char *packet = malloc(RECORDS_PACKET_MAX);
	struct buf out = {0};
	bool staged = false;
	ssize_t n = 0;

	while (packet != NULL) {
		int ready = poll(both, 2, staged ? -1 : unknown_record_wait(&o->unknown));

		if (ready < 0 && errno != EINTR)
			break;
		/* Between the two halves of a commit nothing else is written. */
		if (!staged)
			unknown_record_write(&o->unknown, o->spool, false);
		if (ready <= 0)
			continue;
		/* First what the requests are judged by. */
		if (both[0].revents != 0 && take_settings(o, control) != 0)
			break;
		if (both[0].revents != 0 || both[1].revents == 0)
			continue;
		if ((n = read(worker, packet, RECORDS_PACKET_MAX)) < 0 && errno == EINTR)
			continue;
		if (n <= 0 || answer(o, (struct bytes){packet, (size_t)n}, &staged, &out) != 0)
			break;
		/* What a phone sent to prove itself. */
		explicit_bzero(packet, (size_t)n);
		if (write(worker, out.p, out.len) < 0)
			break;
	}
	turn_abandon(o->group);
	unknown_record_write(&o->unknown, o->spool, true);
	free(packet);
	buf_free(&out);
	return packet != NULL && n == 0 ? 0 : -1;
}

/* It can open records, and make folders for them in tmp/; nothing else, and no sockets. */
static int confine(const struct spool *s)
{
	const struct sandbox_path paths[] = {
		{s->dir[SPOOL_PHONE], NULL, SANDBOX_READ | SANDBOX_WRITE},
		{s->dir[SPOOL_TMP], NULL, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DIRS},
	};
	const struct sandbox sb = {.profile = SANDBOX_WRITER, .memory = MEMORY, .path = paths, .paths = 2};

	return sandbox_enter(&sb);
}

static int life(void *ctx, int control)
{
	const struct records_task *task = ctx;
	struct records o = {.clock = task->clock, .string_tries = task->string_tries};
	int result = 1;

	/* The master and the worker end it; a signal for all of them is not for this one. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "capf-records");
	/* Its memory has the phones' strings. */
	prctl(PR_SET_DUMPABLE, 0);
	STAILQ_INIT(&o.late);
	/* What somebody else, who died since, put there may not be durable yet, and the worker may hear of it. */
	if ((o.spool = spool_open(task->path, "capf-serve", time(NULL) + task->clock)) != NULL &&
	    spool_sync(o.spool, SPOOL_PHONE) == 0 && (o.group = turn_new(o.spool)) != NULL) {
		phone_lock_init(&o.lock, o.spool);
		unknown_record_init(&o.unknown, o.spool);
		if (confine(o.spool) == 0)
			result = serve(&o, control, control + 1) == 0 ? 0 : 1;
		unknown_record_free(&o.unknown);
		phone_lock_close(&o.lock);
	}
	outcome_forget(&o);
	guess_forget(&o);
	free(o.guess);
	turn_free(o.group);
	spool_close(o.spool);
	return result;
}

int records_spawn(const struct records_task *task, int worker, pid_t *pid)
{
	struct records_task copy = *task;

	return child_spawn(life, &copy, &worker, 1, pid);
}

int records_tell(int socket, const struct settings *settings)
{
	return send(socket, settings, sizeof *settings, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof *settings ? 0 : -1;
}
