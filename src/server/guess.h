/* SPDX-License-Identifier: ISC */
/* In the records process: authentication strings. An attempt is on the disk as a wrong one before it is compared, and
 * given back when it was right: a full disk, a kill, and many connections at once give nobody a guess that is not
 * counted, nor does a worker that guesses by itself, for it never has the string. */
#ifndef GUESS_H
#define GUESS_H

#include "server/outcome.h"

/* Counts what a phone sent as an attempt, which goes with the next commit. 0; -1 with the reason when it gets no
 * comparison; -2 with the reason when it cannot be counted now. */
int guess_begin(struct records *, const struct records_request *, struct reason *);
/* The attempts of this commit are on the disk: compares them, and puts the answers behind what is there. True when
 * some were right and another commit gives them back. The locks of the phones are still held. */
bool guess_compare(struct records *, struct buf *answers);
/* The commit failed: nothing is compared. */
void guess_forget(struct records *);

#endif
