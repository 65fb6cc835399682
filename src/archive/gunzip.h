/* SPDX-License-Identifier: ISC */
/* Inflates the archives that cert-import, csr-add and csr-sign read, gzip (RFC 1952) or not, under the limits of
 * capf.conf(5), and checks every checksum. */
#ifndef GUNZIP_H
#define GUNZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/reason.h"

#define GUNZIP_BYTES ((size_t)64 * 1024)	/* whole blocks of a tar, many of them */

struct gunzip;

/* Reads from fd, of which head has already been read. At most so many bytes come out, and of a gzip no more than ratio
 * for each that goes in. fd stays the caller's. NULL when out of memory. */
struct gunzip *gunzip_open(int fd, struct bytes head, uint64_t most, uint64_t ratio);
/* The next GUNZIP_BYTES, fewer only at the end; valid until the next call. 1; 0 when all was read and every
 * checksum is right; -1 when the reason says why not: if that is trouble, errno does as well. */
int gunzip_next(struct gunzip *, struct bytes *, struct reason *);
void gunzip_close(struct gunzip *);

/* Did it come as gzip? Known after the first gunzip_next. */
bool gunzip_was_gzip(const struct gunzip *);

/* Does a gzip begin so? */
bool gunzip_looks_like(struct bytes);

#endif
