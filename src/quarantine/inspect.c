/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process/sandbox.h"
#include "process/workers.h"
#include "quarantine/inspect.h"

/* Memory that a worker needs beside its jobs: OpenSSL's tables, some jobs and answers, one certificate at a time. */
#define MEMORY ((uint64_t)64 << 20)
/* Processor time of a worker for one entry, so that one that loops in OpenSSL ends. A signature with an RSA-8192 key
 * takes 0.1 s, and 2 s on the slowest computer. */
#define ENTRY_SECONDS 60
/* Processor time for all entries, since a worker that an entry has taken over does not renew that for one. The longest
 * honest work is 500,000 signatures with an RSA-4096 key: 1,500 s on one core. */
#define SECONDS 7200

/* What the unpacking process said, in its order. For each the workers get a job, if only an empty one: so the order of
 * their answers is the order of all. */
struct event {
	enum unpack_kind kind;
	int error;
	char name[UNPACK_NAME_MAX + 1];
	char text[REASON_MAX];
};

struct inspect {
	struct inspect_task task;
	struct unpack *unpack;
	struct workers *workers;
	struct event *event;	/* a ring */
	size_t first, n, cap;
	bool ended, broken;
	struct buf job;
	struct buf der;		/* in a worker: of the entry at hand */
};

/* In a worker. A job is empty, or the mark and the entry. The answer is a verdict, or empty. */
static int work(void *ctx, struct bytes job, struct buf *out)
{
	struct inspect *in = ctx;
	struct verdict v = {0};

	if (job.len == 0)
		return 0;
	in->der.len = 0;
	if (sandbox_renew(ENTRY_SECONDS) != 0)
		return -1;
	if (in->task.mark != NULL)
		*in->task.mark = job.p[0];
	in->task.judge(in->task.ctx, (struct bytes){job.p + 1, job.len - 1}, &v, &in->der);
	v.facts.der = in->der.p;
	v.facts.der_len = in->der.len;
	/* No answer when the system failed: no entry is refused because memory is short. */
	if (in->der.failed || (!v.good && v.reason.trouble))
		return 0;
	verdict_encode(&v, out);
	return 0;
}

static int init(void *ctx)
{
	const struct sandbox sb = {.profile = SANDBOX_COMPUTE, .mute = true, .seconds = SECONDS,
	    .memory = MEMORY};
	struct inspect *in = ctx;

	if (in->task.init != NULL && in->task.init(in->task.ctx) != 0)
		return -1;
	return in->task.outside ? 0 : sandbox_enter(&sb);
}

struct inspect *inspect_open(struct unpack *from, const struct inspect_task *task, size_t workers)
{
	struct inspect *in = from != NULL ? calloc(1, sizeof *in) : NULL;
	struct workers_task workers_task = {init, work, in, VERDICT_ENCODED_MAX};

	if (in == NULL) {
		unpack_stop(from);
		return NULL;
	}
	in->task = *task;
	in->unpack = from;
	if ((in->workers = workers_start(workers, &workers_task)) != NULL)
		return in;
	inspect_close(in);
	return NULL;
}

static struct event *add_event(struct inspect *in)
{
	if (in->n == in->cap) {
		size_t cap = in->cap > 0 ? 2 * in->cap : 64;
		struct event *grown = reallocarray(NULL, cap, sizeof *grown);

		if (grown == NULL)
			return NULL;
		for (size_t i = 0; i < in->n; i++)
			grown[i] = in->event[(in->first + i) % in->cap];
		free(in->event);
		in->event = grown;
		in->first = 0;
		in->cap = cap;
	}
	return &in->event[(in->first + in->n++) % in->cap];
}

