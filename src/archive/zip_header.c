/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "archive/zip_header.h"

/* General purpose flags, APPNOTE 4.4.4. */
#define ENCRYPTED (1u << 0 | 1u << 6 | 1u << 13)
#define LEVEL (1u << 1 | 1u << 2)	/* of deflate, which a reader need not know */
#define SIZES_BEHIND (1u << 3)
#define UTF8 (1u << 11)

/* Extra fields, APPNOTE 4.5.2 and 4.6. */
#define EXTRA_ZIP64 0x0001
#define EXTRA_UNICODE_NAME 0x7075
#define EXTRA_AES 0x9901

/* Who wrote it, and what the upper half of the attributes then means. */
#define HOST_UNIX 3
#define HOST_MAC 19
#define UNIX_KIND 0170000u
#define UNIX_FILE 0100000u
#define UNIX_DIRECTORY 0040000u

static unsigned u16(const unsigned char *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

static uint32_t u32(const unsigned char *p)
{
	return u16(p) | (uint32_t)u16(p + 2) << 16;
}

static uint64_t u64(const unsigned char *p)
{
	return u32(p) | (uint64_t)u32(p + 4) << 32;
}

enum zip_record zip_record_of(const unsigned char *p)
{
	switch (u32(p)) {
	case 0x04034b50:
		return ZIP_LOCAL;
	case 0x02014b50:
		return ZIP_CENTRAL;
	case 0x06064b50:
		return ZIP_END64;
	case 0x06054b50:
		return ZIP_END;
	default:
		return ZIP_UNKNOWN;
	}
}

size_t zip_header_bytes(const unsigned char *p, enum zip_record kind)
{
	return kind == ZIP_LOCAL ? ZIP_LOCAL_BYTES + u16(p + 26) + u16(p + 28) :
	    ZIP_CENTRAL_BYTES + u16(p + 28) + u16(p + 30) + u16(p + 32);
}

/* Extra fields: each a kind, a length, and that many bytes. */
static int check_extra(struct bytes in, struct reason *why)
{
	const unsigned char *p, *skip;

	while (in.len > 0) {
		if (!bytes_get(&in, &p, 4) || !bytes_get(&in, &skip, u16(p + 2)))
			return reason_set(why, "is damaged: zip: an extra field is cut off");
		switch (u16(p)) {
		case EXTRA_ZIP64:
			return reason_set(why, "has an entry in zip64, which nothing of this size needs: pack it anew");
		case EXTRA_UNICODE_NAME:
			return reason_set(why, "has an entry with two names, of which readers believe one or the other");
		case EXTRA_AES:
			return reason_set(why, "is encrypted: certificates are no secret, pack them without a password");
		}
	}
	return 0;
}

static int check_method(const struct zip_header *h, struct reason *why)
{
	if ((h->flags & ENCRYPTED) != 0 || h->method == 99)
		return reason_set(why, "is encrypted: certificates are no secret, pack them without a password");
	if ((h->flags & ~(LEVEL | SIZES_BEHIND | UTF8)) != 0)
		return reason_set(why, "has an entry with unknown flags: 0x%04x", h->flags);
	if (h->method != ZIP_STORED && h->method != ZIP_DEFLATED)
		return reason_set(why, "has an entry packed by method %u: pack it anew, with deflate", h->method);
	return 0;
}

/* What only the directory says: the kind of file, and the disk. */
static int check_central(const unsigned char *p, struct reason *why)
{
	unsigned host = p[5], kind = u16(p + 40) & UNIX_KIND;

	if ((host == HOST_UNIX || host == HOST_MAC) && kind != 0 && kind != UNIX_FILE && kind != UNIX_DIRECTORY)
		return reason_set(why, "has an entry that is a link or a device");
	return u16(p + 34) == 0 ? 0 : reason_set(why, "is one of several parts of a zip");
}

int zip_header_read(const unsigned char *p, enum zip_record kind, struct zip_header *h, struct reason *why)
{
	/* The same fields in the same order, from different places on. */
	const unsigned char *at = p + (kind == ZIP_LOCAL ? 6 : 8);
	size_t fixed = kind == ZIP_LOCAL ? ZIP_LOCAL_BYTES : ZIP_CENTRAL_BYTES, name = u16(at + 20);

	*h = (struct zip_header){
		.flags = u16(at), .method = u16(at + 2), .crc = u32(at + 8), .packed = u32(at + 12),
		.size = u32(at + 16), .name = {p + fixed, name},
		.offset = kind == ZIP_CENTRAL ? u32(p + 42) : 0,
	};
	h->sizes_behind = (h->flags & SIZES_BEHIND) != 0;
	if (check_method(h, why) != 0 || check_extra((struct bytes){p + fixed + name, u16(at + 22)}, why) != 0)
		return -1;
	h->flags &= ~LEVEL;
	return kind == ZIP_CENTRAL ? check_central(p, why) : 0;
}

bool zip_descriptor_read(const unsigned char *p, struct zip_header *h)
{
	h->crc = u32(p + 4);
	h->packed = u32(p + 8);
	h->size = u32(p + 12);
	return u32(p) == 0x08074b50;
}

bool zip_end64_agrees(const unsigned char *p, const struct zip_directory *d)
{
	const unsigned char *locator = p + ZIP_END64_BYTES;

	return u64(p + 4) == ZIP_END64_BYTES - 12 && u32(p + 16) == 0 && u32(p + 20) == 0 &&
	    u64(p + 24) == d->entries && u64(p + 32) == d->entries && u64(p + 40) == d->bytes &&
	    u64(p + 48) == d->offset && u32(locator) == 0x07064b50 && u32(locator + 4) == 0 &&
	    u64(locator + 8) == d->end64 && u32(locator + 16) == 1;
}

/* With a ZIP_END64 in front, all ones stand for what that says. */
static bool number_agrees(uint64_t said, uint64_t is, uint64_t ones, const struct zip_directory *d)
{
	return said == is || (d->end64 != 0 && said == ones);
}

bool zip_end_agrees(const unsigned char *p, const struct zip_directory *d, size_t *comment)
{
	*comment = u16(p + 20);
	return (u16(p + 4) == 0 || (d->end64 != 0 && u16(p + 4) == UINT16_MAX)) && u16(p + 6) == u16(p + 4) &&
	    number_agrees(u16(p + 8), d->entries, UINT16_MAX, d) &&
	    number_agrees(u16(p + 10), d->entries, UINT16_MAX, d) &&
	    number_agrees(u32(p + 12), d->bytes, UINT32_MAX, d) &&
	    number_agrees(u32(p + 16), d->offset, UINT32_MAX, d);
}

uint64_t zip_entries_said(struct bytes tail)
{
	const size_t before = ZIP_END64_BYTES + ZIP_LOCATOR_BYTES;

	for (size_t at = tail.len; at-- > 0;) {
		const unsigned char *p = tail.p + at;
		size_t behind = tail.len - at;

		if (behind < ZIP_END_BYTES || zip_record_of(p) != ZIP_END || behind - ZIP_END_BYTES != u16(p + 20))
			continue;
		if (at >= before && zip_record_of(p - before) == ZIP_END64)
			return u64(p - before + 32);
		return u16(p + 10);
	}
	return 0;
}
