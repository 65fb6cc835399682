/* SPDX-License-Identifier: ISC */
/* One phone's connection: socket and TLS below, a session above, deadlines beside. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/tls.h"
#include "server/client.h"
#include "server/hooks.h"
#include "server/registry.h"
#include "server/trace.h"
#include "site/settings.h"

struct event_base;
struct connection;
LIST_HEAD(connection_list, connection);

/* What all connections share. */
struct connection_home {
	struct event_base *base;
	const struct settings *settings;
	const struct log *log;
	struct tls_context *tls;
	struct registry *orders;
	struct trace_link traces;
	struct connection_list live, dead;
	unsigned count;		/* both */
	unsigned buried;	/* since somebody last set it to 0 */
	uint64_t number;	/* of the last one */
	uint32_t session;	/* id of the last one */
	/* A phone proved who it is. */
	void (*proved)(void *ctx, const char *device, uint64_t when);
	void *ctx;
};

extern const struct registry_hooks connection_hooks;

/* Sets on a socket what the settings say of connections. One that listens passes it on to those that it accepts. */
void connection_options(const struct connection_home *, int fd);
/* Takes a socket that was accepted, which is closed in any case. */
void connection_new(struct connection_home *, int fd, const struct sockaddr_storage *);
/* Frees the dead ones. Nothing else does, so that none vanishes while somebody speaks of it. */
void connection_bury(struct connection_home *);
/* Ends all. */
void connection_end(struct connection_home *);
/* How many come from this address. */
unsigned connection_from(const struct connection_home *, const struct sockaddr_storage *);

#endif
