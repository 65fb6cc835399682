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
#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/listen.h"

#define BACKLOG 4096
#define ADDRESS_MAX 64		/* with brackets and port; one that is longer is none */
/* A server that was killed leaves its address when the last of its processes has ended, which a disk may delay. */
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

/* Cuts the last ":PORT" off, and the brackets away. */
static int split(const char *address, char *host, size_t size, const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon != NULL ? (size_t)(colon - address) : 0;

	if (colon == NULL || len >= size || colon[1] == '\0')
		return -1;
	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		memcpy(host, address + 1, len - 2);
		host[len - 2] = '\0';
	} else if (memchr(address, ':', len) != NULL || len == 0) {
		return -1;
	} else {
		memcpy(host, address, len);
		host[len] = '\0';
	}
	*port = colon + 1;
	return 0;
}

/* To bind and to listen, as soon as nobody else does. */
static int claim(int fd, const struct addrinfo *at)
{
	const struct timespec pause = {0, PAUSE_MS * 1000000L};

	for (int i = 1; bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0; i++)
		if (errno != EADDRINUSE || i == TRIES || nanosleep(&pause, NULL) != 0)
			return -1;
	return 0;
}

static int listen_one(struct listen *l, const char *address, bool ipv6, struct reason *why)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	    .ai_socktype = SOCK_STREAM}, *found = NULL;
	const char *port;
	char host[64];
	int fd, one = 1, error;

	error = split(address, host, sizeof host, &port) != 0 ? EAI_NONAME :
	    getaddrinfo(host, port, &hints, &found);
	if (error == EAI_MEMORY)
		return reason_memory(why);
	if (error != 0)
		return reason_set(why, "%.60s: not ADDRESS:PORT or [ADDRESS]:PORT", address);
	if (found->ai_family == AF_INET6 && !ipv6) {
		freeaddrinfo(found);
		return reason_set(why, "%.60s: enable-ipv6 is no", address);
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		/* Each family by its own listener. */
		if (found->ai_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	}
	if (fd < 0 || claim(fd, found) != 0) {
		/* Another server may be about to end, a network about to come; a right does not come by itself. */
		(errno == EACCES ? reason_set : reason_trouble)(why, "%.60s: cannot listen: %s", address,
		    strerror(errno));
		freeaddrinfo(found);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	freeaddrinfo(found);
	return add(l, fd, why);
}

int listen_at(struct listen *l, const char *list, bool ipv6, struct reason *why)
{
	char one[ADDRESS_MAX + 1];

	for (;;) {
		size_t len;

		list += strspn(list, ", \t\n");
		if (*list == '\0')
			return l->n > 0 ? 0 : reason_set(why, "no address to listen at");
		len = strcspn(list, ", \t\n");
		snprintf(one, sizeof one, "%.*s", (int)len, list);
		if (listen_one(l, one, ipv6, why) != 0)
			return -1;
		list += len;
	}
}

/* What systemd's socket unit opened. How many; -1 with a reason. */
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
		listen_name(fd, name, sizeof name);
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

void listen_text(const struct sockaddr_storage *a, char *out, size_t size)
{
	const struct sockaddr_in6 *six = (const void *)a;
	const struct sockaddr_in *four = (const void *)a;
	char text[INET6_ADDRSTRLEN] = "?";

	if (a->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
		snprintf(out, size, "[%s]:%u", text, ntohs(six->sin6_port));
	} else {
		inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
		snprintf(out, size, "%s:%u", text, ntohs(four->sin_port));
	}
}

void listen_name(int fd, char *out, size_t size)
{
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof at;

	getsockname(fd, (struct sockaddr *)&at, &len);
	listen_text(&at, out, size);
}
