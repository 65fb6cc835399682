/* SPDX-License-Identifier: ISC */
/* Why a file, an entry or a phone was refused: the text of a message. A function fills it where it finds the fault, and
 * the program prints it. */
#ifndef REASON_H
#define REASON_H

#include <stdbool.h>

#define REASON_MAX 256

struct reason {
	char text[REASON_MAX];
	bool trouble;	/* the system failed, not what was looked at: another try may succeed (exit 111) */
};

/* Sets the text, cut to fit. Returns -1, so that a check can end with "return reason_set(...)". */
int reason_set(struct reason *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for trouble, and for "out of memory". */
int reason_trouble(struct reason *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int reason_memory(struct reason *);
/* The same with the text of errno, which also tells whether it is trouble; with an object before it. */
int reason_errno(struct reason *);
int reason_errno_of(struct reason *, const char *object);
/* The same with other words; it is trouble if its cause is. */
int reason_because(struct reason *, const struct reason *cause, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
