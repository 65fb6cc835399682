/* SPDX-License-Identifier: ISC */
/* Memory that the processes of a server share: how busy each worker is, so that limits hold for all of them
 * together. A worker can write its own numbers alone, each has a page of its own; they are hints, nothing depends on
 * them that must be true. */
#ifndef LOAD_H
#define LOAD_H

#include <stdatomic.h>
#include <stddef.h>

#define LOAD_MAX 64

/* At the beginning of a worker's page. */
struct load_place {
	atomic_uint connections, operations;
	atomic_llong beat;	/* milliseconds: its last turn */
};

struct load {
	char *own;		/* to be written: all places, or, in a worker, its own alone */
	const char *all;	/* the same memory, and nobody can make this writable */
	size_t page;
	unsigned workers;
};

/* For the children to come. NULL with errno. */
struct load *load_new(unsigned workers);
void load_free(struct load *);
/* In a worker: the places of the others cannot be written from now on. -1 with errno. */
int load_keep(struct load *, unsigned worker);
/* A worker is gone, or has not begun. */
void load_clear(struct load *, unsigned worker);
/* A worker's own numbers. */
void load_put(struct load *, unsigned worker, unsigned connections, unsigned operations);
/* Those of all the others. */
void load_others(struct load *, unsigned worker, unsigned *connections, unsigned *operations);
/* Milliseconds since a worker's last turn. */
long long load_silence(struct load *, unsigned worker);

#endif
