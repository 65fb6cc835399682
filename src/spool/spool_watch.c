/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fileio.h"
#include "spool/recover.h"
#include "spool/spool_watch.h"

#define MANY 8		/* entries of a device, before those that nobody needs are dropped */
#define NEWEST 4	/* of which so many stay all the same */
#define ALL ((1u << SPOOL_STATES) - 1)
/* Where a file can still matter to its phone. */
#define LIVE (1u << SPOOL_CSR | 1u << SPOOL_SUPERSEDED | 1u << SPOOL_LSC | 1u << SPOOL_INSTALLED)
#define SETTLED 2	/* seconds: a directory whose time is older than that gets another one by the next change */

struct watched {
	enum spool_dir dir;
	int watch;
	struct timespec changed;	/* when it was read; all 0: read it again */
};

struct spool_watch {
	const struct spool *spool;
	struct catalog *catalog;
	int fd;
	bool lost;		/* the kernel told not all */
	struct watched watched[2];	/* csr/, lsc/ */
	DIR *reading;		/* one of them, between two slices */
	int at;			/* which */
	struct timespec began[2];	/* what they were changed last when this reading began */
	struct buf news;	/* struct news, not told yet */
};

struct news {
	struct reqid reqid;
	enum spool_dir dir;
};

struct loading {
	struct spool_watch *watch;
	enum spool_dir dir;
};

static bool belongs(const struct reqid *reqid, enum spool_dir d)
{
	return (reqid->kind == REQID_DER) != spool_holds_requests(d);
}

/* Is it still there? */
static bool holds(const struct spool_watch *h, const struct reqid *reqid, enum spool_dir d)
{
	enum reqid_kind kind = spool_holds_requests(d) ? (enum reqid_kind)reqid->kind : REQID_DER;

	return spool_has(h->spool, d, reqid, kind) == 1;
}

static bool has_newer(const struct spool_watch *h, const struct reqid *reqid, int n)
{
	struct catalog_entry e;
	uint32_t at = 0;

	while (n > 0 && catalog_next(h->catalog, reqid->device, &at, &e))
		n -= reqid_newer(&e.reqid, reqid);
	return n == 0;
}

/* A device that asks again and again has a few entries: those that are in no directory where they matter go. */
static void drop_old(struct spool_watch *h, const char *device)
{
	struct catalog_entry e;
	uint32_t at = 0;
	bool gone = true;

	while (gone) {
		gone = false;
		at = 0;
		while (!gone && catalog_next(h->catalog, device, &at, &e)) {
			if (!has_newer(h, &e.reqid, NEWEST))
				continue;
			for (int d = 0; d < SPOOL_STATES; d++)
				if ((e.dirs & LIVE & 1u << d) != 0 && holds(h, &e.reqid, (enum spool_dir)d))
					e.dirs = 0;
			/* With that the catalog changes, so the walk begins again. */
			if ((gone = e.dirs != 0))
				catalog_clear(h->catalog, &e.reqid, ALL);
		}
	}
}

int spool_watch_add(struct spool_watch *h, const struct reqid *reqid, enum spool_dir d)
{
	int n = catalog_put(h->catalog, reqid, d);

	if (n > MANY)
		drop_old(h, reqid->device);
	return n < 0 ? -1 : 0;
}

static int load_one(void *ctx, const char *name)
{
	const struct loading *l = ctx;
	struct reqid reqid;

	return reqid_parse(name, &reqid) && belongs(&reqid, l->dir) ? spool_watch_add(l->watch, &reqid, l->dir) : 0;
}

/* When a directory was changed last; all 0 when another change may leave that as it is. */
static struct timespec changed(const struct spool *s, enum spool_dir d)
{
	struct timespec now;
	struct stat st;

	if (fstat(s->dir[d], &st) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0 ||
	    st.st_mtim.tv_sec + SETTLED > now.tv_sec)
		return (struct timespec){0, 0};
	return st.st_mtim;
}

static int load(struct spool_watch *h)
{
	for (int d = 0; d < SPOOL_STATES; d++) {
		struct loading l = {h, (enum spool_dir)d};

		if (spool_each(h->spool, l.dir, load_one, &l) != 0)
			return -1;
	}
	return 0;
}

