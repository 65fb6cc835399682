/* SPDX-License-Identifier: ISC */
/* Locks on phones: a program that reads a phone's record or state in order to write it again holds its lock until
 * the new one is in its place, so that of two at once neither is lost. One byte of phone/.lock for each
 * phone: the kernel drops the locks of a process that dies, on other machines too. capf-spool(5). */
#ifndef PHONE_LOCK_H
#define PHONE_LOCK_H

#include <stdbool.h>

#include "spool/spool.h"

struct phone_lock {
	const struct spool *spool;
	int fd;			/* -1: not open yet */
	bool any, alone;	/* holds locks; is the one program that may wait for more */
	unsigned waited;	/* for so many */
};

/* Opens nothing: locks belong to the open file, so a process that forks does that first. */
void phone_lock_init(struct phone_lock *, const struct spool *);
void phone_lock_close(struct phone_lock *);

/* Of a server, which holds many at once and never waits. 1; 0 when somebody else has it; -1 with errno.
 * Where the file system has no locks everybody gets one. */
int phone_lock_try(struct phone_lock *, const char *device);
/* Of a program that may wait; only one of those holds locks at a time. 0, or -1 with errno. */
int phone_lock_wait(struct phone_lock *, const char *device);
/* The same for so many phones: of many, all that there are, at once. 1 when it did, 0 when they are locked one by one
 * with phone_lock_wait, -1 with errno. */
int phone_lock_many(struct phone_lock *, size_t n);
/* Drops all. */
void phone_lock_drop(struct phone_lock *);

#endif
