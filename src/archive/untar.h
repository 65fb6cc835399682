/* SPDX-License-Identifier: ISC */
/* Reads the archives of cert-import, csr-add and csr-sign, tar or tar in gzip, written by any tar and sent by
 * anybody. */
#ifndef UNTAR_H
#define UNTAR_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

struct untar_limits {
	uint64_t entries;	/* entries of any kind */
	uint64_t entry_bytes;	/* bytes in one entry */
	uint64_t total_bytes;	/* bytes of tar after inflating */
	uint64_t ratio;		/* inflated bytes for each byte read */
};
extern const struct untar_limits untar_limits_default;

struct untar;

struct untar_item {
	const char *name;	/* as in the archive, a leading ./ taken off; print it escaped */
	const unsigned char *data;
	size_t len;
};

enum untar_result {
	UNTAR_END,		/* all read, every checksum right, at least one entry seen */
	UNTAR_ITEM,		/* an entry: its name and data are valid until the next call */
	UNTAR_REFUSED,	/* an entry that is refused by name, the reason says why; go on */
	UNTAR_DAMAGED,	/* the archive as a whole is refused, the reason says why; stop */
	UNTAR_TROUBLE,	/* it cannot be read, errno says why; stop */
};

/* A .tgz or a plain .tar from fd, of which head has already been read. Entries with a slash in their
 * name are refused when flat, else taken; directories are skipped when not flat. fd stays the
 * caller's. NULL when out of memory. */
struct untar *untar_open(int fd, const void *head, size_t head_len, bool flat,
    const struct untar_limits *);
enum untar_result untar_next(struct untar *, struct untar_item *, struct reason *);
void untar_close(struct untar *);

/* Looks through a whole file for more entries than the limit, without their data, and goes back to where fd stands,
 * behind so many bytes that were read. Before untar_open this refuses an archive that has too many at once, instead
 * of after all that are allowed. True with a reason; false when there are not too many, or that cannot be told: of a
 * pipe, for one. */
bool untar_overfull(int fd, size_t read, const struct untar_limits *, struct reason *);
/* The table of characters that reading needs, from the file system. A process that will have none holds one while
 * it opens archives; freelocale() frees it. (locale_t)0 when there is none. */
locale_t untar_locale(void);

/* Does this look like an archive rather than like a PEM or DER file? */
bool untar_looks_like(const unsigned char *head, size_t len);

#endif
