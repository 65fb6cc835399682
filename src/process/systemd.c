/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "process/systemd.h"

void systemd_open(struct systemd *n)
{
	const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	*n = (struct systemd){.fd = -1};
	if (path != NULL && strlen(path) < sizeof n->path && (*path == '/' || *path == '@')) {
		strcpy(n->path, path);
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		/* Twice as often as is asked for, as the manual wants it. */
		if (usec != NULL && (pid == NULL || strtol(pid, NULL, 10) == getpid()))
			n->watchdog = strtoll(usec, NULL, 10) / 2000;
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void systemd_send(const struct systemd *n, const char *text)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (n->fd < 0)
		return;
	strcpy(to.sun_path, n->path);
	if (*n->path == '@')
		to.sun_path[0] = '\0';
	/* It is for their information: when nobody hears it, phones are served all the same. */
	sendto(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(n->path)));
}
