/* SPDX-License-Identifier: ISC */
/* What the spool holds, remembered and kept fresh, so that a server need not read directories for each
 * phone. What it says may be out of date: whoever acts on it looks again. */
#ifndef SPOOL_WATCH_H
#define SPOOL_WATCH_H

#include "spool/catalog.h"
#include "spool/index.h"
#include "spool/spool.h"

struct spool_watch;

/* Reads the directories and watches csr/ and lsc/. NULL with errno. */
struct spool_watch *spool_watch_open(const struct spool *);
void spool_watch_close(struct spool_watch *);
/* Does what recover_finish does, but for stages, by what was read when it was opened. -1 with errno. */
int spool_watch_finish(struct spool_watch *, struct spool *);
/* Readable when something came; -1 when this file system cannot tell. */
int spool_watch_fd(const struct spool_watch *);

/* Takes in what came: calls each for everything that is new in csr/ or lsc/. -1 with errno. */
int spool_watch_news(struct spool_watch *, void (*each)(void *ctx, const struct reqid *, enum spool_dir),
    void *ctx);
/* Has the kernel lost some of what it should have told? Then csr/ and lsc/ must be read, soon. */
bool spool_watch_lost(const struct spool_watch *);
/* Must csr/ and lsc/ be read again? Only when the kernel does not tell of new files, has lost some, or when a directory
 * has changed since it was read, which another machine may have done. */
bool spool_watch_due(struct spool_watch *);
/* Begins to read them, or goes on, for so many names at most: the same answers. 1 when there is more to read, 0 at the
 * end; -1 with errno, and the next one begins again. */
int spool_watch_read(struct spool_watch *, size_t most, void (*each)(void *ctx, const struct reqid *, enum spool_dir),
    void *ctx);
/* Does all of it, when it is due. */
int spool_watch_poll(struct spool_watch *, void (*each)(void *ctx, const struct reqid *, enum spool_dir),
    void *ctx);
/* Takes in all that was published on this machine before this call; each is called by the next of those above. -1 with
 * errno. */
int spool_watch_refresh(struct spool_watch *);
/* Something that we have put there. -1 when out of memory. */
int spool_watch_add(struct spool_watch *, const struct reqid *, enum spool_dir);

/* The newest of a device that is in one of these directories now, and which; false when there is none. */
bool spool_watch_newest(const struct spool_watch *, const char *device, unsigned dirs, struct reqid *,
    enum spool_dir *);
/* The same for one key of the device. */
bool spool_watch_key(const struct spool_watch *, const char *device, const unsigned char *spki, unsigned dirs,
    struct reqid *, enum spool_dir *);

/* A file, and where to go on. All 0 before the first. */
struct spool_watch_file {
	struct reqid reqid;	/* of its own kind */
	enum spool_dir dir;
	uint32_t at;
	unsigned left;		/* directories */
};
/* The first, or the next after one, of a device that is in one of these directories now. Nothing may be added
 * meanwhile. False when there is no (further) one. */
bool spool_watch_each(const struct spool_watch *, const char *device, unsigned dirs, struct spool_watch_file *);
/* The same for all that it knows of a device, wherever that is by now; *at is 0 before the first. */
bool spool_watch_known(const struct spool_watch *, const char *device, uint32_t *at, struct catalog_entry *);
/* Adds to an index what it knows of a device in csr/ and lsc/. -1 with errno. */
int spool_watch_index(const struct spool_watch *, const char *device, struct index *);
/* The latest stamp that this device ever had; "" when none. */
void spool_watch_stamp(const struct spool_watch *, const char *device, char out[UTC_STAMP + 1]);

#endif
