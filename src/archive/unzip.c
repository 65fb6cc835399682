/* SPDX-License-Identifier: ISC */
/* A zip says everything twice: in front of each entry's data, and in a directory at its end. Some readers go by the
 * one, some by the other, and a zip that is made for it shows each of them other entries. libarchive has a reader of
 * either sort, and compares nothing; the one that goes by the directory keeps all of it in memory, and both look for
 * headers behind junk. So this file reads the zip itself, once, from its beginning to its end, and takes it only when
 * entries and directory follow each other without a gap and agree in every word: then all readers see the same, and
 * test/fuzz/unzip.c holds both of libarchive's to that. zlib inflates, as in gunzip.c. */
#define ZLIB_CONST
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "archive/entry_name.h"
#include "archive/unzip.h"
#include "archive/zip_header.h"
#include "base/fileio.h"
#include "x509/openssl_context.h"

#define TOO_MANY "holds more than %" PRIu64 " entries"
#define CUT_OFF "is cut off: the zip has no end"
/* A small zip of texts that are alike says nothing by its ratio. */
#define RATIO_FROM ((uint64_t)1 << 20)
/* Bytes that are read at once: the longest header, and the end with the longest comment, fit in. */
#define INPUT ((size_t)128 * 1024)
/* NULs behind the end, with which bsdtar fills the last record when it writes to a pipe. */
#define MAX_PADDING ((size_t)32 * 1024)
#define OUTPUT ((size_t)16 * 1024)

struct unzip {
	int fd;
	struct untar_limits limits;
	bool flat;
	enum untar_result last;
	struct reason why;	/* of the first fault; its trouble is errno in error */
	int error;

	unsigned char *in;
	struct bytes left;	/* read into in, and not yet used */
	uint64_t in_total;
	bool in_end;

	z_stream z;
	bool inflates;
	uint64_t out_total;
	unsigned char *data;	/* of the entry at hand, as much as may be handed on */
	size_t len, cap;
	char name[ENTRY_NAME_MAX + 2];	/* one byte more than is legal */

	uint64_t entries, seen;	/* all; without the directories that are skipped */
	/* Over every word of the entries, and of the directory: equal in the end. */
	unsigned char local[32], central[32];
};

static enum untar_result damaged(struct unzip *r, const char *text)
{
	reason_set(&r->why, "%s", text);
	return UNTAR_DAMAGED;
}

/* unzip_next makes UNTAR_TROUBLE of it. */
static enum untar_result trouble(struct unzip *r, int error)
{
	reason_trouble(&r->why, "cannot be read: %s", strerror(error));
	r->error = error;
	return UNTAR_DAMAGED;
}

static uint64_t position(const struct unzip *r)
{
	return r->in_total - r->left.len;
}

/* Makes n bytes stand in left, when the file has as many. False when it has not, with the reason. */
static bool want(struct unzip *r, size_t n)
{
	size_t have = r->left.len;
	ssize_t got;

	if (have >= n)
		return true;
	if (!r->in_end) {
		memmove(r->in, r->left.p, have);
		if ((got = fileio_read_full(r->fd, r->in + have, INPUT - have)) < 0) {
			trouble(r, errno);
			return false;
		}
		r->in_end = (size_t)got < INPUT - have;
		r->in_total += (size_t)got;
		r->left = (struct bytes){r->in, have + (size_t)got};
	}
	if (r->left.len < n)
		damaged(r, CUT_OFF);
	return r->left.len >= n;
}

static void pass(struct unzip *r, size_t n)
{
	r->left.p += n;
	r->left.len -= n;
}

struct unzip *unzip_open(int fd, const void *head, size_t head_len, bool flat, const struct untar_limits *limits)
{
	struct unzip *r = head_len <= INPUT ? calloc(1, sizeof *r) : NULL;

	if (r == NULL)
		return NULL;
	r->fd = fd;
	r->limits = *limits;
	r->flat = flat;
	r->last = UNTAR_ITEM;
	/* A negative number of bits: deflate without any wrapping. */
	r->inflates = inflateInit2(&r->z, -MAX_WBITS) == Z_OK;
	if (!r->inflates || (r->in = malloc(INPUT)) == NULL) {
		unzip_close(r);
		return NULL;
	}
	if (head_len > 0)
		memcpy(r->in, head, head_len);
	r->left = (struct bytes){r->in, head_len};
	r->in_total = head_len;
	return r;
}

