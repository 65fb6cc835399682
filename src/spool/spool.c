/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fileio.h"
#include "spool/spool.h"

/* Up to so many files are synced one by one; more are cheaper with one syncfs, which also waits for
 * whatever other programs have written. */
#define FEW_FILES 8
#define ROOM_FILES 16		/* spare inodes: a stage, a journal, a directory that grows */
#define ROOM_BYTES 65536	/* spare bytes for the same */

static const char *const dir_name[SPOOL_DIRS] = {
	[SPOOL_CSR] = "csr",
	[SPOOL_SUPERSEDED] = "superseded",
	[SPOOL_LSC] = "lsc",
	[SPOOL_STALE] = "stale",
	[SPOOL_INSTALLED] = "installed",
	[SPOOL_DONE] = "done",
	[SPOOL_TMP] = "tmp",
	[SPOOL_CA] = "ca",
	[SPOOL_TRUST_CAPF] = "trust/capf",
	[SPOOL_TRUST_CALLMANAGER] = "trust/callmanager",
	[SPOOL_PHONE] = "phone",
	[SPOOL_TRACE] = "trace",
};

const char *spool_default(void)
{
	const char *path = getenv("CAPF_SPOOL");

	return path != NULL && *path != '\0' ? path : "/var/spool/capf";
}

const char *spool_dir_name(enum spool_dir d)
{
	return dir_name[d];
}