struct spool_watch *spool_watch_open(const struct spool *s)
{
	struct spool_watch *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	h->spool = s;
	h->watched[0].dir = SPOOL_CSR;
	h->watched[1].dir = SPOOL_LSC;
	h->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (int i = 0; i < 2 && h->fd >= 0; i++) {
		char path[32];

		/* The directory that we have open, whatever its name is by now. */
		snprintf(path, sizeof path, "/proc/self/fd/%d", s->dir[h->watched[i].dir]);
		h->watched[i].watch = inotify_add_watch(h->fd, path,
		    IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
		if (h->watched[i].watch < 0) {
			close(h->fd);
			h->fd = -1;
		}
	}
	/* After the watch, so that nothing falls between. */
	for (int i = 0; i < 2; i++)
		h->watched[i].changed = changed(s, h->watched[i].dir);
	if ((h->catalog = catalog_new()) == NULL || load(h) != 0) {
		int saved = errno;

		spool_watch_close(h);
		errno = saved;
		return NULL;
	}
	return h;
}

static void stop_reading(struct spool_watch *h)
{
	int saved = errno;

	if (h->reading != NULL)
		closedir(h->reading);
	h->reading = NULL;
	h->at = 0;
	errno = saved;
}

void spool_watch_close(struct spool_watch *h)
{
	if (h == NULL)
		return;
	if (h->fd >= 0)
		close(h->fd);
	stop_reading(h);
	catalog_free(h->catalog);
	buf_free(&h->news);
	free(h);
}

int spool_watch_fd(const struct spool_watch *h)
{
	return h->fd;
}

/* May recover_finish have something to do for this device? */
static bool unfinished(const struct spool_watch *h, const char *device)
{
	struct catalog_entry e, other;
	uint32_t at = 0, beside;

	while (catalog_next(h->catalog, device, &at, &e)) {
		unsigned live = e.dirs & RECOVER_DIRS;

		/* In two directories. */
		if ((live & (live - 1)) != 0)
			return true;
		if ((e.dirs & 1u << SPOOL_CSR) == 0)
			continue;
		beside = 0;
		while (catalog_next(h->catalog, device, &beside, &other))
			if ((other.dirs & (1u << SPOOL_CSR | 1u << SPOOL_LSC)) != 0 && reqid_newer(&e.reqid, &other.reqid))
				return true;
	}
	return false;
}

static int put_all(struct index *ix, const struct catalog_entry *e, unsigned dirs)
{
	for (int d = 0; d < SPOOL_STATES; d++) {
		struct reqid reqid = e->reqid;

		if (!spool_holds_requests((enum spool_dir)d))
			reqid.kind = REQID_DER;
		if ((e->dirs & dirs & 1u << d) != 0 && index_put(ix, &reqid, (enum spool_dir)d) != 0)
			return -1;
	}
	return 0;
}

/* Where the files of these entries are now. */
static int look_again(struct spool_watch *h, const struct index *ix)
{
	for (size_t i = 0; i < ix->n; i++)
		for (int d = 0; d < SPOOL_STATES; d++)
			if (holds(h, &ix->entry[i].reqid, (enum spool_dir)d) &&
			    catalog_put(h->catalog, &ix->entry[i].reqid, (enum spool_dir)d) < 0)
				return -1;
	return 0;
}

int spool_watch_finish(struct spool_watch *h, struct spool *s)
{
	char device[DEVICE_MAX + 1];
	struct catalog_entry e;
	uint32_t next = 0, at;
	struct index ix;
	size_t n = 0;
	int result;

	result = index_load(&ix, s, 0);
	while (result == 0 && catalog_next_device(h->catalog, &next, device)) {
		at = 0;
		if (unfinished(h, device))
			while (result == 0 && catalog_next(h->catalog, device, &at, &e))
				result = put_all(&ix, &e, RECOVER_DIRS);
	}
	if (result == 0)
		result = recover_finish_these(s, &ix, &n);
	if (n > 0 && look_again(h, &ix) != 0)
		result = -1;
	index_free(&ix);
	return result;
}

static int tell_later(struct spool_watch *h, const struct reqid *reqid, enum spool_dir d)
{
	struct news n = {*reqid, d};

	buf_put(&h->news, &n, sizeof n);
	if (!h->news.failed)
		return 0;
	errno = ENOMEM;
	return -1;
}

/* again: what is known may have been away and come back. */
static int take(struct spool_watch *h, const char *name, enum spool_dir d, bool again)
{
	struct reqid reqid;
	bool fresh;

	if (!reqid_parse(name, &reqid) || !belongs(&reqid, d))
		return 0;
	fresh = !catalog_has(h->catalog, &reqid, d);
	if (fresh && spool_watch_add(h, &reqid, d) != 0)
		return -1;
	return fresh || again ? tell_later(h, &reqid, d) : 0;
}

bool spool_watch_lost(const struct spool_watch *h)
{
	return h->lost;
}

bool spool_watch_due(struct spool_watch *h)
{
	bool due = h->reading != NULL || h->fd < 0 || h->lost;

	for (int i = 0; i < 2; i++) {
		struct timespec now = changed(h->spool, h->watched[i].dir), *then = &h->watched[i].changed;

		due = due || then->tv_sec == 0 || now.tv_sec != then->tv_sec || now.tv_nsec != then->tv_nsec;
	}
	return due;
}

/* Opens the directory that is to be read. 1; 0 when both are read. */
static int open_next(struct spool_watch *h)
{
	int fd;

	if (h->reading != NULL)
		return 1;
	if (h->at == 0)
		for (int i = 0; i < 2; i++)
			h->began[i] = changed(h->spool, h->watched[i].dir);
	if (h->at == 2) {
		h->lost = false;
		for (int i = 0; i < 2; i++)
			h->watched[i].changed = h->began[i];
		h->at = 0;
		return 0;
	}
	fd = openat(h->spool->dir[h->watched[h->at].dir], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return (h->reading = fdopendir(fd)) != NULL ? 1 : fileio_give_up(fd);
}

/* So many names. 1 when there is more, 0 when both directories are read. */
static int read_names(struct spool_watch *h, size_t most)
{
	struct dirent *e;
	int result;

	while ((result = open_next(h)) == 1) {
		while (errno = 0, most > 0 && (e = readdir(h->reading)) != NULL) {
			most--;
			if (take(h, e->d_name, h->watched[h->at].dir, false) != 0)
				return -1;
		}
		if (most == 0)
			return 1;
		if (errno != 0)
			return -1;
		closedir(h->reading);
		h->reading = NULL;
		h->at++;
	}
	return result;
}

static int read_directories(struct spool_watch *h, size_t most)
{
	int result = read_names(h, most);

	/* Half of it counts for nothing. */
	if (result < 0) {
		stop_reading(h);
		h->lost = true;
	}
	return result;
}

/* What the kernel tells, to the last word. */
static int read_events(struct spool_watch *h)
{
	_Alignas(struct inotify_event) char buf[8192];
	ssize_t n;

	while (h->fd >= 0 && (n = read(h->fd, buf, sizeof buf)) != 0) {
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(buf + at);

			at += (ssize_t)(sizeof *e + e->len);
			/* What is read at present may be behind what was lost. */
			if ((e->mask & IN_Q_OVERFLOW) != 0) {
				stop_reading(h);
				h->lost = true;
			}
			if (e->len > 0 && take(h, e->name, h->watched[e->wd != h->watched[0].watch].dir, true) != 0)
				return -1;
		}
	}
	return 0;
}

static void tell(struct spool_watch *h, void (*each)(void *ctx, const struct reqid *, enum spool_dir),
    void *ctx)
{
	struct buf news = h->news;
	const struct news *n = (const struct news *)(const void *)news.p;

	h->news = (struct buf){0};
	for (size_t i = 0; i < news.len / sizeof *n; i++)
		each(ctx, &n[i].reqid, n[i].dir);
	buf_free(&news);
}

int spool_watch_news(struct spool_watch *h, void (*each)(void *ctx, const struct reqid *, enum spool_dir),
    void *ctx)
{
	int result = read_events(h), saved = errno;

	tell(h, each, ctx);
	errno = saved;
	return result;
}

int spool_watch_read(struct spool_watch *h, size_t most, void (*each)(void *ctx, const struct reqid *, enum spool_dir),
    void *ctx)
{
	int result = read_directories(h, most), saved = errno;

	tell(h, each, ctx);
	errno = saved;
	return result;
}

int spool_watch_poll(struct spool_watch *h, void (*each)(void *ctx, const struct reqid *, enum spool_dir),
    void *ctx)
{
	return spool_watch_due(h) ? spool_watch_read(h, SIZE_MAX, each, ctx) : 0;
}

int spool_watch_refresh(struct spool_watch *h)
{
	if (read_events(h) != 0)
		return -1;
	if (h->fd >= 0 && !h->lost)
		return 0;
	stop_reading(h);
	return read_directories(h, SIZE_MAX);
}

bool spool_watch_each(const struct spool_watch *h, const char *device, unsigned dirs, struct spool_watch_file *f)
{
	struct catalog_entry e;
	uint32_t at = f->at;

	/* at is the entry before the one of which directories are left. */
	while (catalog_next(h->catalog, device, &at, &e)) {
		if (f->left == 0)
			f->left = e.dirs & dirs;
		while (f->left != 0) {
			f->dir = (enum spool_dir)__builtin_ctz(f->left);
			f->left &= f->left - 1;
			if (!holds(h, &e.reqid, f->dir))
				continue;
			if (f->left == 0)
				f->at = at;
			f->reqid = e.reqid;
			if (!spool_holds_requests(f->dir))
				f->reqid.kind = REQID_DER;
			return true;
		}
		f->at = at;
	}
	return false;
}

bool spool_watch_known(const struct spool_watch *h, const char *device, uint32_t *at, struct catalog_entry *e)
{
	return catalog_next(h->catalog, device, at, e);
}

int spool_watch_index(const struct spool_watch *h, const char *device, struct index *ix)
{
	struct catalog_entry e;
	uint32_t at = 0;

	while (catalog_next(h->catalog, device, &at, &e))
		if (put_all(ix, &e, 1u << SPOOL_CSR | 1u << SPOOL_LSC) != 0)
			return -1;
	return 0;
}

bool spool_watch_newest(const struct spool_watch *h, const char *device, unsigned dirs, struct reqid *out,
    enum spool_dir *dir)
{
	struct spool_watch_file f = {.at = 0};
	bool found = false;

