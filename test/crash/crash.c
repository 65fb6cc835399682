/* SPDX-License-Identifier: ISC */
/* A preload library for test/crash/walk: it stands before the libc calls that change or read the disk,
 * counts them over all processes of a program, and strikes at the one that CRASH_AT names.
 *
 *	CRASH_FILE=FILE		counter and log, shared by all processes; without it nothing happens
 *	CRASH_PROGRAM=NAME	only in this program
 *	CRASH_UNDER=DIR		only calls for files under it
 *	CRASH_READERS=all	reading is counted in children too; usually their turns are any
 *	CRASH_WHOM=all		in a child the kill only counts, and the child waits until its parent is killed by whoever
 *				sees that in CRASH_FILE
 *	CRASH_AT=N		the Nth call, from 1
 *	CRASH_HOW=before	SIGKILL instead of the call (the default)
 *	CRASH_HOW=half		SIGKILL after half of a write; another call is as before
 *	CRASH_HOW=short		a write writes half, and says so
 *	CRASH_HOW=once:EIO	the call fails with that error (ENOSPC, EINTR, EMFILE)
 *	CRASH_HOW=on:EIO	it fails, and so does every later call of which that error can come
 *
 * The log has a line for each call, "N<tab>kind<tab>call<tab>path", and for some a second path. Kinds
 * are "change", "read", "failed" and "killed" by us, "new" for a process that was not heard before, and
 * "say": a line goes to stdout, a message to a phone, or a request to a CA, or its answer is read, with the text
 * instead of the path, its tabs as blanks. It is written to mapped memory, which also a process can do that may open nothing and a kill
 * does not undo: the file begins with a struct shared and ends with NULs.
 *
 * What the library cannot count it refuses by a message and SIGABRT: stdio opened for writing, and calls
 * that nobody uses so far. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
/* A second name of a function, as glibc has them for large files and for _FORTIFY_SOURCE. */
#define ALIAS(name, of) extern EXPORT __typeof__(of) name __attribute__((alias(#of)))

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define FILE_BYTES ((size_t)1 << 20)
#define MAX_FD 4096

struct shared {
	atomic_ulong count;
	atomic_ulong used;		/* bytes of text */
	atomic_ulong struck;		/* the calls that failed, or the one that killed */
	char pad[64 - 3 * sizeof(atomic_ulong)];
	char text[];
};

enum how { BEFORE, HALF, SHORT, ONCE, ON };

static struct shared *shared;		/* NULL: nothing happens here */
static unsigned long at;
static enum how how;
static int error;
static const char *under;
static pid_t reader;	/* 0: all are */
static pid_t leader;	/* the only one that is killed; 0: whichever it is */
static pid_t self;	/* who wrote the last line here; a child inherits its parent's */
static char cwd[PATH_MAX];

/* What we have opened. */
static struct {
	char *path;
	bool writable;
} file[MAX_FD];

static int error_of(const char *name)
{
	static const struct {
		const char *name;
		int error;
	} names[] = { { "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EMFILE", EMFILE }, { "EINTR", EINTR } };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i].name) == 0)
			return names[i].error;
	fprintf(stderr, "crash.so: %s is no error that it knows\n", name);
	abort();
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("CRASH_FILE"), *only = getenv("CRASH_PROGRAM");
	const char *text = getenv("CRASH_AT"), *way = getenv("CRASH_HOW");
	int fd;

	if (path == NULL || (only != NULL && strcmp(only, program_invocation_short_name) != 0))
		return;
	under = getenv("CRASH_UNDER");
	reader = getenv("CRASH_READERS") == NULL ? getpid() : 0;
	leader = getenv("CRASH_WHOM") == NULL ? 0 : getpid();
	if (getcwd(cwd, sizeof cwd) == NULL)
		abort();
	at = text != NULL ? strtoul(text, NULL, 10) : 0;
	way = way != NULL ? way : "before";
	how = strcmp(way, "half") == 0 ? HALF : strcmp(way, "short") == 0 ? SHORT :
	    strncmp(way, "once:", 5) == 0 ? ONCE : strncmp(way, "on:", 3) == 0 ? ON : BEFORE;
	if (how == ONCE || how == ON)
		error = error_of(strchr(way, ':') + 1);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || syscall(SYS_ftruncate, fd, FILE_BYTES) != 0)
		abort();
	shared = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		abort();
	syscall(SYS_close, fd);
}

