/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <unistd.h>
#include <netinet/in.h>

#include "net/address.h"
#include "net/listen.h"

#define BACKLOG 4096
#define SHOWN_MAX 60	/* characters of an address in a message */
/* When a server is killed, its address is free once its last process has ended, which a slow disk may delay. */
#define TRIES 50
#define PAUSE_MS 100
#define FIRST_HANDED 3	/* sd_listen_fds(3) */

/* Takes a socket, which is closed when there are too many. */
static int add(struct listen *l, int fd, struct reason *why)
{
	if (l->n == LISTEN_MAX) {
		close(fd);
		return reason_set(why, "more than %d addresses", LISTEN_MAX);
	}
	l->fd[l->n++] = fd;
	return 0;
}

/* Binds and listens, when need be as soon as the server before it has ended. */
static int claim(int fd, const struct addrinfo *at)
{
	const struct timespec pause = {0, PAUSE_MS * 1000000L};

	for (int i = 1; bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0; i++)
		if (errno != EADDRINUSE || i == TRIES || nanosleep(&pause, NULL) != 0)
			return -1;
	return 0;
}

/* At one address, which the text names. */
static int listen_to(struct listen *l, const struct addrinfo *at, const char *text, int shown, struct reason *why)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		/* Each family by its own listener. */
		if (at->ai_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	}
	if (fd >= 0 && claim(fd, at) == 0)
		return add(l, fd, why);
	/* Another server may end, and a network come up, without this one; a missing permission does not. */
	(errno == EACCES ? reason_set : reason_trouble)(why, "%.*s: cannot listen: %s", shown, text, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The addresses of an address, or of a name, which the caller frees. -1 with a reason. */
static int look_up(const struct address *a, const char *text, int shown, struct addrinfo **found, struct reason *why)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	    .ai_socktype = SOCK_STREAM};
	int error = getaddrinfo(a->host, a->port, &hints, found);

	if (error == EAI_NONAME) {
		hints.ai_flags &= ~AI_NUMERICHOST;
		error = getaddrinfo(a->host, a->port, &hints, found);
	}
	if (error == 0)
		return 0;
	if (error == EAI_MEMORY)
		return reason_memory(why);
	/* The name service may come up later. */
	(error == EAI_AGAIN || error == EAI_SYSTEM ? reason_trouble : reason_set)(why, "%.*s: no such host: %s", shown,
	    text, error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
	return -1;
}

/* At the address, or all addresses of the name, of so many characters at the beginning of a text. */
static int listen_one(struct listen *l, const char *text, int len, bool ipv6, struct reason *why)
{
	int shown = len < SHOWN_MAX ? len : SHOWN_MAX, result = 0;
	struct addrinfo *found = NULL;
	struct address a;
	size_t n = 0;

	if (address_read(&a, text, (size_t)len) != 0 || a.port[0] == '\0')
		return reason_set(why, "%.*s: not ADDRESS:PORT or [ADDRESS]:PORT", shown, text);
	if (look_up(&a, text, shown, &found, why) != 0)
		return -1;
	for (struct addrinfo *at = found; at != NULL && result == 0; at = at->ai_next) {
		if (at->ai_family == AF_INET6 && !ipv6)
			continue;
		result = listen_to(l, at, text, shown, why);
		n++;
	}
	freeaddrinfo(found);
	return n > 0 ? result : reason_set(why, "%.*s: enable-ipv6 is no", shown, text);
}

int listen_at(struct listen *l, const char *list, bool ipv6, struct reason *why)
{
	for (;;) {
		size_t len;

		list += strspn(list, ", \t\n");
		if (*list == '\0')
			return l->n > 0 ? 0 : reason_set(why, "no address to listen at");
		len = strcspn(list, ", \t\n");
		if (listen_one(l, list, (int)len, ipv6, why) != 0)
			return -1;
		list += len;
	}
}

/* Takes the sockets that systemd's socket unit opened, sd_listen_fds(3). How many; -1 with a reason. */
static int take_handed(struct listen *l, bool ipv6, struct reason *why)
{
	char name[64];
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	long n = pid != NULL && count != NULL && strtol(pid, NULL, 10) == getpid() ?
	    strtol(count, NULL, 10) : 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	for (int fd = FIRST_HANDED; fd < FIRST_HANDED + n; fd++) {
		int listens = 0;
		socklen_t len = sizeof listens;

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 || !listens)
			return reason_set(why, "descriptor %d was handed over, and is no listening socket", fd);
		address_of_socket(fd, name, sizeof name);
		if (*name == '[' && !ipv6)
			return reason_set(why, "%s was handed over, and enable-ipv6 is no", name);
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
			return reason_trouble(why, "descriptor %d: %s", fd, strerror(errno));
		if (add(l, fd, why) != 0)
			return -1;
	}
	return (int)n;
}

int listen_default(struct listen *l, const char *list, bool ipv6, struct reason *why)
{
	int handed = take_handed(l, ipv6, why);

	if (handed != 0)
		return handed > 0 ? 0 : -1;
	return listen_at(l, list, ipv6, why);
}
