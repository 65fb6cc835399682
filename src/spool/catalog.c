/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "spool/catalog.h"

#define PIECE 4096		/* entries of a list that are allocated at once: growing moves none and wastes little */
#define NAME_PIECE 65536	/* bytes of names, the same */
#define FIRST_BUCKETS 1024
#define A_BUCKET 2		/* devices */

struct record {
	uint64_t stamp;		/* its digits as a number, so that a later one is greater */
	unsigned char spki[REQID_SPKI];
	uint32_t next;		/* of the device, or of those that are free: 1 + its place; 0: the last */
	uint8_t dirs, kind;
};

struct device {
	uint32_t next;		/* in its bucket, the same */
	uint32_t first;		/* record */
	uint32_t name;		/* where in the names */
};

/* A list in pieces. */
struct pieces {
	unsigned char **piece;
	size_t pieces;
	uint32_t n;
};

struct catalog {
	struct pieces records, devices, names;
	uint32_t free;		/* record */
	uint32_t *bucket;
	size_t buckets;		/* a power of two */
	uint64_t seed;
};

struct catalog *catalog_new(void)
{
	struct catalog *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->buckets = FIRST_BUCKETS;
	if (getrandom(&c->seed, sizeof c->seed, 0) == (ssize_t)sizeof c->seed &&
	    (c->bucket = calloc(c->buckets, sizeof *c->bucket)) != NULL)
		return c;
	catalog_free(c);
	return NULL;
}

static void free_pieces(struct pieces *p)
{
	for (size_t i = 0; i < p->pieces; i++)
		free(p->piece[i]);
	free(p->piece);
}

void catalog_free(struct catalog *c)
{
	int saved = errno;

	if (c == NULL)
		return;
	free_pieces(&c->records);
	free_pieces(&c->devices);
	free_pieces(&c->names);
	free(c->bucket);
	free(c);
	errno = saved;
}

/* Room for n more, all in one piece of so many of this size. -1 when out of memory. */
static int more(struct pieces *p, uint32_t n, uint32_t a_piece, size_t size)
{
	unsigned char **grown;

	/* What is left of the last piece is too small. */
	if (p->n % a_piece + n > a_piece)
		p->n += a_piece - p->n % a_piece;
	if (p->n / a_piece < p->pieces)
		return 0;
	errno = ENOMEM;
	if (p->n > UINT32_MAX - 2 * a_piece ||
	    (grown = reallocarray(p->piece, p->pieces + 1, sizeof *grown)) == NULL)
		return -1;
	p->piece = grown;
	if ((grown[p->pieces] = calloc(a_piece, size)) == NULL)
		return -1;
	p->pieces++;
	return 0;
}

static struct record *record_at(const struct catalog *c, uint32_t place)
{
	return place == 0 ? NULL : (struct record *)(void *)c->records.piece[(place - 1) / PIECE] + (place - 1) % PIECE;
}

static struct device *device_at(const struct catalog *c, uint32_t place)
{
	return place == 0 ? NULL : (struct device *)(void *)c->devices.piece[(place - 1) / PIECE] + (place - 1) % PIECE;
}

static char *name_at(const struct catalog *c, uint32_t place)
{
	return (char *)c->names.piece[place / NAME_PIECE] + place % NAME_PIECE;
}

static uint32_t *bucket_of(const struct catalog *c, const char *device)
{
	uint64_t h = hash_name(device, c->seed);

	return &c->bucket[(size_t)(h ^ h >> 32) & (c->buckets - 1)];
}

static struct device *find_device(const struct catalog *c, const char *device)
{
	struct device *d = device_at(c, *bucket_of(c, device));

	while (d != NULL && strcmp(name_at(c, d->name), device) != 0)
		d = device_at(c, d->next);
	return d;
}

/* More buckets, if there is memory: without, chains get longer. */
static void spread(struct catalog *c)
{
	uint32_t *grown = calloc(c->buckets * 2, sizeof *grown), *bucket;

	if (grown == NULL)
		return;
	free(c->bucket);
	c->bucket = grown;
	c->buckets *= 2;
	for (uint32_t i = 1; i <= c->devices.n; i++) {
		struct device *d = device_at(c, i);

		bucket = bucket_of(c, name_at(c, d->name));
		d->next = *bucket;
		*bucket = i;
	}
}

static struct device *add_device(struct catalog *c, const char *device)
{
	uint32_t len = (uint32_t)strlen(device) + 1, *bucket;
	struct device *d;

	if (more(&c->devices, 1, PIECE, sizeof *d) != 0 || more(&c->names, len, NAME_PIECE, 1) != 0)
		return NULL;
	if (c->devices.n >= c->buckets * A_BUCKET)
		spread(c);
	bucket = bucket_of(c, device);
	d = device_at(c, ++c->devices.n);
	*d = (struct device){.next = *bucket, .name = c->names.n};
	memcpy(name_at(c, d->name), device, len);
	c->names.n += len;
	*bucket = c->devices.n;
	return d;
}

