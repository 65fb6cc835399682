/* SPDX-License-Identifier: ISC */
/* Work spread over processes, since OpenSSL's locks make threads slower than one. The only file that
 * forks. Jobs and answers are bytes; answers come back in the order of the jobs. */
#ifndef WORKERS_H
#define WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"

struct workers;

struct workers_task {
	/* Runs once in each worker before its first job; may be NULL. Says itself what is wrong;
	 * -1 ends the worker, which makes the pool fail. */
	int (*init)(void *ctx);
	/* Runs in a worker: appends the answer to one job to out. -1 as above. */
	int (*work)(void *ctx, struct bytes job, struct buf *out);
	void *ctx;		/* each worker has a copy of what is behind it */
	size_t most;		/* bytes in one answer: a worker that says more is not believed */
};

/* Starts n workers (0: as many as keep all processors busy), which have no descriptor of ours but
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

/* One process of its own that writes to us: runs life() with its end of a pipe and ends with what that
 * returns. It has in as its standard input, stderr, and no other descriptor of ours. Returns our end,
 * or -1 with errno. */
int child_feed(int (*life)(void *ctx, int out), void *ctx, int in, pid_t *);
/* Ends it, when it has not ended by itself, and returns its wait status. */
int child_unfeed(pid_t, int fd);

/* What goes over these pipes: a length, then so many bytes. 1; 0 at the end; -1 with errno, EPROTO when
 * there are more than most. */
int child_read_parcel(int fd, struct buf *, size_t most);
int child_write_parcel(int fd, const struct buf *);

/* One process of its own, which runs life() with its end of a socket that keeps packets apart, and ends
 * with what that returns. Of our files it has those up to 2, that socket, and after it, in this order, the n
 * that are named in keep. The caller has the other end, which does not block; closing it tells the process
 * to end. It dies when we do; the caller waits for it. -1 with errno. */
int child_spawn(int (*life)(void *ctx, int fd), void *ctx, const int *keep, size_t n, pid_t *);

#endif
