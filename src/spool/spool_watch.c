/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "spool/spool_watch.h"

#define SLACK 10000	/* entries that are out of date, before everything is read again */

struct spool_watch {
	const struct spool *spool;
	struct index index;
	size_t fresh;		/* entries after the last reading of everything */
	int fd;
	int watch[2];		/* csr/, lsc/ */
	struct buf news;	/* struct news, not told yet */
};

struct news {
	struct reqid reqid;
	enum spool_dir dir;
};

static const enum spool_dir watched[2] = {SPOOL_CSR, SPOOL_LSC};

struct spool_watch *spool_watch_open(const struct spool *s)
{
	struct spool_watch *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	h->spool = s;
	h->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (int i = 0; i < 2 && h->fd >= 0; i++) {
		char path[32];

		/* The directory that we have open, whatever its name is by now. */
		snprintf(path, sizeof path, "/proc/self/fd/%d", s->dir[watched[i]]);
		h->watch[i] = inotify_add_watch(h->fd, path,
		    IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
		if (h->watch[i] < 0) {
			close(h->fd);
			h->fd = -1;
		}
	}
	/* After the watch, so that nothing falls between. */
	if (index_load(&h->index, s, (1u << SPOOL_STATES) - 1) != 0) {
		int saved = errno;

		if (h->fd >= 0)
			close(h->fd);
		free(h);
		errno = saved;
		return NULL;
	}
	h->fresh = h->index.n;
	return h;
}

void spool_watch_close(struct spool_watch *h)
{
	if (h == NULL)
		return;
	if (h->fd >= 0)
		close(h->fd);
	index_free(&h->index);
	buf_free(&h->news);
	free(h);
}

int spool_watch_fd(const struct spool_watch *h)
{
	return h->fd;
}

static bool known(const struct spool_watch *h, const struct reqid *reqid, enum spool_dir d)
{
	const struct index_entry *e = NULL;

	/* By device: many phones of a test fleet have one key. */
	while ((e = index_device(&h->index, reqid->device, e)) != NULL)
		if (e->dir == d && e->reqid.kind == reqid->kind && reqid_compare(&e->reqid, reqid) == 0)
			return true;
	return false;
}

int spool_watch_add(struct spool_watch *h, const struct reqid *reqid, enum spool_dir d)
{
	return known(h, reqid, d) ? 0 : index_put(&h->index, reqid, d);
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

struct reading {
	struct spool_watch *watch;
	enum spool_dir dir;
	bool again;		/* what is known may have been away and come back */
};

static int take(void *ctx, const char *name)
{
	struct reading *r = ctx;
	struct reqid reqid;
	bool fresh;

	if (!reqid_parse(name, &reqid) || (reqid.kind == REQID_DER) != (r->dir == SPOOL_LSC))
		return 0;
	fresh = !known(r->watch, &reqid, r->dir);
	if (fresh && index_put(&r->watch->index, &reqid, r->dir) != 0)
		return -1;
	return fresh || r->again ? tell_later(r->watch, &reqid, r->dir) : 0;
}

static int read_directories(struct spool_watch *h)
{
	if (h->index.n > 2 * h->fresh + SLACK) {
		struct index again;

		if (index_load(&again, h->spool, (1u << SPOOL_STATES) - 1) != 0)
			return -1;
		index_free(&h->index);
		h->index = again;
		h->fresh = again.n;
	}
	for (int i = 0; i < 2; i++) {
		struct reading r = {h, watched[i], false};

		if (spool_each(h->spool, watched[i], take, &r) != 0)
			return -1;
	}
	return 0;
}

/* What the kernel tells, to the last word. */
static int read_events(struct spool_watch *h)
{
	_Alignas(struct inotify_event) char buf[8192];
	bool lost = false;
	ssize_t n;

	while ((n = read(h->fd, buf, sizeof buf)) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(buf + at);
			struct reading r = {h, e->wd == h->watch[0] ? SPOOL_CSR : SPOOL_LSC, true};

			at += (ssize_t)(sizeof *e + e->len);
			lost = lost || (e->mask & IN_Q_OVERFLOW) != 0;
			if (e->len > 0 && take(&r, e->name) != 0)
				return -1;
		}
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -1;
	return lost ? read_directories(h) : 0;
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

int spool_watch_poll(struct spool_watch *h, void (*each)(void *ctx, const struct reqid *, enum spool_dir),
    void *ctx)
{
	int result = read_directories(h), saved = errno;

	tell(h, each, ctx);
	errno = saved;
	return result;
}

const struct index *spool_watch_index(struct spool_watch *h)
{
	return (h->fd >= 0 ? read_events(h) : read_directories(h)) == 0 ? &h->index : NULL;
}

/* Is it still there? */
static bool holds(const struct spool_watch *h, const struct index_entry *e, unsigned dirs)
{
	return (dirs >> e->dir & 1) != 0 &&
	    spool_has(h->spool, e->dir, &e->reqid, (enum reqid_kind)e->reqid.kind) == 1;
}

bool spool_watch_newest(const struct spool_watch *h, const char *device, unsigned dirs, struct reqid *out,
    enum spool_dir *dir)
{
	const struct index_entry *e = NULL, *best = NULL;

	while ((e = index_device(&h->index, device, e)) != NULL)
		/* Of a request and its certificate the certificate. */
		if ((best == NULL || reqid_newer(&e->reqid, &best->reqid) ||
		    (reqid_compare(&e->reqid, &best->reqid) == 0 && e->dir > best->dir)) &&
		    holds(h, e, dirs))
			best = e;
	if (best == NULL)
		return false;
	*out = best->reqid;
	*dir = best->dir;
	return true;
}

bool spool_watch_key(const struct spool_watch *h, const char *device, const unsigned char *spki, unsigned dirs,
    struct reqid *out, enum spool_dir *dir)
{
	const struct index_entry *e = NULL;

	while ((e = index_device(&h->index, device, e)) != NULL) {
		if (memcmp(e->reqid.spki, spki, REQID_SPKI) != 0 || !holds(h, e, dirs))
			continue;
		*out = e->reqid;
		*dir = e->dir;
		return true;
	}
	return false;
}

const struct index_entry *spool_watch_each(const struct spool_watch *h, const char *device, unsigned dirs,
    const struct index_entry *e)
{
	while ((e = index_device(&h->index, device, e)) != NULL)
		if (holds(h, e, dirs))
			break;
	return e;
}

void spool_watch_stamp(const struct spool_watch *h, const char *device, char out[UTC_STAMP + 1])
{
	const struct index_entry *e = NULL;

	out[0] = '\0';
	while ((e = index_device(&h->index, device, e)) != NULL)
		if (strcmp(e->reqid.stamp, out) > 0)
			strcpy(out, e->reqid.stamp);
}
