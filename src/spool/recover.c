/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/index.h"
#include "spool/journal.h"
#include "spool/newest.h"
#include "spool/recover.h"
#include "spool/stage.h"
#include "spool/trace_files.h"

#define YEAR (366 * 86400)

static bool in(const struct index *ix, const struct reqid *reqid, enum spool_dir d)
{
	const struct index_entry *e = NULL;

	while ((e = index_reqid(ix, reqid, e)) != NULL)
		if (e->dir == d)
			return true;
	return false;
}

/* Does a newer request of the device, which waits, replace this file? */
static bool replaced(const struct index *ix, const struct index_entry *file)
{
	const struct index_entry *e = NULL;
	enum spool_dir to;

	while ((e = index_device(ix, file->reqid.device, e)) != NULL)
		if (e->dir == SPOOL_CSR && newest_replaces(&e->reqid, &file->reqid, file->dir, &to))
			return true;
	return false;
}

/* The move that one file still needs. */
struct step {
	const char *what;
	enum spool_dir to;	/* the same directory: remove it */
};

/* The unfinished rows of the table. False when the file is where it belongs. */
static bool next_step(const struct index *ix, const struct index_entry *e, struct step *step)
{
	bool stale = in(ix, &e->reqid, SPOOL_STALE), installed = in(ix, &e->reqid, SPOOL_INSTALLED);

	switch (e->dir) {
	case SPOOL_CSR:
		*step = (struct step){"its certificate is here already", SPOOL_DONE};
		if (in(ix, &e->reqid, SPOOL_LSC) || stale || installed)
			return true;
		*step = (struct step){"the device has a newer request", SPOOL_SUPERSEDED};
		return replaced(ix, e);
	case SPOOL_SUPERSEDED:
		*step = (struct step){"its certificate is here already", SPOOL_DONE};
		return in(ix, &e->reqid, SPOOL_LSC) || stale || installed;
	case SPOOL_LSC:
		*step = (struct step){"it is installed, or stale, already", SPOOL_LSC};
		if (stale || installed)
			return true;
		*step = (struct step){"the device has a newer request", SPOOL_STALE};
		return replaced(ix, e) || in(ix, &e->reqid, SPOOL_SUPERSEDED);
	default:
		return false;
	}
}

static int take_step(struct spool *s, const struct index_entry *e, const struct step *step)
{
	char name[REQID_NAME_MAX + 1];
	int result;

	if (step->to == e->dir) {
		reqid_name(&e->reqid, (enum reqid_kind)e->reqid.kind, name);
		result = spool_remove(s, e->dir, name);
	} else {
		result = spool_move(s, &e->reqid, (enum reqid_kind)e->reqid.kind, e->dir, step->to);
	}
	if (result != 0)
		return errno == ENOENT ? 0 : -1;
	journal_add(s, step->to == e->dir ? "removed" : spool_dir_name(step->to), &e->reqid);
	return 1;
}

int recover_finish_these(struct spool *s, const struct index *ix, size_t *n)
{
	struct step step;
	bool safe = false;
	int result;

	*n = 0;
	/* A certificate moves before its request: superseded/ beside lsc/ is what shows that it is late. */
	for (int pass = SPOOL_STALE; pass >= SPOOL_CSR; pass--) {
		for (size_t i = 0; i < ix->n; i++) {
			if ((int)ix->entry[i].dir != pass || !next_step(ix, &ix->entry[i], &step))
				continue;
			/* A program that was stopped here may not have made durable what it published, and the clean-up
			 * must not reach the disk before that. */
			result = safe ? 0 : spool_sync_all(s, RECOVER_DIRS);
			safe = true;
			if (result < 0 || (result = take_step(s, &ix->entry[i], &step)) < 0)
				return -1;
			*n += (size_t)result;
		}
	}
	return journal_flush(s);
}

