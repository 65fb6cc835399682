/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/device.h"
#include "site/match.h"
#include "site/phonebook.h"
#include "spool/index.h"
#include "spool/journal.h"

#define MATCH_DIGEST 32

struct match {
	const struct spool *spool;
	struct index index;
	/* Read when the first key is unknown: */
	bool known_read;
	struct index journal;	/* requests that the journal tells of */
	struct phonebook_name *phone;
	size_t phones;
	/* Beside each entry of the index: the digest of the certificate that took it. */
	struct {
		bool taken;
		unsigned char digest[MATCH_DIGEST];
	} *by;
};

/* Where a request is, or its certificate: in the order in which they move, so that one on its way is seen. */
static int look_for(struct match *m, const struct reqid *reqid)
{
	for (int d = 0; d < SPOOL_STATES; d++) {
		bool requests = spool_holds_requests((enum spool_dir)d);
		struct reqid here = *reqid;

		for (int kind = REQID_CSR; kind <= REQID_DER; kind++) {
			if ((kind != REQID_DER) != requests)
				continue;
			here.kind = (unsigned char)kind;
			switch (spool_has(m->spool, (enum spool_dir)d, reqid, (enum reqid_kind)kind)) {
			case 0:
				break;
			case 1:
				if (index_put(&m->index, &here, (enum spool_dir)d) == 0)
					break;
				return -1;
			default:
				return -1;
			}
		}
	}
	return 0;
}

/* Without a list everything. */
static struct match *start(const struct spool *s, const struct reqid *list, size_t n)
{
	struct match *m = calloc(1, sizeof *m);
	int result;

	if (m == NULL)
		return NULL;
	m->spool = s;
	result = index_load(&m->index, s, list == NULL ? (1u << SPOOL_STATES) - 1 : 0);
	for (size_t i = 0; result == 0 && i < n; i++)
		result = look_for(m, &list[i]);
	if (result == 0 && (m->by = calloc(m->index.n + 1, sizeof *m->by)) != NULL)
		return m;
	match_close(m);
	return NULL;
}

struct match *match_open(const struct spool *s)
{
	return start(s, NULL, 0);
}

struct match *match_open_for(const struct spool *s, const struct reqid *list, size_t n)
{
	return start(s, list, n);
}

void match_close(struct match *m)
{
	if (m == NULL)
		return;
	index_free(&m->index);
	index_free(&m->journal);
	free(m->phone);
	free(m->by);
	free(m);
}

/* The entry with this key, for a device that the subject names, in one of these directories; of
 * several the newest. */
static const struct index_entry *find(const struct match *m, const struct facts *c, unsigned dirs)
{
	const struct index_entry *e = NULL, *best = NULL;

	while ((e = index_key(&m->index, c->spki, e)) != NULL)
		if ((dirs & 1u << e->dir) != 0 && device_named_by(e->reqid.device, c->cn) &&
		    (best == NULL || reqid_newer(&e->reqid, &best->reqid)))
			best = e;
	return best;
}

/* A certificate in done/ that went there because the phone has confirmed a newer one. */
static const struct index_entry *find_replaced(const struct match *m, const struct facts *c)
{
	const struct index_entry *e = NULL, *other = NULL;

	while ((e = index_key(&m->index, c->spki, e)) != NULL) {
		if (e->dir != SPOOL_DONE || e->reqid.kind != REQID_DER || !device_named_by(e->reqid.device, c->cn))
			continue;
		while ((other = index_device(&m->index, e->reqid.device, other)) != NULL)
			if (other->dir == SPOOL_INSTALLED && reqid_newer(&other->reqid, &e->reqid))
				return e;
	}
	return NULL;
}

/* Takes the request, unless another certificate in this run was first. */
static enum match_result take(struct match *m, const struct index_entry *e, const struct facts *c,
    enum match_result result, struct reason *why)
{
	size_t i = (size_t)(e - m->index.entry);

	if (!m->by[i].taken) {
		m->by[i].taken = true;
		memcpy(m->by[i].digest, c->digest, MATCH_DIGEST);
		return result;
	}
	if (memcmp(m->by[i].digest, c->digest, MATCH_DIGEST) == 0)
		return MATCH_ALREADY;
	reason_set(why, "another certificate for this request came first");
	return MATCH_REFUSED;
}

