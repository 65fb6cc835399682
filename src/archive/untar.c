/* SPDX-License-Identifier: ISC */
/* libarchive reads the tar, without its filters. It gets single blocks while it reads headers, and one entry's bytes
 * while it reads data, so that this file always knows where in the tar it stands: it can bound what libarchive keeps of
 * headers, and sees the end of the archive, about which libarchive says nothing. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/entry_name.h"
#include "archive/gunzip.h"
#include "archive/tar_header.h"
#include "archive/untar.h"
#include "base/bytes.h"

const struct untar_limits untar_limits_default = {
	/* Far more than a site has phones, and few enough to give up within a second. */
	.entries = 500000,
	/* A certificate or request has 1 to 4 KiB, with RSA-8192 and long names a few more. */
	.entry_bytes = 65536,
	/* 500,000 entries of 2 KiB with their headers and padding. */
	.total_bytes = UINT64_C(2) << 30,
	/* Tar of certificates and requests packs 2:1 to 6:1, empty blocks about 1000:1. */
	.ratio = 200,
};

/* The headers of one entry. libarchive keeps them in memory and aborts when the map of a sparse file fills that. Its
 * time for access control lists grows with the square of their length: 5 seconds for 1 MiB. */
#define MAX_HEADERS TAR_HEADER_MAX
/* The largest record that tar is told to write in practice (-b 2048). */
#define MAX_PADDING ((uint64_t)1 << 20)

/* libarchive has no code for the one warning that is not damage: a name, of the entry, of a link or of an owner, that
 * is not in the charset that the archive says. Its English text is all that tells; untar_test holds it to that. */
#define CHARSET_WARNING "can't be converted from"
#define ABOUT_THE_NAME "Pathname"	/* how the text begins when it is about the entry's own name */

#define TOO_MANY "holds more than %" PRIu64 " entries"

#define BLOCK TAR_HEADER_BLOCK

struct untar {
	struct archive *tar;
	locale_t locale;
	struct untar_limits limits;
	bool flat;
	enum untar_result last;
	uint64_t entries, seen;	/* all; without the directories that are skipped */
	unsigned char *data;
	size_t cap;

	/* The first fault: of the bytes, of the tar, or of the system. */
	struct reason why;
	bool failed;
	int error;		/* errno, when it was the system */

	/* Where libarchive stands. */
	struct gunzip *gunzip;
	struct bytes unread;	/* came from there, and is not yet handed on */
	bool open, in_headers;
	size_t header_bytes;	/* handed on for the headers of this entry */
	uint64_t body_left;	/* not yet handed on of this entry's data and padding */
	uint64_t handed;
	bool zero, zero_before;	/* the last block and the one before it were all NUL */
	struct tar_header head;	/* what the headers say to us */
	bool head_complete;	/* of this entry */
	bool asked_beyond;	/* libarchive was told that there is no more */
};

