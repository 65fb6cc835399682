/* SPDX-License-Identifier: ISC */
/* Files and moves of one turn of the server, made durable together. Requests go through batch. */
#ifndef GROUP_H
#define GROUP_H

#include "spool/spool.h"

struct group;

/* NULL when out of memory. */
struct group *group_new(struct spool *);
void group_free(struct group *);

/* Something could not be added, and without it the rest may not be done: the commit will fail. */
void group_fail(struct group *);
/* A file, in place of what is there. -1 when out of memory; the commit will fail then. */
int group_put(struct group *, enum spool_dir, const char *name, const void *, size_t);
/* The last one of this name that was put and not committed. */
bool group_find(struct group *, enum spool_dir, const char *name, struct bytes *);
/* A step of a request or certificate, with the journal's word for it. Done before the files get their
 * names: evidence first. One that is gone is no error. -1 as above. */
int group_move(struct group *, const struct stem *, enum stem_kind, enum spool_dir from,
    enum spool_dir to, const char *event);

bool group_empty(const struct group *);
/* Does it all, durable when it returns, and forgets it. -1 with errno: nobody may be told of any. */
int group_commit(struct group *);

#endif
