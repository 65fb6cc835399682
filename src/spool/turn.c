/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "spool/turn.h"
#include "spool/journal.h"
#include "spool/stage.h"

#define NAME_MAX_HERE 160
#define ITEM_NAME 20
#define BUCKETS 1024	/* a power of two; a turn has some thousand files at most */

struct put {
	enum spool_dir dir;
	char name[NAME_MAX_HERE];
	unsigned char *data;
	size_t len;
	bool old;		/* a newer one of the same name follows */
	char staged[ITEM_NAME];
	size_t next;		/* 1 + place of the one before in its bucket; 0: none */
};

struct step {
	struct reqid reqid;
	enum reqid_kind kind;
	enum spool_dir from, to;
	const char *event;
};

struct turn {
	struct spool *spool;
	struct put *put;
	size_t puts, put_cap;
	size_t bucket[BUCKETS];	/* 1 + place of its last */
	struct step *step;
	size_t steps, step_cap;
	bool failed;		/* something is missing, so nothing may be done */
	struct stage st;
	bool staged;		/* that is open */
};

struct turn *turn_new(struct spool *s)
{
	struct turn *g = calloc(1, sizeof *g);

	if (g != NULL)
		g->spool = s;
	return g;
}

/* States of phones have no secrets, but who knows what comes. */
static void forget(struct turn *g)
{
	for (size_t i = 0; i < g->puts; i++) {
		explicit_bzero(g->put[i].data, g->put[i].len);
		free(g->put[i].data);
	}
	g->puts = g->steps = 0;
	memset(g->bucket, 0, sizeof g->bucket);
	g->failed = false;
}

void turn_free(struct turn *g)
{
	if (g == NULL)
		return;
	turn_abandon(g);
	free(g->put);
	free(g->step);
	free(g);
}

/* Room for one more. */
static bool grow(void *list, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap > 0 ? *cap * 2 : 16;
	void *grown;

	if (n < *cap)
		return true;
	if ((grown = reallocarray(*(void **)list, more, size)) == NULL)
		return false;
	*(void **)list = grown;
	*cap = more;
	return true;
}

static size_t *bucket_of(struct turn *g, const char *name)
{
	return &g->bucket[hash_name(name, 0) & (BUCKETS - 1)];
}

/* The last one with this name. */
static struct put *find(struct turn *g, enum spool_dir d, const char *name)
{
	for (size_t i = *bucket_of(g, name); i > 0; i = g->put[i - 1].next)
		if (g->put[i - 1].dir == d && strcmp(g->put[i - 1].name, name) == 0)
			return &g->put[i - 1];
	return NULL;
}

void turn_fail(struct turn *g)
{
	g->failed = true;
}

int turn_put(struct turn *g, enum spool_dir d, const char *name, const void *data, size_t len)
{
	struct put p = {.dir = d, .len = len}, *before;
	size_t *bucket = bucket_of(g, name);

	if (strlen(name) >= sizeof p.name || !grow(&g->put, g->puts, &g->put_cap, sizeof *g->put) ||
	    (p.data = malloc(len > 0 ? len : 1)) == NULL) {
		g->failed = true;
		errno = ENOMEM;
		return -1;
	}
	memcpy(p.data, data, len);
	strcpy(p.name, name);
	if ((before = find(g, d, name)) != NULL)
		before->old = true;
	p.next = *bucket;
	g->put[g->puts++] = p;
	*bucket = g->puts;
	return 0;
}

bool turn_find(struct turn *g, enum spool_dir d, const char *name, struct bytes *out)
{
	const struct put *p = find(g, d, name);

	if (p == NULL)
		return false;
	*out = (struct bytes){p->data, p->len};
	return true;
}

int turn_move(struct turn *g, const struct reqid *reqid, enum reqid_kind kind, enum spool_dir from,
    enum spool_dir to, const char *event)
{
	if (!grow(&g->step, g->steps, &g->step_cap, sizeof *g->step)) {
		g->failed = true;
		errno = ENOMEM;
		return -1;
	}
	g->step[g->steps++] = (struct step){*reqid, kind, from, to, event};
	return 0;
}

bool turn_empty(const struct turn *g)
{
	return g->puts == 0 && g->steps == 0 && !g->failed;
}

size_t turn_files(const struct turn *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->puts; i++)
		n += !g->put[i].old;
	return n;
}

/* Writes all files into the stage and makes them durable there. */
static int stage(struct turn *g, struct stage *st, size_t beside)
{
	const char **names = calloc(g->puts, sizeof *names);
	size_t n = 0;
	int result = names != NULL ? 0 : -1, saved;

	for (size_t i = 0; i < g->puts && result == 0; i++) {
		struct put *p = &g->put[i];

		if (p->old)
			continue;
		snprintf(p->staged, sizeof p->staged, "%zx", i);
		result = stage_write(st, p->staged, p->data, p->len);
		names[n++] = p->staged;
	}
	if (result == 0)
		result = stage_sync_beside(st, names, n, beside);
	saved = errno;
	free(names);
	errno = saved;
	return result;
}

/* The steps that lead to done/, or the others. */
static int move_some(struct turn *g, bool done)
{
	unsigned used = 0;

	for (size_t i = 0; i < g->steps; i++) {
		const struct step *t = &g->step[i];

		if ((t->to == SPOOL_DONE) != done)
			continue;
		if (spool_move(g->spool, &t->reqid, t->kind, t->from, t->to) == 0) {
			journal_add(g->spool, t->event, &t->reqid);
			used |= 1u << t->to;
		} else if (errno != ENOENT) {
			return -1;
		}
	}
	return spool_sync_all(g->spool, used);
}

/* What is history goes last: a newer certificate that replaces one must be durable before that. */
static int move_all(struct turn *g)
{
	return move_some(g, false) == 0 ? move_some(g, true) : -1;
}

static int publish_all(struct turn *g, struct stage *st)
{
	unsigned used = 0;

	for (size_t i = 0; i < g->puts; i++) {
		const struct put *p = &g->put[i];

		if (p->old)
			continue;
		if (stage_replace(st, p->staged, g->spool->dir[p->dir], p->name) != 0)
			return -1;
		used |= 1u << p->dir;
	}
	return spool_sync_all(g->spool, used);
}

int turn_stage(struct turn *g, size_t beside)
{
	int result = 0, saved;

	if (g->failed)
		errno = ENOMEM;
	if (g->failed || (g->puts > 0 && stage_open(g->spool, &g->st) != 0))
		result = -1;
	else if (g->puts > 0) {
		g->staged = true;
		result = stage(g, &g->st, beside);
	}
	if (result == 0)
		return 0;
	saved = errno;
	turn_abandon(g);
	errno = saved;
	return -1;
}

void turn_abandon(struct turn *g)
{
	if (g->staged)
		stage_close(g->spool, &g->st);
	g->staged = false;
	forget(g);
}

int turn_publish(struct turn *g)
{
	int result = move_all(g), saved;

	if (result == 0 && g->staged)
		result = publish_all(g, &g->st);
	saved = errno;
	/* The journal is for people: a line that does not fit changes nothing. */
	journal_flush(g->spool);
	turn_abandon(g);
	errno = saved;
	return result;
}

int turn_commit(struct turn *g)
{
	if (turn_empty(g))
		return 0;
	return turn_stage(g, 0) == 0 ? turn_publish(g) : -1;
}
