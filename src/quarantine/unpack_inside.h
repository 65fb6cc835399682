/* SPDX-License-Identifier: ISC */
/* The inside of a process of unpack.h: it opens what it has to read, gives up everything else, and says what it found. */
#ifndef UNPACK_INSIDE_H
#define UNPACK_INSIDE_H

#include <sys/resource.h>

#include "quarantine/unpack.h"

/* Bytes that go over the pipe at once: enough that system calls do not count, few enough that the parent starts
 * early. */
#define UNPACK_PARCEL ((size_t)64 * 1024)

/* The part of one process: the archive, or some of the files, all of which it opens before it reads any. */
struct unpack_share {
	const struct unpack_task *task;
	size_t first, end;	/* of task->file */
	pid_t pid;
	int fd;
};

/* For child_start; ctx is a struct unpack_share. */
int unpack_inside(void *ctx, int out);

/* So many descriptors may a process have, at most. */
rlim_t unpack_descriptors(void);

#endif
