/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/outdir.h"

/* A temporary file: ".new-NAME.PID.tmp". Programs that read all *.pem of the directory do not see it. */
#define TEMP_BEGIN ".new-"
#define TEMP_END ".tmp"

int outdir_open(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Some network file systems cannot lock a directory. The names of temporary files differ, so two programs
	 * at once do no harm there. */
	if (dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		return fileio_give_up(dir);
	return dir;
}

static bool is_temp(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(TEMP_BEGIN TEMP_END) && strncmp(name, TEMP_BEGIN, strlen(TEMP_BEGIN)) == 0 &&
	    strcmp(name + len - strlen(TEMP_END), TEMP_END) == 0;
}

/* Calls each with the names that are wanted: those that do not begin with a dot, or the temporary files. */
static int list(int dir, bool temps, int (*each)(void *ctx, const char *name), void *ctx)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0, saved;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL)
		return fd >= 0 ? fileio_give_up(fd) : -1;
	while (result == 0 && (errno = 0, e = readdir(d)) != NULL)
		if (temps ? is_temp(e->d_name) : e->d_name[0] != '.')
			result = each(ctx, e->d_name);
	if (result == 0 && errno != 0)
		result = -1;
	saved = errno;
	closedir(d);
	errno = saved;
	return result;
}

int outdir_each(int dir, int (*each)(void *ctx, const char *name), void *ctx)
{
	return list(dir, false, each, ctx);
}

static int sweep(void *ctx, const char *name)
{
	const int *dir = ctx;

	return unlinkat(*dir, name, 0) == 0 || errno == ENOENT ? 0 : -1;
}

int outdir_sweep(int dir)
{
	/* Locked already, it is locked again; where that cannot be done, a temporary file may be somebody's at work. */
	if (flock(dir, LOCK_EX | LOCK_NB) != 0)
		return 0;
	return list(dir, true, sweep, &dir);
}

int outdir_differs(int dir, const char *name, const void *data, size_t len)
{
	unsigned char *there = NULL;
	size_t there_len;
	int result;

	if (fileio_slurp(dir, name, len, &there, &there_len) == 0) {
		result = there_len != len || (len > 0 && memcmp(there, data, len) != 0);
		free(there);
		return result;
	}
	if (errno == ENOENT || errno == EFBIG)
		return 1;
	if (errno == ELOOP)
		errno = EINVAL;
	return -1;
}

int outdir_put(int dir, const char *name, mode_t mode, const void *data, size_t len)
{
	char temp[NAME_MAX + 1];
	int n = snprintf(temp, sizeof temp, TEMP_BEGIN "%s.%ld" TEMP_END, name, (long)getpid()), fd, saved;

	if (n < 0 || (size_t)n >= sizeof temp) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)) < 0)
		return -1;
	/* Content first: a name that survives a power failure must not lead to an empty file. */
	if (fileio_write_all(fd, data, len) != 0 || fsync(fd) != 0)
		fileio_give_up(fd);
	else if (close(fd) == 0 && renameat(dir, temp, dir, name) == 0)
		return 0;
	saved = errno;
	unlinkat(dir, temp, 0);
	errno = saved;
	return -1;
}

int outdir_remove(int dir, const char *name)
{
	return unlinkat(dir, name, 0);
}

int outdir_sync(int dir)
{
	return fsync(dir);
}
