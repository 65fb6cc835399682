/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/tgz.h"
#include "quarantine/inspect.h"
#include "quarantine/judge_cert.h"
#include "site/trust_store.h"
#include "submit/intake.h"

struct intake {
	struct spool *spool;
	time_t clock;
	struct reqid *request;
	struct buf *der;
	size_t n, cap;
};

struct intake *intake_new(struct spool *s, time_t clock)
{
	struct intake *in = calloc(1, sizeof *in);

	if (in == NULL)
		return NULL;
	in->spool = s;
	in->clock = clock;
	return in;
}

void intake_forget(struct intake *in)
{
	while (in->n > 0)
		buf_free(&in->der[--in->n]);
}

void intake_free(struct intake *in)
{
	if (in == NULL)
		return;
	intake_forget(in);
	free(in->request);
	free(in->der);
	free(in);
}

size_t intake_count(const struct intake *in)
{
	return in->n;
}

static int grow(struct intake *in)
{
	size_t more = in->cap > 0 ? 2 * in->cap : 16;
	struct reqid *request = reallocarray(in->request, more, sizeof *request);
	struct buf *der;

	if (request == NULL)
		return -1;
	in->request = request;
	if ((der = reallocarray(in->der, more, sizeof *der)) == NULL)
		return -1;
	in->der = der;
	in->cap = more;
	return 0;
}

int intake_put(struct intake *in, const struct reqid *reqid, struct bytes der)
{
	if (in->n == in->cap && grow(in) != 0)
		return -1;
	in->request[in->n] = *reqid;
	in->der[in->n] = (struct buf){0};
	buf_put(&in->der[in->n], der.p, der.len);
	if (in->der[in->n].failed)
		return -1;
	in->n++;
	return 0;
}

/* All of them as an archive, since that is what the quarantine reads: entries are called by their number. -1 with errno. */
static int pack(const struct intake *in)
{
	int fd = memfd_create("certificates", MFD_CLOEXEC);
	struct tgz *w = fd >= 0 ? tgz_open(fd, 1) : NULL;
	bool good = w != NULL;
	char name[24];

	for (size_t i = 0; good && i < in->n; i++) {
		snprintf(name, sizeof name, "%zu", i);
		good = tgz_put(w, name, 0, in->der[i].p, in->der[i].len) == 0;
	}
	good = good && tgz_finish(w) == 0 && lseek(fd, 0, SEEK_SET) == 0;
	tgz_free(w);
	if (good)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Reads what the judges say of each. -1 with a reason. */
static int judge(struct intake *in, struct inspect *inspect, struct import *im, struct imported *out, struct reason *why)
{
	enum inspect_result result;
	struct verdict v;
	size_t i = 0;

	while ((result = inspect_next(inspect, &v, why)) == INSPECT_VERDICT) {
		const struct import_judged judged = {v.good, v.ca, v.facts, v.reason};

		if (i >= in->n)
			return reason_trouble(why, "the judges speak of more certificates than there are");
		if (import_take(im, &judged, &out[i++]) != 0)
			return reason_errno(why);
	}
	if (result == INSPECT_TROUBLE)
		return reason_errno(why);
	if (result != INSPECT_END)
		return -1;
	return i == in->n ? 0 : reason_trouble(why, "the judges were silent of a certificate");
}

static int take(struct intake *in, struct import *im, struct imported *out, struct reason *why)
{
	struct trust *trust = trust_store_load(in->spool, SPOOL_TRUST_CAPF, why);
	struct judge_cert rules = {.trust = trust, .clock = in->clock};
	const struct inspect_task task = {.judge = judge_cert, .ctx = &rules};
	struct unpack_task from = {.limits = untar_limits_default, .most = VERDICT_DER_MAX};
	struct inspect *inspect;
	int result;

	if (trust == NULL)
		return -1;
	if ((from.fd = pack(in)) < 0) {
		trust_free(trust);
		return reason_errno(why);
	}
	if ((inspect = inspect_open(unpack_start(&from), &task, 1)) == NULL)
		result = reason_errno(why);
	else
		result = judge(in, inspect, im, out, why);
	close(from.fd);
	inspect_close(inspect);
	trust_free(trust);
	if (result == 0 && (import_sync_known(im) != 0 || import_commit(im) != 0))
		result = reason_errno(why);
	return result;
}

int intake_commit(struct intake *in, void (*said)(void *ctx, const struct reqid *, const struct imported *), void *ctx,
    struct reason *why)
{
	const struct import_options options = {.request = in->request, .requests = in->n};
	struct imported *out = calloc(in->n, sizeof *out);
	struct import *im = out != NULL ? import_open(in->spool, &options) : NULL;
	int result;

	if (im == NULL) {
		result = reason_errno(why);
	} else {
		result = take(in, im, out, why);
		for (size_t i = 0; result == 0 && i < in->n; i++)
			if (import_settle(im, &out[i]))
				said(ctx, &in->request[i], &out[i]);
	}
	import_close(im);
	free(out);
	intake_forget(in);
	return result;
}
