/* SPDX-License-Identifier: ISC */
/* Processes that the programs start for a part of their work, such as unpacking an archive or issuing certificates: the
 * only file that forks. A child dies when the process that started it does, unless it says otherwise. */
#ifndef CHILD_H
#define CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"

/* Starts a child that writes to the caller: it runs life() with its end of a pipe, and exits with what that returns. It
 * has in as its standard input, stderr, and no other descriptor of the caller's. Returns the caller's end, or -1 with
 * errno. */
int child_start(int (*life)(void *ctx, int out), void *ctx, int in, pid_t *);
/* Starts a child that reads from the caller: a pipe is its standard input, and of the caller's other descriptors it has
 * stdout and stderr. It outlives the caller: it ends by itself, once it has read everything. Returns the caller's end,
 * or -1 with errno. */
int child_reader(int (*life)(void *ctx), void *ctx, pid_t *);
/* Closes the caller's end, waits for the child, and returns its wait status. */
int child_end(pid_t, int fd);

/* What goes over these pipes: a length, then so many bytes. 1; 0 at the end; -1 with errno, EPROTO when there are more
 * than most. */
int child_read_parcel(int fd, struct buf *, size_t most);
int child_write_parcel(int fd, const struct buf *);

/* Starts a child that runs life() with its end of a SOCK_SEQPACKET socket, and exits with what that returns. Of the
 * caller's files it has those up to 2, that socket, and after it, in this order, the n that are named in keep. Returns
 * the caller's end, which does not block; closing it tells the child to end. The caller waits for it. -1 with errno. */
int child_spawn(int (*life)(void *ctx, int fd), void *ctx, const int *keep, size_t n, pid_t *);

#endif