/* A certificate for this request is in the spool: this one? */
static enum match_result compare(const struct match *m, const struct index_entry *e,
    const struct facts *c, struct reason *why)
{
	/* It may have moved on since we read the directories. */
	const enum spool_dir places[] = {e->dir, SPOOL_STALE, SPOOL_INSTALLED, SPOOL_DONE};
	char name[REQID_NAME_MAX + 1];
	unsigned char *der = NULL;
	size_t len;
	bool same;

	reqid_name(&e->reqid, REQID_DER, name);
	for (size_t i = 0; i < sizeof places / sizeof places[0] && der == NULL; i++)
		if (spool_read(m->spool, places[i], name, &der, &len) != 0 && errno != ENOENT)
			return MATCH_TROUBLE;
	if (der == NULL) {
		reason_set(why, "its request was answered, and the certificate deleted just now");
		return MATCH_REFUSED;
	}
	same = len == c->der_len && memcmp(der, c->der, len) == 0;
	free(der);
	if (same)
		return MATCH_ALREADY;
	reason_set(why, "another certificate for this request is in %s/", spool_dir_name(e->dir));
	return MATCH_REFUSED;
}

static int compare_device(const void *device, const void *name)
{
	return strcmp(device, ((const struct phonebook_name *)name)->device);
}

/* The device that the subject names and this spool knows: it has a record here, or a request, or a certificate. NULL:
 * none. */
static const char *known_device(const struct match *m, const char *cn)
{
	for (const char *device = cn; device != NULL; device = strchr(device, '-')) {
		device += *device == '-';
		if (*device != '\0' && (index_device(&m->index, device, NULL) != NULL || (m->phones > 0 &&
		    bsearch(device, m->phone, m->phones, sizeof *m->phone, compare_device) != NULL)))
			return device;
	}
	return NULL;
}

static int remember(void *ctx, const struct reqid *reqid)
{
	struct match *m = ctx;

	return index_key(&m->journal, reqid->spki, NULL) == NULL ?
	    index_put(&m->journal, reqid, SPOOL_DONE) : 0;
}

static int read_known(struct match *m)
{
	if (m->known_read)
		return 0;
	m->known_read = true;
	return index_load(&m->journal, m->spool, 0) == 0 && journal_each(m->spool, remember, m) == 0 ?
	    phonebook_list(m->spool, &m->phone, &m->phones) : -1;
}

/* No request here has this key: did one have it, or is the phone one of ours? Only what has nothing to do with this
 * spool may pass for another site's; the rest is somebody's mistake, and must not go unnoticed. */
static enum match_result unknown(struct match *m, const struct facts *c, struct reason *why)
{
	const char *device;

	if (read_known(m) != 0)
		return MATCH_TROUBLE;
	if (index_key(&m->journal, c->spki, NULL) != NULL) {
		reason_set(why, "its request is no longer here");
		return MATCH_REFUSED;
	}
	if ((device = known_device(m, c->cn)) != NULL) {
		reason_set(why, "no request has this key, but %s is known here", device);
		return MATCH_REFUSED;
	}
	reason_set(why, "no request has this key");
	return MATCH_ELSEWHERE;
}

bool match_knows(const struct match *m, const unsigned char *spki)
{
	return index_key(&m->index, spki, NULL) != NULL;
}

enum match_result match_find(struct match *m, const struct facts *c, struct reqid *reqid,
    struct reason *why)
{
	const struct index_entry *e;

	/* A request that waits comes first: its key may have had a certificate before. */
	if ((e = find(m, c, 1u << SPOOL_CSR)) != NULL) {
		*reqid = e->reqid;
		return take(m, e, c, MATCH_READY, why);
	}
	if ((e = find(m, c, 1u << SPOOL_LSC | 1u << SPOOL_INSTALLED)) != NULL) {
		*reqid = e->reqid;
		return compare(m, e, c, why);
	}
	if ((e = find(m, c, 1u << SPOOL_SUPERSEDED)) != NULL) {
		*reqid = e->reqid;
		return take(m, e, c, MATCH_STALE, why);
	}
	if ((e = find(m, c, 1u << SPOOL_STALE)) != NULL) {
		*reqid = e->reqid;
		return compare(m, e, c, why);
	}
	if ((e = find_replaced(m, c)) != NULL) {
		*reqid = e->reqid;
		return compare(m, e, c, why);
	}
	if (find(m, c, 1u << SPOOL_DONE) != NULL)
		reason_set(why, "its request was answered, and the certificate deleted since");
	else if ((e = index_key(&m->index, c->spki, NULL)) != NULL)
		reason_set(why, "its subject does not name %s, whose key it has", e->reqid.device);
	else
		return unknown(m, c, why);
	return MATCH_REFUSED;
}
