/* SPDX-License-Identifier: ISC */
/* The worker processes of csr-sign, csr-add and cert-import (--jobs): each job goes to one of them, and the answers
 * come back in the order of the jobs. Processes, because OpenSSL's locks make several threads slower than one. */
#ifndef WORKERS_H
#define WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"

struct workers;

struct workers_task {
	/* Runs once in each worker before its first job; may be NULL. Says itself what is wrong;
	 * -1 ends the worker, and so all of them. */
	int (*init)(void *ctx);
	/* Runs in a worker: appends the answer to one job to out. -1 as above. */
	int (*work)(void *ctx, struct bytes job, struct buf *out);
	void *ctx;		/* each worker has a copy of what is behind it */
	size_t most;		/* bytes in one answer: a worker that says more is not believed */
};

/* Starts n workers (0: as many as keep all processors busy), which have no descriptor of the caller's but
 * stderr. NULL with errno. The caller ignores SIGPIPE, so that a dead worker is an error. */
struct workers *workers_start(size_t n, const struct workers_task *);
/* Hands in a job. -1 with errno: EPIPE when a worker died, EPROTO when one did not keep to the form. */
int workers_put(struct workers *, const void *, size_t);
/* No more jobs come: workers_next now goes on to the last answer. */
int workers_flush(struct workers *);
/* The next answer, valid until the next call. 1; 0 when none is ready (before workers_flush: put more);
 * -1 with errno. */
int workers_next(struct workers *, struct bytes *answer);
/* After EPIPE: the signal that a worker died of, or 0. */
int workers_signal(struct workers *);
/* And which job it was at: 1 is the first of those that have no answer. 0 when it was at none, or says so. */
size_t workers_culprit(const struct workers *);
/* Ends the workers. -1 when one of them failed. */
int workers_stop(struct workers *);

#endif
