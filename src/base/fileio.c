/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"

#define CUT_OFF_LOOKS 20

ssize_t fileio_read_full(int fd, void *buf, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = read(fd, (char *)buf + have, len - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/* How much was written; when that is not all, errno says why. */
static size_t write_some(int fd, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		done += (size_t)n;
	}
	return done;
}

int fileio_write_all(int fd, const void *buf, size_t len)
{
	return write_some(fd, buf, len) == len ? 0 : -1;
}

/* size is a guess of how much will come. */
static int read_all(int fd, size_t size, size_t cap, unsigned char **out, size_t *len)
{
	unsigned char *p = NULL, *grown;
	size_t have = 0, room = size < cap ? size + 1 : cap + 1;

	for (;;) {
		ssize_t n;

		/* One byte beyond the cap shows that there is more; the last is for the NUL. */
		if ((grown = realloc(p, room + 1)) == NULL)
			goto fail;
		p = grown;
		if ((n = fileio_read_full(fd, p + have, room - have)) < 0)
			goto fail;
		have += (size_t)n;
		if (have > cap) {
			errno = EFBIG;
			goto fail;
		}
		if (have < room)
			break;
		room = room > cap / 2 ? cap + 1 : room * 2;
	}
	p[have] = '\0';
	*out = p;
	*len = have;
	return 0;
fail:
	free(p);
	return -1;
}

/* A regular file of a known size takes one read: a short one is its end. */
static int read_known(int fd, size_t size, size_t cap, unsigned char **out, size_t *len)
{
	unsigned char *p = malloc(size + 1);
	ssize_t n;

	if (p == NULL)
		return -1;
	do
		n = read(fd, p, size + 1);
	while (n < 0 && errno == EINTR);
	if (n >= 0 && (size_t)n <= size) {
		p[n] = '\0';
		*out = p;
		*len = (size_t)n;
		return 0;
	}
	free(p);
	/* It grows while we look at it. */
	return n < 0 || lseek(fd, 0, SEEK_SET) != 0 ? -1 : read_all(fd, 2 * size, cap, out, len);
}

int fileio_read_all(int fd, size_t cap, unsigned char **out, size_t *len)
{
	return read_all(fd, 8191, cap, out, len);
}

int fileio_slurp(int dirfd, const char *name, size_t cap, unsigned char **out, size_t *len)
{
	struct stat st;
	int fd, saved, result = -1;

	/* O_NONBLOCK: a FIFO must not hold us before fstat tells what it is. */
	if ((fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)) < 0)
		return -1;
	if (fstat(fd, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			errno = EINVAL;
		else if ((uintmax_t)st.st_size > cap)
			errno = EFBIG;
		else
			result = read_known(fd, (size_t)st.st_size, cap, out, len);
	}
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

static bool ends_in_midst_of_line(int fd)
{
	struct stat st;
	char last;

	return fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

/* What another process is just writing grows page by page, and the kernel may hold that process up between two pages for
 * as long as disks are busy; only what a full disk cut off stays as it is. Most file systems answer where a hole is
 * only when nobody writes: so that question waits for whoever does. */
static bool is_cut_off(int fd)
{
	const struct timespec pause = {0, 1000000};
	int looks = 0;

	while (ends_in_midst_of_line(fd) && ++looks < CUT_OFF_LOOKS) {
		lseek(fd, 0, SEEK_HOLE);
		if (ends_in_midst_of_line(fd))
			nanosleep(&pause, NULL);
	}
	return looks == CUT_OFF_LOOKS;
}

int fileio_append_lines(int fd, int tail, const void *data, size_t len, size_t *done)
{
	*done = 0;
	if (is_cut_off(tail) && fileio_write_all(fd, "\n", 1) != 0)
		return -1;
	if ((*done = write_some(fd, data, len)) == len)
		return 0;
	while (*done > 0 && ((const char *)data)[*done - 1] != '\n')
		--*done;
	return -1;
}

int fileio_open_input(const char *path)
{
	if (strcmp(path, "-") == 0)
		return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int fileio_give_up(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

char *fileio_line(FILE *in, int zero, char **line, size_t *cap)
{
	char end = zero ? '\0' : '\n';
	ssize_t n = getdelim(line, cap, end, in);

	if (n < 0)
		return NULL;
	if (n > 0 && (*line)[n - 1] == end)
		(*line)[n - 1] = '\0';
	return *line;
}
