/* SPDX-License-Identifier: ISC */
/* How phone-sim connects to the servers of its --server. */
#ifndef DIAL_H
#define DIAL_H

#include <stddef.h>
#include <sys/socket.h>

#include "base/reason.h"

#define DIAL_MAX 16	/* five servers are what a phone's configuration can name; a few addresses each */

struct dial {
	struct {
		struct sockaddr_storage addr;
		socklen_t len;
	} to[DIAL_MAX], from;	/* from: with length 0 the system chooses */
	size_t n;
};

/* "HOST:PORT,[ADDRESS]:PORT,...", by default port 3804; with AF_UNSPEC the IPv6 addresses of each come
 * first, as for a phone that has both. -1 with a reason. */
int dial_resolve(struct dial *, const char *servers, int family, struct reason *);
/* The address that connections come from, without a port. -1 with a reason. */
int dial_from(struct dial *, const char *address, struct reason *);
/* A socket on its way to the nth address: it can be written when it is there. -1 with errno. */
int dial_connect(const struct dial *, size_t n);
/* 0, or the errno for which it did not get there. */
int dial_error(int fd);

#endif
