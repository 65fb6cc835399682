/* SPDX-License-Identifier: ISC */
/* The archives that csr-dump and csr-sign write: gzip of plain ustar, the same bytes for the same content. */
#ifndef TGZ_H
#define TGZ_H

#include <stddef.h>
#include <time.h>

struct tgz;
struct ustar_writer;

/* To fd, which stays the caller's; level 1 to 9. NULL with errno. */
struct tgz *tgz_open(int fd, int level);
/* The same with this library of ustar.h; tgz_open takes libtar where it is. */
struct tgz *tgz_open_by(const struct ustar_writer *, int fd, int level);
/* One entry; its name is a name without a path, of at most 99 bytes. -1 with errno, and so for all that follow. */
int tgz_put(struct tgz *, const char *name, time_t mtime, const void *, size_t);
/* Writes the end, without which no reader takes the archive. -1 with errno. */
int tgz_finish(struct tgz *);
/* Frees it, finished or not. */
void tgz_free(struct tgz *);

#endif
