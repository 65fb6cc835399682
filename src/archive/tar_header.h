/* SPDX-License-Identifier: ISC */
/* The headers of a tar, read strictly for untar: what two readers could understand differently is refused. It
 * reads no data and keeps no names; untar.c compares libarchive with it. */
#ifndef TAR_HEADER_H
#define TAR_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

#define TAR_HEADER_BLOCK ((size_t)512)
/* Extended headers and long names of one entry: a name and attributes take one or two KiB. */
#define TAR_HEADER_MAX ((size_t)8 * 1024)

enum tar_header_result {
	TAR_HEADER_BAD = -1,	/* refused, the reason says why */
	TAR_HEADER_MORE,		/* the headers of this entry go on */
	TAR_HEADER_ENTRY,		/* they are complete: type, size and sparse are valid; its data follow */
	TAR_HEADER_ZERO,		/* a block of NULs where a header could be */
};

struct tar_header {
	/* Of the entry whose headers were complete last. */
	char type;
	uint64_t size;		/* bytes that follow, without what fills up the last block */
	bool sparse;		/* of some kind */

	/* Of the entry whose headers are being read. */
	bool begun, more_map;
	bool pax, global, long_name, long_link;	/* what was seen before it */
	bool has_path, has_size, has_linkpath, pax_sparse;
	uint64_t pax_size;
	char path[101];		/* from the extended header; "" when a header of its own could not hold it */

	/* Of an extended header or a long name. */
	char body_type;
	uint64_t body_left;	/* bytes to come, with what fills up the last block */
	size_t body_len, body_got;
	unsigned char body[TAR_HEADER_MAX];
};

/* Does this block prove itself to be a header, by its checksum? */
bool tar_header_is(const unsigned char *block);
/* The next block of headers, from a struct that was all 0 at the beginning of the tar. */
enum tar_header_result tar_header_next(struct tar_header *, const unsigned char *block, struct reason *);

#endif
