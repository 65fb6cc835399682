/* SPDX-License-Identifier: ISC */
/* The spool on disk: what each function does, and what it leaves when any one of its calls fails.
 * */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fileio.h"
#include "../fault.h"
#include "spool/create.h"
#include "spool/journal.h"
#include "spool/spool.h"
#include "../tap.h"
#include "spool/stage.h"

#define NOW 1700000000

/* These take a mode behind the flags, or not. */
#define MODE(flags)				\
	mode_t mode = 0;			\
	if ((flags & (O_CREAT | O_TMPFILE)) != 0) {	\
		va_list ap;			\
		va_start(ap, flags);		\
		mode = va_arg(ap, mode_t);	\
		va_end(ap);			\
	}

int __real_open(const char *, int, ...);
int __wrap_open(const char *, int, ...);
int __wrap_open(const char *path, int flags, ...)
{
	MODE(flags);
	return fault_now() ? -1 : __real_open(path, flags, mode);
}

static bool no_tmpfile;
int __real_openat(int, const char *, int, ...);
int __wrap_openat(int, const char *, int, ...);
int __wrap_openat(int at, const char *path, int flags, ...)
{
	MODE(flags);
	if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return fault_now() ? -1 : __real_openat(at, path, flags, mode);
}

/* It closes all the same. */
int __real_close(int);
int __wrap_close(int);
int __wrap_close(int fd)
{
	bool failed = fault_now();
	int result = __real_close(fd);

	if (failed)
		errno = fault_error;
	return failed ? -1 : result;
}

/* EINVAL and ENOSYS have a meaning here, which has a test of its own. */
static bool no_noreplace;
int __real_renameat2(int, const char *, int, const char *, unsigned);
int __wrap_renameat2(int, const char *, int, const char *, unsigned);
int __wrap_renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	if (no_noreplace)
		errno = EINVAL;
	return no_noreplace || fault_now() ? -1 : __real_renameat2(from, a, to, b, flags);
}

/* EWOULDBLOCK: a sweeper has it. */
static unsigned busy;
int __real_flock(int, int);
int __wrap_flock(int, int);
int __wrap_flock(int fd, int how)
{
	if (busy > 0) {
		busy--;
		errno = EWOULDBLOCK;
		return -1;
	}
	return fault_now() ? -1 : __real_flock(fd, how);
}

/* Names that are all the same. */
static bool no_random;
ssize_t __real_getrandom(void *, size_t, unsigned);
ssize_t __wrap_getrandom(void *, size_t, unsigned);
ssize_t __wrap_getrandom(void *p, size_t len, unsigned flags)
{
	if (no_random) {
		memset(p, 7, len);
		return (ssize_t)len;
	}
	return fault_now() ? -1 : __real_getrandom(p, len, flags);
}

static struct statvfs *disk;
int __real_fstatvfs(int, struct statvfs *);
int __wrap_fstatvfs(int, struct statvfs *);
int __wrap_fstatvfs(int fd, struct statvfs *out)
{
	if (disk != NULL)
		*out = *disk;
	return fault_now() ? -1 : disk != NULL ? 0 : __real_fstatvfs(fd, out);
}

/* After one of these has failed nothing may be acknowledged. Nothing needs to be durable here, so
 * they take no time. */
static bool vital;
#define VITAL(type, call, parameters, result)		\
	type __real_##call parameters;			\
	type __wrap_##call parameters;			\
	type __wrap_##call parameters			\
	{						\
		if (!fault_now())			\
			return result;			\
		vital = true;				\
		return -1;				\
	}
VITAL(int, fsync, (int fd), fd < 0 ? -1 : 0)
VITAL(int, syncfs, (int fd), fd < 0 ? -1 : 0)
VITAL(ssize_t, write, (int fd, const void *p, size_t len), __real_write(fd, p, len))

FAULT(DIR *, fdopendir, (int fd), (fd), NULL)

/* The nth readdir fails, and all behind it; 0: none. */
static unsigned unlisted;
struct dirent *__real_readdir(DIR *);
struct dirent *__wrap_readdir(DIR *);
struct dirent *__wrap_readdir(DIR *dir)
{
	if (unlisted == 1) {
		errno = EIO;
		return NULL;
	}
	unlisted -= unlisted > 0;
	return fault_now() ? NULL : __real_readdir(dir);
}

