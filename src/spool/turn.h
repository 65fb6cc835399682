/* SPDX-License-Identifier: ISC */
/* Files and moves of one turn of the server, made durable together. Requests go through batch. The worker has one, and
 * its records process one for phone/. */
#ifndef TURN_H
#define TURN_H

#include "spool/spool.h"

struct turn;

/* NULL when out of memory. */
struct turn *turn_new(struct spool *);
void turn_free(struct turn *);

/* Something could not be added, and without it the rest may not be done: the commit will fail. */
void turn_fail(struct turn *);
/* A file, in place of what is there. -1 when out of memory; the commit will fail then. */
int turn_put(struct turn *, enum spool_dir, const char *name, const void *, size_t);
/* The last one of this name that was put and not committed. */
bool turn_find(struct turn *, enum spool_dir, const char *name, struct bytes *);
/* A step of a request or certificate, with the journal's word for it. Done before the files get their
 * names: evidence first. One that is gone is no error. -1 as above. */
int turn_move(struct turn *, const struct reqid *, enum reqid_kind, enum spool_dir from,
    enum spool_dir to, const char *event);

bool turn_empty(const struct turn *);
size_t turn_files(const struct turn *);
/* Does it all, durable when it returns, and forgets it. -1 with errno: nobody may be told of any. */
int turn_commit(struct turn *);
/* The same in two steps, for a turn that two processes do together: what may fail on a full disk first, in both. A
 * turn that could not be staged is forgotten. The other has so many files beside ours. */
int turn_stage(struct turn *, size_t beside);
int turn_publish(struct turn *);
/* Nothing of it is done. */
void turn_abandon(struct turn *);

#endif
