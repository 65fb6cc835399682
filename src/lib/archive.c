/* SPDX-License-Identifier: ISC */
/* Reading: gzip by zlib, under ceilings and with every check; what comes out goes to libarchive's
 * tar reader, which has no filters here. libarchive gets single blocks while it reads headers and
 * one entry's bytes while it reads data, so that we always know where in the tar it stands: we can
 * bound what it keeps of headers, and see the end of the archive, about which it says nothing.
 * Writing: libtar makes the header block, zlib the rest. */

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libtar.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "archive.h"
#include "fileio.h"

const struct archive_limits archive_limits_default = {
	/* Far more than a site has phones, and few enough to give up within a second. */
	.entries = 500000,
	/* A certificate or request has 1 to 4 KiB, with RSA-8192 and long names a few more. */
	.entry_bytes = 65536,
	/* 500,000 entries of 2 KiB with their headers and padding. */
	.total_bytes = UINT64_C(2) << 30,
	/* Tar of certificates and requests packs 2:1 to 6:1, empty blocks about 1000:1. */
	.ratio = 200,
};

/* A small archive is mostly zero padding, so its ratio says nothing. */
#define RATIO_FROM ((uint64_t)1 << 20)
/* The headers of one entry: name and attributes take one or two KiB. libarchive keeps them in
 * memory, aborts when a sparse file's map fills that, and its time for access control lists grows
 * with the square of their length: 5 seconds for 1 MiB. */
#define MAX_HEADERS ((size_t)8 * 1024)
/* The largest record that a tar is told to fill up in practice (-b 2048). */
#define MAX_TAR_PADDING ((uint64_t)1 << 20)
/* Hosts with files of fixed records fill up the last one with NULs when they store what FTP brings;
 * the largest records have 32,760 bytes. Anything else behind a gzip is refused. */
#define MAX_GZIP_PADDING ((uint64_t)32 * 1024)
#define MAX_NAME 255	/* what a file system takes for a name */

#define BLOCK ((size_t)512)
#define RECORD ((size_t)10240)	/* what tar rounds a whole archive up to */
#define BUFFER ((size_t)64 * 1024)	/* a multiple of BLOCK */

/* The bytes of the tar, inflated when need be, and how they are handed to libarchive. */
struct source {
	int fd;
	const struct archive_limits *limits;
	struct reason why;	/* set when something failed here and not in libarchive */
	bool failed;
	int error;		/* errno, when it was the system that failed */

	unsigned char *in;
	size_t in_pos, in_len, in_cap;
	uint64_t in_total;	/* bytes taken from the file */
	bool in_end;

	bool gzip, z_live, in_member;
	uint64_t members;
	z_stream z;

	unsigned char *out;	/* BUFFER bytes; [out_pos, out_len) is not yet handed on */
	size_t out_pos, out_len;
	uint64_t out_total;
	bool started, end;	/* end: nothing more will come into out */

	bool in_headers;
	size_t header_bytes;	/* handed on for the headers of this entry */
	uint64_t body_left;	/* not yet handed on of this entry's data and padding */
	uint64_t handed;
	bool zero, zero_before;	/* the last block and the one before it were all NUL */
	char type;		/* the tar type in the last block */
	bool asked_beyond;	/* libarchive was told that there is no more */
};

struct archive_reader {
	struct source src;
	struct archive *tar;
	locale_t locale;
	struct archive_limits limits;
	bool flat, open;
	uint64_t entries, seen;	/* all; without the directories that are skipped */
	unsigned char *data;
	size_t cap;
	enum archive_result last;
};

