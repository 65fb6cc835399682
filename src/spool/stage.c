/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "spool/stage.h"

/* Up to so many files are synced one by one; more are cheaper with one syncfs, which also waits for
 * whatever other programs have written. */
#define FEW_FILES 8

/* Is the directory behind fd still the one of this name? */
static bool still_there(const struct spool *s, const struct stage *g)
{
	struct stat a, b;

	return fstat(g->fd, &a) == 0 && fstatat(s->dir[SPOOL_TMP], g->name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int stage_open(struct spool *s, struct stage *g)
{
	unsigned char random[8];

	*g = (struct stage){.fd = -1};
	for (int tries = 0; tries < 100; tries++) {
		if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
			return -1;
		bytes_hex(random, sizeof random, g->name);
		if (mkdirat(s->dir[SPOOL_TMP], g->name, 0700) != 0) {
			if (errno == EEXIST)
				continue;
			return -1;
		}
		g->fd = openat(s->dir[SPOOL_TMP], g->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* A sweeper may have come between mkdir and flock: then try another one. Where locks
		 * do not work, no sweeper gets one either. */
		if (g->fd >= 0 && (flock(g->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
		    still_there(s, g))
			return 0;
		if (g->fd >= 0)
			fileio_give_up(g->fd);
		else if (errno != ENOENT) {
			int saved = errno;

			/* As when too many files are open: nobody else knows of it. */
			unlinkat(s->dir[SPOOL_TMP], g->name, AT_REMOVEDIR);
			errno = saved;
			return -1;
		}
	}
	errno = EBUSY;
	return -1;
}

int stage_write(struct stage *g, const char *name, const void *data, size_t len)
{
	int fd = openat(g->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	if (fileio_write_all(fd, data, len) != 0)
		return fileio_give_up(fd);
	return close(fd);
}

void stage_remove(struct stage *g, const char *name)
{
	unlinkat(g->fd, name, 0);
}

static int sync_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fsync(fd) != 0)
		return fileio_give_up(fd);
	return close(fd);
}

int stage_sync(struct stage *g, const char *const *names, size_t n)
{
	return stage_sync_beside(g, names, n, 0);
}

int stage_sync_beside(struct stage *g, const char *const *names, size_t n, size_t beside)
{
	if (n + beside > FEW_FILES)
		return syncfs(g->fd);
	for (size_t i = 0; i < n; i++)
		if (sync_file(g->fd, names[i]) != 0)
			return -1;
	return 0;
}

int stage_publish(struct stage *g, const char *name, int to, const char *as)
{
	/* The commit: the first one wins, everybody else gets EEXIST. */
	if (!g->by_link) {
		if (renameat2(g->fd, name, to, as, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EINVAL && errno != ENOSYS)
			return -1;
		g->by_link = true;
	}
	if (linkat(g->fd, name, to, as, 0) != 0)
		return -1;
	unlinkat(g->fd, name, 0);
	return 0;
}

int stage_replace(struct stage *g, const char *name, int to, const char *as)
{
	return renameat(g->fd, name, to, as);
}

int stage_read(struct stage *g, const char *name, unsigned char **p, size_t *len)
{
	return fileio_slurp(g->fd, name, SPOOL_FILE_MAX, p, len);
}

/* Removes what a stage holds: files and, where a worker of a server has its own stages, folders with files, but
 * no more levels than that. */
static void empty_stage(DIR *dir, int levels)
{
	int stage = dirfd(dir), fd;
	struct dirent *e;
	DIR *inner;

	while ((e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    unlinkat(stage, e->d_name, 0) == 0 || levels == 0 ||
		    (fd = openat(stage, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
			continue;
		if ((inner = fdopendir(fd)) == NULL) {
			close(fd);
			continue;
		}
		empty_stage(inner, levels - 1);
		closedir(inner);
		unlinkat(stage, e->d_name, AT_REMOVEDIR);
	}
}

/* Removes a stage; whoever calls holds its lock by this descriptor, which is closed. It is read by that one: a process
 * that has as many files open as it may have gets no other. */
static int remove_stage(const struct spool *s, int stage, const char *name)
{
	DIR *dir = fdopendir(stage);
	int result;

	if (dir == NULL)
		return fileio_give_up(stage);
	empty_stage(dir, 1);
	result = unlinkat(s->dir[SPOOL_TMP], name, AT_REMOVEDIR);
	closedir(dir);
	return result;
}

void stage_close(struct spool *s, struct stage *g)
{
	if (g->fd < 0)
		return;
	remove_stage(s, g->fd, g->name);
	g->fd = -1;
}

void stage_within(struct spool *s, int stage)
{
	close(s->dir[SPOOL_TMP]);
	s->dir[SPOOL_TMP] = stage;
}

/* Through a stage, so that a crash leaves nothing half written in its place. */
static int put(struct spool *s, int to, const char *name, const void *data, size_t len, bool replace)
{
	const char *file = "file";
	struct stage stage;
	int result = -1, saved;

	if (stage_open(s, &stage) != 0)
		return -1;
	if (stage_write(&stage, file, data, len) == 0 && stage_sync(&stage, &file, 1) == 0) {
		if (replace)
			result = stage_replace(&stage, file, to, name);
		else
			result = stage_publish(&stage, file, to, name);
		saved = errno;
		/* Also when somebody was quicker: he may have died before he got so far, and our caller
		 * will say that it is there. */
		if (result == 0 || saved == EEXIST) {
			if (fsync(to) != 0)
				result = -1;
			else
				errno = saved;
		}
	}
	saved = errno;
	stage_close(s, &stage);
	errno = saved;
	return result;
}

int stage_put(struct spool *s, enum spool_dir d, const char *name, const void *data, size_t len,
    bool replace)
{
	return put(s, s->dir[d], name, data, len, replace);
}

int stage_put_top(struct spool *s, const char *name, const void *data, size_t len)
{
	return put(s, s->root, name, data, len, true);
}

int stage_scratch(struct spool *s)
{
	struct stage stage;
	int fd = openat(s->dir[SPOOL_TMP], ".", O_RDWR | O_TMPFILE | O_EXCL | O_CLOEXEC, 0600);

	/* Some file systems have no files without names. There it has one for a moment, in a stage, so that whoever
	 * dies with it leaves nothing that is not swept. */
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR) || stage_open(s, &stage) != 0)
		return fd;
	fd = openat(stage.fd, "scratch", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	stage_close(s, &stage);
	return fd;
}

struct sweep {
	struct spool *spool;
	size_t n;
};

static int sweep_one(void *ctx, const char *name)
{
	struct sweep *w = ctx;
	int fd = openat(w->spool->dir[SPOOL_TMP], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		close(fd);
	else if (remove_stage(w->spool, fd, name) == 0)
		w->n++;
	return 0;
}

int stage_sweep(struct spool *s, size_t *n)
{
	struct sweep w = {s, 0};
	int result = spool_each(s, SPOOL_TMP, sweep_one, &w);

	*n = w.n;
	return result;
}
