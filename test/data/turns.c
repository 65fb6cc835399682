/* SPDX-License-Identifier: ISC */
/* Preloaded into capf-serve: counts how often it asks the kernel what has happened, all its processes together, in
 * the first eight bytes of the file TURNS_FILE. One that has nothing to do asks seldom, however fast it is.
 * What it says to a phone that does not read fills its side of the connection soon, and in the same way each time: its
 * buffers are small, and small records that wait are gathered, for each alone costs the other side's kernel fifty
 * times its length. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static atomic_llong *turns;

/* Mapped before the program confines itself, and shared with its children. */
__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("TURNS_FILE");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd >= 0 ? mmap(NULL, sizeof *turns, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (p == MAP_FAILED)
		abort();
	turns = p;
	close(fd);
}

int epoll_wait(int fd, struct epoll_event *events, int size, int ms)
{
	atomic_fetch_add(turns, 1);
	return (int)syscall(SYS_epoll_pwait, fd, events, size, ms, NULL, NSIG / 8);
}

/* What is accepted inherits it. */
int listen(int fd, int backlog)
{
	int bytes = 8192;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) != 0)
		abort();
	return (int)syscall(SYS_listen, fd, backlog);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (level == IPPROTO_TCP && option == TCP_NODELAY)
		return 0;
	return (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}
