/* SPDX-License-Identifier: ISC */
/* How far a program is: "program: n things" on stderr, when that is a terminal, at most a few times a second. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stddef.h>

struct progress {
	const char *what;
	long long last;		/* milliseconds */
	int tty;
};
void progress_start(struct progress *, const char *what);
void progress_show(struct progress *, size_t n);
void progress_end(struct progress *);

#endif
