/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/outfile.h"

/* Closes fd and gives what errno was before. */
static void close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/* Makes the entry of path in its directory durable. */
static int sync_parent(const char *path)
{
	char *copy = strdup(path);
	int fd, result;

	if (copy == NULL)
		return -1;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (fd < 0)
		return -1;
	result = fsync(fd);
	close_quietly(fd);
	return result;
}

/* Is something there that cannot be replaced by a file: a device, a FIFO, a directory? */
static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* The name beside a file under which it is written; the caller frees. NULL with errno. */
static char *temp_name(const char *path)
{
	char *name;

	if (asprintf(&name, "%s.%ld.tmp", path, (long)getpid()) >= 0)
		return name;
	errno = ENOMEM;
	return NULL;
}

int outfile_open(struct outfile *o, const char *path, mode_t mode)
{
	*o = (struct outfile){.fd = STDOUT_FILENO};
	if (path == NULL || strcmp(path, "-") == 0) {
		if (!isatty(STDOUT_FILENO))
			return 0;
		o->fd = -1;
		errno = ENOTTY;
		return -1;
	}
	/* A symbolic link stays: its target is replaced. */
	if (is_special(path) || (o->path = realpath(path, NULL)) == NULL)
		o->path = strdup(path);
	o->fd = -1;
	if (o->path == NULL)
		goto fail;
	if (is_special(path)) {
		o->fd = open(path, O_WRONLY | O_CLOEXEC);
	} else {
		if ((o->temp = temp_name(o->path)) == NULL)
			goto fail;
		o->fd = open(o->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	}
	if (o->fd >= 0 && !isatty(o->fd))
		return 0;
	if (o->fd >= 0) {
		close(o->fd);
		errno = ENOTTY;
	}
fail:
	free(o->path);
	free(o->temp);
	*o = (struct outfile){.fd = -1};
	return -1;
}

int outfile_commit(struct outfile *o)
{
	int fd = o->fd;

	if (o->path == NULL)
		return 0;
	o->fd = -1;
	if (o->temp == NULL)
		return close(fd);
	if (fsync(fd) != 0) {
		close_quietly(fd);
		return -1;
	}
	if (close(fd) != 0 || rename(o->temp, o->path) != 0)
		return -1;
	free(o->temp);
	o->temp = NULL;
	return sync_parent(o->path);
}

void outfile_abort(struct outfile *o)
{
	int saved = errno;

	if (o->path != NULL && o->fd >= 0)
		close(o->fd);
	if (o->temp != NULL)
		unlink(o->temp);
	free(o->path);
	free(o->temp);
	*o = (struct outfile){.fd = -1};
	errno = saved;
}

/* Gives a file its name, which must not be taken. */
static int name_it(const char *temp, const char *path)
{
	if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == EINVAL || errno == ENOSYS ? link(temp, path) : -1;
}

int outfile_create(const char *path, mode_t mode, const void *data, size_t len)
{
	char *temp = temp_name(path);
	int fd, result = -1;

	if (temp == NULL)
		return -1;
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd >= 0) {
		if (fileio_write_all(fd, data, len) == 0 && fsync(fd) == 0)
			result = name_it(temp, path);
		close_quietly(fd);
		if (result == 0 && (result = sync_parent(path)) != 0)
			outfile_remove(path);
		outfile_remove(temp);
	}
	free(temp);
	return result;
}

void outfile_remove(const char *path)
{
	int saved = errno;

	unlink(path);
	errno = saved;
}

int outfile_log_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	struct stat st;

	/* A new one: its lines are nowhere without its name. */
	if (fd >= 0 && (fstat(fd, &st) != 0 || (S_ISREG(st.st_mode) && st.st_size == 0 && sync_parent(path) != 0)))
		return fileio_give_up(fd);
	return fd;
}

int outfile_log_append(int fd, const void *data, size_t len)
{
	size_t done;

	if (fileio_append_lines(fd, fd, data, len, &done) != 0)
		return -1;
	return fdatasync(fd);
}
