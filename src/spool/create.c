/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "spool/create.h"

static int open_root(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Is there anything in the directory that is not the beginning of a spool? -1 when that cannot be told. */
static int foreign(int root)
{
	DIR *d;
	struct dirent *e;
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0, failed;

	if (fd < 0 || (d = fdopendir(fd)) == NULL)
		return fd < 0 ? -1 : fileio_give_up(fd);
	while (errno = 0, !found && (e = readdir(d)) != NULL) {
		bool ours = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    strcmp(e->d_name, "trust") == 0 || strcmp(e->d_name, SPOOL_JOURNAL) == 0 ||
		    strcmp(e->d_name, "lost+found") == 0;

		for (int i = 0; i < SPOOL_DIRS && !ours; i++)
			ours = strcmp(e->d_name, spool_dir_name((enum spool_dir)i)) == 0;
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
		return fileio_give_up(fd);
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
		if (make_dir(root, spool_dir_name((enum spool_dir)d)) != 0)
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

int create_missing(const char *path, enum spool_dir *missing)
{
	int root = open_root(path), result;

	if (root < 0)
		return -1;
	result = faccessat(root, SPOOL_CONF, F_OK, 0);
	for (int d = 0; d < SPOOL_DIRS && result == 0; d++) {
		*missing = (enum spool_dir)d;
		result = faccessat(root, spool_dir_name((enum spool_dir)d), F_OK, AT_SYMLINK_NOFOLLOW);
		if (result != 0 && errno == ENOENT)
			result = 1;
	}
	fileio_give_up(root);
	return result;
}

int create_mend(const char *path)
{
	int root = open_root(path);

	if (root < 0)
		return -1;
	if (make_dirs(root) != 0)
		return fileio_give_up(root);
	return close(root);
}

int create_online(struct spool *s)
{
	const char *name = spool_dir_name(SPOOL_ONLINE);

	if (make_dir(s->root, name) != 0)
		return -1;
	if (s->dir[SPOOL_ONLINE] < 0)
		s->dir[SPOOL_ONLINE] = openat(s->root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Also when it was there: whoever made it, or put something there, may have died before that was durable. */
	return s->dir[SPOOL_ONLINE] < 0 || fsync(s->dir[SPOOL_ONLINE]) != 0 ? -1 : fsync(s->root);
}

struct spool *create_spool(const char *path, const char *who, time_t now)
{
	int root;

	if (make_dir(AT_FDCWD, path) != 0 || (root = open_root(path)) < 0)
		return NULL;
	/* The directory above may be closed to us; then whoever made it makes it durable. */
	if (check_new(root) != 0 || fchmod(root, 0700) != 0 || make_dirs(root) != 0 ||
	    (sync_dir(root, "..") != 0 && errno != EACCES)) {
		fileio_give_up(root);
		return NULL;
	}
	return spool_open_at(path, root, who, now);
}
