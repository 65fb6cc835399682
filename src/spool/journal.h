/* SPDX-License-Identifier: ISC */
/* The journal of a spool, capf-spool(5): a line for each thing that happened. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "spool/spool.h"

/* Queues a line, which journal_flush writes: what happened to which request. */
void journal_add(struct spool *, const char *event, const struct reqid *);
/* The same about something else. */
void journal_add_text(struct spool *, const char *event, const char *text);
/* Writes the lines. -1 with errno; what a full disk did not take stays queued. */
int journal_flush(struct spool *);

/* Calls each for every request that a line of the journal is about, as often as there are such lines. Of what was moved
 * away by logrotate it knows nothing. Stops when each returns non-zero, and returns that. -1 with errno. */
int journal_each(const struct spool *, int (*each)(void *ctx, const struct reqid *), void *ctx);

/* Opens the journal for appending, makes it when there is none, and the same file in tail, for reading: a process
 * that has only these two cannot change what is there. The caller closes both. -1 with errno. */
int journal_open(const struct spool *, int *tail);
/* From now on lines go there, also when it is renamed; takes the descriptors. Without this the journal is opened for
 * each flush, so that one that was renamed is left at once. */
void journal_hold(struct spool *, int fd, int tail);

#endif