static uint64_t number_of(const char *stamp)
{
	uint64_t n = 0;

	for (int i = 0; i < UTC_STAMP; i++)
		if (stamp[i] >= '0' && stamp[i] <= '9')
			n = n * 10 + (uint64_t)(stamp[i] - '0');
	return n;
}

static struct record *find_record(const struct catalog *c, const struct device *d, const struct reqid *reqid, int *n)
{
	uint64_t stamp = number_of(reqid->stamp);
	struct record *found = NULL;

	*n = 0;
	for (struct record *r = d != NULL ? record_at(c, d->first) : NULL; r != NULL; r = record_at(c, r->next)) {
		if (r->stamp == stamp && memcmp(r->spki, reqid->spki, REQID_SPKI) == 0)
			found = r;
		++*n;
	}
	return found;
}

int catalog_put(struct catalog *c, const struct reqid *reqid, enum spool_dir dir)
{
	struct device *d = find_device(c, reqid->device);
	struct record *r;
	uint32_t place;
	int n;

	if (d == NULL && (d = add_device(c, reqid->device)) == NULL)
		return -1;
	if ((r = find_record(c, d, reqid, &n)) == NULL) {
		if (c->free == 0 && more(&c->records, 1, PIECE, sizeof *r) != 0)
			return -1;
		place = c->free != 0 ? c->free : ++c->records.n;
		r = record_at(c, place);
		if (c->free != 0)
			c->free = r->next;
		*r = (struct record){.stamp = number_of(reqid->stamp), .next = d->first, .kind = reqid->kind};
		memcpy(r->spki, reqid->spki, REQID_SPKI);
		d->first = place;
		n++;
	}
	if (reqid->kind != REQID_DER)
		r->kind = reqid->kind;
	r->dirs |= (uint8_t)(1u << dir);
	return n;
}

static bool is_newest(const struct catalog *c, const struct device *d, const struct record *r)
{
	for (const struct record *o = record_at(c, d->first); o != NULL; o = record_at(c, o->next))
		if (o->stamp > r->stamp || (o->stamp == r->stamp && memcmp(o->spki, r->spki, REQID_SPKI) > 0))
			return false;
	return true;
}

void catalog_clear(struct catalog *c, const struct reqid *reqid, unsigned dirs)
{
	struct device *d = find_device(c, reqid->device);
	uint32_t *link, place;
	struct record *r;
	int n;

	if ((r = find_record(c, d, reqid, &n)) == NULL)
		return;
	r->dirs &= (uint8_t)~dirs;
	if (r->dirs != 0 || is_newest(c, d, r))
		return;
	for (link = &d->first; record_at(c, *link) != r; link = &record_at(c, *link)->next)
		;
	place = *link;
	*link = r->next;
	r->next = c->free;
	c->free = place;
}

bool catalog_has(const struct catalog *c, const struct reqid *reqid, enum spool_dir dir)
{
	const struct record *r;
	int n;

	r = find_record(c, find_device(c, reqid->device), reqid, &n);
	/* A directory of requests may have two of one key: .csr and .ra. */
	return r != NULL && (r->dirs >> dir & 1) != 0 && (!spool_holds_requests(dir) || r->kind == reqid->kind ||
	    reqid->kind == REQID_DER);
}

bool catalog_next(const struct catalog *c, const char *device, uint32_t *at, struct catalog_entry *e)
{
	const struct record *r = record_at(c, *at);
	const struct device *d;
	uint64_t stamp;

	if (r != NULL)
		*at = r->next;
	else
		*at = (d = find_device(c, device)) != NULL ? d->first : 0;
	if ((r = record_at(c, *at)) == NULL)
		return false;
	*e = (struct catalog_entry){.dirs = r->dirs};
	strcpy(e->reqid.device, device);
	stamp = r->stamp;
	for (int i = UTC_STAMP - 1; i >= 0; i--) {
		if (i == 8 || i == 15) {
			e->reqid.stamp[i] = i == 8 ? 'T' : 'Z';
			continue;
		}
		e->reqid.stamp[i] = (char)('0' + stamp % 10);
		stamp /= 10;
	}
	memcpy(e->reqid.spki, r->spki, REQID_SPKI);
	e->reqid.kind = r->kind;
	return true;
}

bool catalog_next_device(const struct catalog *c, uint32_t *at, char device[DEVICE_MAX + 1])
{
	if (*at >= c->devices.n)
		return false;
	strcpy(device, name_at(c, device_at(c, ++*at)->name));
	return true;
}
