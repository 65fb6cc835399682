/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/monotime.h"
#include "server/load.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010	/* Linux 5.1 */
#endif

static void *map(int fd, size_t size, int protection)
{
	void *p = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	return p != MAP_FAILED ? p : NULL;
}

struct load *load_new(unsigned workers)
{
	struct load *b = calloc(1, sizeof *b);
	int fd = memfd_create("capf-load", MFD_CLOEXEC | MFD_ALLOW_SEALING), saved;
	size_t size;

	if (b == NULL || fd < 0)
		goto fail;
	b->page = (size_t)sysconf(_SC_PAGESIZE);
	b->workers = workers;
	size = workers * b->page;
	/* What is mapped before the seal can be written, what is mapped after it never: to be mapped for reading would
	 * not be enough, for mprotect would undo it. */
	if (ftruncate(fd, (off_t)size) != 0 || (b->own = map(fd, size, PROT_READ | PROT_WRITE)) == NULL ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
	    (b->all = map(fd, size, PROT_READ)) == NULL)
		goto fail;
	close(fd);
	return b;
fail:
	saved = errno;
	if (fd >= 0)
		close(fd);
	load_free(b);
	errno = saved;
	return NULL;
}

void load_free(struct load *b)
{
	if (b == NULL)
		return;
	if (b->own != NULL)
		munmap(b->own, b->workers * b->page);
	if (b->all != NULL)
		munmap((void *)(uintptr_t)b->all, b->workers * b->page);
	free(b);
}

int load_keep(struct load *b, unsigned worker)
{
	char *mine = b->own + worker * b->page, *behind = mine + b->page;

	if (worker > 0 && munmap(b->own, worker * b->page) != 0)
		return -1;
	return worker + 1 < b->workers ? munmap(behind, (b->workers - worker - 1) * b->page) : 0;
}

static struct load_place *own_place(const struct load *b, unsigned worker)
{
	return (void *)(b->own + worker * b->page);
}

static const struct load_place *place(const struct load *b, unsigned worker)
{
	return (const void *)(b->all + worker * b->page);
}

void load_clear(struct load *b, unsigned worker)
{
	load_put(b, worker, 0, 0);
}

void load_put(struct load *b, unsigned worker, unsigned connections, unsigned operations)
{
	struct load_place *p = own_place(b, worker);

	atomic_store_explicit(&p->connections, connections, memory_order_relaxed);
	atomic_store_explicit(&p->operations, operations, memory_order_relaxed);
	atomic_store_explicit(&p->beat, monotime_ms(), memory_order_relaxed);
}

void load_others(struct load *b, unsigned worker, unsigned *connections, unsigned *operations)
{
	*connections = *operations = 0;
	for (unsigned i = 0; i < b->workers; i++)
		if (i != worker) {
			*connections += atomic_load_explicit(&place(b, i)->connections, memory_order_relaxed);
			*operations += atomic_load_explicit(&place(b, i)->operations, memory_order_relaxed);
		}
}

long long load_silence(struct load *b, unsigned worker)
{
	return monotime_ms() - atomic_load_explicit(&place(b, worker)->beat, memory_order_relaxed);
}
