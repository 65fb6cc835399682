/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fileio.h"
#include "process/child.h"

int child_read_parcel(int fd, struct buf *b, size_t most)
{
	unsigned char head[4];
	struct bytes cursor = {head, sizeof head};
	uint32_t len = 0;
	ssize_t n = fileio_read_full(fd, head, sizeof head);

	b->len = 0;
	if (n <= 0)
		return (int)n;
	if (n != sizeof head || !bytes_get_u32(&cursor, &len))
		goto torn;
	if (len > most) {
		errno = EPROTO;
		return -1;
	}
	if (len > b->cap) {
		unsigned char *grown = realloc(b->p, len);

		if (grown == NULL)
			return -1;
		b->p = grown;
		b->cap = len;
	}
	n = fileio_read_full(fd, b->p, len);
	if (n < 0)
		return -1;
	if ((size_t)n != len)
		goto torn;
	b->len = len;
	return 1;
torn:
	errno = EPIPE;
	return -1;
}

int child_write_parcel(int fd, const struct buf *b)
{
	unsigned char head[4] = {(unsigned char)(b->len >> 24), (unsigned char)(b->len >> 16),
	    (unsigned char)(b->len >> 8), (unsigned char)b->len};

	if (b->failed || b->len > UINT32_MAX) {
		errno = ENOMEM;
		return -1;
	}
	return fileio_write_all(fd, head, sizeof head) == 0 ? fileio_write_all(fd, b->p, b->len) : -1;
}

/* In a new child: it dies when its parent does, and of the parent's descriptors it has only these two, as 0 and 3, and
 * stderr. Its stdout is /dev/null: what it printed would be taken for the program's output. */
static void keep_only(pid_t parent, int in, int out)
{
	int null, up;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || (up = fcntl(out, F_DUPFD_CLOEXEC, 4)) < 0 || dup2(in, 0) != 0 ||
	    dup2(up, 3) != 3 || close_range(4, ~0u, 0) != 0 || (null = open("/dev/null", O_RDWR)) < 0 ||
	    dup2(null, 1) != 1 || close(null) != 0)
		_exit(1);
}

int child_start(int (*life)(void *ctx, int out), void *ctx, int in, pid_t *pid)
{
	pid_t parent = getpid();
	int pair[2], saved;

	if (pipe2(pair, O_CLOEXEC) != 0)
		return -1;
	if ((*pid = fork()) == 0) {
		keep_only(parent, in, pair[1]);
		_exit(life(ctx, 3));
	}
	saved = errno;
	close(pair[1]);
	if (*pid > 0)
		return pair[0];
	close(pair[0]);
	errno = saved;
	return -1;
}

int child_reader(int (*life)(void *ctx), void *ctx, pid_t *pid)
{
	int pair[2], saved;

	if (pipe2(pair, O_CLOEXEC) != 0)
		return -1;
	if ((*pid = fork()) == 0) {
		if (dup2(pair[0], STDIN_FILENO) != STDIN_FILENO || close_range(3, ~0u, 0) != 0)
			_exit(1);
		_exit(life(ctx));
	}
	saved = errno;
	close(pair[0]);
	if (*pid > 0)
		return pair[1];
	close(pair[1]);
	errno = saved;
	return -1;
}

int child_end(pid_t pid, int fd)
{
	int status = 0;

	close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Makes these files 3, 4, ... and closes all others above 2. By way of numbers above them all, so that
 * none takes the place of one that is still to be moved. */
static int keep_files(int socket, const int *keep, size_t n)
{
	int above = 3 + (int)n + 1, at = 3;

	for (size_t i = 0; i < n; i++)
		above = keep[i] >= above ? keep[i] + 1 : above;
	above = socket >= above ? socket + 1 : above;
	for (size_t i = 0; i <= n; i++)
		if (dup2(i == 0 ? socket : keep[i - 1], above + (int)i) < 0)
			return -1;
	for (size_t i = 0; i <= n; i++)
		if (dup2(above + (int)i, at++) < 0)
			return -1;
	return close_range((unsigned)at, ~0u, 0);
}

int child_spawn(int (*life)(void *ctx, int fd), void *ctx, const int *keep, size_t n, pid_t *pid)
{
	pid_t parent = getpid();
	int pair[2], saved;
	sigset_t none;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	if ((*pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || keep_files(pair[1], keep, n) != 0)
			_exit(1);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* Not _exit(): a leak checker looks at the end. */
		exit(life(ctx, 3));
	}
	saved = errno;
	close(pair[1]);
	if (*pid < 0 || fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0) {
		close(pair[0]);
		errno = saved;
		return -1;
	}
	return pair[0];
}
