/* SPDX-License-Identifier: ISC */
/* Work spread over processes, since OpenSSL's locks make threads slower than one. The only file that
 * forks. Jobs and answers are bytes; answers come back in the order of the jobs. */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bytes.h"

struct pool;

struct pool_task {
	/* Runs once in each worker before its first job; may be NULL. Says itself what is wrong;
	 * -1 ends the worker, which makes the pool fail. */
	int (*init)(void *ctx);
	/* Runs in a worker: appends the answer to one job to out. -1 as above. */
	int (*work)(void *ctx, struct bytes job, struct buf *out);
	void *ctx;		/* each worker has a copy of what is behind it */
};

/* Starts n workers (0: as many as keep all processors busy). NULL with errno. The caller ignores SIGPIPE, so that a dead
 * worker is an error. */
struct pool *pool_start(size_t n, const struct pool_task *);
/* Hands in a job. -1 with errno: EPIPE when a worker died. */
int pool_put(struct pool *, const void *, size_t);
/* No more jobs come: pool_next now goes on to the last answer. */
int pool_flush(struct pool *);
/* The next answer, valid until the next call. 1; 0 when none is ready (before pool_flush: put more);
 * -1 with errno. */
int pool_next(struct pool *, struct bytes *answer);
/* Ends the workers. -1 when one of them failed. */
int pool_stop(struct pool *);

/* One process of its own, which runs life() with its end of a socket that keeps packets apart, and ends
 * with what that returns. Of our files it has those up to 2, that socket, and after it, in this order, the n
 * that are named in keep. The caller has the other end, which does not block; closing it tells the process
 * to end. It dies when we do; the caller waits for it. -1 with errno. */
int pool_spawn(int (*life)(void *ctx, int fd), void *ctx, const int *keep, size_t n, pid_t *);

#endif