/* Takes unpacked bytes of the entry at hand. False when there are too many of all. */
static bool take(struct unzip *r, const unsigned char *p, size_t n)
{
	r->out_total += n;
	if (r->out_total > r->limits.total_bytes || position(r) > r->limits.total_bytes) {
		reason_set(&r->why, "is larger than %" PRIu64 " bytes unpacked", r->limits.total_bytes);
		return false;
	}
	if (r->out_total > RATIO_FROM && r->out_total / position(r) > r->limits.ratio) {
		reason_set(&r->why, "unpacks to more than %" PRIu64 " times its size", r->limits.ratio);
		return false;
	}
	/* Of an entry that is too large the rest is only counted. */
	if (r->len + n > r->limits.entry_bytes)
		n = (size_t)(r->limits.entry_bytes - r->len);
	if (r->len + n > r->cap) {
		size_t cap = 2 * (r->len + n);
		unsigned char *grown = realloc(r->data, cap);

		if (grown == NULL) {
			trouble(r, ENOMEM);
			return false;
		}
		r->data = grown;
		r->cap = cap;
	}
	if (n > 0)
		memcpy(r->data + r->len, p, n);
	r->len += n;
	return true;
}

/* Both read the data of an entry and set crc, packed and size to what they are. UNTAR_ITEM, or UNTAR_DAMAGED. */

static enum untar_result copy(struct unzip *r, struct zip_header *h)
{
	uint32_t rest = h->packed;
	size_t n;

	h->crc = (uint32_t)crc32(0, NULL, 0);
	for (h->size = 0; rest > 0; rest -= (uint32_t)n, h->size += (uint32_t)n) {
		if (!want(r, 1))
			return UNTAR_DAMAGED;
		n = r->left.len < rest ? r->left.len : rest;
		h->crc = (uint32_t)crc32(h->crc, r->left.p, (unsigned)n);
		if (!take(r, r->left.p, n))
			return UNTAR_DAMAGED;
		pass(r, n);
	}
	return UNTAR_ITEM;
}

static enum untar_result inflate_data(struct unzip *r, struct zip_header *h)
{
	unsigned char out[OUTPUT];
	uint64_t begin = position(r), most = h->sizes_behind ? UINT32_MAX : h->packed, size = 0;
	int result = inflateReset(&r->z);
	bool full = false;	/* zlib has more to give than fitted, without another byte */

	h->crc = (uint32_t)crc32(0, NULL, 0);
	while (result != Z_STREAM_END) {
		uint64_t may = most - (position(r) - begin);
		size_t n, got;

		if (may == 0 && !full)
			return damaged(r, "is damaged: zip: an entry is not as long as it says");
		if (!full && !want(r, 1))
			return UNTAR_DAMAGED;
		n = r->left.len < may ? r->left.len : (size_t)may;
		r->z.next_in = r->left.p;
		r->z.avail_in = (unsigned)n;
		r->z.next_out = out;
		r->z.avail_out = sizeof out;
		result = inflate(&r->z, Z_NO_FLUSH);
		if (result == Z_MEM_ERROR)
			return trouble(r, ENOMEM);
		if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
			return damaged(r, "is damaged: zip: what is packed in it is broken");
		pass(r, n - r->z.avail_in);
		got = sizeof out - r->z.avail_out;
		full = r->z.avail_out == 0;
		h->crc = (uint32_t)crc32(h->crc, out, (unsigned)got);
		size += got;
		if (!take(r, out, got))
			return UNTAR_DAMAGED;
	}
	if (size > UINT32_MAX)
		return damaged(r, "is damaged: zip: an entry is not as long as it says");
	h->size = (uint32_t)size;
	h->packed = (uint32_t)(position(r) - begin);
	return UNTAR_ITEM;
}

static bool same_sizes(const struct zip_header *a, const struct zip_header *b)
{
	return a->crc == b->crc && a->packed == b->packed && a->size == b->size;
}

/* The data of an entry and, if its sizes are behind them, those. On UNTAR_ITEM the header says what is true. */
static enum untar_result read_data(struct unzip *r, struct zip_header *h)
{
	struct zip_header said = *h, behind;
	enum untar_result result;

	r->len = 0;
	/* Where such an entry ends, deflate alone can tell; a directory has no data. */
	if (h->sizes_behind && h->method == ZIP_STORED && h->packed == 0 && r->name[strlen(r->name) - 1] != '/')
		return damaged(r, "has an entry that is stored and does not say how long it is: pack it anew, with deflate");
	result = h->method == ZIP_STORED ? copy(r, h) : inflate_data(r, h);
	if (result != UNTAR_ITEM)
		return result;
	if (!h->sizes_behind)
		return same_sizes(h, &said) ? UNTAR_ITEM :
		    damaged(r, "is damaged: zip: an entry is not what its checksum and its size say");
	if (!want(r, ZIP_DESCRIPTOR_BYTES))
		return UNTAR_DAMAGED;
	if (!zip_descriptor_read(r->left.p, &behind) || !same_sizes(h, &behind) ||
	    (said.crc != 0 && said.crc != h->crc) || (said.packed != 0 && said.packed != h->packed) ||
	    (said.size != 0 && said.size != h->size))
		return damaged(r, "is damaged: zip: what follows an entry's data does not fit them");
	pass(r, ZIP_DESCRIPTOR_BYTES);
	return UNTAR_ITEM;
}

