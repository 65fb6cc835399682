/* SPDX-License-Identifier: ISC */
/* Authentication strings. An attempt is on the disk as a wrong one before it is compared, and given back when it
 * was right: a full disk, a kill, and many connections at once give nobody a guess that is not counted. */
#ifndef GUESS_H
#define GUESS_H

#include "server/registry_inside.h"

/* Counts what the phone sent as an attempt, which goes with the next commit, and holds the visit. 0; -1 with the
 * reason when it gets no comparison; -2 with the reason when it cannot be counted now. */
int guess_begin(struct client *, struct bytes password, struct reason *);
/* The attempts of this round of commits are on the disk: compares them, by v->guess. True when some were right and
 * another commit gives them back. The locks of the phones are still held. */
bool guess_compare(struct registry *, uint64_t round);

#endif
