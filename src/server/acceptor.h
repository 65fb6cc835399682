/* SPDX-License-Identifier: ISC */
/* Where phones come in: connections are accepted while there is room, and left with the kernel while there is
 * none. All workers wait at the same sockets: each is woken for a newcomer, the first has it. */
#ifndef ACCEPTOR_H
#define ACCEPTOR_H

#include "net/listen.h"
#include "server/connection.h"
#include "server/load.h"

struct event;
struct acceptor;

struct acceptor_listener {
	struct acceptor *acceptor;
	struct event *event;
	int fd;
	bool inherited;		/* what it accepts has its options: those that came before they were set were accepted */
};

struct acceptor {
	struct connection_home *home;
	struct load *load;
	unsigned number, workers;	/* which of how many; the first is 0 */
	struct acceptor_listener listener[LISTEN_MAX];
	size_t n;
	unsigned limit;		/* connections of this process */
	unsigned paused_at;	/* so many there were then */
	long long said;		/* that it is full; milliseconds, 0: never */
	bool paused;
};

/* Opens it with so many listening sockets, the first of which is fd. -1 when out of memory. */
int acceptor_open(struct acceptor *, int fd, size_t n);
/* The settings are others. */
void acceptor_settings(struct acceptor *);
void acceptor_close(struct acceptor *);
/* To be called when connections have ended; and anyway now and then, for descriptors and places may have
 * become free elsewhere. */
void acceptor_look(struct acceptor *, bool anyway);

#endif