/* Looks at an entry and puts it, with its event, into the queue. -1 with errno. */
static int queue(struct inspect *in, struct unpacked *u)
{
	const struct untar_item item = {u->name, u->data.p, u->data.len};
	enum inspect_admission admission = INSPECT_JUDGE;
	struct event *e;

	if (u->kind == UNPACK_FILE && in->task.begin != NULL)
		in->task.begin(in->task.ctx);
	if (u->kind == UNPACK_ENTRY && in->task.admit != NULL)
		admission = in->task.admit(in->task.ctx, &item, &u->reason);
	if (admission == INSPECT_SKIP)
		return 0;
	if (admission != INSPECT_JUDGE && u->reason.trouble) {
		errno = ENOMEM;
		return -1;
	}
	if (admission != INSPECT_JUDGE)
		u->kind = admission == INSPECT_ABORT ? UNPACK_DAMAGED : UNPACK_REFUSED;
	if (admission == INSPECT_ABORT)
		unpack_skip(in->unpack);
	in->ended = u->kind == UNPACK_END || u->kind == UNPACK_DIED || u->kind == UNPACK_TROUBLE;
	in->job.len = 0;
	if (u->kind == UNPACK_ENTRY) {
		buf_put_u8(&in->job, in->task.mark != NULL ? *in->task.mark : 0);
		buf_put(&in->job, u->data.p, u->data.len);
	}
	if ((e = add_event(in)) == NULL || in->job.failed) {
		errno = ENOMEM;
		return -1;
	}
	e->kind = u->kind;
	e->error = u->error;
	strcpy(e->name, u->name);
	strcpy(e->text, u->reason.text);
	if (workers_put(in->workers, in->job.p, in->job.len) != 0)
		return -1;
	return in->ended ? workers_flush(in->workers) : 0;
}

/* The first event and the workers' answer to it. */
static enum inspect_result give(struct inspect *in, struct bytes answer, struct verdict *v,
    struct reason *why)
{
	const struct event *e = &in->event[in->first];

	in->first = (in->first + 1) % in->cap;
	in->n--;
	*v = (struct verdict){0};
	reason_set(why, "%s", e->text);
	errno = e->error;
	switch (e->kind) {
	case UNPACK_END:
		return INSPECT_END;
	case UNPACK_FILE:
		return INSPECT_FILE;
	case UNPACK_UNREADABLE:
		return INSPECT_UNREADABLE;
	case UNPACK_DAMAGED:
		return INSPECT_DAMAGED;
	case UNPACK_DIED:
		in->broken = true;
		return INSPECT_DIED;
	case UNPACK_TROUBLE:
		return INSPECT_TROUBLE;
	case UNPACK_REFUSED:
		v->reason = *why;
		break;
	case UNPACK_ENTRY:
		if (!verdict_decode(answer, v)) {
			in->broken = true;
			errno = answer.len == 0 ? ENOMEM : EPROTO;
			return INSPECT_TROUBLE;
		}
	}
	strcpy(v->entry, e->name);
	return INSPECT_VERDICT;
}

/* The workers do not go on. */
static enum inspect_result failed(struct inspect *in, struct verdict *v, struct reason *why)
{
	size_t at = workers_culprit(in->workers);
	int saved = errno;

	in->broken = true;
	*v = (struct verdict){0};
	if (saved == EPIPE && unpack_death(workers_signal(in->workers), why)) {
		if (at > 0 && at <= in->n)
			strcpy(v->entry, in->event[(in->first + at - 1) % in->cap].name);
		return INSPECT_DIED;
	}
	errno = saved;
	return INSPECT_TROUBLE;
}

enum inspect_result inspect_next(struct inspect *in, struct verdict *v, struct reason *why)
{
	struct bytes answer;
	struct unpacked u;
	int got;

	errno = EPIPE;
	if (in->broken)
		return INSPECT_TROUBLE;
	/* Read entries until the workers have an answer. */
	while ((got = workers_next(in->workers, &answer)) == 0 && !in->ended) {
		unpack_next(in->unpack, &u);
		if (queue(in, &u) != 0)
			return failed(in, v, why);
	}
	if (got < 0)
		return failed(in, v, why);
	if (got > 0 && in->n > 0)
		return give(in, answer, v, why);
	errno = EPROTO;
	return INSPECT_TROUBLE;
}

void inspect_close(struct inspect *in)
{
	int saved = errno;

	if (in == NULL)
		return;
	unpack_stop(in->unpack);
	workers_stop(in->workers);
	buf_free(&in->job);
	free(in->event);
	free(in);
	errno = saved;
}
