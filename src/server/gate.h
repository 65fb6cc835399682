/* SPDX-License-Identifier: ISC */
/* Where phones come in: connections are accepted while there is room, and left with the kernel while there is
 * none. All workers wait at the same sockets: each is woken for a newcomer, the first has it. */
#ifndef GATE_H
#define GATE_H

#include "net/listen.h"
#include "server/board.h"
#include "server/link.h"

struct event;
struct gate;

struct gate_listener {
	struct gate *gate;
	struct event *event;
};

struct gate {
	struct link_home *home;
	struct board *board;
	unsigned number, workers;	/* which of how many; the first is 0 */
	struct gate_listener listener[LISTEN_MAX];
	size_t n;
	unsigned limit;		/* connections of this process */
	unsigned paused_at;	/* so many there were then */
	long long said;		/* that it is full; milliseconds, 0: never */
	bool paused;
};

/* Opens it with so many listening sockets, the first of which is fd. -1 when out of memory. */
int gate_open(struct gate *, int fd, size_t n);
void gate_close(struct gate *);
/* To be called when connections have ended; and anyway now and then, for descriptors and places may have
 * become free elsewhere. */
void gate_look(struct gate *, bool anyway);

#endif
