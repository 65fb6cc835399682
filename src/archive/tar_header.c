/* SPDX-License-Identifier: ISC */
/* Readers of tar differ where a header says something twice, or in a way that not all know: one takes the size of an
 * entry from the header and another from the extended header before it, and both see other entries behind it. An
 * archive that a person looks at with one tool must be the one that we read, so what could be meant in two ways is
 * refused. What libarchive, GNU tar, bsdtar and Python's tarfile write is read, whatever form they are told to write.
 * busybox passes over extended headers; that can make no more of a difference here than a shortened name. */
#include <string.h>

#include "archive/tar_header.h"
#include "base/bytes.h"

/* Where the fields of a header are. */
#define SIZE 124
#define CHECKSUM 148
#define TYPE 156
#define MAGIC 257
#define PREFIX 345
#define IS_EXTENDED 482		/* in GNU tar's old sparse header: another block of the map follows */
#define MAP_GOES_ON 504		/* the same in such a block */

/* The sum of all bytes with the checksum as blanks; old tars added up signed chars. */
bool tar_header_is(const unsigned char *h)
{
	long sum = 0, sum_signed = 0, want = 0;
	size_t i;

	for (i = CHECKSUM; i < TYPE && h[i] == ' '; i++)
		;
	if (i == TYPE || h[i] < '0' || h[i] > '7')
		return false;
	for (; i < TYPE && h[i] >= '0' && h[i] <= '7'; i++)
		want = want * 8 + (h[i] - '0');
	for (i = 0; i < TAR_HEADER_BLOCK; i++) {
		bool in = i >= CHECKSUM && i < TYPE;

		sum += in ? ' ' : h[i];
		sum_signed += in ? ' ' : (signed char)h[i];
	}
	return want == sum || want == sum_signed;
}

/* A size in octal, blanks before, blanks and NULs behind. What does not fit there has no business here, and a sign or
 * the binary form are read differently. */
static bool get_size(const unsigned char *h, uint64_t *size)
{
	size_t i = SIZE, end = SIZE + 12;

	while (i < end && h[i] == ' ')
		i++;
	for (*size = 0; i < end && h[i] >= '0' && h[i] <= '7'; i++)
		*size = *size * 8 + (h[i] - '0');
	while (i < end && (h[i] == ' ' || h[i] == '\0'))
		i++;
	return i == end;
}

/* Of a field that ends at its size or at a NUL. */
static size_t field_len(const unsigned char *field, size_t size)
{
	const unsigned char *end = memchr(field, '\0', size);

	return end != NULL ? (size_t)(end - field) : size;
}

/* Headers are POSIX's, with a prefix before the name, or GNU tar's old ones and those from before POSIX, which have
 * something else in its place, or nothing. */
static int check_magic(const unsigned char *h, bool sparse, struct reason *r)
{
	const unsigned char *magic = h + MAGIC;

	if (memcmp(magic, "ustar", 6) == 0)
		return 0;
	if (memcmp(magic, "ustar  ", 8) != 0 && !bytes_all_zero((struct bytes){magic, 8}))
		return reason_set(r, "has a header of a format that is unknown");
	/* Some take it for a prefix all the same. */
	if (h[PREFIX] != '\0' && !sparse)
		return reason_set(r, "has a header with a prefix that not all readers see");
	return 0;
}

/* A record of an extended header: "LENGTH KEY=VALUE\n", where the length counts all of it. */
struct record {
	struct bytes key, value;
};

static bool next_record(struct bytes *in, struct record *rec)
{
	const unsigned char *p = in->p, *end, *equals;
	size_t len = 0, digits = 0;

	if (in->len == 0 || *p == '0')
		return false;
	for (; digits < in->len && p[digits] >= '0' && p[digits] <= '9' && len <= TAR_HEADER_MAX; digits++)
		len = len * 10 + (p[digits] - '0');
	if (digits == 0 || len > in->len || len < digits + 2 || p[digits] != ' ' || p[len - 1] != '\n')
		return false;
	end = p + len - 1;
	p += digits + 1;
	if ((equals = memchr(p, '=', (size_t)(end - p))) == NULL || equals == p)
		return false;
	rec->key = (struct bytes){p, (size_t)(equals - p)};
	rec->value = (struct bytes){equals + 1, (size_t)(end - equals - 1)};
	in->p += len;
	in->len -= len;
	return memchr(rec->key.p, '\0', rec->key.len) == NULL;
}

