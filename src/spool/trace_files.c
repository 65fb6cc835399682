/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/hash.h"
#include "spool/spool.h"
#include "spool/trace_files.h"

#define STRANGERS "strangers.txt"
#define STRANGERS_OLD "strangers.old.txt"
#define NAME_MAX_BYTES (DEVICE_MAX + 1 + UTC_STAMP + 8)	/* .NNN.txt */
#define IN_A_SECOND 999		/* files of one device */
#define BUCKETS 4096		/* a power of two */
/* What is left to the spool, which needs it more. Once there was less, twice as much has to be free again: what others
 * write and remove meanwhile is not told of each time. */
#define ROOM_BYTES (1 << 20)
#define ROOM_FILES 32

struct trace_file {
	TAILQ_ENTRY(trace_file) by_use;	/* written to most recently: last */
	LIST_ENTRY(trace_file) by_device;
	unsigned writer;
	uint64_t number;
	size_t size;
	bool open;		/* its session goes on */
	bool cut;		/* the disk was full in the middle of a line */
	time_t used;		/* before we came, for sorting */
	char name[NAME_MAX_BYTES + 1];
};

TAILQ_HEAD(trace_file_queue, trace_file);
LIST_HEAD(trace_file_chain, trace_file);

struct trace_files {
	int dir;
	uint64_t most, total, seed;
	size_t strangers;	/* bytes in the newer file */
	bool strangers_cut;
	bool full;		/* there was too little room the last time */
	struct trace_file_queue by_use;
	struct trace_file_chain by_device[BUCKETS];
};

bool trace_file_parse(const char *name, char stamp[UTC_STAMP + 1])
{
	const char *plus = strchr(name, '+'), *dot;
	size_t digits;
	time_t t;

	if (plus == NULL || !device_ok(name, (size_t)(plus - name)) || strlen(plus) < 1 + UTC_STAMP + 2 ||
	    !utc_from_stamp(plus + 1, &t))
		return false;
	dot = plus + 1 + UTC_STAMP;
	digits = *dot == '.' ? strspn(dot + 1, "0123456789") : 0;
	if (digits < 1 || digits > 3 || strcmp(dot + 1 + digits, ".txt") != 0)
		return false;
	memcpy(stamp, plus + 1, UTC_STAMP);
	stamp[UTC_STAMP] = '\0';
	return true;
}

static uint64_t counts(const struct trace_file *f)
{
	return (f->size + TRACE_BLOCK - 1) / TRACE_BLOCK * TRACE_BLOCK + (f->size == 0 ? TRACE_BLOCK : 0);
}

static bool is_of(const struct trace_file *f, const char *device)
{
	size_t len = strlen(device);

	return strncmp(f->name, device, len) == 0 && f->name[len] == '+';
}

static struct trace_file_chain *chain_of(struct trace_files *t, const char *device)
{
	return &t->by_device[hash_name(device, t->seed) & (BUCKETS - 1)];
}

static void insert(struct trace_files *t, struct trace_file *f)
{
	char device[DEVICE_MAX + 1];

	snprintf(device, sizeof device, "%.*s", (int)strcspn(f->name, "+"), f->name);
	LIST_INSERT_HEAD(chain_of(t, device), f, by_device);
	TAILQ_INSERT_TAIL(&t->by_use, f, by_use);
	t->total += counts(f);
}

static void drop(struct trace_files *t, struct trace_file *f)
{
	/* One that somebody else has removed is as good. */
	unlinkat(t->dir, f->name, 0);
	t->total -= counts(f);
	TAILQ_REMOVE(&t->by_use, f, by_use);
	LIST_REMOVE(f, by_device);
	free(f);
}

static void prune(struct trace_files *t, const struct trace_file *but)
{
	struct trace_file *f, *next;

	for (f = TAILQ_FIRST(&t->by_use); f != NULL && t->total > t->most; f = next) {
		next = TAILQ_NEXT(f, by_use);
		if (f != but)
			drop(t, f);
	}
}

static int compare_used(const void *a, const void *b)
{
	const struct trace_file *const *f = a, *const *g = b;

	return ((*f)->used > (*g)->used) - ((*f)->used < (*g)->used);
}

/* Calls each with every name of the folder; stops when it returns non-zero. */
static int each_name(int dir, int (*each)(void *ctx, int dir, const char *name), void *ctx)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	struct dirent *e;
	DIR *d;

	if (fd < 0 || (d = fdopendir(fd)) == NULL)
		return fd < 0 ? -1 : fileio_give_up(fd);
	while (result == 0 && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			result = each(ctx, dir, e->d_name);
	closedir(d);
	return result;
}

