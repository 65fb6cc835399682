/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "spool/index.h"

#define FIRST_BUCKETS 1024

static size_t hash_device(const struct index *ix, const char *device)
{
	uint64_t h = hash_name(device, ix->seed);

	return (size_t)(h ^ h >> 32) & (ix->buckets - 1);
}

/* A SHA-256 is a hash already. */
static size_t hash_key(const struct index *ix, const unsigned char *spki)
{
	uint64_t h;

	memcpy(&h, spki, sizeof h);
	return (size_t)h & (ix->buckets - 1);
}

static void chain(struct index *ix, size_t i)
{
	struct index_entry *e = &ix->entry[i];
	uint32_t *device = &ix->by_device[hash_device(ix, e->reqid.device)];
	uint32_t *key = &ix->by_key[hash_key(ix, e->reqid.spki)];

	e->next_device = *device;
	e->next_key = *key;
	*device = *key = (uint32_t)i + 1;
}

static int grow_buckets(struct index *ix)
{
	size_t buckets = ix->buckets > 0 ? ix->buckets * 2 : FIRST_BUCKETS;
	uint32_t *device = calloc(buckets, sizeof *device), *key = calloc(buckets, sizeof *key);

	if (device == NULL || key == NULL) {
		free(device);
		free(key);
		return -1;
	}
	free(ix->by_device);
	free(ix->by_key);
	ix->by_device = device;
	ix->by_key = key;
	ix->buckets = buckets;
	for (size_t i = 0; i < ix->n; i++)
		chain(ix, i);
	return 0;
}

int index_put(struct index *ix, const struct reqid *reqid, enum spool_dir dir)
{
	if (ix->n == ix->cap) {
		size_t cap = ix->cap > 0 ? ix->cap * 2 : FIRST_BUCKETS;
		struct index_entry *grown = reallocarray(ix->entry, cap, sizeof *grown);

		if (grown == NULL || cap > UINT32_MAX / 2)
			return -1;
		ix->entry = grown;
		ix->cap = cap;
	}
	if (ix->n >= ix->buckets && grow_buckets(ix) != 0)
		return -1;
	ix->entry[ix->n] = (struct index_entry){.reqid = *reqid, .dir = dir};
	chain(ix, ix->n++);
	return 0;
}

void index_drop(struct index *ix, size_t n)
{
	/* The last entry is the first of its chains. */
	while (ix->n > n) {
		struct index_entry *e = &ix->entry[--ix->n];

		ix->by_device[hash_device(ix, e->reqid.device)] = e->next_device;
		ix->by_key[hash_key(ix, e->reqid.spki)] = e->next_key;
	}
}

struct loading {
	struct index *index;
	enum spool_dir dir;
	const struct spool_wanted *wanted;
};

static int load_one(void *ctx, const char *name)
{
	struct loading *l = ctx;
	struct reqid reqid;

	return spool_wants(l->wanted, name) && reqid_parse(name, &reqid) ? index_put(l->index, &reqid, l->dir) : 0;
}

int index_load(struct index *ix, const struct spool *s, unsigned dirs)
{
	return index_load_for(ix, s, dirs, NULL);
}

int index_load_for(struct index *ix, const struct spool *s, unsigned dirs, const struct spool_wanted *wanted)
{
	*ix = (struct index){0};
	if (getrandom(&ix->seed, sizeof ix->seed, 0) < 0 || grow_buckets(ix) != 0)
		return -1;
	for (int d = 0; d < SPOOL_STATES; d++) {
		struct loading l = {ix, (enum spool_dir)d, wanted};

		if ((dirs & 1u << d) != 0 && spool_each(s, l.dir, load_one, &l) != 0) {
			index_free(ix);
			return -1;
		}
	}
	return 0;
}

void index_free(struct index *ix)
{
	int saved = errno;

	free(ix->entry);
	free(ix->by_device);
	free(ix->by_key);
	*ix = (struct index){0};
	errno = saved;
}

static const struct index_entry *at(const struct index *ix, uint32_t place)
{
	return place == 0 ? NULL : &ix->entry[place - 1];
}

const struct index_entry *index_device(const struct index *ix, const char *device,
    const struct index_entry *e)
{
	for (e = at(ix, e != NULL ? e->next_device : ix->by_device[hash_device(ix, device)]); e != NULL;
	    e = at(ix, e->next_device))
		if (strcmp(e->reqid.device, device) == 0)
			break;
	return e;
}

const struct index_entry *index_key(const struct index *ix, const unsigned char *spki,
    const struct index_entry *e)
{
	for (e = at(ix, e != NULL ? e->next_key : ix->by_key[hash_key(ix, spki)]); e != NULL;
	    e = at(ix, e->next_key))
		if (memcmp(e->reqid.spki, spki, REQID_SPKI) == 0)
			break;
	return e;
}

const struct index_entry *index_reqid(const struct index *ix, const struct reqid *reqid,
    const struct index_entry *e)
{
	while ((e = index_key(ix, reqid->spki, e)) != NULL)
		if (reqid_compare(&e->reqid, reqid) == 0)
			break;
	return e;
}
