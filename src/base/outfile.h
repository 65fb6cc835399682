/* SPDX-License-Identifier: ISC */
/* The files that programs write outside the spool, such as --output: written under a temporary name and renamed, so
 * that nobody sees half of one. */
#ifndef OUTFILE_H
#define OUTFILE_H

#include <stddef.h>
#include <sys/types.h>

struct outfile {
	int fd;
	char *path;		/* NULL for stdout */
	char *temp;
};

/* Opens path for writing through a temporary name beside it; a device or a FIFO is written as it is. "-" or
 * NULL is stdout, which must not be a terminal (errno ENOTTY). -1 with errno. */
int outfile_open(struct outfile *, const char *path, mode_t mode);
/* Makes it durable and gives it its name, which may replace an older file. */
int outfile_commit(struct outfile *);
/* Takes the temporary file away. Harmless after outfile_commit. */
void outfile_abort(struct outfile *);

/* A new file, whole and durable, that must not exist yet (EEXIST). A process that is killed before that leaves a
 * temporary file beside it. */
int outfile_create(const char *path, mode_t mode, const void *, size_t);

void outfile_remove(const char *path);

/* A log: opened for appending; each append is on the disk when it returns. */
int outfile_log_open(const char *path);
int outfile_log_append(int fd, const void *, size_t);

#endif
