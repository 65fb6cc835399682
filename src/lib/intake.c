/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cert.h"
#include "intake.h"
#include "pool.h"

struct intake {
	struct archive_reader *archive;
	struct pool *pool;
	const struct trust *trust;
	time_t now;
	bool ended;		/* the archive was read to its end */
};

/* A job: what the archive itself has against the entry ("" for nothing), its name, its bytes. */
static void put_job(struct buf *job, const struct archive_item *e, const char *refused)
{
	char name[VERDICT_ENTRY_MAX + 1];

	strncpy(name, e->name != NULL ? e->name : "", sizeof name - 1);
	name[sizeof name - 1] = '\0';
	buf_put_text(job, refused);
	buf_put_text(job, name);
	buf_put(job, *refused == '\0' ? e->data : NULL, *refused == '\0' ? e->len : 0);
}

/* Everything that can be said of a certificate without knowing the requests. */
static void judge(const struct intake *in, struct bytes data, struct verdict *v, struct cert **keep)
{
	struct cert *c = cert_parse(data.p, data.len, &v->reason);

	*keep = c;
	if (c == NULL)
		return;
	v->read = true;
	memcpy(v->spki, c->spki, sizeof v->spki);
	memcpy(v->digest, c->digest, sizeof v->digest);
	memcpy(v->cn, c->cn, sizeof v->cn);
	memcpy(v->serial, c->serial, sizeof v->serial);
	v->not_after = c->not_after;
	if (cert_check_phone(c, &v->reason) != 0 || trust_verify(in->trust, c, in->now, &v->reason) < 0)
		return;
	if (c->pem && v->reason.text[0] == '\0')
		reason_set(&v->reason, "is PEM, not DER");
	v->good = true;
	v->der = c->der;
	v->der_len = c->der_len;
}

/* In a worker. */
static int work(void *ctx, struct bytes job, struct buf *out)
{
	struct verdict v = {0};
	struct cert *c = NULL;

	if (!bytes_get_text(&job, v.reason.text, sizeof v.reason.text) ||
	    !bytes_get_text(&job, v.entry, sizeof v.entry))
		return -1;
	if (v.reason.text[0] == '\0')
		judge(ctx, job, &v, &c);
	verdict_encode(&v, out);
	cert_free(c);
	return 0;
}

struct intake *intake_open(int fd, const struct archive_limits *limits, const struct trust *trust,
    time_t now, size_t workers)
{
	struct intake *in = calloc(1, sizeof *in);
	struct pool_task task = {.work = work, .ctx = in};

	if (in == NULL)
		return NULL;
	in->trust = trust;
	in->now = now;
	if ((in->pool = pool_start(workers, &task)) != NULL &&
	    (in->archive = archive_open(fd, NULL, 0, true, limits)) != NULL)
		return in;
	intake_close(in);
	return NULL;
}

/* Reads entries until the pool has an answer to give. */
static enum intake_result feed(struct intake *in, struct bytes *answer, struct reason *why)
{
	struct archive_item e;
	struct buf job = {0};
	enum archive_result kind;
	int result;

	while ((result = pool_next(in->pool, answer)) == 0 && !in->ended) {
		kind = archive_next(in->archive, &e, why);
		if (kind == ARCHIVE_DAMAGED) {
			buf_free(&job);
			return INTAKE_DAMAGED;
		}
		if (kind == ARCHIVE_END) {
			in->ended = true;
			result = pool_flush(in->pool);
		} else {
			job.len = 0;
			put_job(&job, &e, kind == ARCHIVE_REFUSED ? why->text : "");
			if (job.failed)
				errno = ENOMEM;
			result = job.failed ? -1 : pool_put(in->pool, job.p, job.len);
		}
		if (result != 0)
			break;
	}
	buf_free(&job);
	return result < 0 ? INTAKE_TROUBLE : result == 0 ? INTAKE_END : INTAKE_VERDICT;
}

enum intake_result intake_next(struct intake *in, struct verdict *v, struct reason *why)
{
	struct bytes answer;
	enum intake_result result = feed(in, &answer, why);

	if (result == INTAKE_VERDICT && !verdict_decode(answer, v)) {
		errno = EPROTO;
		return INTAKE_TROUBLE;
	}
	return result;
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
