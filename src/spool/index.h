/* SPDX-License-Identifier: ISC */
/* The requests and certificates of the spool (capf-spool(5)) in memory, by device and by key: one reading of its
 * directories. */
#ifndef INDEX_H
#define INDEX_H

#include <stdint.h>

#include "spool/spool.h"

struct index_entry {
	struct reqid reqid;
	enum spool_dir dir;
	uint32_t next_device, next_key;	/* 1 + place in the array; 0 ends a chain */
};

struct index {
	struct index_entry *entry;
	size_t n, cap;
	uint32_t *by_device, *by_key;	/* heads of the chains */
	size_t buckets;			/* a power of two */
	uint64_t seed;
};

/* Reads the directories whose bits (1 << SPOOL_...) are set. -1 with errno. */
int index_load(struct index *, const struct spool *, unsigned dirs);
/* The same, of some devices; NULL: of all. */
int index_load_for(struct index *, const struct spool *, unsigned dirs, const struct spool_wanted *);
/* Adds one by hand. -1 when out of memory. Entries may move: pointers into the array end here. */
int index_put(struct index *, const struct reqid *, enum spool_dir);
/* Forgets all but the first n entries. */
void index_drop(struct index *, size_t n);
void index_free(struct index *);

/* The first entry, or the next after one, of a device, of a key, of a request and its
 * certificate. NULL when there is no (further) one. */
const struct index_entry *index_device(const struct index *, const char *, const struct index_entry *);
const struct index_entry *index_key(const struct index *, const unsigned char *,
    const struct index_entry *);
const struct index_entry *index_reqid(const struct index *, const struct reqid *,
    const struct index_entry *);

#endif