_Noreturn static void die(void)
{
	/* Without a call, which a sandbox might not let it make. */
	while (leader != 0 && getpid() != leader)
		atomic_thread_fence(memory_order_seq_cst);
	syscall(SYS_kill, getpid(), SIGKILL);
	/* Who may not even do that dies of this. */
	for (;;)
		__builtin_trap();
}

static void note(unsigned long n, const char *kind, const char *call, const char *a, const char *b)
{
	char line[3 * PATH_MAX];
	int len = snprintf(line, sizeof line, "%lu\t%s\t%s\t%s%s%s\n", n, kind, call, a,
	    b != NULL ? "\t" : "", b != NULL ? b : "");
	unsigned long place;

	if (len < 0 || (size_t)len >= sizeof line)
		abort();
	place = atomic_fetch_add(&shared->used, (unsigned long)len);
	if (place + (unsigned long)len > FILE_BYTES - sizeof *shared)
		abort();
	memcpy(shared->text + place, line, (size_t)len);
}

/* The absolute path of a file that may not exist; the descriptor's own when path is NULL. */
static const char *absolute(int dirfd, const char *path, char *out, size_t size)
{
	const char *dir = dirfd == AT_FDCWD ? cwd :
	    dirfd >= 0 && dirfd < MAX_FD && file[dirfd].path != NULL ? file[dirfd].path : "?";

	if (path != NULL && path[0] == '/')
		return path;
	if (path == NULL || strcmp(path, ".") == 0 || *path == '\0')
		return dir;
	snprintf(out, size, "%s/%s", dir, path);
	return out;
}

static bool counts(const char *path)
{
	return under == NULL || path[0] == '?' || strncmp(path, under, strlen(under)) == 0;
}

/* Can this error come of that call? */
static bool possible(const char *call, bool change)
{
	bool opens = strcmp(call, "open") == 0 || strcmp(call, "make") == 0;

	switch (error) {
	case EMFILE:
		return opens;
	case ENOSPC:
		return change && strcmp(call, "unlink") != 0 && strcmp(call, "close") != 0;
	default:
		return true;
	}
}

/* A process that has not been heard before. */
static void introduce(void)
{
	if (self == getpid())
		return;
	self = getpid();
	note(0, "new", "process", "", NULL);
}

/* Stands before a call. 0: make it; -1: it fails, errno is set; 1: make half of it. */
static int step(bool change, const char *call, int fd, const char *path, int to, const char *to_path)
{
	char a[2 * PATH_MAX], b[2 * PATH_MAX];
	const char *from;
	unsigned long n;
	bool write = strcmp(call, "write") == 0, strike;

	if (shared == NULL || (!change && reader != 0 && getpid() != reader) ||
	    !counts(from = absolute(fd, path, a, sizeof a)))
		return 0;
	introduce();
	n = atomic_fetch_add(&shared->count, 1) + 1;
	strike = at != 0 && (n == at || (n > at && how == ON)) && (error == 0 || possible(call, change));
	note(n, !strike || how == SHORT ? (change ? "change" : "read") : error != 0 ? "failed" : "killed",
	    call, from, to_path != NULL ? absolute(to, to_path, b, sizeof b) : NULL);
	if (!strike)
		return 0;
	atomic_fetch_add(&shared->struck, 1);
	if (error != 0) {
		errno = error;
		return -1;
	}
	if (write && (how == HALF || how == SHORT))
		return 1;
	die();
}