FAULT(int, faccessat, (int at, const char *path, int mode, int flags), (at, path, mode, flags), -1)
FAULT(int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode), -1)
FAULT(int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
FAULT(int, fstat, (int fd, struct stat *st), (fd, st), -1)
FAULT(int, fstatat, (int at, const char *path, struct stat *st, int flags), (at, path, st, flags),
    -1)
FAULT(int, renameat, (int from, const char *a, int to, const char *b), (from, a, to, b), -1)
FAULT(int, linkat, (int from, const char *a, int to, const char *b, int flags), (from, a, to, b,
    flags), -1)
FAULT(int, unlinkat, (int at, const char *path, int flags), (at, path, flags), -1)
FAULT(ssize_t, read, (int fd, void *p, size_t len), (fd, p, len), -1)
FAULT(ssize_t, pread, (int fd, void *p, size_t len, off_t at), (fd, p, len, at), -1)
FAULT(void *, calloc, (size_t n, size_t size), (n, size), NULL)
FAULT(void *, malloc, (size_t size), (size), NULL)
FAULT(void *, realloc, (void *p, size_t size), (p, size), NULL)
FAULT(char *, strdup, (const char *text), (text), NULL)

static char top[256] = "/dev/shm/spool_test.XXXXXX";
static struct spool *s;
static struct reqid reqid = {.device = "SEP001122334455", .stamp = "20231114T221320Z"};

static void clean(void)
{
	char command[512];

	spool_close(s);
	s = NULL;
	snprintf(command, sizeof command, "rm -rf %s", top);
	must(system(command) == 0 && mkdir(top, 0700) == 0, "an empty directory");
}

static void make_file(int at, const char *name, const char *text)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0,
	    name);
}

/* A spool with its settings, empty else. */
static void fresh(void)
{
	clean();
	must((s = create_spool(top, "spool_test", NOW)) != NULL, "a spool");
	make_file(s->root, SPOOL_CONF, "");
}

