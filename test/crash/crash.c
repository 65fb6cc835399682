/* SPDX-License-Identifier: ISC */
/* A preload library for test/crash/walk: it stands before the libc calls that change the disk, counts
 * them over all processes of a program, and strikes at the one that CRASH_AT names.
 *
 *	CRASH_AT=N		the Nth call, from 1; without it nothing happens
 *	CRASH_HOW=before	SIGKILL instead of the call (the default)
 *	CRASH_HOW=half		SIGKILL after half of a write; another call is as before
 *	CRASH_HOW=errno:ENOSPC	the call fails once with that error (EIO, EDQUOT, EMFILE or a number)
 *	CRASH_LOG=FILE		appends "call<tab>path" or "call<tab>from<tab>to" for each call, and
 *				"say" when stdout is flushed, which is not counted
 *
 * Writes count when they go to a regular file. What the library cannot count it refuses by a message
 * and SIGABRT: stdio opened for writing, and calls that nobody uses so far. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
/* A second name of a function, as glibc has them for large files and for _FORTIFY_SOURCE. */
#define ALIAS(name, of) extern EXPORT __typeof__(of) name __attribute__((alias(#of)))

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static atomic_ulong *count;	/* shared with the children */
static unsigned long at;
static bool half;
static int error;
static const char *log_path;

__attribute__((constructor)) static void start(void)
{
	static const struct {
		const char *name;
		int error;
	} names[] = { { "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EDQUOT", EDQUOT }, { "EMFILE", EMFILE } };
	const char *text = getenv("CRASH_AT"), *how = getenv("CRASH_HOW");

	at = text != NULL ? strtoul(text, NULL, 10) : 0;
	log_path = getenv("CRASH_LOG");
	half = how != NULL && strcmp(how, "half") == 0;
	if (how != NULL && strncmp(how, "errno:", 6) == 0) {
		error = atoi(how + 6);
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (strcmp(how + 6, names[i].name) == 0)
				error = names[i].error;
	}
	count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (count == MAP_FAILED)
		abort();
}

_Noreturn static void die(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
	for (;;)
		pause();
}

/* The absolute path of a file that may not exist, as far as the directory tells. */
static const char *absolute(int dirfd, const char *path, char *out, size_t size)
{
	char link[64], dir[PATH_MAX];
	ssize_t n;

	if (path != NULL && path[0] == '/')
		return path;
	if (dirfd == AT_FDCWD)
		snprintf(link, sizeof link, "/proc/self/cwd");
	else
		snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
	n = readlink(link, dir, sizeof dir - 1);
	dir[n > 0 ? n : 0] = '\0';
	snprintf(out, size, "%s%s%s", dir, path != NULL ? "/" : "", path != NULL ? path : "");
	return out;
}

static void note(const char *line)
{
	long fd;

	if (log_path == NULL)
		return;
	fd = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || syscall(SYS_write, fd, line, strlen(line)) < 0)
		abort();
	close((int)fd);
}

/* Stands before a call. 0: make it; -1: it fails, errno is set; 1: make half of it, then die. */
static int step(const char *call, int fd, const char *path, int to, const char *to_path)
{
	char a[2 * PATH_MAX], b[2 * PATH_MAX], line[5 * PATH_MAX];
	int saved = errno;
	unsigned long n = atomic_fetch_add(count, 1) + 1;

	if (log_path != NULL) {
		snprintf(line, sizeof line, "%s\t%s%s%s\n", call, absolute(fd, path, a, sizeof a),
		    to_path != NULL ? "\t" : "",
		    to_path != NULL ? absolute(to, to_path, b, sizeof b) : "");
		note(line);
	}
	errno = saved;
	if (n != at)
		return 0;
	if (error != 0) {
		errno = error;
		return -1;
	}
	if (half && strcmp(call, "write") == 0)
		return 1;
	die();
}

static bool regular(int fd)
{
	struct stat st;
	int saved = errno;
	bool result = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

	errno = saved;
	return result;
}

