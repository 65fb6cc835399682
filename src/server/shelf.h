/* SPDX-License-Identifier: ISC */
/* What the spool holds, remembered and kept fresh, so that a server need not read directories for each
 * phone. What it says may be out of date: whoever acts on it looks again. */
#ifndef SHELF_H
#define SHELF_H

#include "spool/index.h"
#include "spool/spool.h"

struct shelf;

/* Reads the directories and watches csr/ and lsc/. NULL with errno. */
struct shelf *shelf_open(const struct spool *);
void shelf_close(struct shelf *);
/* Readable when something came; -1 when this file system cannot tell. */
int shelf_fd(const struct shelf *);

/* Takes in what came: calls each for everything that is new in csr/ or lsc/. -1 with errno. */
int shelf_news(struct shelf *, void (*each)(void *ctx, const struct stem *, enum spool_dir),
    void *ctx);
/* Reads csr/ and lsc/ themselves, for what nobody told. The same answers. */
int shelf_poll(struct shelf *, void (*each)(void *ctx, const struct stem *, enum spool_dir),
    void *ctx);
/* All that the shelf knows, with all that was published on this machine before this call, for batch_look.
 * Good until something is added. NULL with errno. */
const struct index *shelf_index(struct shelf *);
/* Something that we have put there. -1 when out of memory. */
int shelf_add(struct shelf *, const struct stem *, enum spool_dir);

/* The newest of a device that is in one of these directories now, and which; false when there is none. */
bool shelf_newest(const struct shelf *, const char *device, unsigned dirs, struct stem *,
    enum spool_dir *);
/* The same for one key of the device. */
bool shelf_key(const struct shelf *, const char *device, const unsigned char *spki, unsigned dirs,
    struct stem *, enum spool_dir *);
/* The first, or the next after one, of a device that is in one of these directories now. NULL when there is
 * no (further) one. */
const struct index_entry *shelf_each(const struct shelf *, const char *device, unsigned dirs,
    const struct index_entry *);
/* The latest stamp that this device ever had; "" when none. */
void shelf_stamp(const struct shelf *, const char *device, char out[WHEN_STAMP + 1]);

#endif
