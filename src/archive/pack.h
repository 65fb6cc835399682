/* SPDX-License-Identifier: ISC */
/* Our own archives: a .tgz of plain ustar, the same bytes every time. */
#ifndef PACK_H
#define PACK_H

#include <stddef.h>
#include <time.h>

struct pack;
struct ustar_writer;

/* To fd, which stays the caller's; level 1 to 9. NULL with errno. */
struct pack *pack_open(int fd, int level);
/* The same with this library of ustar.h; pack_open takes libtar where it is. */
struct pack *pack_open_by(const struct ustar_writer *, int fd, int level);
/* One entry; its name is a name without a path, of at most 99 bytes. -1 with errno, and so for all that follow. */
int pack_put(struct pack *, const char *name, time_t mtime, const void *, size_t);
/* Writes the end, without which no reader takes the archive. -1 with errno. */
int pack_finish(struct pack *);
/* Frees it, finished or not. */
void pack_free(struct pack *);

#endif
