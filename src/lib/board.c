/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <sys/mman.h>

#include "board.h"
#include "ticks.h"

struct board *board_new(void)
{
	struct board *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	    0);

	return b != MAP_FAILED ? b : NULL;
}

void board_free(struct board *b)
{
	if (b != NULL)
		munmap(b, sizeof *b);
}

void board_clear(struct board *b, unsigned worker)
{
	board_put(b, worker, 0, 0);
}

void board_put(struct board *b, unsigned worker, unsigned connections, unsigned operations)
{
	struct board_place *p = &b->place[worker];

	atomic_store_explicit(&p->connections, connections, memory_order_relaxed);
	atomic_store_explicit(&p->operations, operations, memory_order_relaxed);
	atomic_store_explicit(&p->beat, ticks_ms(), memory_order_relaxed);
}

void board_others(struct board *b, unsigned worker, unsigned *connections, unsigned *operations)
{
	*connections = *operations = 0;
	for (unsigned i = 0; i < BOARD_MAX; i++)
		if (i != worker) {
			*connections += atomic_load_explicit(&b->place[i].connections, memory_order_relaxed);
			*operations += atomic_load_explicit(&b->place[i].operations, memory_order_relaxed);
		}
}

long long board_silence(struct board *b, unsigned worker)
{
	return ticks_ms() - atomic_load_explicit(&b->place[worker].beat, memory_order_relaxed);
}
