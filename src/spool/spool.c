/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fileio.h"
#include "spool/spool.h"

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
	[SPOOL_ONLINE] = "online",
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

struct spool *spool_open_at(const char *path, int root, const char *who, time_t now)
{
	struct spool *s = calloc(1, sizeof *s);
	int saved;

	if (s == NULL || (s->path = strdup(path)) == NULL) {
		free(s);
		fileio_give_up(root);
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
		if (s->dir[d] < 0 && (d != SPOOL_ONLINE || errno != ENOENT)) {
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
	int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return NULL;
	if (faccessat(root, SPOOL_CONF, F_OK, 0) != 0) {
		fileio_give_up(root);
		return NULL;
	}
	return spool_open_at(path, root, who, now);
}

void spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	for (int d = 0; d < SPOOL_DIRS; d++)
		if (s->dir[d] >= 0)
			close(s->dir[d]);
	close(s->root);
	if (s->log >= 0)
		close(s->log);
	if (s->tail >= 0)
		close(s->tail);
	buf_free(&s->journal);
	free(s->path);
	free(s);
}

int spool_each(const struct spool *s, enum spool_dir d, int (*each)(void *ctx, const char *name),
    void *ctx)
{
	struct dirent *e;
	int fd, result = 0, failed;
	DIR *dir;

	if (d == SPOOL_ONLINE && s->dir[d] < 0)
		return 0;
	fd = openat(s->dir[d], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (dir = fdopendir(fd)) == NULL)
		return fd < 0 ? -1 : fileio_give_up(fd);
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

bool spool_wants(const struct spool_wanted *w, const char *file)
{
	char device[DEVICE_MAX + 1];
	const char *plus;

	if (w == NULL)
		return true;
	if ((plus = memchr(file, '+', strnlen(file, sizeof device))) == NULL)
		return false;
	memcpy(device, file, (size_t)(plus - file));
	device[plus - file] = '\0';
	return w->device(w->ctx, device);
}

struct listing {
	bool requests;
	const struct spool_wanted *wanted;
	struct buf reqids;
};

static int list_one(void *ctx, const char *name)
{
	struct listing *l = ctx;
	struct reqid reqid;

	if (spool_wants(l->wanted, name) && reqid_parse(name, &reqid) && (reqid.kind != REQID_DER) == l->requests)
		buf_put(&l->reqids, &reqid, sizeof reqid);
	return 0;
}

static int compare_reqids(const void *a, const void *b)
{
	return reqid_compare(a, b);
}

int spool_list(const struct spool *s, enum spool_dir d, struct reqid **list, size_t *n)
{
	return spool_list_for(s, d, NULL, list, n);
}

int spool_list_for(const struct spool *s, enum spool_dir d, const struct spool_wanted *wanted, struct reqid **list,
    size_t *n)
{
	struct listing l = {spool_holds_requests(d), wanted, {0}};

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

struct naming {
	bool (*wanted)(const char *);
	struct buf names;
};

static int name_one(void *ctx, const char *name)
{
	struct naming *n = ctx;

	if (n->wanted(name))
		buf_put_text(&n->names, name);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int spool_names(const struct spool *s, enum spool_dir d, bool (*wanted)(const char *), char ***list, size_t *n)
{
	struct naming found = {.wanted = wanted};
	struct bytes cursor;
	char name[256];
	int result = 0;

	*list = NULL;
	*n = 0;
	if (spool_each(s, d, name_one, &found) != 0 || found.names.failed) {
		if (found.names.failed)
			errno = ENOMEM;
		buf_free(&found.names);
		return -1;
	}
	cursor = (struct bytes){found.names.p, found.names.len};
	while (result == 0 && bytes_get_text(&cursor, name, sizeof name)) {
		char **grown = reallocarray(*list, *n + 1, sizeof *grown);

		if (grown != NULL)
			*list = grown;
		if (grown == NULL || (grown[*n] = strdup(name)) == NULL)
			result = -1;
		else
			++*n;
	}
	buf_free(&found.names);
	if (*n > 0)
		qsort(*list, *n, sizeof **list, compare_names);
	return result;
}

int spool_read(const struct spool *s, enum spool_dir d, const char *name, unsigned char **p,
    size_t *len)
{
	return fileio_slurp(s->dir[d], name, SPOOL_FILE_MAX, p, len);
}

int spool_read_request(const struct spool *s, const struct reqid *reqid, unsigned char **p, size_t *len)
{
	static const enum spool_dir places[] = {SPOOL_CSR, SPOOL_SUPERSEDED, SPOOL_DONE};
	char name[REQID_NAME_MAX + 1];
	int result = -1;

	reqid_name(reqid, (enum reqid_kind)reqid->kind, name);
	for (size_t i = 0; i < sizeof places / sizeof places[0] && result != 0; i++)
		if ((result = spool_read(s, places[i], name, p, len)) != 0 && errno != ENOENT)
			break;
	return result;
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

int spool_remove(struct spool *s, enum spool_dir d, const char *name)
{
	return unlinkat(s->dir[d], name, 0);
}

void spool_step(const struct spool *s)
{
	if (s->step != NULL)
		s->step(s->step_ctx);
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
