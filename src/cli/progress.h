/* SPDX-License-Identifier: ISC */
/* How far a program is: a line on stderr, when that is a terminal and the work takes longer than a second. It is gone
 * without a trace when the work is done; then a line of totals may follow. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool/spool.h"

struct progress {
	const char *what;	/* "requests" */
	size_t total;		/* 0: not known */
	long long began, last;	/* milliseconds */
	bool is_terminal, shown;
	int fd;			/* an archive that is read, whose position tells how far; or -1 */
	off_t size;
	uint64_t done, all;	/* another measure of that: so much of so much; 0: none */
	struct spool *spool;	/* or NULL */
	size_t steps, each;	/* of a change to the spool: done, and how many a thing has */
};

/* total: how many there will be; 0 when nobody knows. */
void progress_start(struct progress *, const char *what, size_t total);
/* The archive that is read, by this process or another that has the same open file; -1: none. It stays open until the
 * end. Of a pipe nothing is known. */
void progress_of_file(struct progress *, int fd);
/* Opens an archive to be read by another process, when it is a plain file, or stdin for "-"; -1: let that process do it. */
int progress_archive(const char *name);
/* From now on the steps of changes to the spool are what is shown, so many for a thing; until progress_end. */
void progress_of_spool(struct progress *, struct spool *, size_t each);
/* So much of so much is done, when the number of things is no measure, as with files that hold any number. */
void progress_part(struct progress *, uint64_t done, uint64_t all);
/* n things are done: shows it now and then. */
void progress_show(struct progress *, size_t n);
/* Takes the line away. What is shown later is not. */
void progress_end(struct progress *);

#define PROGRESS_LINE 256
/* The text of the line, after so many milliseconds; part is 0 to 1, or negative when nobody knows. */
void progress_text(const struct progress *, size_t n, double part, long long ms, char out[PROGRESS_LINE]);

/* "program: 10 added, 2 refused": the totals, for whoever watches; nothing when stderr is no terminal. Of each word so
 * many, and those of which there is none are left out but for the first. */
struct progress_total {
	size_t n;
	const char *word;
};
void progress_totals(const struct progress_total *, size_t words);

#endif
