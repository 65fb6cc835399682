/* SPDX-License-Identifier: ISC */
/* One phone's connection: socket and TLS below, a session above, deadlines beside. */
#ifndef LINK_H
#define LINK_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "net/tls.h"
#include "server/hooks.h"
#include "server/logline.h"
#include "server/orders.h"
#include "server/visit.h"
#include "site/conf.h"

struct event_base;
struct link;
LIST_HEAD(link_list, link);

/* What all connections share. */
struct link_home {
	struct event_base *base;
	const struct conf *conf;
	const struct log *log;
	struct tls_context *tls;
	struct orders *orders;
	struct link_list live, dead;
	unsigned count;		/* both */
	unsigned buried;	/* since somebody last set it to 0 */
	uint64_t number;	/* of the last one */
	uint32_t session;	/* id of the last one */
	/* A phone proved who it is. */
	void (*proved)(void *ctx, const char *device, uint64_t when);
	void *ctx;
};

extern const struct orders_hooks link_hooks;

/* Takes a socket that was accepted, which is closed in any case. */
void link_new(struct link_home *, int fd, const struct sockaddr_storage *);
/* Frees the dead ones. Nothing else does, so that none vanishes while somebody speaks of it. */
void link_bury(struct link_home *);
/* Ends all. */
void link_end(struct link_home *);
/* How many come from this address. */
unsigned link_from(const struct link_home *, const struct sockaddr_storage *);

#endif