/* done/ is large and never needs finishing. */
int recover_finish(struct spool *s, size_t *n)
{
	size_t swept, done = 0;
	struct index ix;
	int result;

	if (stage_sweep(s, &swept) != 0 || index_load(&ix, s, RECOVER_DIRS) != 0)
		return -1;
	result = recover_finish_these(s, &ix, &done);
	index_free(&ix);
	if (n != NULL)
		*n = swept + done;
	return result;
}

struct expiring {
	struct spool *spool;
	enum spool_dir dir;
	char before[UTC_STAMP + 1];
	size_t n;
};

static int expire_one(void *ctx, const char *name)
{
	struct expiring *x = ctx;
	char trace[UTC_STAMP + 1];
	const char *stamp = trace;
	struct reqid reqid;

	if (x->dir != SPOOL_TRACE && reqid_parse(name, &reqid))
		stamp = reqid.stamp;
	else if (x->dir != SPOOL_TRACE || !reqid_trace_parse(name, trace))
		return 0;
	if (memcmp(stamp, x->before, UTC_STAMP) >= 0)
		return 0;
	if (spool_remove(x->spool, x->dir, name) == 0)
		x->n++;
	else if (errno != ENOENT)
		return -1;
	return 0;
}

int recover_expire(struct spool *s, enum spool_dir d, time_t before, size_t *n)
{
	struct expiring x = {.spool = s, .dir = d};
	int result;

	utc_stamp(before, x.before);
	result = spool_each(s, d, expire_one, &x);
	*n += x.n;
	return result;
}

struct newest {
	enum spool_dir dir;
	char stamp[UTC_STAMP + 1];
	size_t files;		/* that go by age */
};

static int look_at_stamp(void *ctx, const char *name)
{
	struct newest *n = ctx;
	char trace[UTC_STAMP + 1];
	const char *stamp = trace;
	struct reqid reqid;

	if (n->dir != SPOOL_TRACE && reqid_parse(name, &reqid))
		stamp = reqid.stamp;
	else if (n->dir != SPOOL_TRACE || !reqid_trace_parse(name, trace))
		return 0;
	n->files += n->dir == SPOOL_DONE || n->dir == SPOOL_SUPERSEDED || n->dir == SPOOL_TRACE;
	if (memcmp(stamp, n->stamp, UTC_STAMP) > 0)
		memcpy(n->stamp, stamp, UTC_STAMP);
	return 0;
}

int recover_clock_ahead(const struct spool *s, char stamp[UTC_STAMP + 1])
{
	struct newest n = {.files = 0};
	char year_ago[UTC_STAMP + 1];

	for (int d = 0; d < SPOOL_DIRS; d++) {
		n.dir = (enum spool_dir)d;
		if ((d < SPOOL_STATES || d == SPOOL_TRACE) && spool_each(s, n.dir, look_at_stamp, &n) != 0)
			return -1;
	}
	memcpy(stamp, n.stamp, sizeof n.stamp);
	utc_stamp(s->now - YEAR, year_ago);
	return n.files > 0 && memcmp(n.stamp, year_ago, UTC_STAMP) < 0;
}

int recover_retire(struct spool *s, const char before[UTC_STAMP + 1], size_t *n)
{
	struct reqid *list;
	size_t count, newest = 0, moved = 0;
	int result;

	if (spool_list(s, SPOOL_INSTALLED, &list, &count) != 0)
		return -1;
	/* What the server put there must be on the disk before older ones go. */
	result = count > 0 ? spool_sync(s, SPOOL_INSTALLED) : 0;
	for (size_t i = count; i-- > 0 && result == 0;) {
		if (newest_in_list(list, count, i))
			newest = i;
		else if (!newest_retires(&list[newest], &list[i], before))
			continue;
		else if (spool_move(s, &list[i], REQID_DER, SPOOL_INSTALLED, SPOOL_DONE) == 0) {
			journal_add(s, "replaced", &list[i]);
			moved++;
		} else if (errno != ENOENT)
			result = -1;
	}
	free(list);
	*n += moved;
	return journal_flush(s) == 0 ? result : -1;
}