/* Adds all that two readers could see differently. */
static int add_words(struct unzip *r, unsigned char sum[32], const struct zip_header *h, uint64_t offset)
{
	struct buf b = {0};
	int result = -1;

	buf_put(&b, sum, 32);
	buf_put_u64(&b, offset);
	buf_put_u32(&b, h->flags);
	buf_put_u32(&b, h->method);
	buf_put_u32(&b, h->crc);
	buf_put_u32(&b, h->packed);
	buf_put_u32(&b, h->size);
	buf_put_sized(&b, h->name.p, h->name.len);
	if (!b.failed)
		result = openssl_sha256(b.p, b.len, sum, &r->why);
	if (result != 0)
		trouble(r, ENOMEM);
	buf_free(&b);
	return result;
}

/* The header that stands here. False when it is refused; name then lies in left until more is read. */
static bool read_header(struct unzip *r, enum zip_record kind, struct zip_header *h, size_t *bytes)
{
	if (position(r) > r->limits.total_bytes) {
		reason_set(&r->why, "is larger than %" PRIu64 " bytes", r->limits.total_bytes);
		return false;
	}
	if (!want(r, kind == ZIP_LOCAL ? ZIP_LOCAL_BYTES : ZIP_CENTRAL_BYTES))
		return false;
	if ((*bytes = zip_header_bytes(r->left.p, kind)) > ZIP_HEADER_MAX) {
		reason_set(&r->why, "has an entry with more than %zu bytes of headers", ZIP_HEADER_MAX);
		return false;
	}
	return want(r, *bytes) && zip_header_read(r->left.p, kind, h, &r->why) == 0;
}

/* One entry. UNTAR_ITEM without data: it is to be skipped. */
static enum untar_result read_entry(struct unzip *r, struct untar_item *item, struct reason *why)
{
	uint64_t offset = position(r);
	const char *name = r->name;
	enum untar_result result;
	struct zip_header h;
	unsigned char own[ZIP_HEADER_MAX];
	size_t n, bytes;
	bool dir;

	if (++r->entries > r->limits.entries) {
		reason_set(&r->why, TOO_MANY, r->limits.entries);
		return UNTAR_DAMAGED;
	}
	if (!read_header(r, ZIP_LOCAL, &h, &bytes))
		return UNTAR_DAMAGED;
	if (h.name.len == 0 || memchr(h.name.p, '\0', h.name.len) != NULL)
		return damaged(r, "has an entry without a name, or with one that ends early");
	n = h.name.len < sizeof r->name ? h.name.len : sizeof r->name - 1;
	memcpy(r->name, h.name.p, n);
	r->name[n] = '\0';
	dir = h.name.p[h.name.len - 1] == '/';
	memcpy(own, h.name.p, h.name.len);
	h.name.p = own;
	pass(r, bytes);
	if ((result = read_data(r, &h)) != UNTAR_ITEM)
		return result;
	if (add_words(r, r->local, &h, offset) != 0)
		return UNTAR_DAMAGED;
	if (dir && h.size > 0)
		return damaged(r, "has a directory with data, which not all readers see alike");
	if (dir && !r->flat)
		return UNTAR_ITEM;
	r->seen++;
	if (strncmp(name, "./", 2) == 0)
		name += 2;
	item->name = name;
	if (dir)
		reason_set(why, "is a directory");
	else if (!entry_name_ok(name, r->flat, why))
		; /* said already */
	else if (h.size > r->limits.entry_bytes)
		reason_set(why, "is larger than %" PRIu64 " bytes", r->limits.entry_bytes);
	else if (h.size == 0)
		reason_set(why, "is empty");
	else {
		item->data = r->data;
		item->len = r->len;
		return UNTAR_ITEM;
	}
	return UNTAR_REFUSED;
}

/* The records at the end, which have to be the last bytes of the file. */
static enum untar_result read_end(struct unzip *r, struct zip_directory *d)
{
	const char *const disagrees = "is damaged: zip: its end does not fit its directory";
	size_t comment;

