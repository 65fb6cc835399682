/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/batch.h"
#include "spool/index.h"
#include "spool/journal.h"
#include "spool/newest.h"
#include "spool/stage.h"

#define ITEM_NAME 12
#define FEW 64			/* items, whose devices are looked for one by one */
#define NAME_BYTES 256		/* what a new name may cost a directory, generously */

struct item {
	struct reqid reqid;
	enum spool_dir to;
	enum batch_fate fate;
	char name[ITEM_NAME];	/* in the stage */
};

struct batch {
	struct spool *spool;
	struct stage stage;
	struct item *item;
	size_t n, cap;
	struct batch_look look;	/* without functions: the directories are read */
};

struct batch *batch_open(struct spool *s)
{
	struct batch *b = calloc(1, sizeof *b);

	if (b == NULL)
		return NULL;
	b->spool = s;
	if (spool_room(s, 0, 0) != 0 || stage_open(s, &b->stage) != 0) {
		free(b);
		return NULL;
	}
	return b;
}

void batch_look(struct batch *b, const struct batch_look *look)
{
	b->look = *look;
}

int batch_add(struct batch *b, const struct reqid *reqid, enum spool_dir to, const void *data, size_t len)
{
	struct item *it;

	if (b->n == b->cap) {
		size_t cap = b->cap > 0 ? b->cap * 2 : 64;
		struct item *grown = reallocarray(b->item, cap, sizeof *grown);

		if (grown == NULL)
			return -1;
		b->item = grown;
		b->cap = cap;
	}
	it = &b->item[b->n];
	*it = (struct item){.reqid = *reqid, .to = to};
	snprintf(it->name, sizeof it->name, "%zx", b->n);
	if (stage_write(&b->stage, it->name, data, len) != 0)
		return -1;
	b->n++;
	return 0;
}

void batch_drop(struct batch *b, size_t n)
{
	while (b->n > n)
		stage_remove(&b->stage, b->item[--b->n].name);
}

size_t batch_count(const struct batch *b)
{
	return b->n;
}

enum batch_fate batch_fate(const struct batch *b, size_t item)
{
	return b->item[item].fate;
}

static enum reqid_kind kind_in(const struct item *it)
{
	return it->to == SPOOL_CSR ? (enum reqid_kind)it->reqid.kind : REQID_DER;
}

static int make_durable(struct batch *b)
{
	const char **names = calloc(b->n, sizeof *names);
	int result;

	if (names == NULL)
		return -1;
	for (size_t i = 0; i < b->n; i++)
		names[i] = b->item[i].name;
	result = stage_sync(&b->stage, names, b->n);
	free(names);
	return result;
}

/* The name is taken: by the same bytes? */
static int compare(struct batch *b, struct item *it, const char *name)
{
	unsigned char *ours = NULL, *theirs = NULL;
	size_t our_len, their_len;
	int result = -1;

	if (stage_read(&b->stage, it->name, &ours, &our_len) == 0 &&
	    spool_read(b->spool, it->to, name, &theirs, &their_len) == 0) {
		bool same = our_len == their_len && memcmp(ours, theirs, our_len) == 0;

		/* One name is one request: its key says so, whatever else the file holds. */
		it->fate = same || it->to == SPOOL_CSR ? BATCH_SAME : BATCH_OTHER;
		result = 0;
	} else if (errno == ENOENT) {
		/* It went on meanwhile; whoever moved it had ours or one like it. */
		it->fate = BATCH_SAME;
		result = 0;
	}
	free(ours);
	free(theirs);
	return result;
}

/* Gives every item its place; stops at the first error. */
static int publish(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct item *it = &b->item[i];
		char name[REQID_NAME_MAX + 1];

		reqid_name(&it->reqid, kind_in(it), name);
		if (stage_publish(&b->stage, it->name, b->spool->dir[it->to], name) == 0)
			it->fate = BATCH_NEW;
		else if (errno != EEXIST || compare(b, it, name) != 0)
			return -1;
		spool_step(b->spool);
	}
	return 0;
}

/* Syncs the directories that were published into. When that fails nothing is acknowledged. */
static int settle(struct batch *b)
{
	unsigned used = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->item[i].fate != BATCH_NONE)
			used |= 1u << b->item[i].to;
	if (spool_sync_all(b->spool, used) == 0)
		return 0;
	for (size_t i = 0; i < b->n; i++)
		b->item[i].fate = BATCH_NONE;
	return -1;
}

/* Takes a certificate back that we have just put there. */
static void withdraw(struct batch *b, const struct item *it)
{
	char name[REQID_NAME_MAX + 1];

	reqid_name(&it->reqid, REQID_DER, name);
	spool_remove(b->spool, it->to, name);
}

/* Moves the request of a certificate to done/. When it is not where it was, finds out who was quicker.
 * The certificate is safe already: a step that fails for another reason is left to recover_finish. */
