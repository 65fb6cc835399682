/* SPDX-License-Identifier: ISC */
/* The two libraries that can write the archives of csr-dump and csr-sign: both give the same bytes, which tgz_test
 * compares. */
#ifndef USTAR_H
#define USTAR_H

#include <stddef.h>
#include <time.h>

/* Takes the bytes of the archive, or as many NULs when they are NULL. -1 with errno. */
struct ustar_sink {
	int (*put)(void *to, const void *, size_t);
	void *to;
};

struct ustar_writer {
	/* NULL with errno. */
	void *(*open)(const struct ustar_sink *);
	/* One regular file, of at most 8 GiB, whose name is short enough. -1 with errno. */
	int (*put)(void *, const char *name, time_t mtime, const void *, size_t);
	/* The two blocks of NULs. -1 with errno. */
	int (*end)(void *);
	/* Writes nothing any more. */
	void (*free)(void *);
};

/* Debian 13 has no libtar; the Makefile defines TGZ_LIBTAR, and builds the first, where it is. */
extern const struct ustar_writer ustar_libtar, ustar_libarchive;

#endif
