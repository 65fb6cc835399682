/* SPDX-License-Identifier: ISC */
/* Sockets on which phones come: opened here, or handed over by systemd. */
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

/* At ADDRESS:PORT, IPv6 in brackets; port 0: any; with commas or blanks between several. -1 with a reason. */
int listen_at(struct listen *, const char *list, bool ipv6, struct reason *);
/* At what systemd's socket unit has opened, else at these addresses. -1 with a reason. */
int listen_default(struct listen *, const char *list, bool ipv6, struct reason *);
/* "192.0.2.1:3804", "[2001:db8::1]:3804": an address, and a socket's own. */
void listen_text(const struct sockaddr_storage *, char *out, size_t size);
void listen_name(int fd, char *out, size_t size);

#endif
