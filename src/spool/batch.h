/* SPDX-License-Identifier: ISC */
/* Puts many requests or certificates into the spool as one group, in the steps of capf-spool(5): write all, make them
 * durable with one syncfs, give each its place, sync the directory, then clean up behind. Until batch_commit
 * nothing can be seen; before it returns nothing may be acknowledged. */
#ifndef BATCH_H
#define BATCH_H

#include "spool/spool.h"

enum batch_fate {
	BATCH_NONE,		/* not committed: an error came first */
	BATCH_NEW,		/* in its place and durable */
	BATCH_SAME,		/* the same bytes were there already */
	BATCH_OTHER,		/* another certificate for this request was there already */
	BATCH_LATE,		/* a newer request came meanwhile: superseded, or stale */
	BATCH_GONE,		/* its request was deleted meanwhile; nothing was kept */
};

struct batch;
struct index;	/* spool/index.h */

/* NULL with errno. */
struct batch *batch_open(struct spool *);
/* Asks a caller who knows what is in csr/ and lsc/, so that they need not be read for each batch: refresh takes in all
 * that was published before the call, and look adds what there is of a device to an index. -1 with errno. */
struct batch_look {
	int (*refresh)(void *ctx);
	int (*device)(void *ctx, const char *device, struct index *);
	void *ctx;
};
void batch_look(struct batch *, const struct batch_look *);
/* Stages an item: a request to SPOOL_CSR, a certificate to SPOOL_LSC or, for a superseded request, to
 * SPOOL_STALE. A certificate comes with the name of its request, kind included. -1 with errno. */
int batch_add(struct batch *, const struct reqid *, enum spool_dir to, const void *, size_t);
/* Takes back all but the first n items. */
void batch_drop(struct batch *, size_t n);
size_t batch_count(const struct batch *);
/* Two steps (spool_step) for each item. -1 with errno: then those without BATCH_NONE are committed all the same, the others are not. */
int batch_commit(struct batch *);
enum batch_fate batch_fate(const struct batch *, size_t item);
/* Takes away what was staged and not committed. */
void batch_close(struct batch *);

#endif