/* What is told to somebody; a kill before it is one point more. */
static void tell(const char *call, const char *text, size_t len)
{
	char line[PATH_MAX];
	size_t used = 0;
	unsigned long n;

	if (shared == NULL)
		return;
	for (size_t i = 0; i < len && used + 1 < sizeof line; i++)
		line[used++] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : ' ';
	line[used] = '\0';
	n = atomic_fetch_add(&shared->count, 1) + 1;
	note(n, n == at && how == BEFORE ? "killed" : "say", call, line, NULL);
	if (n == at && how == BEFORE) {
		atomic_fetch_add(&shared->struck, 1);
		die();
	}
}

static bool regular(int fd)
{
	struct stat st;
	int saved = errno;
	bool result = shared != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

	errno = saved;
	return result;
}

static bool known(int fd)
{
	return shared != NULL && fd >= 0 && fd < MAX_FD && file[fd].path != NULL;
}

/* Opening and closing. */

static int do_open(int dirfd, const char *path, int flags, mode_t mode)
{
	bool makes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
	char whole[2 * PATH_MAX];
	int fd;

	if (step(makes, makes ? "make" : "open", dirfd, path, -1, NULL) != 0)
		return -1;
	fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
	if (shared != NULL && fd >= 0 && fd < MAX_FD) {
		const char *name = absolute(dirfd, path, whole, sizeof whole);

		free(file[fd].path);
		file[fd].path = counts(name) ? strdup(name) : NULL;
		file[fd].writable = (flags & O_ACCMODE) != O_RDONLY;
	}
	return fd;
}

#define MODE_ARGUMENT(flags)			\
	mode_t mode;				\
	va_list ap;				\
	va_start(ap, flags);			\
	mode = va_arg(ap, mode_t);		\
	va_end(ap)

EXPORT int open(const char *path, int flags, ...)
{
	MODE_ARGUMENT(flags);
	return do_open(AT_FDCWD, path, flags, mode);
}
ALIAS(open64, open);

EXPORT int openat(int dirfd, const char *path, int flags, ...)
{
	MODE_ARGUMENT(flags);
	return do_open(dirfd, path, flags, mode);
}
ALIAS(openat64, openat);

EXPORT int __open_2(const char *path, int flags)
{
	return do_open(AT_FDCWD, path, flags, 0);
}
ALIAS(__open64_2, __open_2);

EXPORT int __openat_2(int dirfd, const char *path, int flags)
{
	return do_open(dirfd, path, flags, 0);
}
ALIAS(__openat64_2, __openat_2);

EXPORT int creat(const char *path, mode_t mode)
{
	return do_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
ALIAS(creat64, creat);

/* Of a file that was written, where it may tell of trouble. The descriptor is gone even when it fails. */
EXPORT int close(int fd)
{
	bool fails = known(fd) && file[fd].writable && step(false, "close", fd, NULL, -1, NULL) != 0;
	int saved = errno, result;

	if (known(fd)) {
		free(file[fd].path);
		file[fd].path = NULL;
	}
	result = (int)syscall(SYS_close, fd);
	if (!fails)
		return result;
	errno = saved;
	return -1;
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	for (unsigned fd = first; flags == 0 && fd <= last && fd < MAX_FD; fd++) {
		free(file[fd].path);
		file[fd].path = NULL;
	}
	return (int)syscall(SYS_close_range, first, last, flags);
}

EXPORT int dup2(int fd, int to)
{
	if (known(to) && fd != to) {
		free(file[to].path);
		file[to].path = NULL;
	}
	return (int)syscall(SYS_dup2, fd, to);
}

/* Reading. */

EXPORT ssize_t read(int fd, void *to, size_t len)
{
	if (known(fd) && regular(fd) && step(false, "read", fd, NULL, -1, NULL) != 0)
		return -1;
	return syscall(SYS_read, fd, to, len);
}

EXPORT ssize_t pread(int fd, void *to, size_t len, off_t offset)
{
	if (known(fd) && regular(fd) && step(false, "read", fd, NULL, -1, NULL) != 0)
		return -1;
	return syscall(SYS_pread64, fd, to, len, offset);
}
ALIAS(pread64, pread);

EXPORT struct dirent *readdir(DIR *dir)
{
	struct dirent *(*real)(DIR *);

	if (known(dirfd(dir)) && step(false, "readdir", dirfd(dir), NULL, -1, NULL) != 0)
		return NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "readdir");
	return real(dir);
}

