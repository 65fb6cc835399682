/* SPDX-License-Identifier: ISC */
/* Memory that the processes of a server share: how busy each worker is, so that limits hold for all of them
 * together. A worker writes its own numbers alone; they are hints, nothing depends on them that must be
 * true. */
#ifndef BOARD_H
#define BOARD_H

#include <stdatomic.h>

#define BOARD_MAX 64

struct board {
	struct board_place {
		atomic_uint connections, operations;
		atomic_llong beat;	/* milliseconds: its last turn */
	} place[BOARD_MAX];
};

/* For the children to come. NULL with errno. */
struct board *board_new(void);
void board_free(struct board *);
/* A worker is gone, or has not begun. */
void board_clear(struct board *, unsigned worker);
/* A worker's own numbers. */
void board_put(struct board *, unsigned worker, unsigned connections, unsigned operations);
/* Those of all the others. */
void board_others(struct board *, unsigned worker, unsigned *connections, unsigned *operations);
/* Milliseconds since a worker's last turn. */
long long board_silence(struct board *, unsigned worker);

#endif
