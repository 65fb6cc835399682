/* SPDX-License-Identifier: ISC */
/* The table of states in capf-spool(5): finishes what a crash may leave, and finds what nothing may leave, as
 * spool-check(1) tells it. */
#ifndef RECOVER_H
#define RECOVER_H

#include "spool/spool.h"

enum recover_finding {
	RECOVER_UNFINISHED,	/* legal: a step that recover_finish does */
	RECOVER_ILLEGAL,	/* against the table */
};

/* Finishes what a program left that was stopped between two steps, and removes the stages of programs that died.
 * Programs that work with all devices call it first. How many steps it did in *n, unless n is NULL. */
int recover_finish(struct spool *, size_t *n);
/* The same for the devices in an index of at least RECOVER_DIRS, and no stages. The index is out of date when *n is
 * not 0. */
#define RECOVER_DIRS (1u << SPOOL_CSR | 1u << SPOOL_SUPERSEDED | 1u << SPOOL_LSC | 1u << SPOOL_STALE | \
	1u << SPOOL_INSTALLED)
struct index;
int recover_finish_these(struct spool *, const struct index *, size_t *n);

/* Removes what came before a time from done/ or superseded/, or was ordered before it from trace/; adds how many
 * to *n. */
int recover_expire(struct spool *, enum spool_dir, time_t before, size_t *n);

/* Is the clock more than a year beyond all that the spool has, and something there that goes by age? Then the clock is
 * likely to be wrong. 1, with the newest stamp; 0; -1 with errno. */
int recover_clock_ahead(const struct spool *, char newest[UTC_STAMP + 1]);

/* Moves certificates from installed/ to done/ that are older than the newest one of their device and came before a
 * time; adds how many to *n. */
int recover_retire(struct spool *, const char before[UTC_STAMP + 1], size_t *n);

/* Tells every finding, in the order of the directories. -1 with errno when it cannot look. */
int recover_check(const struct spool *,
    void (*tell)(void *ctx, enum recover_finding, const char *file, const char *what), void *ctx);

#endif
