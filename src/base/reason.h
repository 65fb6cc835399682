/* SPDX-License-Identifier: ISC */
/* Why one item was refused. Parsers fill it once, where the fault is found; programs print it. */
#ifndef REASON_H
#define REASON_H

#include <stdbool.h>

#define REASON_MAX 256

struct reason {
	char text[REASON_MAX];
	bool trouble;	/* of the system, not of what was looked at: another try may do better */
};

/* Sets the text, cut to fit. Returns -1, so that a check can end with "return reason_set(...)". */
int reason_set(struct reason *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for trouble, and for the one that says "out of memory". */
int reason_trouble(struct reason *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int reason_memory(struct reason *);
/* The same with the text of errno, which also tells whether it is trouble; with an object before it. */
int reason_errno(struct reason *);
int reason_errno_of(struct reason *, const char *object);
/* In other words, or with more of them: as much trouble as its cause. */
int reason_because(struct reason *, const struct reason *cause, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