	if (!want(r, ZIP_END_BYTES))
		return UNTAR_DAMAGED;
	if (zip_record_of(r->left.p) == ZIP_END64) {
		d->end64 = position(r);
		if (!want(r, ZIP_END64_BYTES + ZIP_LOCATOR_BYTES))
			return UNTAR_DAMAGED;
		if (!zip_end64_agrees(r->left.p, d))
			return damaged(r, disagrees);
		pass(r, ZIP_END64_BYTES + ZIP_LOCATOR_BYTES);
		if (!want(r, ZIP_END_BYTES))
			return UNTAR_DAMAGED;
	}
	if (zip_record_of(r->left.p) != ZIP_END || !zip_end_agrees(r->left.p, d, &comment))
		return damaged(r, disagrees);
	pass(r, ZIP_END_BYTES);
	if (!want(r, comment))
		return UNTAR_DAMAGED;
	/* Readers look for the end from behind. */
	for (size_t i = 0; i + ZIP_SIGNATURE <= comment; i++)
		if (zip_record_of(r->left.p + i) == ZIP_END)
			return damaged(r, "has a second end in its comment");
	pass(r, comment);
	/* Padding that fills the buffer is more than MAX_PADDING. */
	if (want(r, INPUT) || r->left.len > MAX_PADDING || !bytes_all_zero(r->left))
		return damaged(r, "has junk behind the end of the zip");
	if (r->error != 0)
		return UNTAR_DAMAGED;
	return r->seen > 0 ? UNTAR_END : damaged(r, "holds no entry");
}

/* The directory, which names every entry in its place. */
static enum untar_result read_directory(struct unzip *r)
{
	struct zip_directory d = {.offset = position(r)};
	struct zip_header h;
	size_t bytes;

	while (want(r, ZIP_SIGNATURE) && zip_record_of(r->left.p) == ZIP_CENTRAL) {
		if (++d.entries > r->entries)
			return damaged(r, "has a directory that does not fit its entries");
		if (!read_header(r, ZIP_CENTRAL, &h, &bytes) || add_words(r, r->central, &h, h.offset) != 0)
			return UNTAR_DAMAGED;
		pass(r, bytes);
	}
	if (r->left.len < ZIP_SIGNATURE)
		return UNTAR_DAMAGED;
	d.bytes = position(r) - d.offset;
	if (d.entries != r->entries || memcmp(r->local, r->central, sizeof r->local) != 0)
		return damaged(r, "has a directory that does not fit its entries");
	return read_end(r, &d);
}

static enum untar_result next_entry(struct unzip *r, struct untar_item *item, struct reason *why)
{
	enum untar_result result;

	do {
		if (!want(r, ZIP_SIGNATURE))
			return UNTAR_DAMAGED;
		switch (zip_record_of(r->left.p)) {
		case ZIP_LOCAL:
			result = read_entry(r, item, why);
			break;
		case ZIP_CENTRAL:
		case ZIP_END:
			return read_directory(r);
		default:
			return damaged(r, r->entries == 0 ? "is one of several parts of a zip, or no zip" :
			    "has junk between its entries");
		}
	} while (result == UNTAR_ITEM && item->data == NULL);
	return result;
}

enum untar_result unzip_next(struct unzip *r, struct untar_item *item, struct reason *why)
{
	*item = (struct untar_item){.name = ""};
	if (r->last == UNTAR_ITEM || r->last == UNTAR_REFUSED)
		r->last = next_entry(r, item, why);
	if (r->last == UNTAR_DAMAGED && r->error != 0)
		r->last = UNTAR_TROUBLE;
	if (r->last == UNTAR_DAMAGED)
		*why = r->why;
	else if (r->last == UNTAR_TROUBLE)
		errno = r->error;
	return r->last;
}

/* By what its end says, where every reader looks first. What lies about that is refused when it has been read. */
bool unzip_overfull(int fd, size_t read, const struct untar_limits *limits, struct reason *why)
{
	off_t at = lseek(fd, 0, SEEK_CUR), end = at < (off_t)read ? -1 : lseek(fd, 0, SEEK_END);
	size_t len = end < (off_t)INPUT ? (size_t)end : INPUT;
	unsigned char *tail;
	uint64_t said = 0;

	if (end < 0)
		return false;
	if ((tail = malloc(INPUT)) != NULL && lseek(fd, end - (off_t)len, SEEK_SET) >= 0 &&
	    fileio_read_full(fd, tail, len) == (ssize_t)len)
		said = zip_entries_said((struct bytes){tail, len});
	free(tail);
	reason_set(why, TOO_MANY, limits->entries);
	/* Should that fail, the reader begins elsewhere, and refuses what it finds there. */
	return lseek(fd, at, SEEK_SET) == at && said > limits->entries;
}

void unzip_close(struct unzip *r)
{
	if (r == NULL)
		return;
	if (r->inflates)
		inflateEnd(&r->z);
	free(r->in);
	free(r->data);
	free(r);
}

bool unzip_looks_like(struct bytes b)
{
	return b.len >= ZIP_SIGNATURE && b.p[0] == 'P' && b.p[1] == 'K' && b.p[2] < ' ' && b.p[3] < ' ';
}