/* Making and writing files. */

static int do_open(int dirfd, const char *path, int flags, mode_t mode)
{
	bool makes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;

	if (makes && step("open", dirfd, path, -1, NULL) != 0)
		return -1;
	return (int)syscall(SYS_openat, dirfd, path, flags, mode);
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

EXPORT ssize_t write(int fd, const void *data, size_t len)
{
	if (regular(fd)) {
		switch (step("write", fd, NULL, -1, NULL)) {
		case -1:
			return -1;
		case 1:
			syscall(SYS_write, fd, data, len / 2);
			die();
		}
	}
	return syscall(SYS_write, fd, data, len);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	if (regular(fd)) {
		switch (step("write", fd, NULL, -1, NULL)) {
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

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
	if (regular(fd)) {
		switch (step("write", fd, NULL, -1, NULL)) {
		case -1:
			return -1;
		case 1:
			syscall(SYS_writev, fd, iov, n / 2);
			if (n % 2 != 0)
				syscall(SYS_write, fd, iov[n / 2].iov_base, iov[n / 2].iov_len / 2);
			die();
		}
	}
	return syscall(SYS_writev, fd, iov, n);
}

EXPORT int ftruncate(int fd, off_t len)
{
	return step("ftruncate", fd, NULL, -1, NULL) != 0 ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}
ALIAS(ftruncate64, ftruncate);

EXPORT int fchmod(int fd, mode_t mode)
{
	return step("fchmod", fd, NULL, -1, NULL) != 0 ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

EXPORT int fchown(int fd, uid_t uid, gid_t gid)
{
	return step("fchown", fd, NULL, -1, NULL) != 0 ? -1 : (int)syscall(SYS_fchown, fd, uid, gid);
}

/* Making it durable. */

EXPORT int fsync(int fd)
{
	return step("fsync", fd, NULL, -1, NULL) != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

EXPORT int fdatasync(int fd)
{
	return step("fsync", fd, NULL, -1, NULL) != 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
}

EXPORT int syncfs(int fd)
{
	return step("syncfs", fd, NULL, -1, NULL) != 0 ? -1 : (int)syscall(SYS_syncfs, fd);
}

/* Directories. */

EXPORT int mkdirat(int dirfd, const char *path, mode_t mode)
{
	return step("mkdir", dirfd, path, -1, NULL) != 0 ? -1
	    : (int)syscall(SYS_mkdirat, dirfd, path, mode);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

EXPORT int linkat(int fd, const char *path, int to, const char *to_path, int flags)
{
	return step("link", fd, path, to, to_path) != 0 ? -1
	    : (int)syscall(SYS_linkat, fd, path, to, to_path, flags);
}

EXPORT int link(const char *path, const char *to_path)
{
	return linkat(AT_FDCWD, path, AT_FDCWD, to_path, 0);
}

EXPORT int symlinkat(const char *text, int to, const char *to_path)
{
	return step("symlink", to, to_path, -1, NULL) != 0 ? -1
	    : (int)syscall(SYS_symlinkat, text, to, to_path);
}

EXPORT int symlink(const char *text, const char *to_path)
{
	return symlinkat(text, AT_FDCWD, to_path);
}

EXPORT int renameat2(int fd, const char *path, int to, const char *to_path, unsigned int flags)
{
	return step("rename", fd, path, to, to_path) != 0 ? -1
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
	return step("unlink", fd, path, -1, NULL) != 0 ? -1
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

/* stdout is flushed: the moment at which a program tells somebody. */
EXPORT int fflush(FILE *f)
{
	int (*real)(FILE *);

	*(void **)&real = dlsym(RTLD_NEXT, "fflush");
	if (f == stdout)
		note("say\n");
	return real(f);
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
REFUSE(pwritev)
REFUSE(chmod)
REFUSE(fchmodat)
REFUSE(utimensat)
REFUSE(futimens)
