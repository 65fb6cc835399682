/* SPDX-License-Identifier: ISC */
/* The headers of a zip (PKWARE APPNOTE 4.3), read strictly for unzip: what needs a password, a second disk or zip64, or
 * has a second name, is refused. Pure: it gets bytes, and tells what they say. */
#ifndef ZIP_HEADER_H
#define ZIP_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/reason.h"

#define ZIP_SIGNATURE 4
#define ZIP_LOCAL_BYTES ((size_t)30)	/* the fixed part of a local header */
#define ZIP_CENTRAL_BYTES ((size_t)46)	/* of a header in the directory */
#define ZIP_DESCRIPTOR_BYTES ((size_t)16)
#define ZIP_END_BYTES ((size_t)22)
#define ZIP_END64_BYTES ((size_t)56)
#define ZIP_LOCATOR_BYTES ((size_t)20)
/* Name, extra fields and comment of one entry: usual ones have less than 200 bytes. */
#define ZIP_HEADER_MAX ((size_t)8 * 1024)

enum zip_record {
	ZIP_LOCAL,		/* the header of an entry, its data follow */
	ZIP_CENTRAL,		/* an entry in the directory */
	ZIP_END64,		/* the end, in the two forms that it may have */
	ZIP_END,
	ZIP_UNKNOWN,
};

/* By the first ZIP_SIGNATURE bytes. */
enum zip_record zip_record_of(const unsigned char *);

enum zip_method { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

struct zip_header {
	unsigned flags, method;
	bool sizes_behind;		/* flag 3: crc and sizes follow the data */
	uint32_t crc, packed, size;
	uint32_t offset;		/* of the local header, in the directory only */
	struct bytes name;		/* in the bytes that were read */
};

/* How many bytes a local or central header has as a whole, by its fixed part. */
size_t zip_header_bytes(const unsigned char *, enum zip_record);
/* Reads one of so many bytes. -1 with a reason. */
int zip_header_read(const unsigned char *, enum zip_record, struct zip_header *, struct reason *);

/* What follows the data of an entry with sizes_behind. False when it has no signature. */
bool zip_descriptor_read(const unsigned char *, struct zip_header *);

/* The end of a directory of so many entries, which lies there: true when every number in it agrees. ZIP_END64 is read
 * with the locator behind it, ZIP_END without its comment, whose length is given. */
struct zip_directory {
	uint64_t entries, offset, bytes;
	uint64_t end64;		/* where ZIP_END64 lies; 0: there is none */
};
bool zip_end64_agrees(const unsigned char *, const struct zip_directory *);
bool zip_end_agrees(const unsigned char *, const struct zip_directory *, size_t *comment);

/* How many entries these last bytes of a file say it has; 0 when they do not tell. */
uint64_t zip_entries_said(struct bytes tail);

#endif
