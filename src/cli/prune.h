/* SPDX-License-Identifier: ISC */
/* Deletes by name from one directory of the spool, for csr-delete(1) and stale-lsc(1). */
#ifndef PRUNE_H
#define PRUNE_H

#include "cli/devices.h"
#include "spool/spool.h"

/* Removes every file of the devices named, durably, and calls tell for each with its path in the spool;
 * with dry_run it only tells. Marks the names it found something for. Goes on after a failure; -1
 * with the errno of the last one. The journal is left to the caller to flush. */
int prune_dir(struct spool *, enum spool_dir, struct devices *, bool dry_run,
    void (*tell)(const struct reqid *, const char *path));

#endif