/* How many names a directory has. */
static int names(enum spool_dir d)
{
	int fd = openat(s->dir[d], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *dir = fdopendir(fd);

	must(dir != NULL, "a directory to count");
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2;
}

/* Is the file there with exactly this text? */
static bool holds_at(int dirfd, const char *name, const char *text)
{
	unsigned char *p;
	size_t len;
	bool same;

	if (fileio_slurp(dirfd, name, SPOOL_FILE_MAX, &p, &len) != 0)
		return false;
	same = len == strlen(text) && memcmp(p, text, len) == 0;
	free(p);
	return same;
}
static bool holds(enum spool_dir d, const char *name, const char *text)
{
	return holds_at(s->dir[d], name, text);
}

/* Every call of an operation fails once, and from then on: it must say so with that errno, or have
 * done its work all the same; before holds what it needs, and right what it must leave. */
static void every_call(const char *what, void (*before)(void), int (*operation)(void),
    bool (*right)(bool done))
{
	unsigned n = 1, refused = 0, all = 0;
	bool good = true;

	for (int ever = 0; ever < 2; ever++) {
		for (n = 1; n < 1000; n++, all++) {
			int result, error;
			bool reached;

			before();
			vital = false;
			fault_all = ever;
			fault_arm(n, EIO);
			errno = 0;
			result = operation();
			error = errno;
			reached = fault_over();
			if (!right(result == 0) || (vital && result == 0) || (result != 0 &&
			    error != EIO && error != ENOMEM)) {
				printf("# call %u, %s: result %d, %s\n", n,
				    ever ? "and all" : "once", result,
				    strerror(error));
				good = false;
			}
			refused += result != 0;
			if (!reached) {
				good = good && result == 0;
				break;
			}
		}
		fault_all = false;
	}
	ok(good && n > 1 && refused > 0, "%s: each of %u calls fails, %u say so", what, n - 1,
	    refused);
}

static void empty_directory(void)
{
	clean();
}

static int create(void)
{
	struct spool *made = create_spool(top, "spool_test", NOW);
	int saved = errno;

	spool_close(made);
	errno = saved;
	return made != NULL ? 0 : -1;
}

/* Whatever is there, the next run goes on from it. */
static bool created(bool done)
{
	(void)done;
	return create() == 0;
}

static int open_it(void)
{
	struct spool *opened = spool_open(top, "spool_test", NOW);
	int saved = errno;

	spool_close(opened);
	errno = saved;
	return opened != NULL ? 0 : -1;
}

static int mend(void)
{
	return create_mend(top);
}

static void without_lsc(void)
{
	fresh();
	must(unlinkat(s->root, "lsc", AT_REMOVEDIR) == 0, "no lsc/");
}

static bool mended(bool done)
{
	enum spool_dir missing;

	return !done || create_missing(top, &missing) == 0;
}

/* A spool of an older version, open. */
static void without_online(void)
{
	fresh();
	must(unlinkat(s->root, "online", AT_REMOVEDIR) == 0, "no online/");
	close(s->dir[SPOOL_ONLINE]);
	s->dir[SPOOL_ONLINE] = -1;
}

static int make_online(void)
{
	return create_online(s);
}

static bool online_made(bool done)
{
	return !done || (s->dir[SPOOL_ONLINE] >= 0 && create_online(s) == 0 && names(SPOOL_ONLINE) == 0);
}

static bool anything(bool done)
{
	(void)done;
	return true;
}

static int put_new(void)
{
	return stage_put(s, SPOOL_CSR, "file", "text", 4, false);
}

/* It is there whole or not at all, and what was staged the next sweep takes away. */
static bool put_whole(bool done)
{
	size_t n;

	if (done && !holds(SPOOL_CSR, "file", "text"))
		return false;
	if (!done && names(SPOOL_CSR) > 0 && !holds(SPOOL_CSR, "file", "text"))
		return false;
	return stage_sweep(s, &n) == 0 && names(SPOOL_TMP) == 0;
}

static void with_file(void)
{
	fresh();
	must(stage_put(s, SPOOL_CSR, "file", "old", 3, false) == 0, "a file");
}

static int put_over(void)
{
	return stage_put(s, SPOOL_CSR, "file", "text", 4, true);
}

static bool old_or_new(bool done)
{
	return holds(SPOOL_CSR, "file", "text") || (!done && holds(SPOOL_CSR, "file", "old"));
}

static int put_linked(void)
{
	int result;

	no_noreplace = true;
	result = put_new();
	no_noreplace = false;
	return result;
}

static int each_stop(void *ctx, const char *name)
{
	(void)name;
	return ++*(int *)ctx;
}

static int list(void)
{
	struct reqid *reqids = NULL;
	size_t n = 0;
	int result = spool_list(s, SPOOL_CSR, &reqids, &n), saved = errno;

	if (result == 0 && n != 1)
		result = -2;
	if (result == 0)
		free(reqids);
	errno = saved;
	return result;
}

static bool any_request(const char *name)
{
	return reqid_legal(name, true);
}

static void free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static int names_of(void)
{
	char **names;
	size_t n;
	int result = spool_names(s, SPOOL_CSR, any_request, &names, &n), saved = errno;

	if (result == 0 && n != 1)
		result = -2;
	free_names(names, n);
	errno = saved;
	return result;
}

static void with_request(void)
{
	char name[REQID_NAME_MAX + 1];

	fresh();
	reqid_name(&reqid, REQID_CSR, name);
	must(stage_put(s, SPOOL_CSR, name, "x", 1, false) == 0, "a request");
	make_file(s->dir[SPOOL_CSR], "README", "");
	reqid_name(&reqid, REQID_DER, name);
	make_file(s->dir[SPOOL_CSR], name, "");
}

static int count(void)
{
	size_t n;
	int result = spool_count(s, SPOOL_CSR, &n);

	return result == 0 && n != 1 ? -2 : result;
}

static int journal(void)
{
	journal_add(s, "new", &reqid);
	return journal_flush(s);
}

/* -1: there is none. */
static off_t journal_size(const char *name)
{
	struct stat st;

	return fstatat(s->root, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : -1;
}

static bool journal_lines(bool done)
{
	unsigned char *p;
	size_t len;
	char *text;
	bool good;

	if (fileio_slurp(s->root, SPOOL_JOURNAL, 4096, &p, &len) != 0)
		return !done;
	text = (char *)p;
	good = !done || strcmp(text, "2023-11-14T22:13:20Z\tspool_test\tnew\tSEP001122334455+"
	    "20231114T221320Z+0000000000000000000000000000000000000000000000000000000000000000\n") == 0;
	free(p);
	return good;
}

static int stage_many(void)
{
	static const char *const files[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
	struct stage g;
	int result = stage_open(s, &g), saved;

	if (result != 0)
		return -1;
	for (size_t i = 0; i < 9 && result == 0; i++)
		result = stage_write(&g, files[i], "x", 1);
	if (result == 0)
		result = stage_sync(&g, files, 9);
	if (result == 0)
		result = stage_publish(&g, "1", s->dir[SPOOL_LSC], "a");
	if (result == 0)
		result = stage_replace(&g, "2", s->dir[SPOOL_LSC], "b");
	saved = errno;
	stage_remove(&g, "3");
	stage_close(s, &g);
	stage_close(s, &g);
	errno = saved;
	return result;
}

static bool swept(bool done)
{
	size_t n;

	return (!done || names(SPOOL_LSC) == 2) && stage_sweep(s, &n) == 0 && names(SPOOL_TMP) == 0;
}

/* One that a dead program left, one that lives, and a file that is neither. */
static struct stage alive;
static void with_stages(void)
{
	stage_close(s, &alive);
	fresh();
	must(mkdirat(s->dir[SPOOL_TMP], "dead", 0700) == 0, "a dead stage");
	/* A worker of a server has stages of its own in one. */
	must(mkdirat(s->dir[SPOOL_TMP], "dead/inner", 0700) == 0 &&
	    symlinkat("x", s->dir[SPOOL_TMP], "dead/inner/f") == 0, "with a stage in it");
	must(stage_open(s, &alive) == 0 && stage_write(&alive, "f", "x",
	    1) == 0, "a live one");
}

static int sweep(void)
{
	size_t n;

	return stage_sweep(s, &n);
}

static bool not_the_living(bool done)
{
	unsigned char *p;
	size_t len, n;
	bool good = stage_read(&alive, "f", &p, &len) == 0;

	(void)done;
	if (good)
		free(p);
	return good && stage_sweep(s, &n) == 0 && names(SPOOL_TMP) == 1;
}

/* A file that holds what is written. */
static nlink_t scratch_names;
static int scratch(void)
{
	int fd = stage_scratch(s), result = -2;
	struct stat st = {0};
	char text[5];

	if (fd < 0)
		return -1;
	if (__real_write(fd, "text", 5) == 5 && lseek(fd, 0, SEEK_SET) == 0 && __real_read(fd, text, 5) == 5 &&
	    strcmp(text, "text") == 0 && __real_fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600)
		result = 0;
	scratch_names = st.st_nlink;
	__real_close(fd);
	return result;
}

static int scratch_named(void)
{
	int result;

	no_tmpfile = true;
	result = scratch();
	no_tmpfile = false;
	return result;
}

/* Where its name could not be taken away, whoever comes next does it. */
static bool nothing_left(bool done)
{
	size_t n;

	(void)done;
	return stage_sweep(s, &n) == 0 && names(SPOOL_TMP) == 0;
}

static void faults(void)
{
	every_call("create_spool", empty_directory, create, created);
	every_call("spool_open", fresh, open_it, anything);
	every_call("create_mend", without_lsc, mend, mended);
	every_call("create_online", without_online, make_online, online_made);
	every_call("stage_put", fresh, put_new, put_whole);
	every_call("stage_put over another", with_file, put_over, old_or_new);
	every_call("stage_put where RENAME_NOREPLACE is unknown", fresh, put_linked, put_whole);
	every_call("spool_list", with_request, list, anything);
	every_call("spool_names", with_request, names_of, anything);
	every_call("spool_count", with_request, count, anything);
	every_call("journal_flush", fresh, journal, journal_lines);
	every_call("a stage", fresh, stage_many, swept);
	every_call("stage_sweep", with_stages, sweep, not_the_living);
	stage_close(s, &alive);
	every_call("stage_scratch", fresh, scratch, nothing_left);
	every_call("stage_scratch where every file has a name", fresh, scratch_named, nothing_left);
}

static void creating(void)
{
	enum spool_dir missing;
	struct spool *made;
	bool touched = false;

	clean();
	ok((s = create_spool(top, "x", NOW)) != NULL && spool_open(top, "x", NOW) == NULL &&
	    errno == ENOENT,
	    "a spool without settings is none yet");
	ok(create_missing(top, &missing) == -1 && errno == ENOENT, "so it cannot lack anything");
	make_file(s->root, SPOOL_CONF, "");
	ok(create_spool(top, "x", NOW) == NULL && errno == EEXIST, "with settings it is complete");
	clean();
	must(mkdir(strcat(strcpy((char[512]){""}, top), "/trust"), 0700) == 0, "trust/");
	make_file(AT_FDCWD, strcat(strcpy((char[512]){""}, top), "/journal"), "");
	must(mkdir(strcat(strcpy((char[512]){""}, top), "/lost+found"), 0700) == 0, "lost+found/");
	ok((s = create_spool(top, "x",
	    NOW)) != NULL, "where an earlier run was cut off it goes on");
	clean();
	make_file(AT_FDCWD, strcat(strcpy((char[512]){""}, top), "/precious"), "");
	ok(create_spool(top, "x", NOW) == NULL &&
	    errno == ENOTEMPTY, "a foreign directory is left alone");
	for (unsigned n = 1; n < 100; n++) {
		unlisted = n;
		made = create_spool(top, "x", NOW);
		spool_close(made);
		touched = touched || made != NULL || faccessat(AT_FDCWD,
		    strcat(strcpy((char[512]){""}, top), "/csr"),
		    F_OK, 0) == 0;
	}
	unlisted = 0;
	ok(!touched, "also when its names cannot be read");
	ok(spool_open("/nonexistent", "x", NOW) == NULL && errno == ENOENT &&
	    create_spool("/nonexistent/x", "x", NOW) == NULL && create_missing("/nonexistent", &missing) == -1 &&
	    create_mend("/nonexistent") == -1, "what is not there");
	without_lsc();
	ok(create_missing(top, &missing) == 1 && missing == SPOOL_LSC && spool_open(top, "x", NOW) == NULL,
	    "a directory that a backup left out is missed");
	ok(create_mend(top) == 0 && create_missing(top, &missing) == 0 && open_it() == 0, "and made again");
	unsetenv("CAPF_SPOOL");
	ok(strcmp(spool_default(), "/var/spool/capf") == 0, "the usual place");
	setenv("CAPF_SPOOL", "", 1);
	ok(strcmp(spool_default(), "/var/spool/capf") == 0, "also when the variable is empty");
	setenv("CAPF_SPOOL", "/x", 1);
	ok(strcmp(spool_default(), "/x") == 0 &&
	    strcmp(spool_dir_name(SPOOL_TRUST_CAPF), "trust/capf") == 0,
	    "or another one");
}

static bool is_this(void *ctx, const char *device)
{
	return strcmp(device, ctx) == 0;
}

static void count_step(void *ctx)
{
	++*(int *)ctx;
}

static void files(void)
{
	struct reqid other = reqid, *reqids;
	struct spool_wanted wanted = {is_this, NULL};
	char **found;
	char name[REQID_NAME_MAX + 1];
	int seen = 0, steps = 0;
	size_t n;

	fresh();
	ok(put_new() == 0 && put_new() == -1 && errno == EEXIST, "the first one wins");
	ok(put_linked() == -1 && errno == EEXIST, "also by link(2)");
	ok(spool_remove(s, SPOOL_CSR, "file") == 0 && put_linked() == 0 && names(SPOOL_TMP) == 0,
	    "which leaves nothing behind");
	ok(stage_put_top(s, "x.conf", "a", 1) == 0 && stage_put_top(s, "x.conf", "b", 1) == 0,
	    "a file beside the directories is replaced");
	ok(spool_is_file(s, SPOOL_CSR, "file") && spool_is_file(s, SPOOL_CSR, "gone") &&
	    symlinkat("file", s->dir[SPOOL_CSR], "link") == 0 && !spool_is_file(s,
	    SPOOL_CSR, "link"),
	    "a link is no file");
	with_request();
	other.spki[0] = 1;
	ok(spool_has(s, SPOOL_CSR, &reqid, REQID_CSR) == 1 && spool_has(s, SPOOL_CSR, &other,
	    REQID_CSR) == 0,
	    "a request that is there, and one that is not");
	fault_arm(1, EIO);
	ok(spool_has(s, SPOOL_CSR, &reqid, REQID_CSR) == -1 &&
	    fault_over(), "and one that cannot be told");
	reqid_name(&other, REQID_RA, name);
	make_file(s->dir[SPOOL_CSR], name, "");
	ok(spool_list(s, SPOOL_CSR, &reqids, &n) == 0 && n == 2 && reqid_compare(&reqids[0],
	    &reqid) == 0 &&
	    reqid_compare(&reqids[1], &other) == 0, "a list of requests, sorted");
	free(reqids);
	strcpy(other.device, "SEP999999999999");
	reqid_name(&other, REQID_CSR, name);
	make_file(s->dir[SPOOL_CSR], name, "");
	wanted.ctx = other.device;
	ok(spool_list_for(s, SPOOL_CSR, &wanted, &reqids, &n) == 0 && n == 1 && reqid_compare(&reqids[0], &other) == 0,
	    "a list of one device");
	free(reqids);
	ok(!spool_wants(&wanted, "SEP999999999999") && spool_wants(NULL, "SEP999999999999"),
	    "a name that has no + is of no device, and where all are wanted it is");
	ok(spool_remove(s, SPOOL_CSR, name) == 0, "it goes");
	spool_step(s);
	s->step = count_step;
	s->step_ctx = &steps;
	spool_step(s);
	s->step = NULL;
	ok(steps == 1, "a step is told to whoever wants to know");
	ok(spool_list(s, SPOOL_LSC, &reqids, &n) == 0 && n == 0, "an empty one");
	free(reqids);
	ok(spool_names(s, SPOOL_CSR, any_request, &found, &n) == 0 && n == 2 && strcmp(found[0], found[1]) < 0,
	    "the names of a directory, sorted");
	free_names(found, n);
	ok(spool_each(s, SPOOL_CSR, each_stop, &seen) == 1 && seen == 1, "a walk that is stopped");
	ok(spool_move(s, &reqid, REQID_CSR, SPOOL_CSR, SPOOL_DONE) == 0 &&
	    spool_move(s, &reqid, REQID_CSR, SPOOL_CSR, SPOOL_DONE) == -1 && errno == ENOENT &&
	    spool_sync(s, SPOOL_DONE) == 0, "a move, once");
	ok(spool_count(s, SPOOL_DONE, &n) == 0 && n == 1 &&
	    spool_holds_requests(SPOOL_SUPERSEDED) &&
	    !spool_holds_requests(SPOOL_LSC), "which arrived");
}

static void room(void)
{
	struct statvfs v = {.f_frsize = 4096, .f_bavail = 100, .f_favail = 100, .f_files = 1000};

	fresh();
	disk = &v;
	ok(spool_room(s, 10, 65536) == 0, "room enough");
	ok(spool_room(s, 10, 400 * 1024) == -1 && errno == ENOSPC, "not for so many bytes");
	ok(spool_room(s, 85, 0) == -1 && errno == ENOSPC, "not for so many files");
	v.f_files = 0;
	ok(spool_room(s, 80, 0) == 0, "a file system without a number of files");
	fault_arm(1, EIO);
	ok(spool_room(s, 1, 1) == -1 && errno == EIO && fault_over(), "it cannot be told");
	disk = NULL;
	ok(spool_room(s, 1, 1) == 0, "here there is some");
}

/* A disk that is full in the middle of the second of three lines, and then is not. */
static void cut_line(void)
{
	struct rlimit whole, little;
	int result, error;
	unsigned char *p;
	size_t len;

	fresh();
	for (int i = 1; i <= 3; i++)
		journal_add_text(s, "event", (char[2]){(char)('0' + i), '\0'});
	must(getrlimit(RLIMIT_FSIZE, &whole) == 0, "the limit");
	little = whole;
	little.rlim_cur = (rlim_t)(s->journal.len / 2);
	must(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &little) == 0, "a full disk");
	result = journal_flush(s);
	error = errno;
	/* For our own output, too. */
	must(setrlimit(RLIMIT_FSIZE, &whole) == 0, "room");
	ok(result == -1 && error == EFBIG, "a journal without room");
	ok(journal_flush(s) == 0 && s->journal.len == 0, "that has room again");
	must(fileio_slurp(s->root, SPOOL_JOURNAL, 4096, &p, &len) == 0, "the journal");
	for (int i = 1; i <= 3; i++) {
		const char line[] = {'\t', (char)('0' + i), '\n', '\0'};
		const char *first = strstr((char *)p, line);

		ok(first != NULL && strstr(first + 1, line) == NULL, "has line %d once", i);
	}
	free(p);
}

static int tell(void *ctx, const struct reqid *about)
{
	unsigned *left = ctx;

	must(strcmp(about->device, reqid.device) == 0, "whom a line is about");
	return --*left == 0 ? 7 : 0;
}

static void reading_journal(void)
{
	char text[300];
	unsigned left = 9;

	fresh();
	unlinkat(s->root, SPOOL_JOURNAL, 0);
	ok(journal_each(s, tell, &left) == 0 && left == 9, "a journal that is not there has no line");
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	journal_add(s, "new", &reqid);
	journal_add_text(s, "event", "no request");
	journal_add_text(s, "event", text);
	journal_add(s, "ready", &reqid);
	must(journal_flush(s) == 0, "a journal");
	ok(journal_each(s, tell, &left) == 0 && left == 7, "two of four lines are about requests");
	left = 1;
	ok(journal_each(s, tell, &left) == 7 && left == 0, "it stops when it is told to");
	must(unlinkat(s->root, SPOOL_JOURNAL, 0) == 0 && symlinkat("nowhere", s->root, SPOOL_JOURNAL) == 0, "a link");
	errno = 0;
	ok(journal_each(s, tell, &left) == -1 && errno == ELOOP, "a link is not the journal");
	must(unlinkat(s->root, SPOOL_JOURNAL, 0) == 0 && mkdirat(s->root, SPOOL_JOURNAL, 0700) == 0, "a directory");
	ok(journal_each(s, tell, &left) == -1 && errno == EISDIR, "nor is a directory");
	must(unlinkat(s->root, SPOOL_JOURNAL, AT_REMOVEDIR) == 0, "no directory");
}

/* A request is found where it went while somebody reads. */
static void reading_requests(void)
{
	static const enum spool_dir places[] = {SPOOL_CSR, SPOOL_SUPERSEDED, SPOOL_DONE};
	char name[REQID_NAME_MAX + 1];
	unsigned char *p;
	size_t len;

	fresh();
	reqid_name(&reqid, (enum reqid_kind)reqid.kind, name);
	for (size_t i = 0; i < 3; i++)
		unlinkat(s->dir[places[i]], name, 0);
	ok(spool_read_request(s, &reqid, &p, &len) == -1 && errno == ENOENT, "a request that is nowhere");
	for (size_t i = 0; i < 3; i++) {
		make_file(s->dir[places[i]], name, "it");
		ok(spool_read_request(s, &reqid, &p, &len) == 0 && len == 2, "a request in %s", spool_dir_name(places[i]));
		free(p);
		unlinkat(s->dir[places[i]], name, 0);
	}
	must(symlinkat("nowhere", s->dir[SPOOL_CSR], name) == 0, "a link");
	make_file(s->dir[SPOOL_DONE], name, "it");
	ok(spool_read_request(s, &reqid, &p, &len) == -1 && errno == ELOOP, "a link is not passed over");
	unlinkat(s->dir[SPOOL_CSR], name, 0);
	unlinkat(s->dir[SPOOL_DONE], name, 0);
}

static void logging(void)
{
	char text[600];
	int log, tail;

	fresh();
	ok(journal_flush(s) == 0 && faccessat(s->root, SPOOL_JOURNAL, F_OK, 0) != 0,
	    "nothing happened, no journal");
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	journal_add_text(s, "event", text);
	ok(s->journal.len == 0, "a line that is too long is left out whole");
	fault_arm(1, ENOMEM);
	journal_add_text(s, "event", "text");
	ok(fault_over() && journal_flush(s) == -1 && errno == ENOMEM, "a journal without memory");
	ok(journal() == 0, "which is not for ever");
	fresh();
	must(symlinkat("elsewhere", s->root, SPOOL_JOURNAL) == 0, "a link");
	ok(journal() == -1 && errno == ELOOP, "a journal that is a link is not followed");
	fresh();
	log = journal_open(s, &tail);
	journal_hold(s, log, tail);
	must(renameat(s->root, SPOOL_JOURNAL, s->root, "old") == 0, "a journal with another name");
	ok(journal() == 0 && journal_size("old") > 0 && journal_size(SPOOL_JOURNAL) == -1,
	    "one that is held is written to, whatever its name");
	log = journal_open(s, &tail);
	journal_hold(s, log, tail);
	ok(journal() == 0 && journal_size(SPOOL_JOURNAL) == journal_size("old"), "until the next one is held");
	must(ftruncate(s->log, 0) == 0, "as by copytruncate");
	ok(journal() == 0 && journal_size(SPOOL_JOURNAL) == journal_size("old"), "a truncated one begins anew");
}

static void stages(void)
{
	static const char *const gone[] = {"gone"};
	struct stage g, h;
	size_t n;

	fresh();
	no_noreplace = true;
	ok(stage_open(s, &g) == 0 && stage_write(&g, "a", "a", 1) == 0 &&
	    stage_write(&g, "b", "b", 1) == 0 && stage_publish(&g, "a", s->dir[SPOOL_LSC], "a") == 0 &&
	    stage_publish(&g, "b", s->dir[SPOOL_LSC], "b") == 0 && holds(SPOOL_LSC, "b", "b"),
	    "two files by link(2), of which one finds out");
	no_noreplace = false;
	stage_close(s, &g);
	busy = 1;
	ok(stage_open(s, &g) == 0 &&
	    names(SPOOL_TMP) == 2, "a sweeper was there first: another one");
	stage_close(s, &g);
	ok(stage_sweep(s, &n) == 0 && n == 1, "who takes it away");
	stage_within(s, openat(s->root, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	ok(stage_put(s, SPOOL_LSC, "within", "text", 4, false) == 0 && holds(SPOOL_LSC, "within", "text"),
	    "a stage may be in another directory that is open");
	fault_arm(4, ENOLCK);
	ok(stage_open(s, &g) == 0 && fault_over(), "where locks do not work it goes on");
	stage_close(s, &g);
	fault_arm(3, ENOENT);
	ok(stage_open(s, &g) == 0 && fault_over(), "a sweeper was quicker still: another one");
	stage_close(s, &g);
	ok(stage_sweep(s, &n) == 0 && n == 1, "what it seems to have taken is there, and goes");
	no_random = true;
	ok(stage_open(s, &g) == 0 && stage_open(s, &h) == -1 && errno == EBUSY,
	    "names that are all taken");
	no_random = false;
	ok(stage_sync(&g, gone, 1) == -1 &&
	    errno == ENOENT, "a file that is not there cannot be synced");
	busy = 1;
	ok(stage_sweep(s, &n) == 0 && n == 0, "who lives is not swept");
	stage_close(s, &g);
	ok(scratch() == 0 && scratch_names == 0 && names(SPOOL_TMP) == 0, "a scratch file has no name");
	ok(scratch_named() == 0 && scratch_names == 0 && names(SPOOL_TMP) == 0,
	    "where every file has one, it is taken away at once");
	fault_arm(1, EIO);
	ok(spool_sync_all(s, 1u << SPOOL_LSC | 1u << SPOOL_CSR) == -1 && errno == EIO && fault_over(),
	    "of several directories one that cannot be synced is enough");
	s->torn = false;
	make_file(s->dir[SPOOL_TMP], "file", "");
	ok(stage_sweep(s, &n) == 0 && n == 0 &&
	    names(SPOOL_TMP) == 1, "a file in tmp/ is nobody's stage");
}

/* Links and files where ours should be: whoever can make them may not have us read or write elsewhere. */
/* The journal gets another name between the two times that it is opened, or one of the calls fails. */
static void open_renamed(void)
{
	static const struct {
		unsigned call;
		int error;
		bool opens;
	} cases[] = {{1, EMFILE, false}, {2, ENOENT, true}, {2, EMFILE, false}, {3, EIO, true}, {4, EIO, true}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int fd, tail = -1, error;

		fault_arm(cases[i].call, cases[i].error);
		fd = journal_open(s, &tail);
		error = errno;
		ok(fault_over() && (cases[i].opens ? fd >= 0 && tail >= 0 : fd == -1 && error == cases[i].error),
		    "journal_open: call %u fails with %s", cases[i].call, strerror(cases[i].error));
		if (fd >= 0) {
			close(fd);
			close(tail);
		}
	}
}

static void planted(void)
{
	const char *f = "f";
	struct stage g;
	unsigned char *p;
	size_t len;
	int tail;

	fresh();
	make_file(s->root, "elsewhere", "theirs");
	must(symlinkat("../elsewhere", s->dir[SPOOL_CSR], "link") == 0, "a link");
	errno = 0;
	ok(spool_read(s, SPOOL_CSR, "link", &p, &len) == -1 && errno == ELOOP, "a link is not read");
	must(stage_open(s, &g) == 0 && symlinkat("../../elsewhere", g.fd, f) == 0, "a link in a stage");
	ok(stage_write(&g, f, "ours", 4) == -1, "no link in a stage is written through");
	errno = 0;
	ok(stage_sync(&g, &f, 1) == -1 && errno == ELOOP, "nor synced in place of a file");
	stage_remove(&g, f);
	make_file(g.fd, f, "theirs");
	errno = 0;
	ok(stage_write(&g, f, "ours", 4) == -1 && errno == EEXIST, "nor a file that is there");
	stage_close(s, &g);
	journal_add_text(s, "event", "x");
	must(unlinkat(s->root, SPOOL_JOURNAL, 0) == 0 || errno == ENOENT, "no journal");
	must(symlinkat("nowhere", s->root, SPOOL_JOURNAL) == 0, "a link in place of the journal");
	errno = 0;
	ok(journal_open(s, &tail) == -1 && errno == ELOOP, "a link is not the journal");
	must(unlinkat(s->root, SPOOL_JOURNAL, 0) == 0, "no link");
	open_renamed();
	must(unlinkat(s->root, SPOOL_JOURNAL, 0) == 0 && symlinkat("nowhere", s->root, SPOOL_JOURNAL) == 0, "the link");
	ok(journal_flush(s) == -1 && faccessat(s->root, "nowhere", F_OK, 0) != 0, "and nothing is made behind it");
	ok(holds_at(s->root, "elsewhere", "theirs"), "what the other links lead to is as it was");
	must(unlinkat(s->root, "lsc", AT_REMOVEDIR) == 0 && symlinkat("csr", s->root, "lsc") == 0, "a link for lsc/");
	ok(spool_open(top, "x", NOW) == NULL, "a spool whose directory is a link is none");
}

int main(void)
{
	/* In memory if there is such a place: what is made and removed here takes no disk. */
	if (mkdtemp(top) == NULL)
		strcpy(top, tap_dir());
	creating();
	files();
	room();
	logging();
	reading_journal();
	reading_requests();
	cut_line();
	stages();
	planted();
	faults();
	clean();
	rmdir(top);
	return tap_done();
}