EXPORT struct dirent64 *readdir64(DIR *dir)
{
	return (struct dirent64 *)(void *)readdir(dir);
}

EXPORT int faccessat(int dirfd, const char *path, int mode, int flags)
{
	return step(false, "stat", dirfd, path, -1, NULL) != 0 ? -1
	    : (int)syscall(SYS_faccessat2, dirfd, path, mode, flags);
}

EXPORT int access(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, 0);
}

EXPORT int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return step(false, "stat", dirfd, path, -1, NULL) != 0 ? -1
	    : (int)syscall(SYS_newfstatat, dirfd, path, st, flags);
}

EXPORT int fstatvfs(int fd, struct statvfs *v)
{
	int (*real)(int, struct statvfs *);

	if (step(false, "stat", fd, NULL, -1, NULL) != 0)
		return -1;
	*(void **)&real = dlsym(RTLD_NEXT, "fstatvfs");
	return real(fd, v);
}

/* Writing. */

EXPORT ssize_t write(int fd, const void *data, size_t len)
{
	if (fd != STDERR_FILENO && regular(fd)) {
		switch (step(true, "write", fd, NULL, -1, NULL)) {
		case -1:
			return -1;
		case 1:
			len = (size_t)syscall(SYS_write, fd, data, len / 2);
			if (how == SHORT && len > 0)
				return (ssize_t)len;
			die();
		}
	}
	return syscall(SYS_write, fd, data, len);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	if (regular(fd)) {
		switch (step(true, "write", fd, NULL, -1, NULL)) {
		case -1:
			return -1;
		case 1:
			syscall(SYS_pwrite64, fd, data, len / 2, offset);
			die();
		}
	}
	return syscall(SYS_pwrite64, fd, data, len, offset);
}
ALIAS(pwrite64, pwrite);

EXPORT int ftruncate(int fd, off_t len)
{
	return step(true, "ftruncate", fd, NULL, -1, NULL) != 0 ? -1
	    : (int)syscall(SYS_ftruncate, fd, len);
}
ALIAS(ftruncate64, ftruncate);

