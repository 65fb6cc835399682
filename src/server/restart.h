/* SPDX-License-Identifier: ISC */
/* When the master starts again what has ended: at once when it lived long enough, else after 1 s, 2 s, 4 s ... */
#ifndef RESTART_H
#define RESTART_H

#include <stdbool.h>

/* Milliseconds of monotime_ms(). */
struct restart {
	long long started, due;	/* due 0: not at all */
	long long delay;
};

/* It is started now, whether or not that works. */
void restart_begin(struct restart *, long long now);
/* It has ended, or could not be started: it is due later. */
void restart_put_off(struct restart *, long long now);
bool restart_is_due(const struct restart *, long long now);
/* It is not started again, and what comes after that is no series. */
void restart_cancel(struct restart *);

#endif
