/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "intake.h"
#include "pool.h"

struct intake {
	struct archive_reader *archive;
	struct pool *pool;
	struct intake_task task;
	bool ended;		/* the archive was read to its end */
	struct buf der;		/* in a worker: of the entry at hand */
};

/* A job: what there is against the entry already ("" for nothing), its name, its bytes. */
static void put_job(struct buf *job, const struct archive_item *e, const char *refused)
{
	char name[VERDICT_ENTRY_MAX + 1] = "";

	strncpy(name, e->name, sizeof name - 1);
	buf_put_text(job, refused);
	buf_put_text(job, name);
	if (*refused == '\0')
		buf_put(job, e->data, e->len);
}

/* In a worker. */
static int work(void *ctx, struct bytes job, struct buf *out)
{
	struct intake *in = ctx;
	struct verdict v = {0};

	if (!bytes_get_text(&job, v.reason.text, sizeof v.reason.text) ||
	    !bytes_get_text(&job, v.entry, sizeof v.entry))
		return -1;
	in->der.len = 0;
	if (v.reason.text[0] == '\0')
		in->task.judge(in->task.ctx, job, &v, &in->der);
	v.der = in->der.p;
	v.der_len = in->der.len;
	if (in->der.failed)
		return -1;
	verdict_encode(&v, out);
	return 0;
}

static int init(void *ctx)
{
	struct intake *in = ctx;

	return in->task.init != NULL ? in->task.init(in->task.ctx) : 0;
}

struct intake *intake_open(int fd, const struct archive_limits *limits, const struct intake_task *task,
    size_t workers)
{
	struct intake *in = calloc(1, sizeof *in);
	struct pool_task pool_task = {init, work, in};

	if (in == NULL)
		return NULL;
	in->task = *task;
	if ((in->pool = pool_start(workers, &pool_task)) != NULL &&
	    (in->archive = archive_open(fd, NULL, 0, task->flat, limits)) != NULL)
		return in;
	intake_close(in);
	return NULL;
}

/* Reads one entry and hands it to the workers. INTAKE_VERDICT: go on. */
static enum intake_result read_entry(struct intake *in, struct buf *job, struct reason *why)
{
	enum intake_admission admission = INTAKE_JUDGE;
	struct archive_item e;

	switch (archive_next(in->archive, &e, why)) {
	case ARCHIVE_DAMAGED:
		return INTAKE_DAMAGED;
	case ARCHIVE_TROUBLE:
		return INTAKE_TROUBLE;
	case ARCHIVE_END:
		in->ended = true;
		return pool_flush(in->pool) == 0 ? INTAKE_VERDICT : INTAKE_TROUBLE;
	case ARCHIVE_REFUSED:
		admission = INTAKE_REFUSE;
		break;
	case ARCHIVE_ITEM:
		if (in->task.admit != NULL)
			admission = in->task.admit(in->task.ctx, &e, why);
	}
	if (admission == INTAKE_SKIP)
		return INTAKE_VERDICT;
	if (admission == INTAKE_ABORT)
		return INTAKE_DAMAGED;
	job->len = 0;
	put_job(job, &e, admission == INTAKE_REFUSE ? why->text : "");
	if (job->failed)
		errno = ENOMEM;
	return !job->failed && pool_put(in->pool, job->p, job->len) == 0 ? INTAKE_VERDICT : INTAKE_TROUBLE;
}

enum intake_result intake_next(struct intake *in, struct verdict *v, struct reason *why)
{
	enum intake_result result = INTAKE_VERDICT;
	struct bytes answer;
	struct buf job = {0};
	int got;

	/* Read entries until the pool has an answer to give. */
	while ((got = pool_next(in->pool, &answer)) == 0 && !in->ended && result == INTAKE_VERDICT)
		result = read_entry(in, &job, why);
	buf_free(&job);
	if (result != INTAKE_VERDICT)
		return result;
	if (got == 0)
		return INTAKE_END;
	if (got > 0 && verdict_decode(answer, v))
		return INTAKE_VERDICT;
	if (got > 0)
		errno = EPROTO;
	return INTAKE_TROUBLE;
}

void intake_close(struct intake *in)
{
	int saved = errno;

	if (in == NULL)
		return;
	if (in->archive != NULL)
		archive_close(in->archive);
	pool_stop(in->pool);
	free(in);
	errno = saved;
}
