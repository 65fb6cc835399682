/* SPDX-License-Identifier: ISC */
/* What the spool holds, remembered and kept fresh, so that a server need not read directories for each
 * phone. What it says may be out of date: whoever acts on it looks again. */
#ifndef SPOOL_WATCH_H
#define SPOOL_WATCH_H

#include "spool/index.h"
#include "spool/spool.h"

struct spool_watch;

/* Reads the directories and watches csr/ and lsc/. NULL with errno. */
struct spool_watch *spool_watch_open(const struct spool *);
void spool_watch_close(struct spool_watch *);
/* Readable when something came; -1 when this file system cannot tell. */
int spool_watch_fd(const struct spool_watch *);

/* Takes in what came: calls each for everything that is new in csr/ or lsc/. -1 with errno. */
int spool_watch_news(struct spool_watch *, void (*each)(void *ctx, const struct reqid *, enum spool_dir),
    void *ctx);
/* Reads csr/ and lsc/ themselves, for what nobody told. The same answers. */
int spool_watch_poll(struct spool_watch *, void (*each)(void *ctx, const struct reqid *, enum spool_dir),
    void *ctx);
/* All that it knows, with all that was published on this machine before this call, for batch_look.
 * Good until something is added. NULL with errno. */
const struct index *spool_watch_index(struct spool_watch *);
/* Something that we have put there. -1 when out of memory. */
int spool_watch_add(struct spool_watch *, const struct reqid *, enum spool_dir);

/* The newest of a device that is in one of these directories now, and which; false when there is none. */
bool spool_watch_newest(const struct spool_watch *, const char *device, unsigned dirs, struct reqid *,
    enum spool_dir *);
/* The same for one key of the device. */
bool spool_watch_key(const struct spool_watch *, const char *device, const unsigned char *spki, unsigned dirs,
    struct reqid *, enum spool_dir *);
/* The first, or the next after one, of a device that is in one of these directories now. NULL when there is
 * no (further) one. */
const struct index_entry *spool_watch_each(const struct spool_watch *, const char *device, unsigned dirs,
    const struct index_entry *);
/* The latest stamp that this device ever had; "" when none. */
void spool_watch_stamp(const struct spool_watch *, const char *device, char out[UTC_STAMP + 1]);

#endif