static enum untar_result damaged(struct untar *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static enum untar_result damaged(struct untar *r, const char *fmt, ...)
{
	va_list ap;

	if (!r->failed) {
		va_start(ap, fmt);
		vsnprintf(r->why.text, sizeof r->why.text, fmt, ap);
		va_end(ap);
		r->failed = true;
	}
	return UNTAR_DAMAGED;
}

/* untar_next makes UNTAR_TROUBLE of it. */
static enum untar_result trouble(struct untar *r, int error)
{
	r->error = error;
	return damaged(r, "cannot be read: %s", strerror(error));
}

/* libarchive's own words behind ours. They can hold bytes of the archive. */
static enum untar_result damaged_tar(struct untar *r)
{
	const char *text = archive_error_string(r->tar);
	char clean[128];
	size_t i;

	if (archive_errno(r->tar) == ENOMEM && !r->failed)
		return trouble(r, ENOMEM);
	for (i = 0; text != NULL && text[i] != '\0' && i + 1 < sizeof clean; i++)
		clean[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	clean[i] = '\0';
	return damaged(r, "is damaged: tar: %s", i > 0 ? clean : "invalid data");
}

/* Reads the next bytes into unread. 1; 0 at the end; -1 when it failed. */
static int read_on(struct untar *r)
{
	int got = gunzip_next(r->gunzip, &r->unread, &r->why);

	if (got < 0) {
		r->failed = true;
		r->error = r->why.trouble ? errno : 0;
	}
	return got;
}

/* Reads the next block of headers for ourselves, before libarchive gets it. -1 when it is refused. */
static int read_head(struct untar *r)
{
	struct reason why;

	/* The block behind the header of a sparse file may be its map. */
	if (r->head_complete && r->head.sparse)
		return 0;
	if (r->head_complete) {
		damaged(r, "is damaged: a header in the midst of an entry");
		return -1;
	}
	switch (tar_header_next(&r->head, r->unread.p, &why)) {
	case TAR_HEADER_BAD:
		damaged(r, "%s", why.text);
		return -1;
	case TAR_HEADER_ENTRY:
		r->head_complete = true;
		break;
	case TAR_HEADER_MORE:
	case TAR_HEADER_ZERO:
		break;
	}
	return 0;
}

/* Called by libarchive for more. */
static la_ssize_t hand(struct archive *a, void *arg, const void **block)
{
	struct untar *r = arg;
	size_t n;
	int got = 1;

	if (r->unread.len == 0 && (got = read_on(r)) < 0)
		goto fail;
	if (got == 0) {
		r->asked_beyond = true;
		return 0;
	}
	n = r->unread.len;
	if (r->in_headers) {
		if (n > BLOCK)
			n = BLOCK;
		if (r->header_bytes + n > MAX_HEADERS) {
			damaged(r, "has an entry with more than %zu bytes of headers", MAX_HEADERS);
			goto fail;
		}
		r->header_bytes += n;
		r->zero_before = r->zero;
		r->zero = n == BLOCK && bytes_all_zero((struct bytes){r->unread.p, n});
		if (n == BLOCK && read_head(r) != 0)
			goto fail;
	} else if (r->body_left > 0) {
		if (n > r->body_left)
			n = r->body_left;
		r->body_left -= n;
	} else if (n > BLOCK) {
		n = BLOCK;
	}
	*block = r->unread.p;
	r->unread.p += n;
	r->unread.len -= n;
	r->handed += n;
	return (la_ssize_t)n;
fail:
	archive_set_error(a, EINVAL, "%s", r->why.text);
	return ARCHIVE_FATAL;
}

/* libarchive turns names of pax headers into the locale's charset, and fails if it cannot; so it gets one that has
 * them all, whatever the program's locale is. */
locale_t untar_locale(void)
{
	return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

struct untar *untar_open(int fd, const void *head, size_t head_len, bool flat,
    const struct untar_limits *limits)
{
	struct untar *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->limits = *limits;
	r->flat = flat;
	r->last = UNTAR_ITEM;
	r->in_headers = true;
	r->gunzip = gunzip_open(fd, (struct bytes){head, head_len}, limits->total_bytes, limits->ratio);
	r->tar = archive_read_new();
	if (r->gunzip == NULL || r->tar == NULL ||
	    archive_read_support_format_tar(r->tar) != ARCHIVE_OK) {
		untar_close(r);
		return NULL;
	}
	r->locale = untar_locale();
	return r;
}

/* After the end of the tar: only NULs, not too many, and the gzip whole to its last check. */
static enum untar_result read_padding(struct untar *r)
{
	uint64_t n = 0;
	int got;

	do {
		n += r->unread.len;
		if (!bytes_all_zero(r->unread))
			return damaged(r, "has junk behind the end of the tar");
		if (n > MAX_PADDING)
			return damaged(r, "has too much padding behind the end of the tar");
	} while ((got = read_on(r)) > 0);
	return got == 0 ? UNTAR_END : UNTAR_DAMAGED;
}

/* The end that libarchive reports may be the end blocks or just where the bytes stop. */
static enum untar_result end_of_tar(struct untar *r)
{
	if (r->asked_beyond || !r->zero || !r->zero_before)
		return damaged(r, "is cut off: the tar has no end");
	if (r->seen == 0)
		return damaged(r, "holds no entry");
	return read_padding(r);
}

/* Is it a plain file? */
static bool kind_ok(struct untar *r, struct archive_entry *e, struct reason *why)
{
	const char *what = NULL;

	switch (r->head.type) {
	case '\0':
	case '0':
	case '7':	/* contiguous: POSIX wants it read as a plain file */
		if (r->head.sparse)
			what = "is a sparse file";
		else if (archive_entry_filetype(e) != AE_IFREG)
			what = "is not a plain file";
		break;
	case '1':
		what = "is a hard link";
		break;
	case '2':
		what = "is a symbolic link";
		break;
	case '3':
		what = "is a character device";
		break;
	case '4':
		what = "is a block device";
		break;
	case '6':
		what = "is a FIFO";
		break;
	case 'S':
		what = "is a sparse file";
		break;
	case 'M':
		what = "is part of a file in several volumes";
		break;
	default:
		what = "is of an unknown kind";
	}
	if (what == NULL)
		return true;
	reason_set(why, "%s", what);
	return false;
}

static enum untar_result read_data(struct untar *r, struct archive_entry *e,
    struct untar_item *item, struct reason *why)
{
	int64_t size = archive_entry_size(e);
	unsigned char *data;

	if (size < 0 || (uint64_t)size > r->limits.entry_bytes) {
		reason_set(why, "is larger than %" PRIu64 " bytes", r->limits.entry_bytes);
		return UNTAR_REFUSED;
	}
	if (size == 0) {
		reason_set(why, "is empty");
		return UNTAR_REFUSED;
	}
	if ((size_t)size > r->cap) {
		data = realloc(r->data, size);
		if (data == NULL)
			return trouble(r, ENOMEM);
		r->data = data;
		r->cap = size;
	}
	if (archive_read_data(r->tar, r->data, size) != size)
		return damaged_tar(r);
	item->data = r->data;
	item->len = size;
	return UNTAR_ITEM;
}

/* Is libarchive's warning about the charset of something whose text begins so? */
static bool is_charset_warning(struct untar *r, const char *what)
{
	const char *text = archive_error_string(r->tar);

	return text != NULL && strncmp(text, what, strlen(what)) == 0 && strstr(text, CHARSET_WARNING) != NULL;
}

/* One entry of the tar. UNTAR_ITEM without data: it is to be skipped. */
static enum untar_result read_entry(struct untar *r, struct archive_entry *e, int rc,
    struct untar_item *item, struct reason *why)
{
	const char *name = archive_entry_pathname(e);
	bool dir;

	if (name == NULL)
		name = "";
	dir = r->head.type == '5' || r->head.type == 'D' || archive_entry_filetype(e) == AE_IFDIR;
	if (dir && (!r->flat || strcmp(name, ".") == 0 || strcmp(name, "./") == 0))
		return UNTAR_ITEM;
	r->seen++;
	if (strncmp(name, "./", 2) == 0)
		name += 2;
	item->name = name;
	if (rc == ARCHIVE_WARN && is_charset_warning(r, ABOUT_THE_NAME)) {
		reason_set(why, "has a name that is not UTF-8");
		return UNTAR_REFUSED;
	}
	if (dir) {
		reason_set(why, "is a directory");
		return UNTAR_REFUSED;
	}
	if (!kind_ok(r, e, why) || !entry_name_ok(name, r->flat, why))
		return UNTAR_REFUSED;
	return read_data(r, e, item, why);
}

/* Looks at the first bytes, and lets libarchive begin. UNTAR_ITEM: it has. */
static enum untar_result start(struct untar *r)
{
	const struct bytes *b = &r->unread;

	if (read_on(r) < 0)
		return UNTAR_DAMAGED;
	if (b->len == 0)
		return damaged(r, "holds no entry");
	if (b->len < BLOCK || (!tar_header_is(b->p) && !bytes_all_zero((struct bytes){b->p, BLOCK})))
		return damaged(r, gunzip_was_gzip(r->gunzip) ? "is a gzip of something else than a tar" :
		    "is neither a tar nor a gzip");
	r->open = true;
	return archive_read_open(r->tar, r, NULL, hand, NULL) == ARCHIVE_OK ? UNTAR_ITEM : damaged_tar(r);
}

/* Passes over the rest of an entry. UNTAR_ITEM: the next header follows. */
static enum untar_result skip(struct untar *r)
{
	r->in_headers = false;
	if (archive_read_data_skip(r->tar) != ARCHIVE_OK)
		return damaged_tar(r);
	/* Or the next header is elsewhere than untar sees it. */
	if ((uint64_t)archive_filter_bytes(r->tar, 0) != r->handed)
		return damaged(r, "is damaged: an entry is not as long as it says");
	r->in_headers = true;
	r->header_bytes = 0;
	r->head_complete = false;
	return UNTAR_ITEM;
}

/* Does libarchive see the same entry as tar_header? If it sees a directory, it skips data that another reader would
 * read. */
static bool agrees(const struct untar *r, struct archive_entry *e)
{
	if (!r->head_complete)
		return false;
	if (r->head.sparse)
		return true;
	return (uint64_t)archive_entry_size(e) == r->head.size &&
	    (r->head.size == 0 || r->head.type == 'D' || archive_entry_filetype(e) != AE_IFDIR);
}

static enum untar_result next_entry(struct untar *r, struct untar_item *item,
    struct reason *why)
{
	struct archive_entry *e;
	enum untar_result result;
	int rc;

	do {
		if ((result = r->open ? skip(r) : start(r)) != UNTAR_ITEM)
			return result;
		rc = archive_read_next_header(r->tar, &e);
		if (rc == ARCHIVE_EOF)
			return end_of_tar(r);
		if (rc != ARCHIVE_OK && !(rc == ARCHIVE_WARN && is_charset_warning(r, "")))
			return damaged_tar(r);
		if (++r->entries > r->limits.entries)
			return damaged(r, TOO_MANY, r->limits.entries);
		r->in_headers = false;
		if (!agrees(r, e))
			return damaged(r, "has an entry that not all readers see alike");
		/* Of a sparse file's data, the map may be read already: that goes block by block. */
		r->body_left = r->head.sparse ? 0 : (r->head.size + BLOCK - 1) / BLOCK * BLOCK;
		result = read_entry(r, e, rc, item, why);
	} while (result == UNTAR_ITEM && item->data == NULL);
	return result;
}

enum untar_result untar_next(struct untar *r, struct untar_item *item,
    struct reason *why)
{
	locale_t before = (locale_t)0;

	item->name = "";
	item->data = NULL;
	item->len = 0;
	if (r->last == UNTAR_ITEM || r->last == UNTAR_REFUSED) {
		if (r->locale != (locale_t)0)
			before = uselocale(r->locale);
		r->last = next_entry(r, item, why);
		if (before != (locale_t)0)
			uselocale(before);
	}
	if (r->last == UNTAR_DAMAGED && r->error != 0)
		r->last = UNTAR_TROUBLE;
	if (r->last == UNTAR_DAMAGED)
		reason_set(why, "%s", r->why.text);
	else if (r->last == UNTAR_TROUBLE)
		errno = r->error;
	return r->last;
}

bool untar_overfull(int fd, size_t read, const struct untar_limits *limits, struct reason *why)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	struct gunzip *g = NULL;
	struct tar_header *head = NULL;
	uint64_t entries = 0, skip = 0;
	struct bytes b;
	bool plain = true;	/* so far nothing that the reader will refuse */

	if (at < (off_t)read || lseek(fd, at - (off_t)read, SEEK_SET) < 0)
		return false;
	if ((head = calloc(1, sizeof *head)) != NULL)
		g = gunzip_open(fd, (struct bytes){NULL, 0}, limits->total_bytes, limits->ratio);
	while (plain && g != NULL && entries <= limits->entries && gunzip_next(g, &b, why) > 0)
		while (plain && b.len >= BLOCK && entries <= limits->entries) {
			uint64_t n = skip < b.len ? skip : b.len;

			if (n == 0) {
				enum tar_header_result got = tar_header_next(head, b.p, why);

				n = BLOCK;
				plain = got == TAR_HEADER_MORE || got == TAR_HEADER_ENTRY;
				if (got == TAR_HEADER_ENTRY) {
					entries++;
					skip = n + (head->size + BLOCK - 1) / BLOCK * BLOCK;
				} else {
					skip = n;
				}
			}
			skip -= n;
			b.p += n;
			b.len -= n;
		}
	gunzip_close(g);
	free(head);
	reason_set(why, TOO_MANY, limits->entries);
	/* Should that fail, the reader begins elsewhere, and refuses what it finds there. */
	return lseek(fd, at, SEEK_SET) == at && entries > limits->entries;
}

void untar_close(struct untar *r)
{
	if (r == NULL)
		return;
	if (r->tar != NULL)
		archive_read_free(r->tar);
	if (r->locale != (locale_t)0)
		freelocale(r->locale);
	gunzip_close(r->gunzip);
	free(r->data);
	free(r);
}

bool untar_looks_like(const unsigned char *head, size_t len)
{
	return gunzip_looks_like((struct bytes){head, len}) || (len >= BLOCK && tar_header_is(head));
}