struct check {
	const struct spool *spool;
	const struct index *index;
	enum spool_dir dir;
	void (*tell)(void *, enum recover_finding, const char *, const char *);
	void *ctx;
};

static void tell(const struct check *c, enum recover_finding f, const char *name, const char *what)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", spool_dir_name(c->dir), name);
	c->tell(c->ctx, f, path, what);
}

/* Files that are against the table whatever else is there. */
static void check_reqid(const struct check *c, const char *name, const struct reqid *reqid)
{
	const struct index_entry *e = NULL, *self = NULL;
	struct step step;
	bool request = reqid->kind != REQID_DER;
	time_t t;

	/* done/ has certificates as well: those that phones were told to delete. */
	if (request != spool_holds_requests(c->dir) && c->dir != SPOOL_DONE)
		tell(c, RECOVER_ILLEGAL, name, request ? "a request among certificates" :
		    "a certificate among requests");
	if (!utc_from_stamp(reqid->stamp, &t))
		tell(c, RECOVER_ILLEGAL, name, "there is no such time");
	while ((e = index_reqid(c->index, reqid, e)) != NULL) {
		bool other_request = e->reqid.kind != REQID_DER;

		if (e->dir == c->dir && e->reqid.kind == reqid->kind) {
			self = e;
			continue;
		}
		/* A request is in one place; so is a certificate, but for a step to installed/ or stale/. */
		if (request && other_request && e->dir > c->dir)
			tell(c, RECOVER_ILLEGAL, name, "the same request is in another directory too");
		if (c->dir == SPOOL_STALE && e->dir == SPOOL_INSTALLED)
			tell(c, RECOVER_ILLEGAL, name, "the same certificate is installed");
	}
	if (self != NULL && next_step(c->index, self, &step))
		tell(c, RECOVER_UNFINISHED, name, step.what);
}

