/* SPDX-License-Identifier: ISC */
/* New spools, as capf-init(1) makes them, and directories that a spool lacks, which spool-check(1) --repair makes. */
#ifndef CREATE_H
#define CREATE_H

#include "spool/spool.h"

/* Makes the directories of a new spool, or goes on where an earlier run was cut off, and opens it; the caller writes
 * capf.conf, last. NULL with errno: EEXIST when it is complete already, ENOTEMPTY when something else is there. */
struct spool *create_spool(const char *path, const char *who, time_t now);
/* Is this a spool without one of its directories? Backups like to leave out empty ones. 1, with the first that is
 * missing; 0; -1 with errno. */
int create_missing(const char *path, enum spool_dir *);
/* Makes the directories that a spool lacks. -1 with errno. */
int create_mend(const char *path);
/* Makes online/ in a spool of an older version that is open, and opens it. It is durable then, with what it shows. -1
 * with errno. */
int create_online(struct spool *);

#endif