static int find_one(void *ctx, int dir, const char *name)
{
	struct buf *found = ctx;
	char stamp[UTC_STAMP + 1];
	struct trace_file *f;
	struct stat st;

	if (!trace_file_parse(name, stamp) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	if ((f = calloc(1, sizeof *f)) == NULL)
		return -1;
	f->size = st.st_size < TRACE_FILE_MAX ? (size_t)st.st_size : TRACE_FILE_MAX;
	f->used = st.st_mtime;
	snprintf(f->name, sizeof f->name, "%s", name);
	buf_put(found, &f, sizeof f);
	if (!found->failed)
		return 0;
	free(f);
	errno = ENOMEM;
	return -1;
}

/* What earlier servers left. Their sessions are over. */
static int find_all(struct trace_files *t)
{
	struct buf found = {0};
	struct stat st;
	int result = each_name(t->dir, find_one, &found);
	struct trace_file **list = (struct trace_file **)(void *)found.p;
	size_t n = found.len / sizeof *list;

	if (n > 0)
		qsort(list, n, sizeof *list, compare_used);
	for (size_t i = 0; i < n; i++)
		insert(t, list[i]);
	buf_free(&found);
	if (fstatat(t->dir, STRANGERS, &st, AT_SYMLINK_NOFOLLOW) == 0)
		t->strangers = st.st_size < TRACE_STRANGERS_MAX ? (size_t)st.st_size : TRACE_STRANGERS_MAX;
	return result;
}

static int open_folder(const struct spool *s)
{
	return openat(s->root, TRACE_FILES_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

struct trace_files *trace_files_open(const struct spool *s, uint64_t most)
{
	struct trace_files *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	TAILQ_INIT(&t->by_use);
	t->most = most;
	if (getrandom(&t->seed, sizeof t->seed, 0) != sizeof t->seed)
		t->seed = 0;
	if ((mkdirat(s->root, TRACE_FILES_DIR, 0700) != 0 && errno != EEXIST) || (t->dir = open_folder(s)) < 0) {
		free(t);
		return NULL;
	}
	if (find_all(t) != 0) {
		int saved = errno;

		trace_files_close(t);
		errno = saved;
		return NULL;
	}
	prune(t, NULL);
	return t;
}

void trace_files_close(struct trace_files *t)
{
	struct trace_file *f;

	if (t == NULL)
		return;
	while ((f = TAILQ_FIRST(&t->by_use)) != NULL) {
		TAILQ_REMOVE(&t->by_use, f, by_use);
		free(f);
	}
	close(t->dir);
	free(t);
}

int trace_files_fd(const struct trace_files *t)
{
	return t->dir;
}

void trace_files_limit(struct trace_files *t, uint64_t most)
{
	t->most = most;
	prune(t, NULL);
}

/* ENOSPC when the spool would be left with too little. */
static int check_room(struct trace_files *t, size_t len)
{
	unsigned times = t->full ? 2 : 1;
	struct statvfs v;

	if (fstatvfs(t->dir, &v) != 0)
		return -1;
	t->full = (v.f_files > 0 && v.f_favail < times * ROOM_FILES) ||
	    v.f_bavail <= (len + times * ROOM_BYTES) / v.f_frsize;
	if (!t->full)
		return 0;
	errno = ENOSPC;
	return -1;
}

/* Appends in one write; *done is how much of it is there. */
static int append(struct trace_files *t, const char *name, int flags, bool *cut, const void *p, size_t len, size_t *done)
{
	int fd = -1;
	ssize_t n;

	*done = 0;
	if (check_room(t, len) != 0 ||
	    (fd = openat(t->dir, name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | flags, 0600)) < 0)
		return -1;
	if (*cut && write(fd, "\n", 1) == 1) {
		*cut = false;
		++*done;
	}
	n = write(fd, p, len);
	*done += n > 0 ? (size_t)n : 0;
	if (n >= 0 && (size_t)n == len)
		return close(fd);
	*cut = *cut || n > 0;
	if (n >= 0)
		errno = ENOSPC;
	return fileio_give_up(fd);
}

static int append_to(struct trace_files *t, struct trace_file *f, int flags, const void *p, size_t len)
{
	size_t done;
	int result;

	if (f->size + len + 1 > TRACE_FILE_MAX) {
		errno = EFBIG;
		return -1;
	}
	result = append(t, f->name, flags, &f->cut, p, len, &done);
	t->total -= counts(f);
	f->size += done;
	t->total += counts(f);
	TAILQ_REMOVE(&t->by_use, f, by_use);
	TAILQ_INSERT_TAIL(&t->by_use, f, by_use);
	prune(t, f);
	return result;
}

static struct trace_file *find(struct trace_files *t, const struct trace_key *k)
{
	struct trace_file *f;

	LIST_FOREACH(f, chain_of(t, k->device), by_device)
		if (f->open && f->writer == k->writer && f->number == k->number && is_of(f, k->device))
			break;
	return f;
}

/* A device has so many files at most: one that comes again and again takes nobody else's place. */
static void make_place(struct trace_files *t, const char *device)
{
	struct trace_file *f, *next;
	size_t n = 0;

	LIST_FOREACH(f, chain_of(t, device), by_device)
		n += is_of(f, device);
	for (f = n >= TRACE_FILES_A_DEVICE ? TAILQ_FIRST(&t->by_use) : NULL; f != NULL && n >= TRACE_FILES_A_DEVICE;
	    f = next) {
		next = TAILQ_NEXT(f, by_use);
		if (is_of(f, device)) {
			drop(t, f);
			n--;
		}
	}
}

int trace_files_begin(struct trace_files *t, const struct trace_key *k, time_t now, const void *p, size_t len)
{
	char stamp[UTC_STAMP + 1];
	struct trace_file *f;
	int result = -1;

	if (!device_ok(k->device, strlen(k->device))) {
		errno = EINVAL;
		return -1;
	}
	trace_files_end(t, k);
	make_place(t, k->device);
	if ((f = calloc(1, sizeof *f)) == NULL)
		return -1;
	utc_stamp(now, stamp);
	f->writer = k->writer;
	f->number = k->number;
	f->open = true;
	for (int i = 1; i <= IN_A_SECOND; i++) {
		struct stat st;

		snprintf(f->name, sizeof f->name, "%s+%s.%d.txt", k->device, stamp, i);
		if (fstatat(t->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
			break;
	}
	insert(t, f);
	/* With O_EXCL it writes into no file that it has not made. */
	if ((result = append_to(t, f, O_CREAT | O_EXCL, p, len)) != 0 && f->size == 0) {
		int saved = errno;

		if (saved == EEXIST) {
			t->total -= counts(f);
			TAILQ_REMOVE(&t->by_use, f, by_use);
			LIST_REMOVE(f, by_device);
			free(f);
		} else
			drop(t, f);
		errno = saved;
	}
	return result;
}

int trace_files_add(struct trace_files *t, const struct trace_key *k, const void *p, size_t len)
{
	struct trace_file *f = find(t, k);

	if (f != NULL)
		return append_to(t, f, 0, p, len);
	errno = ENOENT;
	return -1;
}

void trace_files_end(struct trace_files *t, const struct trace_key *k)
{
	struct trace_file *f = find(t, k);

	if (f != NULL)
		f->open = false;
}

void trace_files_end_all(struct trace_files *t, unsigned writer)
{
	struct trace_file *f;

	TAILQ_FOREACH(f, &t->by_use, by_use)
		f->open = f->open && f->writer != writer;
}

int trace_files_stranger(struct trace_files *t, const void *p, size_t len)
{
	size_t done;
	int result;

	if (t->strangers + len + 1 > TRACE_STRANGERS_MAX) {
		if (renameat(t->dir, STRANGERS, t->dir, STRANGERS_OLD) != 0 && errno != ENOENT)
			return -1;
		t->strangers = 0;
	}
	result = append(t, STRANGERS, O_CREAT, &t->strangers_cut, p, len, &done);
	t->strangers += done;
	return result;
}

struct expiring {
	char before[UTC_STAMP + 1];
	size_t n;
};

static int expire_one(void *ctx, int dir, const char *name)
{
	struct expiring *x = ctx;
	char stamp[UTC_STAMP + 1];

	if (!trace_file_parse(name, stamp) || memcmp(stamp, x->before, UTC_STAMP) >= 0)
		return 0;
	if (unlinkat(dir, name, 0) == 0)
		x->n++;
	else if (errno != ENOENT)
		return -1;
	return 0;
}

int trace_files_expire(const struct spool *s, time_t before, size_t *n)
{
	int dir = open_folder(s), result;
	struct expiring x = {.n = 0};

	if (dir < 0)
		return errno == ENOENT ? 0 : -1;
	utc_stamp(before, x.before);
	result = each_name(dir, expire_one, &x);
	*n += x.n;
	close(dir);
	return result;
}

struct check {
	void (*tell)(void *, const char *, const char *);
	void *ctx;
};

static int check_one(void *ctx, int dir, const char *name)
{
	const struct check *c = ctx;
	char path[512], stamp[UTC_STAMP + 1];
	struct stat st;

	snprintf(path, sizeof path, TRACE_FILES_DIR "/%s", name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISREG(st.st_mode))
		c->tell(c->ctx, path, "not a regular file");
	else if ((st.st_mode & 077) != 0)
		c->tell(c->ctx, path, "others may read or write it");
	else if (!trace_file_parse(name, stamp) && strcmp(name, STRANGERS) != 0 && strcmp(name, STRANGERS_OLD) != 0)
		c->tell(c->ctx, path, "not a name of the spool");
	return 0;
}

int trace_files_check(const struct spool *s, void (*tell)(void *ctx, const char *path, const char *what), void *ctx)
{
	struct check c = {tell, ctx};
	int dir = open_folder(s), result;
	struct stat st;

	if (dir < 0 && (errno == ENOTDIR || errno == ELOOP)) {
		tell(ctx, TRACE_FILES_DIR, "not a directory");
		return 0;
	}
	if (dir < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(dir, &st) == 0 && (st.st_mode & 077) != 0)
		tell(ctx, TRACE_FILES_DIR, "others may enter it");
	result = each_name(dir, check_one, &c);
	close(dir);
	return result;
}
