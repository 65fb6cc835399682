/* SPDX-License-Identifier: ISC */
/* A preload library for test/oom/walk: it stands before malloc and its family, counts the calls over all
 * processes of a program, and lets the one that OOM_AT names fail.
 *
 *	OOM_COUNTS=FILE		a file of 32 bytes: calls by the program itself, calls by its libraries, whether one has
 *				failed, and whether libcrypto itself has crashed; it is mapped before the program begins, so
 *				that a sandbox does not matter
 *	OOM_WHO=own		counts calls from the program's own text (the default)
 *	OOM_WHO=other		counts those from libraries, libc's own among them
 *	OOM_AT=N		the Nth such call fails, from 1; without it none does
 *
 * Who calls is told by the return address. Calls from libseccomp are not counted and do not fail: version 2.5.4
 * goes round for ever in seccomp_load() when some of its allocations fail. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);

static struct counts {
	atomic_ulong own, other, struck, crashed;
} *counts;
static struct text {
	uintptr_t from, to;
} own_text, spared, crypto;	/* the program's, libseccomp's and libcrypto's */
static unsigned long at;
static bool other;
static _Thread_local bool handing;

/* The first object is the program, and has no name. */
static int find_text(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct text *t = own_text.to == 0 ? &own_text :
	    strstr(info->dlpi_name, "/libseccomp.") != NULL ? &spared :
	    strstr(info->dlpi_name, "/libcrypto.") != NULL ? &crypto : NULL;

	(void)size;
	(void)ctx;
	for (int i = 0; t != NULL && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
			t->from = info->dlpi_addr + p->p_vaddr;
			t->to = t->from + p->p_memsz;
		}
	}
	return 0;
}

static bool within(const struct text *t, void *caller)
{
	return (uintptr_t)caller >= t->from && (uintptr_t)caller < t->to;
}

/* It goes on at the same place, and dies there. */
static void on_crash(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *u = context;

	(void)sig, (void)info;
#if defined(__x86_64__)
	if (within(&crypto, (void *)u->uc_mcontext.gregs[REG_RIP]))
		counts->crashed = 1;
#elif defined(__aarch64__)
	if (within(&crypto, (void *)u->uc_mcontext.pc))
		counts->crashed = 1;
#endif
}

__attribute__((constructor)) static void start(void)
{
	struct sigaction crash = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_RESETHAND};
	const char *file = getenv("OOM_COUNTS"), *text = getenv("OOM_AT"), *who = getenv("OOM_WHO");
	int fd = file != NULL ? open(file, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		abort();
	at = text != NULL ? strtoul(text, NULL, 10) : 0;
	other = who != NULL && strcmp(who, "other") == 0;
	dl_iterate_phdr(find_text, NULL);
	counts = p;
	sigaction(SIGSEGV, &crash, NULL);
}

static bool fails(void *caller)
{
	bool own = within(&own_text, caller) && !handing;
	unsigned long n;

	if (counts == NULL || within(&spared, caller))
		return false;
	n = atomic_fetch_add(own ? &counts->own : &counts->other, 1) + 1;
	if (own == other || at == 0 || n != at)
		return false;
	counts->struck = 1;
	errno = ENOMEM;
	return true;
}

/* The program gives OpenSSL its memory itself. That OpenSSL asks counts, not who hands it on. */
static void *(*given)(size_t, const char *, int), *(*changed)(void *, size_t, const char *, int);

static void *give(size_t size, const char *file, int line)
{
	void *p;

	handing = true;
	p = given(size, file, line);
	handing = false;
	return p;
}

static void *change(void *old, size_t size, const char *file, int line)
{
	void *p;

	handing = true;
	p = changed(old, size, file, line);
	handing = false;
	return p;
}

EXPORT int CRYPTO_set_mem_functions(void *(*m)(size_t, const char *, int),
    void *(*r)(void *, size_t, const char *, int), void (*f)(void *, const char *, int))
{
	int (*set)(void *(*)(size_t, const char *, int), void *(*)(void *, size_t, const char *, int),
	    void (*)(void *, const char *, int));

	given = m;
	changed = r;
	*(void **)&set = dlsym(RTLD_NEXT, "CRYPTO_set_mem_functions");
	return set(give, change, f);
}

#define CALLER __builtin_return_address(0)

EXPORT void *malloc(size_t size)
{
	return fails(CALLER) ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
	return fails(CALLER) ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t size)
{
	return fails(CALLER) ? NULL : __libc_realloc(p, size);
}

EXPORT void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return fails(CALLER) ? NULL : __libc_realloc(p, bytes);
}

EXPORT int posix_memalign(void **out, size_t align, size_t size)
{
	if (fails(CALLER))
		return ENOMEM;
	return (*out = __libc_memalign(align, size)) != NULL ? 0 : ENOMEM;
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
	return fails(CALLER) ? NULL : __libc_memalign(align, size);
}

/* libc's own, which would else count as others'. */
EXPORT char *strndup(const char *text, size_t size)
{
	size_t len = strnlen(text, size);
	char *p = fails(CALLER) ? NULL : __libc_malloc(len + 1);

	if (p != NULL) {
		memcpy(p, text, len);
		p[len] = '\0';
	}
	return p;
}

EXPORT char *strdup(const char *text)
{
	size_t len = strlen(text) + 1;
	char *p = fails(CALLER) ? NULL : __libc_malloc(len);

	return p != NULL ? memcpy(p, text, len) : NULL;
}