/* Closes fd, errno stays. */
static int give_up(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

static int open_root(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static struct spool *open_dirs(const char *path, int root, const char *who, time_t now)
{
	struct spool *s = calloc(1, sizeof *s);
	int saved;

	if (s == NULL || (s->path = strdup(path)) == NULL) {
		free(s);
		give_up(root);
		return NULL;
	}
	s->root = root;
	s->log = s->tail = -1;
	s->who = who;
	s->now = now;
	for (int d = 0; d < SPOOL_DIRS; d++)
		s->dir[d] = -1;
	for (int d = 0; d < SPOOL_DIRS; d++) {
		s->dir[d] = openat(root, dir_name[d], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (s->dir[d] < 0) {
			saved = errno;
			spool_close(s);
			errno = saved;
			return NULL;
		}
	}
	return s;
}

struct spool *spool_open(const char *path, const char *who, time_t now)
{
	int root = open_root(path);

	if (root < 0)
		return NULL;
	if (faccessat(root, SPOOL_CONF, F_OK, 0) != 0) {
		give_up(root);
		return NULL;
	}
	return open_dirs(path, root, who, now);
}

void spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	for (int d = 0; d < SPOOL_DIRS; d++)
		if (s->dir[d] >= 0)
			close(s->dir[d]);
	close(s->root);
	spool_log_hold(s, -1, -1);
	buf_free(&s->journal);
	free(s->path);
	free(s);
}

/* Is there anything in the directory that is not the beginning of a spool? -1 when that cannot be told. */
static int foreign(int root)
{
	DIR *d;
	struct dirent *e;
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0, failed;

	if (fd < 0 || (d = fdopendir(fd)) == NULL)
		return fd < 0 ? -1 : give_up(fd);
	while (errno = 0, !found && (e = readdir(d)) != NULL) {
		bool ours = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    strcmp(e->d_name, "trust") == 0 || strcmp(e->d_name, SPOOL_JOURNAL) == 0 ||
		    strcmp(e->d_name, "lost+found") == 0;

		for (int i = 0; i < SPOOL_DIRS && !ours; i++)
			ours = strcmp(e->d_name, dir_name[i]) == 0;
		found = !ours;
	}
	failed = errno;
	closedir(d);
	errno = failed;
	return failed != 0 ? -1 : found;
}

/* mkdir that is content when the directory is there. */
static int make_dir(int at, const char *path)
{
	return mkdirat(at, path, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

static int sync_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fsync(fd) != 0)
		return give_up(fd);
	return close(fd);
}

/* It comes back by itself, so it need not be durable. */
static int make_lock(int root)
{
	int fd = openat(root, "phone/" SPOOL_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : close(fd);
}

/* All directories, durably. Those that are there are left as they are. */
static int make_dirs(int root)
{
	if (make_dir(root, "trust") != 0)
		return -1;
	for (int d = 0; d < SPOOL_DIRS; d++)
		if (make_dir(root, dir_name[d]) != 0)
			return -1;
	return make_lock(root) == 0 && sync_dir(root, "trust") == 0 ? sync_dir(root, ".") : -1;
}

/* Is there room for a new spool, where root is? */
static int check_new(int root)
{
	int found;

	if (faccessat(root, SPOOL_CONF, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	if ((found = foreign(root)) > 0)
		errno = ENOTEMPTY;
	return found == 0 ? 0 : -1;
}

int spool_lacks(const char *path, enum spool_dir *missing)
{
	int root = open_root(path), result;

	if (root < 0)
		return -1;
	result = faccessat(root, SPOOL_CONF, F_OK, 0);
	for (int d = 0; d < SPOOL_DIRS && result == 0; d++) {
		*missing = (enum spool_dir)d;
		result = faccessat(root, dir_name[d], F_OK, AT_SYMLINK_NOFOLLOW);
		if (result != 0 && errno == ENOENT)
			result = 1;
	}
	give_up(root);
	return result;
}

int spool_mend(const char *path)
{
	int root = open_root(path);

	if (root < 0)
		return -1;
	if (make_dirs(root) != 0)
		return give_up(root);
	return close(root);
}

struct spool *spool_create(const char *path, const char *who, time_t now)
{
	int root;

	if (make_dir(AT_FDCWD, path) != 0 || (root = open_root(path)) < 0)
		return NULL;
	/* The directory above may be closed to us; then whoever made it makes it durable. */
	if (check_new(root) != 0 || fchmod(root, 0700) != 0 || make_dirs(root) != 0 ||
	    (sync_dir(root, "..") != 0 && errno != EACCES)) {
		give_up(root);
		return NULL;
	}
	return open_dirs(path, root, who, now);
}

int spool_each(const struct spool *s, enum spool_dir d, int (*each)(void *ctx, const char *name),
    void *ctx)
{
	struct dirent *e;
	int fd = openat(s->dir[d], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0, failed;
	DIR *dir;

	if (fd < 0 || (dir = fdopendir(fd)) == NULL)
		return fd < 0 ? -1 : give_up(fd);
	while (errno = 0, result == 0 && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			result = each(ctx, e->d_name);
	failed = errno;
	closedir(dir);
	if (result == 0 && failed != 0) {
		errno = failed;
		return -1;
	}
	return result;
}

bool spool_holds_requests(enum spool_dir d)
{
	return d == SPOOL_CSR || d == SPOOL_SUPERSEDED || d == SPOOL_DONE;
}

struct counting {
	bool requests;
	size_t n;
};

static int count_one(void *ctx, const char *name)
{
	struct counting *c = ctx;

	c->n += reqid_legal(name, c->requests);
	return 0;
}

int spool_count(const struct spool *s, enum spool_dir d, size_t *n)
{
	struct counting c = {spool_holds_requests(d), 0};
	int result = spool_each(s, d, count_one, &c);

	*n = c.n;
	return result;
}

struct listing {
	bool requests;
	struct buf reqids;
};

static int list_one(void *ctx, const char *name)
{
	struct listing *l = ctx;
	struct reqid reqid;

	if (reqid_parse(name, &reqid) && (reqid.kind != REQID_DER) == l->requests)
		buf_put(&l->reqids, &reqid, sizeof reqid);
	return 0;
}

static int compare_reqids(const void *a, const void *b)
{
	return reqid_compare(a, b);
}

int spool_list(const struct spool *s, enum spool_dir d, struct reqid **list, size_t *n)
{
	struct listing l = {spool_holds_requests(d), {0}};

	if (spool_each(s, d, list_one, &l) != 0 || l.reqids.failed) {
		if (l.reqids.failed)
			errno = ENOMEM;
		buf_free(&l.reqids);
		return -1;
	}
	*list = (struct reqid *)(void *)l.reqids.p;
	*n = l.reqids.len / sizeof **list;
	if (*n > 0)
		qsort(*list, *n, sizeof **list, compare_reqids);
	return 0;
}

int spool_read(const struct spool *s, enum spool_dir d, const char *name, unsigned char **p,
    size_t *len)
{
	return fileio_slurp(s->dir[d], name, SPOOL_FILE_MAX, p, len);
}

bool spool_is_file(const struct spool *s, enum spool_dir d, const char *name)
{
	struct stat st;

	return fstatat(s->dir[d], name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISREG(st.st_mode);
}

int spool_has(const struct spool *s, enum spool_dir d, const struct reqid *reqid, enum reqid_kind kind)
{
	char name[REQID_NAME_MAX + 1];

	reqid_name(reqid, kind, name);
	if (faccessat(s->dir[d], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

/* The commit: the first one wins, everybody else gets EEXIST. */
static int publish(struct spool_stage *g, const char *name, int to, const char *as)
{
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

/* Through a stage, so that a crash leaves nothing half written in its place. */
static int put(struct spool *s, int to, const char *name, const void *data, size_t len, bool replace)
{
	const char *file = "file";
	struct spool_stage stage;
	int result = -1, saved;

	if (spool_stage_open(s, &stage) != 0)
		return -1;
	if (spool_stage_write(&stage, file, data, len) == 0 && spool_stage_sync(&stage, &file, 1) == 0) {
		if (replace)
			result = renameat(stage.fd, file, to, name);
		else
			result = publish(&stage, file, to, name);
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
	spool_stage_close(s, &stage);
	errno = saved;
	return result;
}

int spool_put(struct spool *s, enum spool_dir d, const char *name, const void *data, size_t len,
    bool replace)
{
	return put(s, s->dir[d], name, data, len, replace);
}

int spool_put_top(struct spool *s, const char *name, const void *data, size_t len)
{
	return put(s, s->root, name, data, len, true);
}

int spool_remove(struct spool *s, enum spool_dir d, const char *name)
{
	return unlinkat(s->dir[d], name, 0);
}

int spool_move(struct spool *s, const struct reqid *reqid, enum reqid_kind kind, enum spool_dir from,
    enum spool_dir to)
{
	char name[REQID_NAME_MAX + 1];

	/* A file that is in the way has the same key, so nothing is lost by replacing it. */
	reqid_name(reqid, kind, name);
	return renameat(s->dir[from], name, s->dir[to], name);
}

int spool_sync(struct spool *s, enum spool_dir d)
{
	int result = fsync(s->dir[d]);

	/* A second fsync may succeed without having written anything. */
	s->torn = s->torn || result != 0;
	return result;
}

int spool_sync_all(struct spool *s, unsigned dirs)
{
	for (int d = 0; d < SPOOL_DIRS; d++)
		if ((dirs >> d & 1) != 0 && spool_sync(s, (enum spool_dir)d) != 0)
			return -1;
	return 0;
}

int spool_room(const struct spool *s, size_t files, size_t bytes)
{
	struct statvfs v;

	if (fstatvfs(s->root, &v) != 0)
		return -1;
	/* Some file systems have no fixed number of inodes and say 0. */
	if ((v.f_files != 0 && v.f_favail < files + ROOM_FILES) ||
	    v.f_bavail < (bytes + ROOM_BYTES) / v.f_frsize + files) {
		errno = ENOSPC;
		return -1;
	}
	return 0;
}

void spool_log_text(struct spool *s, const char *event, const char *text)
{
	char line[512], at[UTC_ISO + 1];
	int n;

	utc_iso(s->now, at);
	n = snprintf(line, sizeof line, "%s\t%s\t%s\t%s\n", at, s->who, event, text);
	if (n > 0 && (size_t)n < sizeof line)
		buf_put(&s->journal, line, (size_t)n);
}

void spool_log(struct spool *s, const char *event, const struct reqid *reqid)
{
	char name[REQID_NAME_MAX + 1];

	reqid_name(reqid, REQID_CSR, name);
	name[strlen(name) - 4] = '\0';
	spool_log_text(s, event, name);
}

int spool_log_open(const struct spool *s, int *tail)
{
	/* It may get another name between the two. */
	for (int tries = 0; tries < 100; tries++) {
		int fd = openat(s->root, SPOOL_JOURNAL, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
		    0600);
		struct stat a, b;

		if (fd < 0)
			return -1;
		*tail = openat(s->root, SPOOL_JOURNAL, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (*tail >= 0 && fstat(fd, &a) == 0 && fstat(*tail, &b) == 0 && a.st_dev == b.st_dev &&
		    a.st_ino == b.st_ino)
			return fd;
		if (*tail < 0 && errno != ENOENT)
			return give_up(fd);
		if (*tail >= 0)
			close(*tail);
		close(fd);
	}
	errno = EBUSY;
	return -1;
}

void spool_log_hold(struct spool *s, int fd, int tail)
{
	if (s->log >= 0)
		close(s->log);
	if (s->tail >= 0)
		close(s->tail);
	s->log = fd;
	s->tail = tail;
}

int spool_log_flush(struct spool *s)
{
	int fd = s->log, tail = s->tail, result;
	size_t done;

	if (s->journal.failed) {
		/* Those lines are lost; later ones need not be. */
		buf_free(&s->journal);
		errno = ENOMEM;
		return -1;
	}
	if (s->journal.len == 0)
		return 0;
	if (fd < 0 && (fd = spool_log_open(s, &tail)) < 0)
		return -1;
	result = fileio_append_lines(fd, tail, s->journal.p, s->journal.len, &done);
	/* What a full disk did not take comes again, and only that. */
	s->journal.len -= done;
	memmove(s->journal.p, s->journal.p + done, s->journal.len);
	if (fd == s->log)
		return result;
	if (result != 0)
		give_up(tail);
	else
		close(tail);
	return result == 0 ? close(fd) : give_up(fd);
}

/* Is the directory behind fd still the one of this name? */
static bool still_there(const struct spool *s, const struct spool_stage *g)
{
	struct stat a, b;

	return fstat(g->fd, &a) == 0 && fstatat(s->dir[SPOOL_TMP], g->name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int spool_stage_open(struct spool *s, struct spool_stage *g)
{
	unsigned char random[8];

	*g = (struct spool_stage){.fd = -1};
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
			give_up(g->fd);
		else if (errno != ENOENT)
			return -1;
	}
	errno = EBUSY;
	return -1;
}

int spool_stage_write(struct spool_stage *g, const char *name, const void *data, size_t len)
{
	int fd = openat(g->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	if (fileio_write_all(fd, data, len) != 0)
		return give_up(fd);
	return close(fd);
}

void spool_stage_remove(struct spool_stage *g, const char *name)
{
	unlinkat(g->fd, name, 0);
}

static int sync_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fsync(fd) != 0)
		return give_up(fd);
	return close(fd);
}

int spool_stage_sync(struct spool_stage *g, const char *const *names, size_t n)
{
	if (n > FEW_FILES)
		return syncfs(g->fd);
	for (size_t i = 0; i < n; i++)
		if (sync_file(g->fd, names[i]) != 0)
			return -1;
	return 0;
}

int spool_stage_publish(struct spool *s, struct spool_stage *g, const char *name, enum spool_dir d,
    const char *as)
{
	return publish(g, name, s->dir[d], as);
}

int spool_stage_replace(struct spool *s, struct spool_stage *g, const char *name, enum spool_dir d,
    const char *as)
{
	return renameat(g->fd, name, s->dir[d], as);
}

int spool_stage_read(struct spool_stage *g, const char *name, unsigned char **p, size_t *len)
{
	return fileio_slurp(g->fd, name, SPOOL_FILE_MAX, p, len);
}

/* Removes a stage; whoever calls holds its lock. */
static int remove_stage(const struct spool *s, int stage, const char *name)
{
	int fd = openat(stage, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *dir;

	if (fd < 0 || (dir = fdopendir(fd)) == NULL)
		return fd < 0 ? -1 : give_up(fd);
	while ((e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(stage, e->d_name, 0);
	closedir(dir);
	return unlinkat(s->dir[SPOOL_TMP], name, AT_REMOVEDIR);
}

void spool_stage_close(struct spool *s, struct spool_stage *g)
{
	if (g->fd < 0)
		return;
	remove_stage(s, g->fd, g->name);
	close(g->fd);
	g->fd = -1;
}

int spool_scratch(struct spool *s)
{
	struct spool_stage stage;
	int fd = openat(s->dir[SPOOL_TMP], ".", O_RDWR | O_TMPFILE | O_EXCL | O_CLOEXEC, 0600);

	/* Some file systems have no files without names. There it has one for a moment, in a stage, so that whoever
	 * dies with it leaves nothing that is not swept. */
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR) || spool_stage_open(s, &stage) != 0)
		return fd;
	fd = openat(stage.fd, "scratch", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	spool_stage_close(s, &stage);
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
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && remove_stage(w->spool, fd, name) == 0)
		w->n++;
	close(fd);
	return 0;
}

int spool_sweep(struct spool *s, size_t *n)
{
	struct sweep w = {s, 0};
	int result = spool_each(s, SPOOL_TMP, sweep_one, &w);

	*n = w.n;
	return result;
}
