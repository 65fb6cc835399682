/* SPDX-License-Identifier: ISC */
/* The sockets that capf-serve listens on for phones: it opens them (--listen, the setting listen), or systemd does. */
#ifndef LISTEN_H
#define LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/reason.h"

#define LISTEN_MAX 16

struct listen {
	int fd[LISTEN_MAX];
	size_t n;
};

/* At ADDRESS:PORT, IPv6 in brackets, or NAME:PORT, which is all addresses of that host; port 0: any; with commas or blanks between several. -1 with a reason. */
int listen_at(struct listen *, const char *list, bool ipv6, struct reason *);
/* At what systemd's socket unit has opened, else at these addresses. -1 with a reason. */
int listen_default(struct listen *, const char *list, bool ipv6, struct reason *);

#endif