static bool is(struct bytes b, const char *text)
{
	return b.len == strlen(text) && memcmp(b.p, text, b.len) == 0;
}

static bool begins(struct bytes b, const char *text)
{
	return b.len >= strlen(text) && memcmp(b.p, text, strlen(text)) == 0;
}

/* Says nothing of which entries there are, what they are called, or what is in them? git puts its commit there. */
static bool is_global(struct bytes key)
{
	static const char *const keys[] = {"comment", "atime", "ctime", "mtime", "uid", "gid", "uname", "gname",
		"GNU.volume.label"};

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (is(key, keys[i]))
			return true;
	return false;
}

static int take_path(struct tar_header *t, struct bytes value, struct reason *r)
{
	if (t->has_path)
		return reason_set(r, "has an extended header with two paths");
	t->has_path = true;
	if (value.len == 0 || memchr(value.p, '\0', value.len) != NULL)
		return reason_set(r, "has an extended header with a path that not all readers read alike");
	if (value.len >= sizeof t->path)
		return 0;
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] >= 0x80)
			return 0;
	memcpy(t->path, value.p, value.len);
	t->path[value.len] = '\0';
	return 0;
}

static int take_size(struct tar_header *t, struct bytes value, struct reason *r)
{
	size_t i;

	if (t->has_size)
		return reason_set(r, "has an extended header with two sizes");
	t->has_size = true;
	for (i = 0, t->pax_size = 0; i < value.len && i < 18 && value.p[i] >= '0' && value.p[i] <= '9'; i++)
		t->pax_size = t->pax_size * 10 + (value.p[i] - '0');
	if (i == 0 || i < value.len)
		return reason_set(r, "has an extended header with a size that is none");
	return 0;
}

static int take_record(struct tar_header *t, const struct record *rec, struct reason *r)
{
	if (t->body_type == 'g')
		return is_global(rec->key) ? 0 : reason_set(r,
		    "has a global header with \"%.*s\", which readers treat differently",
		    (int)(rec->key.len < 40 ? rec->key.len : 40), (const char *)rec->key.p);
	if (is(rec->key, "path"))
		return take_path(t, rec->value, r);
	if (is(rec->key, "size"))
		return take_size(t, rec->value, r);
	if (is(rec->key, "linkpath"))
		t->has_linkpath = true;
	else if (begins(rec->key, "GNU.sparse.") || is(rec->key, "SCHILY.realsize"))
		t->pax_sparse = true;
	else if (begins(rec->key, "GNU.volume."))
		return reason_set(r, "has an extended header of an archive in several volumes");
	else if (is(rec->key, "hdrcharset") && !is(rec->value, "BINARY") &&
	    !is(rec->value, "ISO-IR 10646 2000 UTF-8"))
		return reason_set(r, "has an extended header in an unknown character set");
	return 0;
}

/* All of an extended header, or of a long name, is there. */
static int take_body(struct tar_header *t, struct reason *r)
{
	struct bytes in = {t->body, t->body_len};
	struct record rec;

	if (t->body_type != 'x' && t->body_type != 'g')
		return 0;
	while (in.len > 0) {
		if (!next_record(&in, &rec))
			return reason_set(r, "has an extended header that is damaged");
		if (take_record(t, &rec, r) != 0)
			return -1;
	}
	return 0;
}

/* A header of a header: its body follows. */
static int begin_body(struct tar_header *t, char type, uint64_t size, struct reason *r)
{
	bool *seen = type == 'x' ? &t->pax : type == 'g' ? &t->global : type == 'L' ? &t->long_name : &t->long_link;

	/* Which of two counts, and which of both kinds, everybody decides differently. */
	if (*seen || (type == 'g' && (t->pax || t->long_name || t->long_link)) ||
	    (type == 'x' && (t->long_name || t->long_link)) || ((type == 'L' || type == 'K') && t->pax))
		return reason_set(r, "has two headers for one entry that could contradict each other");
	*seen = true;
	if (size > TAR_HEADER_MAX)
		return reason_set(r, "has an entry with more than %zu bytes of headers", TAR_HEADER_MAX);
	t->body_type = type;
	t->body_len = (size_t)size;
	t->body_got = 0;
	t->body_left = (size + TAR_HEADER_BLOCK - 1) / TAR_HEADER_BLOCK * TAR_HEADER_BLOCK;
	return t->body_left > 0 ? 0 : take_body(t, r);
}

