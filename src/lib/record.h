/* SPDX-License-Identifier: ISC */
/* A phone's record and its state, as a visit reads and changes them: what waits for the commit counts. */
#ifndef RECORD_H
#define RECORD_H

#include "desk.h"

/* As roster_load. */
int record_load(struct orders *, const char *device, struct phone *, struct phone_state *,
    struct reason *);
/* The state of the order that this visit is about, to be changed. False when there is another order by now,
 * or none. */
bool record_again(struct visit *, struct phone_state *);
/* Goes with the next commit. */
void record_save(struct visit *, struct phone_state *);
/* What the order came to; nobody is told before the commit. False: there is no answer. */
bool record_conclude(struct visit *, enum phone_status, const char *why);

#endif