	while (spool_watch_each(h, device, dirs, &f)) {
		/* Of a request and its certificate the certificate. */
		if (found && !reqid_newer(&f.reqid, out) && (reqid_newer(out, &f.reqid) || f.dir < *dir))
			continue;
		*out = f.reqid;
		*dir = f.dir;
		found = true;
	}
	return found;
}

bool spool_watch_key(const struct spool_watch *h, const char *device, const unsigned char *spki, unsigned dirs,
    struct reqid *out, enum spool_dir *dir)
{
	struct catalog_entry e;
	uint32_t at = 0;

	while (catalog_next(h->catalog, device, &at, &e)) {
		if (memcmp(e.reqid.spki, spki, REQID_SPKI) != 0)
			continue;
		for (int d = 0; d < SPOOL_STATES; d++) {
			if ((e.dirs & dirs & 1u << d) == 0 || !holds(h, &e.reqid, (enum spool_dir)d))
				continue;
			*out = e.reqid;
			*dir = (enum spool_dir)d;
			if (!spool_holds_requests(*dir))
				out->kind = REQID_DER;
			return true;
		}
	}
	return false;
}

void spool_watch_stamp(const struct spool_watch *h, const char *device, char out[UTC_STAMP + 1])
{
	struct catalog_entry e;
	uint32_t at = 0;

	out[0] = '\0';
	while (catalog_next(h->catalog, device, &at, &e))
		if (strcmp(e.reqid.stamp, out) > 0)
			strcpy(out, e.reqid.stamp);
}