/* Is the path of the extended header what the header itself could say, and does not? Writers use it for names that
 * are too long or not ASCII; that one reader goes by this name and another by that is somebody's intention. */
static bool other_name(const struct tar_header *t, const unsigned char *h)
{
	size_t len = field_len(h, 100), prefix = memcmp(h + MAGIC, "ustar", 6) == 0 ?
	    field_len(h + PREFIX, 155) : 0;

	return t->path[0] != '\0' && !t->pax_sparse &&
	    (prefix > 0 || len != strlen(t->path) || memcmp(h, t->path, len) != 0);
}

/* The header of the entry itself, behind whatever stood before it. */
static int take_entry(struct tar_header *t, const unsigned char *h, struct reason *r)
{
	size_t len = field_len(h, 100);

	if (t->has_size && t->pax_size != t->size)
		return reason_set(r, "has an entry with two sizes, of which readers believe one or the other");
	if (other_name(t, h))
		return reason_set(r, "has an entry with two names, of which readers believe one or the other");
	if (t->has_linkpath && t->type != '1' && t->type != '2')
		return reason_set(r, "has a link's target for an entry that is no link");
	/* Some take what follows for the data of a link, a device or a directory, others for the next header. */
	if (t->size > 0 && ((t->type >= '1' && t->type <= '6') || t->type == 'V' ||
	    ((t->type == '0' || t->type == '\0') && len > 0 && h[len - 1] == '/')))
		return reason_set(r, "has an entry with data that is of a kind without data");
	return 0;
}

static enum tar_header_result take_header(struct tar_header *t, const unsigned char *h, struct reason *r)
{
	uint64_t size;

	if (!tar_header_is(h)) {
		reason_set(r, "is damaged: tar: a header with a wrong checksum");
		return TAR_HEADER_BAD;
	}
	t->type = (char)h[TYPE];
	if (!get_size(h, &size)) {
		reason_set(r, "is damaged: tar: a size that is no octal number");
		return TAR_HEADER_BAD;
	}
	if (check_magic(h, t->type == 'S', r) != 0)
		return TAR_HEADER_BAD;
	switch (t->type) {
	case 'x':
	case 'g':
	case 'L':
	case 'K':
		return begin_body(t, t->type, size, r) == 0 ? TAR_HEADER_MORE : TAR_HEADER_BAD;
	case 'X':
	case 'A':
		reason_set(r, "has an extended header that not all readers know");
		return TAR_HEADER_BAD;
	}
	t->size = size;
	if (take_entry(t, h, r) != 0)
		return TAR_HEADER_BAD;
	/* A label, which libarchive does not tell of. */
	if (t->type == 'V')
		return TAR_HEADER_MORE;
	t->sparse = t->type == 'S' || t->pax_sparse;
	t->more_map = t->type == 'S' && h[IS_EXTENDED] != 0;
	return t->more_map ? TAR_HEADER_MORE : TAR_HEADER_ENTRY;
}

/* A block behind a header, of what belongs to it. */
static enum tar_header_result take_more(struct tar_header *t, const unsigned char *block, struct reason *r)
{
	if (t->more_map) {
		t->more_map = block[MAP_GOES_ON] != 0;
		return t->more_map ? TAR_HEADER_MORE : TAR_HEADER_ENTRY;
	}
	memcpy(t->body + t->body_got, block, TAR_HEADER_BLOCK);
	t->body_got += TAR_HEADER_BLOCK;
	t->body_left -= TAR_HEADER_BLOCK;
	return t->body_left > 0 || take_body(t, r) == 0 ? TAR_HEADER_MORE : TAR_HEADER_BAD;
}

enum tar_header_result tar_header_next(struct tar_header *t, const unsigned char *block, struct reason *r)
{
	enum tar_header_result result;

	if (!t->begun) {
		t->begun = true;
		t->pax = t->global = t->long_name = t->long_link = false;
		t->has_path = t->has_size = t->has_linkpath = t->pax_sparse = false;
		t->path[0] = '\0';
	}
	if (t->body_left > 0 || t->more_map)
		result = take_more(t, block, r);
	else if (!bytes_all_zero((struct bytes){block, TAR_HEADER_BLOCK}))
		result = take_header(t, block, r);
	else
		result = TAR_HEADER_ZERO;
	t->begun = result == TAR_HEADER_MORE;
	return result;
}