static int check_file(void *ctx, const char *name)
{
	const struct check *c = ctx;
	struct reqid reqid;
	struct stat st;

	if (fstatat(c->spool->dir[c->dir], name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -1;
	if (!reqid_parse(name, &reqid))
		tell(c, RECOVER_ILLEGAL, name, "not a name of the spool");
	else if (!S_ISREG(st.st_mode))
		tell(c, RECOVER_ILLEGAL, name, "not a regular file");
	else if (st.st_size == 0 || st.st_size > SPOOL_FILE_MAX)
		tell(c, RECOVER_ILLEGAL, name, st.st_size == 0 ? "empty" : "too large");
	else if ((st.st_mode & 077) != 0)
		tell(c, RECOVER_ILLEGAL, name, "others may read or write it");
	else
		check_reqid(c, name, &reqid);
	return 0;
}

/* Entries of tmp/: stages in use, stages of programs that died, and files that do not belong there. */
static int check_stage(void *ctx, const char *name)
{
	const struct check *c = ctx;
	int fd = openat(c->spool->dir[SPOOL_TMP], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT)
		tell(c, RECOVER_ILLEGAL, name, "not a stage");
	else if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		tell(c, RECOVER_UNFINISHED, name, "left by a program that died");
	if (fd >= 0)
		close(fd);
	return 0;
}

static void check_dir(const struct check *c)
{
	struct stat st;

	if (fstat(c->spool->dir[c->dir], &st) == 0 && (st.st_mode & 077) != 0)
		c->tell(c->ctx, RECOVER_ILLEGAL, spool_dir_name(c->dir), "others may enter it");
}

/* DEVICE.conf, DEVICE.state, DEVICE.note, what they are locked with, or the devices that have none. */
static bool phone_named(const char *name)
{
	const char *dot = strrchr(name, '.');

	return strcmp(name, SPOOL_LOCK) == 0 || strcmp(name, SPOOL_UNKNOWN) == 0 ||
	    (dot != NULL && device_ok(name, (size_t)(dot - name)) &&
	    (strcmp(dot, ".conf") == 0 || strcmp(dot, ".state") == 0 || strcmp(dot, ".note") == 0));
}

static bool trace_named(const char *name)
{
	char stamp[UTC_STAMP + 1];

	return reqid_trace_parse(name, stamp);
}

static bool trust_named(const char *name)
{
	size_t len = strlen(name);

	return len == 2 * REQID_SPKI + 4 && strcmp(name + len - 4, ".pem") == 0;
}

/* KEY.asked, KEY.der, or what they are locked with. */
static bool online_named(const char *name)
{
	unsigned char key[REQID_SPKI];

	return strcmp(name, SPOOL_LOCK) == 0 || (strlen(name) > 2 * REQID_SPKI &&
	    bytes_unhex(name, REQID_SPKI, key) &&
	    (strcmp(name + 2 * REQID_SPKI, ".asked") == 0 || strcmp(name + 2 * REQID_SPKI, ".der") == 0));
}

/* A file of ca/, trust/, phone/, trace/ or online/: its content is checked elsewhere. */
static int check_other(void *ctx, const char *name)
{
	const struct check *c = ctx;
	struct stat st;

	if (fstatat(c->spool->dir[c->dir], name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISREG(st.st_mode))
		tell(c, RECOVER_ILLEGAL, name, "not a regular file");
	else if ((st.st_mode & 077) != 0)
		tell(c, RECOVER_ILLEGAL, name, "others may read or write it");
	else if (c->dir == SPOOL_PHONE ? !phone_named(name) : c->dir == SPOOL_TRACE ? !trace_named(name) :
	    c->dir == SPOOL_ONLINE ? !online_named(name) : c->dir != SPOOL_CA && !trust_named(name))
		tell(c, RECOVER_ILLEGAL, name, "not a name of the spool");
	return 0;
}

/* The spool's own directory, and trust/, which holds two. */
static void check_above(const struct spool *s,
    void (*teller)(void *, enum recover_finding, const char *, const char *), void *ctx)
{
	struct stat st;

	if (fstat(s->root, &st) == 0 && (st.st_mode & 077) != 0)
		teller(ctx, RECOVER_ILLEGAL, ".", "others may enter the spool");
	if (fstatat(s->root, "trust", &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 077) != 0)
		teller(ctx, RECOVER_ILLEGAL, "trust", "others may enter it");
	if (fstatat(s->root, SPOOL_CONF, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 022) != 0)
		teller(ctx, RECOVER_ILLEGAL, SPOOL_CONF, "others may write it");
}

/* What is wrong in session/. */
struct illegal {
	void (*tell)(void *, enum recover_finding, const char *, const char *);
	void *ctx;
};

static void tell_illegal(void *ctx, const char *path, const char *what)
{
	const struct illegal *i = ctx;

	i->tell(i->ctx, RECOVER_ILLEGAL, path, what);
}

int recover_check(const struct spool *s,
    void (*teller)(void *, enum recover_finding, const char *, const char *), void *ctx)
{
	struct illegal illegal = {teller, ctx};
	struct index ix;
	int result = 0;

	check_above(s, teller, ctx);
	if (trace_files_check(s, tell_illegal, &illegal) != 0)
		return -1;
	if (index_load(&ix, s, (1u << SPOOL_STATES) - 1) != 0)
		return -1;
	for (int d = 0; d < SPOOL_DIRS && result == 0; d++) {
		struct check c = {s, &ix, (enum spool_dir)d, teller, ctx};

		check_dir(&c);
		if (d < SPOOL_STATES)
			result = spool_each(s, c.dir, check_file, &c);
		else if (d == SPOOL_TMP)
			result = spool_each(s, c.dir, check_stage, &c);
		else
			result = spool_each(s, c.dir, check_other, &c);
	}
	index_free(&ix);
	return result;
}