static int source_fail(struct source *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static enum archive_result damaged(struct archive_reader *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int source_fail(struct source *s, const char *fmt, ...)
{
	va_list ap;

	s->failed = true;
	va_start(ap, fmt);
	vsnprintf(s->why.text, sizeof(s->why.text), fmt, ap);
	va_end(ap);
	return -1;
}

static int source_trouble(struct source *s, int error)
{
	s->error = error;
	return source_fail(s, "cannot be read: %s", strerror(error));
}

/* Appends to in, or starts it again when it is used up. */
static int source_read(struct source *s)
{
	ssize_t n;

	if (s->in_pos == s->in_len)
		s->in_pos = s->in_len = 0;
	n = fileio_read_full(s->fd, s->in + s->in_len, s->in_cap - s->in_len);
	if (n == -1)
		return source_trouble(s, errno);
	s->in_end = (size_t)n < s->in_cap - s->in_len;
	s->in_len += n;
	s->in_total += n;
	return 0;
}

static bool is_zero(const unsigned char *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* The rest of the input, after the last member: nothing, or a few NULs. */
static int source_behind_gzip(struct source *s)
{
	uint64_t n = 0;

	for (;;) {
		n += s->in_len - s->in_pos;
		if (n > MAX_GZIP_PADDING || !is_zero(s->in + s->in_pos, s->in_len - s->in_pos))
			return source_fail(s, "has junk behind the end of the gzip");
		s->in_pos = s->in_len;
		if (s->in_end)
			break;
		if (source_read(s) == -1)
			return -1;
	}
	s->end = true;
	return 0;
}

static int source_inflate(struct source *s)
{
	int r;

	s->z.next_out = s->out;
	s->z.avail_out = BUFFER;
	while (s->z.avail_out > 0 && !s->end) {
		if (s->in_pos == s->in_len && !s->in_end && source_read(s) == -1)
			return -1;
		if (!s->in_member) {
			if (s->in_pos == s->in_len ||
			    (s->members > 0 && s->in[s->in_pos] != 0x1f)) {
				if (source_behind_gzip(s) == -1)
					return -1;
				break;
			}
			inflateReset(&s->z);
			s->in_member = true;
		}
		if (s->in_pos == s->in_len)
			return source_fail(s, "is cut off: the gzip has no end");
		s->z.next_in = s->in + s->in_pos;
		s->z.avail_in = s->in_len - s->in_pos;
		r = inflate(&s->z, Z_NO_FLUSH);
		s->in_pos = s->in_len - s->z.avail_in;
		if (r == Z_STREAM_END) {
			s->in_member = false;
			s->members++;
		} else if (r == Z_MEM_ERROR) {
			return source_trouble(s, ENOMEM);
		} else if (r != Z_OK && r != Z_BUF_ERROR) {
			return source_fail(s, "is damaged: gzip: %s",
			    s->z.msg != NULL ? s->z.msg : "invalid data");
		}
	}
	s->out_len = BUFFER - s->z.avail_out;
	return 0;
}

static int source_copy(struct source *s)
{
	size_t n;

	while (s->out_len < BUFFER) {
		if (s->in_pos == s->in_len && !s->in_end && source_read(s) == -1)
			return -1;
		n = s->in_len - s->in_pos;
		if (n == 0) {
			s->end = true;
			break;
		}
		if (n > BUFFER - s->out_len)
			n = BUFFER - s->out_len;
		memcpy(s->out + s->out_len, s->in + s->in_pos, n);
		s->in_pos += n;
		s->out_len += n;
	}
	return 0;
}

/* Makes out full, or sets end. Always whole buffers: so its blocks are the blocks of the tar. */
static int source_fill(struct source *s)
{
	uint64_t used;

	if (s->failed)
		return -1;
	s->out_pos = s->out_len = 0;
	if ((s->gzip ? source_inflate(s) : source_copy(s)) == -1)
		return -1;
	s->out_total += s->out_len;
	if (s->out_total > s->limits->total_bytes)
		return source_fail(s, "is larger than %" PRIu64 " bytes unpacked",
		    s->limits->total_bytes);
	used = s->in_total - (s->in_len - s->in_pos);
	if (s->gzip && s->out_total > RATIO_FROM && s->out_total / used > s->limits->ratio)
		return source_fail(s, "unpacks to more than %" PRIu64 " times its size",
		    s->limits->ratio);
	return 0;
}

/* Looks at the first bytes. */
static int source_start(struct source *s)
{
	s->started = true;
	if (s->in_len < 2 && source_read(s) == -1)
		return -1;
	if (s->in_len == 0)
		return source_fail(s, "is empty");
	s->gzip = s->in_len >= 2 && s->in[0] == 0x1f && s->in[1] == 0x8b;
	if (s->gzip) {
		if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK)
			return source_trouble(s, ENOMEM);
		s->z_live = true;
	}
	if (source_fill(s) == -1)
		return -1;
	if (s->gzip && s->out_len >= 2 && s->out[0] == 0x1f && s->out[1] == 0x8b)
		return source_fail(s, "is a gzip inside a gzip");
	if (s->out_len > 0 && !archive_looks_like(s->out, s->out_len) &&
	    (s->out_len < BLOCK || !is_zero(s->out, BLOCK)))
		return source_fail(s, s->gzip ? "is a gzip of something else than a tar" :
		    "is neither a tar nor a gzip");
	return 0;
}

/* Called by libarchive for more. */
static la_ssize_t source_hand(struct archive *a, void *arg, const void **block)
{
	struct source *s = arg;
	size_t n;

	if (s->out_pos == s->out_len && !s->end && source_fill(s) == -1)
		goto fail;
	n = s->out_len - s->out_pos;
	if (n == 0) {
		s->asked_beyond = true;
		return 0;
	}
	if (s->in_headers) {
		if (n > BLOCK)
			n = BLOCK;
		if (s->header_bytes + n > MAX_HEADERS) {
			source_fail(s, "has an entry with more than %zu bytes of headers",
			    MAX_HEADERS);
			goto fail;
		}
		s->header_bytes += n;
		s->zero_before = s->zero;
		s->zero = n == BLOCK && is_zero(s->out + s->out_pos, n);
		s->type = n == BLOCK ? s->out[s->out_pos + 156] : '?';
	} else if (s->body_left > 0) {
		if (n > s->body_left)
			n = s->body_left;
		s->body_left -= n;
	} else if (n > BLOCK) {
		n = BLOCK;
	}
	*block = s->out + s->out_pos;
	s->out_pos += n;
	s->handed += n;
	return n;
fail:
	archive_set_error(a, EINVAL, "%s", s->why.text);
	return ARCHIVE_FATAL;
}

/* After the end of the tar: only NULs, not too many, and the gzip whole to its last check. */
static int source_finish(struct source *s)
{
	uint64_t n = 0;

	for (;;) {
		n += s->out_len - s->out_pos;
		if (!is_zero(s->out + s->out_pos, s->out_len - s->out_pos))
			return source_fail(s, "has junk behind the end of the tar");
		if (n > MAX_TAR_PADDING)
			return source_fail(s, "has too much padding behind the end of the tar");
		s->out_pos = s->out_len;
		if (s->end)
			return 0;
		if (source_fill(s) == -1)
			return -1;
	}
}

struct archive_reader *archive_open(int fd, const void *head, size_t head_len, bool flat,
    const struct archive_limits *limits)
{
	struct archive_reader *r;
	struct source *s;

	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->limits = *limits;
	r->flat = flat;
	r->last = ARCHIVE_ITEM;
	s = &r->src;
	s->fd = fd;
	s->limits = &r->limits;
	s->in_cap = head_len > BUFFER ? head_len : BUFFER;
	s->in = malloc(s->in_cap);
	s->out = malloc(BUFFER);
	r->tar = archive_read_new();
	if (s->in == NULL || s->out == NULL || r->tar == NULL ||
	    archive_read_support_format_tar(r->tar) != ARCHIVE_OK) {
		archive_close(r);
		return NULL;
	}
	if (head_len > 0)
		memcpy(s->in, head, head_len);
	s->in_len = s->in_total = head_len;
	s->in_headers = true;
	/* libarchive turns names of pax headers into the locale's charset, and fails if it cannot;
	 * so it gets one that has them all, whatever the program's locale is. */
	r->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	return r;
}

static enum archive_result damaged(struct archive_reader *r, const char *fmt, ...)
{
	va_list ap;

	if (!r->src.failed) {
		va_start(ap, fmt);
		vsnprintf(r->src.why.text, sizeof(r->src.why.text), fmt, ap);
		va_end(ap);
		r->src.failed = true;
	}
	return ARCHIVE_DAMAGED;
}

/* libarchive's own words behind ours. They can hold bytes of the archive. */
static enum archive_result damaged_tar(struct archive_reader *r)
{
	const char *text = archive_error_string(r->tar);
	char clean[128];
	size_t i;

	if (archive_errno(r->tar) == ENOMEM && !r->src.failed) {
		source_trouble(&r->src, ENOMEM);
		return ARCHIVE_DAMAGED;
	}
	for (i = 0; text != NULL && text[i] != '\0' && i + 1 < sizeof(clean); i++)
		clean[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	clean[i] = '\0';
	return damaged(r, "is damaged: tar: %s", i > 0 ? clean : "invalid data");
}

/* The end that libarchive reports may be the end blocks or just where the bytes stop. */
static enum archive_result reader_end(struct archive_reader *r)
{
	struct source *s = &r->src;

	if (s->asked_beyond || !s->zero || !s->zero_before)
		return damaged(r, "is cut off: the tar has no end");
	if (r->seen == 0)
		return damaged(r, "holds no entry");
	if (source_finish(s) == -1)
		return ARCHIVE_DAMAGED;
	return ARCHIVE_END;
}

/* Is the name fit for us? */
static bool name_ok(const char *name, bool flat, struct reason *why)
{
	const char *p;
	size_t n;

	if (*name == '\0') {
		reason_set(why, "has no name");
		return false;
	}
	for (p = name; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f) {
			reason_set(why, "has control characters in its name");
			return false;
		}
		if (*p == '\\') {
			reason_set(why, "has a backslash in its name");
			return false;
		}
	}
	if (p - name > MAX_NAME) {
		reason_set(why, "has a name longer than %d bytes", MAX_NAME);
		return false;
	}
	if (*name == '/') {
		reason_set(why, "has an absolute path as its name");
		return false;
	}
	for (p = name;; p += n + 1) {
		n = strcspn(p, "/");
		if (n == 2 && memcmp(p, "..", 2) == 0) {
			reason_set(why, "has \"..\" in its name");
			return false;
		}
		if (p[n] == '\0')
			break;
	}
	if (flat && strchr(name, '/') != NULL) {
		reason_set(why, "has a path in its name");
		return false;
	}
	return true;
}

/* Is it a plain file? */
static bool kind_ok(struct archive_reader *r, struct archive_entry *e, struct reason *why)
{
	const char *what = NULL;

	switch (r->src.type) {
	case '\0':
	case '0':
	case '7':	/* contiguous: POSIX wants it read as a plain file */
		if (archive_entry_sparse_count(e) > 0)
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

static enum archive_result reader_data(struct archive_reader *r, struct archive_entry *e,
    struct archive_item *item, struct reason *why)
{
	int64_t size = archive_entry_size(e);
	unsigned char *data;

	if (size < 0 || (uint64_t)size > r->limits.entry_bytes) {
		reason_set(why, "is larger than %" PRIu64 " bytes", r->limits.entry_bytes);
		return ARCHIVE_REFUSED;
	}
	if (size == 0) {
		reason_set(why, "is empty");
		return ARCHIVE_REFUSED;
	}
	if ((size_t)size > r->cap) {
		data = realloc(r->data, size);
		if (data == NULL) {
			source_trouble(&r->src, ENOMEM);
			return ARCHIVE_DAMAGED;
		}
		r->data = data;
		r->cap = size;
	}
	if (archive_read_data(r->tar, r->data, size) != size)
		return damaged_tar(r);
	item->data = r->data;
	item->len = size;
	return ARCHIVE_ITEM;
}

/* One entry of the tar. ARCHIVE_ITEM without data: it is to be skipped. */
static enum archive_result reader_entry(struct archive_reader *r, struct archive_entry *e, int rc,
    struct archive_item *item, struct reason *why)
{
	const char *name = archive_entry_pathname(e), *text;
	bool dir;

	if (name == NULL)
		name = "";
	dir = r->src.type == '5' || r->src.type == 'D' || archive_entry_filetype(e) == AE_IFDIR;
	if (dir && (!r->flat || strcmp(name, ".") == 0 || strcmp(name, "./") == 0))
		return ARCHIVE_ITEM;
	r->seen++;
	if (strncmp(name, "./", 2) == 0)
		name += 2;
	item->name = name;
	if (rc == ARCHIVE_WARN) {
		text = archive_error_string(r->tar);
		if (text != NULL && strncmp(text, "Pathname", 8) == 0) {
			reason_set(why, "has a name that is not UTF-8");
			return ARCHIVE_REFUSED;
		}
	}
	if (dir) {
		reason_set(why, "is a directory");
		return ARCHIVE_REFUSED;
	}
	if (!kind_ok(r, e, why) || !name_ok(name, r->flat, why))
		return ARCHIVE_REFUSED;
	return reader_data(r, e, item, why);
}

/* A warning is damage, except that a name of the archive cannot be written in our charset. */
static bool is_charset_warning(struct archive_reader *r)
{
	const char *text = archive_error_string(r->tar);

	return text != NULL && strstr(text, "can't be converted from") != NULL;
}

static enum archive_result reader_next(struct archive_reader *r, struct archive_item *item,
    struct reason *why)
{
	struct source *s = &r->src;
	struct archive_entry *e;
	enum archive_result result;
	uint64_t size;
	int rc;

	for (;;) {
		if (!s->started && source_start(s) == -1)
			return ARCHIVE_DAMAGED;
		if (s->out_total == 0)
			return damaged(r, "holds no entry");
		if (!r->open) {
			if (archive_read_open(r->tar, s, NULL, source_hand, NULL) != ARCHIVE_OK)
				return damaged_tar(r);
			r->open = true;
		} else {
			s->in_headers = false;
			if (archive_read_data_skip(r->tar) != ARCHIVE_OK)
				return damaged_tar(r);
			/* Else the next header is not where we see it. */
			if ((uint64_t)archive_filter_bytes(r->tar, 0) != s->handed)
				return damaged(r, "is damaged: an entry is not as long as it says");
			s->in_headers = true;
			s->header_bytes = 0;
		}
		rc = archive_read_next_header(r->tar, &e);
		if (rc == ARCHIVE_EOF)
			return reader_end(r);
		if (rc != ARCHIVE_OK && !(rc == ARCHIVE_WARN && is_charset_warning(r)))
			return damaged_tar(r);
		if (++r->entries > r->limits.entries)
			return damaged(r, "holds more than %" PRIu64 " entries", r->limits.entries);
		s->in_headers = false;
		/* A sparse file takes less room than its size says: that goes block by block. */
		size = archive_entry_size(e);
		if (archive_entry_sparse_count(e) > 0 || s->type == 'S')
			size = 0;
		s->body_left = (size + BLOCK - 1) / BLOCK * BLOCK;
		result = reader_entry(r, e, rc, item, why);
		if (result != ARCHIVE_ITEM || item->data != NULL)
			return result;
	}
}

enum archive_result archive_next(struct archive_reader *r, struct archive_item *item,
    struct reason *why)
{
	locale_t before = (locale_t)0;

	item->name = "";
	item->data = NULL;
	item->len = 0;
	if (r->last == ARCHIVE_ITEM || r->last == ARCHIVE_REFUSED) {
		if (r->locale != (locale_t)0)
			before = uselocale(r->locale);
		r->last = reader_next(r, item, why);
		if (before != (locale_t)0)
			uselocale(before);
	}
	if (r->last == ARCHIVE_DAMAGED && r->src.error != 0)
		r->last = ARCHIVE_TROUBLE;
	if (r->last == ARCHIVE_DAMAGED)
		reason_set(why, "%s", r->src.why.text);
	else if (r->last == ARCHIVE_TROUBLE)
		errno = r->src.error;
	return r->last;
}

void archive_close(struct archive_reader *r)
{
	if (r == NULL)
		return;
	if (r->tar != NULL)
		archive_read_free(r->tar);
	if (r->src.z_live)
		inflateEnd(&r->src.z);
	if (r->locale != (locale_t)0)
		freelocale(r->locale);
	free(r->src.in);
	free(r->src.out);
	free(r->data);
	free(r);
}

/* A tar header proves itself by its checksum, the sum of all bytes with the checksum as blanks; old
 * tars added up signed chars. */
static bool is_tar_header(const unsigned char *h)
{
	long sum = 0, sum_signed = 0, want = 0;
	size_t i;

	for (i = 148; i < 156 && h[i] == ' '; i++)
		;
	if (i == 156 || h[i] < '0' || h[i] > '7')
		return false;
	for (; i < 156 && h[i] >= '0' && h[i] <= '7'; i++)
		want = want * 8 + (h[i] - '0');
	for (i = 0; i < BLOCK; i++) {
		sum += i >= 148 && i < 156 ? ' ' : h[i];
		sum_signed += i >= 148 && i < 156 ? ' ' : (signed char)h[i];
	}
	return want == sum || want == sum_signed;
}

bool archive_looks_like(const unsigned char *head, size_t len)
{
	if (len >= 2 && head[0] == 0x1f && head[1] == 0x8b)
		return true;
	return len >= BLOCK && is_tar_header(head);
}

struct archive_writer {
	int fd;
	int error;		/* errno of what failed first */
	TAR *tar;
	tartype_t type;
	z_stream z;
	uint64_t total;
	size_t in_len;
	unsigned char in[BUFFER], out[BUFFER];
};

static int no_close(int fd)
{
	(void)fd;
	return 0;
}

static int writer_fail(struct archive_writer *w, int error)
{
	if (w->error == 0)
		w->error = error;
	errno = w->error;
	return -1;
}

struct archive_writer *archive_create(int fd, int level)
{
	struct archive_writer *w;

	if (level < 1 || level > 9) {
		errno = EINVAL;
		return NULL;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	w->fd = fd;
	w->type.closefunc = no_close;
	/* 16: a gzip header; zlib's own has no name, no time and the system "Unix". */
	if (deflateInit2(&w->z, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(w);
		errno = ENOMEM;
		return NULL;
	}
	/* It only fills in headers for us: there is no file behind it. */
	if (tar_fdopen(&w->tar, -1, "", &w->type, O_WRONLY, 0, 0) == -1) {
		deflateEnd(&w->z);
		free(w);
		errno = ENOMEM;
		return NULL;
	}
	w->z.next_out = w->out;
	w->z.avail_out = BUFFER;
	return w;
}

/* Deflates what is in the buffer, and with Z_FINISH all that zlib still has. */
static int writer_deflate(struct archive_writer *w, int flush)
{
	int r;

	w->z.next_in = w->in;
	w->z.avail_in = w->in_len;
	w->in_len = 0;
	do {
		r = deflate(&w->z, flush);
		if (w->z.avail_out == 0 || r == Z_STREAM_END) {
			if (fileio_write_all(w->fd, w->out, BUFFER - w->z.avail_out) == -1)
				return writer_fail(w, errno);
			w->z.next_out = w->out;
			w->z.avail_out = BUFFER;
		}
	} while (w->z.avail_in > 0 || (flush == Z_FINISH && r != Z_STREAM_END));
	return 0;
}

/* Adds len bytes, NULs when p is NULL. */
static int writer_add(struct archive_writer *w, const void *p, size_t len)
{
	const unsigned char *from = p;
	size_t n;

	w->total += len;
	while (len > 0) {
		n = BUFFER - w->in_len < len ? BUFFER - w->in_len : len;
		if (from != NULL) {
			memcpy(w->in + w->in_len, from, n);
			from += n;
		} else {
			memset(w->in + w->in_len, 0, n);
		}
		w->in_len += n;
		len -= n;
		if (w->in_len == BUFFER && writer_deflate(w, Z_NO_FLUSH) == -1)
			return -1;
	}
	return 0;
}

/* Digits and a NUL fill the field. Ours, because libtar's numbers are int. */
static bool put_octal(char *field, size_t size, uint64_t n)
{
	field[--size] = '\0';
	while (size > 0) {
		field[--size] = '0' + (n & 7);
		n >>= 3;
	}
	return n == 0;
}

int archive_put(struct archive_writer *w, const char *name, time_t mtime, const void *data,
    size_t len)
{
	struct tar_header *h = &w->tar->th_buf;

	if (w->error != 0)
		return writer_fail(w, w->error);
	/* A name of 100 bytes would fit, but libtar cuts it. */
	if (*name == '\0' || strchr(name, '/') != NULL)
		return writer_fail(w, EINVAL);
	if (strlen(name) >= sizeof(h->name))
		return writer_fail(w, ENAMETOOLONG);
	memset(h, 0, sizeof(*h));
	/* First these two: they tell libtar that the path gets no slash at its end. */
	put_octal(h->mode, sizeof(h->mode), 0644);
	th_set_type(w->tar, S_IFREG);
	th_set_path(w->tar, name);
	put_octal(h->uid, sizeof(h->uid), 0);
	put_octal(h->gid, sizeof(h->gid), 0);
	if (mtime < 0 || !put_octal(h->mtime, sizeof(h->mtime), mtime) ||
	    !put_octal(h->size, sizeof(h->size), len))
		return writer_fail(w, EOVERFLOW);
	th_finish(w->tar);
	/* libtar leaves blanks before the digits, which not every reader expects. */
	put_octal(h->chksum, sizeof(h->chksum) - 1, th_crc_calc(w->tar));
	h->chksum[sizeof(h->chksum) - 1] = ' ';
	if (writer_add(w, h, BLOCK) == -1 || writer_add(w, data, len) == -1)
		return -1;
	return writer_add(w, NULL, (BLOCK - len % BLOCK) % BLOCK);
}

int archive_finish(struct archive_writer *w)
{
	if (w->error != 0)
		return writer_fail(w, w->error);
	if (writer_add(w, NULL, 2 * BLOCK) == -1 ||
	    writer_add(w, NULL, (RECORD - w->total % RECORD) % RECORD) == -1)
		return -1;
	return writer_deflate(w, Z_FINISH);
}

void archive_discard(struct archive_writer *w)
{
	if (w == NULL)
		return;
	tar_close(w->tar);
	deflateEnd(&w->z);
	free(w);
}
