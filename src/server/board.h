/* SPDX-License-Identifier: ISC */
/* Memory that the processes of a server share: how busy each worker is, so that limits hold for all of them
 * together. A worker can write its own numbers alone, each has a page of its own; they are hints, nothing depends on
 * them that must be true. */
#ifndef BOARD_H
#define BOARD_H

#include <stdatomic.h>
#include <stddef.h>

#define BOARD_MAX 64

/* At the beginning of a worker's page. */
struct board_place {
	atomic_uint connections, operations;
	atomic_llong beat;	/* milliseconds: its last turn */
};

struct board {
	char *own;		/* to be written: all places, or, in a worker, its own alone */
	const char *all;	/* the same memory, and nobody can make this writable */
	size_t page;
	unsigned workers;
};

/* For the children to come. NULL with errno. */
struct board *board_new(unsigned workers);
void board_free(struct board *);
/* In a worker: the places of the others cannot be written from now on. -1 with errno. */
int board_keep(struct board *, unsigned worker);
/* A worker is gone, or has not begun. */
void board_clear(struct board *, unsigned worker);
/* A worker's own numbers. */
void board_put(struct board *, unsigned worker, unsigned connections, unsigned operations);
/* Those of all the others. */
void board_others(struct board *, unsigned worker, unsigned *connections, unsigned *operations);
/* Milliseconds since a worker's last turn. */
long long board_silence(struct board *, unsigned worker);

#endif