EXPORT int fchmod(int fd, mode_t mode)
{
	return step(true, "fchmod", fd, NULL, -1, NULL) != 0 ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

EXPORT int fchown(int fd, uid_t uid, gid_t gid)
{
	return step(true, "fchown", fd, NULL, -1, NULL) != 0 ? -1
	    : (int)syscall(SYS_fchown, fd, uid, gid);
}

/* Making it durable. */

EXPORT int fsync(int fd)
{
	return step(true, "fsync", fd, NULL, -1, NULL) != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

EXPORT int fdatasync(int fd)
{
	return step(true, "fsync", fd, NULL, -1, NULL) != 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
}

EXPORT int syncfs(int fd)
{
	return step(true, "syncfs", fd, NULL, -1, NULL) != 0 ? -1 : (int)syscall(SYS_syncfs, fd);
}

/* Directories. */

EXPORT int mkdirat(int dirfd, const char *path, mode_t mode)
{
	return step(true, "mkdir", dirfd, path, -1, NULL) != 0 ? -1
	    : (int)syscall(SYS_mkdirat, dirfd, path, mode);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

EXPORT int linkat(int fd, const char *path, int to, const char *to_path, int flags)
{
	return step(true, "link", fd, path, to, to_path) != 0 ? -1
	    : (int)syscall(SYS_linkat, fd, path, to, to_path, flags);
}

EXPORT int link(const char *path, const char *to_path)
{
	return linkat(AT_FDCWD, path, AT_FDCWD, to_path, 0);
}

EXPORT int renameat2(int fd, const char *path, int to, const char *to_path, unsigned int flags)
{
	return step(true, "rename", fd, path, to, to_path) != 0 ? -1
	    : (int)syscall(SYS_renameat2, fd, path, to, to_path, flags);
}

EXPORT int renameat(int fd, const char *path, int to, const char *to_path)
{
	return renameat2(fd, path, to, to_path, 0);
}

EXPORT int rename(const char *path, const char *to_path)
{
	return renameat2(AT_FDCWD, path, AT_FDCWD, to_path, 0);
}

EXPORT int unlinkat(int fd, const char *path, int flags)
{
	return step(true, "unlink", fd, path, -1, NULL) != 0 ? -1
	    : (int)syscall(SYS_unlinkat, fd, path, flags);
}

EXPORT int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* Telling somebody. */

EXPORT int fflush(FILE *f)
{
	int (*real)(FILE *);

	*(void **)&real = dlsym(RTLD_NEXT, "fflush");
	if (f == stdout && shared != NULL) {
		const char *p = f->_IO_write_base, *end = p + __fpending(f), *line;

		for (; p < end; p = line + 1) {
			if ((line = memchr(p, '\n', (size_t)(end - p))) == NULL)
				line = end;
			tell("stdout", p, (size_t)(line - p));
		}
	}
	return real(f);
}

/* A message to a phone: its number is the second byte. */
/* The first line of a text. */
static void tell_line(const char *call, const char *text, size_t len)
{
	const char *end = memchr(text, '\r', len);

	tell(call, text, end != NULL ? (size_t)(end - text) : len);
}

/* What libcurl says to a CA, and that an answer begins. */
EXPORT int SSL_write(void *ssl, const void *data, int len)
{
	int (*real)(void *, const void *, int);

	if (len > 4 && (memcmp(data, "GET ", 4) == 0 || memcmp(data, "POST", 4) == 0))
		tell_line("ca", data, (size_t)len);
	*(void **)&real = dlsym(RTLD_NEXT, "SSL_write");
	return real(ssl, data, len);
}

EXPORT int SSL_read(void *ssl, void *to, int len)
{
	int (*real)(void *, void *, int), n;

	*(void **)&real = dlsym(RTLD_NEXT, "SSL_read");
	n = real(ssl, to, len);
	if (n > 4 && memcmp(to, "HTTP", 4) == 0)
		tell_line("answer", to, (size_t)n);
	return n;
}

EXPORT int SSL_write_ex(void *ssl, const void *data, size_t len, size_t *written)
{
	int (*real)(void *, const void *, size_t, size_t *);
	char type[8];

	if (len > 3) {
		snprintf(type, sizeof type, "%02x", ((const unsigned char *)data)[1]);
		tell("phone", type, strlen(type));
	}
	*(void **)&real = dlsym(RTLD_NEXT, "SSL_write_ex");
	return real(ssl, data, len, written);
}

/* What would change the disk behind our back. */

_Noreturn static void refuse(const char *call)
{
	fprintf(stderr, "crash.so: %s is not counted\n", call);
	abort();
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
	FILE *(*real)(const char *, const char *);

	if (strpbrk(mode, "wa+") != NULL && strncmp(path, "/dev/", 5) != 0)
		refuse("fopen for writing");
	if (step(false, "open", AT_FDCWD, path, -1, NULL) != 0)
		return NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "fopen");
	return real(path, mode);
}
ALIAS(fopen64, fopen);

#define REFUSE(call)						\
	EXPORT void refuse_##call(void) __asm__(#call);		\
	void refuse_##call(void)				\
	{							\
		refuse(#call);					\
	}
REFUSE(dprintf)
REFUSE(vdprintf)
REFUSE(__dprintf_chk)
REFUSE(__vdprintf_chk)
REFUSE(mkstemp)
REFUSE(mkostemp)
REFUSE(mkdtemp)
REFUSE(tmpfile)
REFUSE(remove)
REFUSE(truncate)
REFUSE(fallocate)
REFUSE(posix_fallocate)
REFUSE(sendfile)
REFUSE(copy_file_range)
REFUSE(writev)
REFUSE(pwritev)
REFUSE(symlink)
REFUSE(symlinkat)
REFUSE(chmod)
REFUSE(fchmodat)
REFUSE(utimensat)
REFUSE(futimens)