static void answer_request(struct batch *b, struct item *it)
{
	struct spool *s = b->spool;
	const struct reqid *reqid = &it->reqid;
	enum reqid_kind kind = (enum reqid_kind)reqid->kind;
	int late, done;

	if (it->to == SPOOL_LSC &&
	    (spool_move(s, reqid, kind, SPOOL_CSR, SPOOL_DONE) == 0 || errno != ENOENT)) {
		journal_add(s, "ready", reqid);
		return;
	}
	late = spool_has(s, SPOOL_SUPERSEDED, reqid, kind);
	done = spool_has(s, SPOOL_DONE, reqid, kind);
	if (late == 1) {
		if (it->to == SPOOL_LSC)
			spool_move(s, reqid, REQID_DER, SPOOL_LSC, SPOOL_STALE);
		spool_move(s, reqid, kind, SPOOL_SUPERSEDED, SPOOL_DONE);
		it->fate = BATCH_LATE;
		journal_add(s, "stale", reqid);
	} else if (late == 0 && done == 0) {
		withdraw(b, it);
		it->fate = BATCH_GONE;
	} else if (it->to == SPOOL_LSC && (spool_has(s, SPOOL_INSTALLED, reqid, REQID_DER) == 1 ||
	    spool_has(s, SPOOL_STALE, reqid, REQID_DER) == 1)) {
		withdraw(b, it);
		it->fate = BATCH_SAME;
	}
}

/* The newest request of the device that still waits; this one, when it was answered meanwhile. */
static const struct reqid *newest_of(struct spool *s, const struct index *ix, const struct item *it)
{
	const struct reqid *newest = &it->reqid;
	const struct index_entry *e = NULL;

	while ((e = index_device(ix, it->reqid.device, e)) != NULL)
		if (e->dir == SPOOL_CSR && reqid_newer(&e->reqid, newest) &&
		    spool_has(s, SPOOL_CSR, &e->reqid, (enum reqid_kind)e->reqid.kind) == 1)
			newest = &e->reqid;
	return newest;
}

/* The newest request of the item's device stays, and what it replaces moves away. */
static void supersede(struct spool *s, const struct index *ix, struct item *it)
{
	const struct reqid *newest = newest_of(s, ix, it);
	const struct index_entry *e = NULL;
	enum spool_dir to;

	if (newest != &it->reqid)
		it->fate = BATCH_LATE;
	while ((e = index_device(ix, it->reqid.device, e)) != NULL)
		if (newest_replaces(newest, &e->reqid, e->dir, &to) &&
		    spool_move(s, &e->reqid, (enum reqid_kind)e->reqid.kind, e->dir, to) == 0)
			journal_add(s, spool_dir_name(to), &e->reqid);
}

static void clean_up_one(struct batch *b, const struct index *ix, struct item *it)
{
	if (it->fate != BATCH_NEW)
		return;
	if (it->to == SPOOL_CSR) {
		journal_add(b->spool, "pending", &it->reqid);
		supersede(b->spool, ix, it);
	} else {
		answer_request(b, it);
	}
}

/* Who is in a batch of a few requests. */
static bool has_item_of(void *ctx, const char *device)
{
	const struct batch *b = ctx;

	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->item[i].reqid.device, device) == 0)
			return true;
	return false;
}

/* What the devices of the batch have in csr/ and lsc/. Read after publishing: of two that add at once, at least the
 * later sees both. -1 with errno. */
static int look_around(struct batch *b, struct index *ix)
{
	const struct spool_wanted those = {has_item_of, b};

	if (b->look.refresh == NULL)
		return index_load_for(ix, b->spool, 1u << SPOOL_CSR | 1u << SPOOL_LSC, b->n <= FEW ? &those : NULL);
	if (index_load(ix, b->spool, 0) != 0 || b->look.refresh(b->look.ctx) != 0)
		return -1;
	for (size_t i = 0; i < b->n; i++)
		if (b->item[i].to == SPOOL_CSR && index_device(ix, b->item[i].reqid.device, NULL) == NULL &&
		    b->look.device(b->look.ctx, b->item[i].reqid.device, ix) != 0)
			return -1;
	return 0;
}

static int clean_up(struct batch *b)
{
	struct index ix = {0};
	bool requests = false;
	int result = 0;

	for (size_t i = 0; i < b->n; i++)
		requests = requests || b->item[i].to == SPOOL_CSR;
	if (requests)
		result = look_around(b, &ix);
	for (size_t i = 0; i < b->n && result == 0; i++) {
		clean_up_one(b, &ix, &b->item[i]);
		spool_step(b->spool);
	}
	index_free(&ix);
	return result;
}

int batch_commit(struct batch *b)
{
	int result = 0, saved = 0;

	if (b->n == 0)
		return 0;
	if (spool_room(b->spool, 0, b->n * NAME_BYTES) != 0 || make_durable(b) != 0)
		return -1;
	if (publish(b) != 0) {
		result = -1;
		saved = errno;
	}
	if (settle(b) != 0)
		return -1;
	/* From here on everything published is safe: what follows can be done again by anybody. */
	if (clean_up(b) != 0 || journal_flush(b->spool) != 0) {
		result = -1;
		saved = errno;
	}
	errno = saved;
	return result;
}

void batch_close(struct batch *b)
{
	int saved = errno;

	if (b == NULL)
		return;
	stage_close(b->spool, &b->stage);
	free(b->item);
	free(b);
	errno = saved;
}
