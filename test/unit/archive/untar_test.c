/* SPDX-License-Identifier: ISC */
/* What is read of a tar, and every way in which it can be damaged; gunzip_test has those of a gzip. Prints TAP. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>

#include "archive/untar.h"
#include "../fault.h"
#include "../tarball.h"

/* What reading an archive to its end gave. */
struct outcome {
	enum untar_result result;
	int items, refused;
	struct reason why;	/* the last one */
	char names[512];	/* of the items, a blank behind each */
	size_t bytes;
	unsigned long sum;	/* over names and data */
};

typedef ssize_t read_callback(struct archive *, void *, const void **);
FAULT(struct archive *, archive_read_new, (void), (), NULL)
FAULT(int, archive_read_support_format_tar, (struct archive *a), (a), -30)
static int set_no_memory(struct archive *a)
{
	archive_set_error(a, ENOMEM, "no memory");
	return -30;
}
FAULT(int, archive_read_open, (struct archive *a, void *arg, void *opens, read_callback *reads, void *closes),
    (a, arg, opens, reads, closes), set_no_memory(a))
FAULT(locale_t, newlocale, (int mask, const char *name, locale_t base), (mask, name, base), (locale_t)0)
FAULT(void *, calloc, (size_t n, size_t size), (n, size), NULL)
FAULT(void *, malloc, (size_t size), (size), NULL)
FAULT(void *, realloc, (void *p, size_t size), (p, size), NULL)
FAULT(ssize_t, read, (int fd, void *p, size_t len), (fd, p, len), -1)

/* A library that has lost its place. */
static bool misplaced;
int64_t __real_archive_filter_bytes(struct archive *, int);
int64_t __wrap_archive_filter_bytes(struct archive *, int);
int64_t __wrap_archive_filter_bytes(struct archive *a, int n)
{
	return __real_archive_filter_bytes(a, n) + misplaced;
}

/* Another name for the first entry of a tar. */
static void rename_first(struct der tar, const char *name)
{
	unsigned sum = 0;
	size_t i;

	memset(tar.p, 0, 100);
	memcpy(tar.p, name, strlen(name));
	memset(tar.p + 148, ' ', 8);
	for (i = 0; i < 512; i++)
		sum += tar.p[i];
	snprintf((char *)tar.p + 148, 8, "%06o", sum);
}

static struct outcome take_from(int fd, const void *head, size_t head_len, bool flat,
    const struct untar_limits *limits)
{
	struct untar *r = need(untar_open(fd, head, head_len, flat, limits));
	struct untar_item item;
	struct outcome o = {0};

	for (;;) {
		o.result = untar_next(r, &item, &o.why);
		if (o.result == UNTAR_ITEM) {
			o.items++;
			o.bytes += item.len;
			o.sum = crc32(o.sum, (const unsigned char *)item.name, strlen(item.name));
			o.sum = crc32(o.sum, item.data, item.len);
			if (strlen(o.names) + strlen(item.name) + 2 < sizeof(o.names))
				strcat(strcat(o.names, item.name), " ");
		} else if (o.result == UNTAR_REFUSED) {
			o.refused++;
		} else {
			break;
		}
	}
	if (untar_next(r, &item, &o.why) != o.result)
		o.result = UNTAR_ITEM;
	untar_close(r);
	return o;
}

static struct outcome take_with(const void *p, size_t len, bool flat,
    const struct untar_limits *limits)
{
	int fd = memory_file(p, len);
	struct outcome o = take_from(fd, NULL, 0, flat, limits);

	close(fd);
	return o;
}

static struct outcome take(const void *p, size_t len)
{
	return take_with(p, len, true, &untar_limits_default);
}

static void damaged(const void *p, size_t len, const char *what)
{
	struct outcome o = take(p, len);

	ok(o.result == UNTAR_DAMAGED && o.why.text[0] != '\0', "%s: %s", what, o.why.text);
}

static void test_round_trip(void)
{
	struct der a = make(3, 889), big = make(300, 1000), tar = ungzip(a);
	const char *names = "SEP000000000000.der SEP000000000001.der SEP000000000002.der ";
	struct outcome o = take(a.p, a.len);
	int fd;

	ok(o.result == UNTAR_END && o.items == 3 && o.bytes == 3 * 889 && o.refused == 0 &&
	    strcmp(o.names, names) == 0, "what was written is read");
	o = take(tar.p, tar.len);
	ok(o.result == UNTAR_END && o.items == 3, "a plain tar is read");
	o = take(big.p, big.len);
	ok(o.result == UNTAR_END && o.items == 300 && o.bytes == 300000, "more than a buffer is read");

	fd = memory_file(a.p + 1, a.len - 1);
	o = take_from(fd, a.p, 1, true, &untar_limits_default);
	ok(o.result == UNTAR_END && o.items == 3, "the first byte may have been read before");
	close(fd);
	fd = memory_file(NULL, 0);
	o = take_from(fd, big.p, big.len, true, &untar_limits_default);
	ok(o.result == UNTAR_END && o.items == 300, "all bytes may have been read before");
	close(fd);
	free(a.p);
	free(big.p);
	free(tar.p);
}

static void test_truncated(void)
{
	struct der a = make(2, 300), tar = ungzip(a), z;
	size_t i, taken = 0, end = 2 * (512 + 512) + 1024;
	struct outcome o;

	for (i = 0; i < a.len; i++)
		taken += take(a.p, i).result != UNTAR_DAMAGED;
	ok(taken == 0, "a .tgz cut at any of its %zu bytes is damaged", a.len);
	for (i = 0; i < end; i++)
		taken += take(tar.p, i).result != UNTAR_DAMAGED;
	ok(taken == 0, "a tar cut at any of its %zu bytes before the padding is damaged", end);
	o = take(tar.p, end);
	ok(o.result == UNTAR_END && o.items == 2, "a tar without padding is whole");
	for (i = taken = 0; i < end; i += 512) {
		z = gzip(tar.p, i);
		taken += take(z.p, z.len).result != UNTAR_DAMAGED;
		free(z.p);
	}
	ok(taken == 0, "a whole gzip of a tar cut at any block is damaged");
	free(a.p);
	free(tar.p);
}

static void test_flipped(void)
{
	struct der a = make(2, 300);
	struct outcome good = take(a.p, a.len), o;
	size_t bit, taken = 0;

	/* A time in the head says nothing, and one of two runs of NULs is as good as the other. */
	for (bit = 0; bit < a.len * 8; bit++) {
		a.p[bit / 8] ^= 1 << bit % 8;
		o = take(a.p, a.len);
		taken += o.result != UNTAR_DAMAGED && (o.result != UNTAR_END || o.sum != good.sum);
		a.p[bit / 8] ^= 1 << bit % 8;
	}
	ok(taken == 0, "a flipped bit anywhere is damage, or changes nothing");
	free(a.p);
}

static void test_behind(void)
{
	struct der a = make(2, 300), tar = ungzip(a), b, c, d;
	struct outcome o;

	b = join(a.p, a.len, "junk", 4);
	damaged(b.p, b.len, "junk behind the gzip");
	free(b.p);
	b = join(a.p, a.len, a.p, a.len);
	damaged(b.p, b.len, "a second archive behind the first");
	free(b.p);

	b = gzip(tar.p, 700);
	c = gzip(tar.p + 700, tar.len - 700);
	d = join(b.p, b.len, c.p, c.len);
	o = take(d.p, d.len);
	ok(o.result == UNTAR_END && o.items == 2, "one tar in two gzip members is read");
	free(b.p);
	free(c.p);
	free(d.p);

	b = gzip(a.p, a.len);
	damaged(b.p, b.len, "a gzip in a gzip");
	free(b.p);
	b = join(tar.p, tar.len, "junk", 4);
	damaged(b.p, b.len, "junk behind a tar");
	c = gzip(b.p, b.len);
	damaged(c.p, c.len, "junk behind a tar in a gzip");
	free(b.p);
	free(c.p);
	free(a.p);
	free(tar.p);
}

static void test_nothing(void)
{
	static const unsigned char zeros[10240];
	struct der b = make(0, 0);

	damaged(b.p, b.len, "a .tgz without entries");
	free(b.p);
	damaged(zeros, sizeof(zeros), "a tar without entries");
	b = gzip("", 0);
	damaged(b.p, b.len, "a gzip of nothing");
	free(b.p);
	ok(take_from(-1, NULL, 0, true, &untar_limits_default).result == UNTAR_TROUBLE,
	    "a file that cannot be read is trouble, not damage");
	damaged("", 0, "nothing");
	damaged("x", 1, "one byte");
	damaged("-----BEGIN CERTIFICATE-----\n", 28, "a PEM file");
	b = gzip("-----BEGIN CERTIFICATE-----\n", 28);
	damaged(b.p, b.len, "a gzip of a PEM file");
	free(b.p);
}

static void test_limits(void)
{
	struct der a = make(3, 300), tar = ungzip(a), b;
	struct untar_limits limits = untar_limits_default;
	unsigned char *zeros = need(calloc(8, 1 << 20));
	struct outcome o;

	limits.entries = 3;
	ok(take_with(a.p, a.len, true, &limits).result == UNTAR_END, "as many entries as allowed");
	limits.entries = 2;
	o = take_with(a.p, a.len, true, &limits);
	ok(o.result == UNTAR_DAMAGED && o.items == 2, "too many entries: %s", o.why.text);
	limits = untar_limits_default;
	limits.entry_bytes = 300;
	ok(take_with(a.p, a.len, true, &limits).items == 3, "entries as large as allowed");
	limits.entry_bytes = 299;
	o = take_with(a.p, a.len, true, &limits);
	ok(o.result == UNTAR_END && o.items == 0 && o.refused == 3, "entries too large: %s",
	    o.why.text);
	limits = untar_limits_default;
	limits.total_bytes = tar.len;
	ok(take_with(a.p, a.len, true, &limits).result == UNTAR_END, "as many bytes as allowed");
	limits.total_bytes = tar.len - 1;
	o = take_with(a.p, a.len, true, &limits);
	ok(o.result == UNTAR_DAMAGED, "too many bytes: %s", o.why.text);
	ok(take_with(tar.p, tar.len, true, &limits).result == UNTAR_DAMAGED,
	    "too many bytes in a plain tar");

	limits = untar_limits_default;
	limits.entry_bytes = 8 << 20;
	b = make_one("zeros", zeros, 8 << 20);
	o = take_with(b.p, b.len, true, &limits);
	ok(o.result == UNTAR_DAMAGED, "packed too well: %s", o.why.text);
	limits.ratio = 2000;
	o = take_with(b.p, b.len, true, &limits);
	ok(o.result == UNTAR_END && o.bytes == 8 << 20, "packed as well as allowed");
	free(b.p);
	b = make_one("zeros", zeros, 60000);
	ok(take(b.p, b.len).result == UNTAR_END, "a small archive may be packed as well as it likes");
	free(b.p);
	free(zeros);
	free(a.p);
	free(tar.p);
}

static void test_names(void)
{
	static const struct {
		const char *name;
		bool flat, deep;	/* taken? */
	} t[] = {
		{"a.der", true, true}, {"./a.der", true, true}, {"a/b.der", false, true},
		{"././a.der", false, true}, {"a//b.der", false, true}, {"/a.der", false, false},
		{".//a.der", false, false}, {"../a.der", false, false}, {"a/..", false, false},
		{"a/../b.der", false, false}, {"..", false, false}, {"./..", false, false},
		{"..a..der", true, true}, {"ab", true, true}, {"a\\b", false, false}, {"a\nb", false, false},
		{"a\033[2J", false, false}, {"a\177", false, false}, {"", false, false},
		{"./", false, false}, {"\303\244.der", true, true}, {"\344.der", true, true},
	};
	struct der a = make(1, 300), tar = ungzip(a);
	struct outcome flat, deep;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rename_first(tar, t[i].name);
		flat = take_with(tar.p, tar.len, true, &untar_limits_default);
		deep = take_with(tar.p, tar.len, false, &untar_limits_default);
		/* A name that ends in a slash is a directory's, skipped; with nothing else it is
		 * damage. */
		if (strcmp(t[i].name, "./") == 0)
			ok(flat.result == UNTAR_DAMAGED && deep.result == UNTAR_DAMAGED,
			    "name %zu is a directory's", i);
		else
			ok(flat.result == UNTAR_END && deep.result == UNTAR_END &&
			    flat.items == t[i].flat && deep.items == t[i].deep &&
			    flat.refused == !t[i].flat && deep.refused == !t[i].deep,
			    "name %zu: %s", i, flat.why.text);
	}
	rename_first(tar, "./a.der");
	ok(strcmp(take(tar.p, tar.len).names, "a.der ") == 0, "a leading ./ is taken off");
	free(a.p);
	free(tar.p);
	a = make_one("a.der", "", 0);
	flat = take(a.p, a.len);
	ok(flat.result == UNTAR_END && flat.refused == 1, "an empty entry: %s", flat.why.text);
	free(a.p);
}

static void test_looks_like(void)
{
	struct der a = make(1, 300), tar = ungzip(a);

	ok(untar_looks_like(a.p, a.len) && untar_looks_like(a.p, 2), "a gzip looks like an archive");
	ok(untar_looks_like(tar.p, 512), "a tar does");
	memset(tar.p + 257, 0, 8);
	rename_first(tar, "v7");
	ok(untar_looks_like(tar.p, 512), "an old one too");
	ok(!untar_looks_like(tar.p, 511), "not when it is too short to tell");
	tar.p[0] ^= 1;
	ok(!untar_looks_like(tar.p, 512), "not with a wrong checksum");
	memset(tar.p, 0, 512);
	ok(!untar_looks_like(tar.p, 512), "NULs do not");
	ok(!untar_looks_like((const unsigned char *)"-----BEGIN", 10) &&
	    !untar_looks_like(tar.p, 0), "PEM and nothing do not");
	free(a.p);
	free(tar.p);
}

/* A header's checksum as some tars write it: with blanks in front, or as the sum of signed chars. */
static void sum_header(unsigned char *h, bool blanks, bool is_signed)
{
	long sum = 0;

	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += is_signed ? (signed char)h[i] : h[i];
	snprintf((char *)h + 148, 8, blanks ? "%6o" : "%06o", (unsigned)sum);
}

/* An entry of this type and size in front of what is there. */
static struct der with_entry(struct der tar, char type, const char *name, const void *data, size_t len)
{
	struct der b = {need(calloc(1, 512 + (len + 511) / 512 * 512 + tar.len)), 512};

	strcpy((char *)b.p, name);
	strcpy((char *)b.p + 100, "0000644");
	strcpy((char *)b.p + 108, "0000000");
	strcpy((char *)b.p + 116, "0000000");
	snprintf((char *)b.p + 124, 12, "%011o", (unsigned)len);
	strcpy((char *)b.p + 136, "00000000000");
	b.p[156] = (unsigned char)type;
	memcpy(b.p + 257, "ustar\00000", 8);
	sum_header(b.p, false, false);
	memcpy(b.p + b.len, data, len);
	b.len += (len + 511) / 512 * 512;
	memcpy(b.p + b.len, tar.p, tar.len);
	b.len += tar.len;
	return b;
}

static struct outcome take_kind(struct der tar, char type, size_t len)
{
	struct der b = with_entry(tar, type, "x", "data", len);
	struct outcome o = take(b.p, b.len);

	free(b.p);
	return o;
}

static void test_kinds(void)
{
	static const struct {
		char type;
		const char *why;
	} t[] = {
		{'1', "is a hard link"}, {'2', "is a symbolic link"}, {'3', "is a character device"},
		{'4', "is a block device"}, {'6', "is a FIFO"}, {'5', "is a directory"}, {'Z', "is of an unknown kind"},
		{'M', "is part of a file in several volumes"}, {'S', "is a sparse file"},
	};
	struct der a = make(1, 300), tar = ungzip(a);
	struct outcome o;

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		o = take_kind(tar, t[i].type, 0);
		ok(o.result == UNTAR_END && o.items == 1 && o.refused == 1 && strcmp(o.why.text, t[i].why) == 0,
		    "type %c: %s", t[i].type, o.why.text);
	}
	o = take_kind(tar, 'D', 0);
	ok(o.result == UNTAR_END && o.items == 1 && o.refused == 1, "a directory of GNU tar's dumps: %s", o.why.text);
	o = take_kind(tar, '7', 4);
	ok(o.result == UNTAR_END && o.items == 2, "a contiguous file is a file");
	o = take_kind(tar, '\0', 4);
	ok(o.result == UNTAR_END && o.items == 2, "and so is one of type NUL");
	free(a.p);
	free(tar.p);
}

static void test_headers(void)
{
	static const char pax[] = "26 GNU.sparse.size=102400\n22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n"
	    "24 GNU.sparse.map=0,300\n26 GNU.sparse.numblocks=1\n";
	static const char old_sparse[] = "24 GNU.sparse.size=1000\n26 GNU.sparse.numblocks=1\n"
	    "23 GNU.sparse.offset=0\n27 GNU.sparse.numbytes=300\n";
	struct der a = make(2, 300), tar = ungzip(a), b;
	char name[9000];
	struct outcome o;

	memset(name, 'n', sizeof name);
	b = with_entry(tar, 'L', "././@LongLink", name, 255);
	o = take(b.p, b.len);
	ok(o.result == UNTAR_END && o.items == 2, "a name of 255 bytes");
	free(b.p);
	b = with_entry(tar, 'L', "././@LongLink", name, 256);
	o = take(b.p, b.len);
	ok(o.result == UNTAR_END && o.items == 1 && o.refused == 1, "one of 256: %s", o.why.text);
	free(b.p);
	b = with_entry(tar, 'L', "././@LongLink", name, sizeof name);
	damaged(b.p, b.len, "headers without end");
	free(b.p);
	b = with_entry(tar, 'x', "pax", pax, sizeof pax - 1);
	o = take(b.p, b.len);
	ok(o.items <= 1 && (o.refused == 1 || o.result == UNTAR_DAMAGED), "a sparse file: %s", o.why.text);
	free(b.p);
	b = with_entry(tar, 'x', "pax", "12 path=a\377b\n", 12);
	o = take(b.p, b.len);
	ok(o.refused == 1 && o.items == 1 && strstr(o.why.text, "UTF-8") != NULL, "pax, not UTF-8: %s",
	    o.why.text);
	free(b.p);
	b = with_entry(tar, 'x', "pax", "26 GNU.sparse.map=0,10,10\n22 GNU.sparse.size=512\n", 48);
	o = take(b.p, b.len);
	ok(o.result == UNTAR_DAMAGED || o.refused == 1, "a map that is none: %s", o.why.text);
	free(b.p);
	b = with_entry(tar, 'x', "pax", old_sparse, sizeof old_sparse - 1);
	o = take(b.p, b.len);
	ok(o.result == UNTAR_END && o.refused == 1 && o.items == 1, "an older sparse file: %s", o.why.text);
	free(b.p);
	b = with_entry(tar, 'x', "pax", "10 uname=\377\n", 11);
	b.p[512] = '1';
	b.p[513] = '1';
	o = take(b.p, b.len);
	ok(o.result == UNTAR_END && o.items == 2, "an owner that is not UTF-8 does not matter");
	free(b.p);
	b = with_entry(tar, 'S', "holes", name, 512);
	memcpy(b.p + 257, "ustar  ", 8);
	strcpy((char *)b.p + 386, "00000001000");
	strcpy((char *)b.p + 398, "00000001000");
	strcpy((char *)b.p + 483, "00000002000");
	sum_header(b.p, false, false);
	o = take(b.p, b.len);
	ok(o.result == UNTAR_END && o.refused == 1 && o.items == 2, "a hole and 512 bytes: %s", o.why.text);
	free(b.p);
	b = with_entry(tar, '5', ".", "", 0);
	ok(take(b.p, b.len).items == 2 && take(b.p, b.len).refused == 0, "the directory . is passed over");
	free(b.p);
	b = with_entry(tar, '5', "./", "", 0);
	ok(take(b.p, b.len).items == 2 && take(b.p, b.len).refused == 0, "and so is ./");
	free(b.p);
	b = with_entry(tar, 'D', "d", "", 0);
	ok(take(b.p, b.len).items == 2 && take(b.p, b.len).refused == 1, "a directory of GNU tar's dumps is not");
	free(b.p);
	sum_header(tar.p, true, false);
	ok(untar_looks_like(tar.p, 512), "a checksum with blanks in front");
	memset(tar.p, 0xff, 100);
	memset(tar.p + 345, 0xff, 155);
	sum_header(tar.p, false, false);
	ok(untar_looks_like(tar.p, 512), "a checksum of six digits");
	memset(tar.p + 148, ' ', 8);
	memset(tar.p + 148, '7', 8);
	ok(!untar_looks_like(tar.p, 512), "one that fills its field and is wrong");
	tar.p[0] = 0xe4;
	sum_header(tar.p, false, true);
	ok(untar_looks_like(tar.p, 512), "a sum of signed chars");
	memset(tar.p + 148, ' ', 8);
	ok(!untar_looks_like(tar.p, 512), "a checksum of blanks alone");
	memset(tar.p + 148, '9', 8);
	ok(!untar_looks_like(tar.p, 512), "or of what is no digit");
	sum_header(tar.p, false, false);
	tar.p[150] = '8';
	ok(!untar_looks_like(tar.p, 512), "or of what is no octal digit");
	memset(tar.p + 148, '-', 8);
	ok(!untar_looks_like(tar.p, 512), "or a sign");
	memset(tar.p + 148, '7', 8);
	ok(!untar_looks_like(tar.p, 512), "or of eight digits that are wrong");
	free(tar.p);
	free(a.p);
}

/* What stands behind the end, a little and too much of it, in a file read piece by piece. */
/* What libarchive itself says of the first entry of a tar behind a pax header with this record. */
static bool warns(struct der tar, const char *record, const char *begin)
{
	struct der b = with_entry(tar, 'x', "pax", record, strlen(record));
	struct archive *a = need(archive_read_new());
	struct archive_entry *e;
	locale_t table = untar_locale(), before;
	const char *text;
	bool right;

	must(table != (locale_t)0 && archive_read_support_format_tar(a) == ARCHIVE_OK &&
	    archive_read_open_memory(a, b.p, b.len) == ARCHIVE_OK, "libarchive");
	before = uselocale(table);
	right = archive_read_next_header(a, &e) == ARCHIVE_WARN && (text = archive_error_string(a)) != NULL &&
	    strncmp(text, begin, strlen(begin)) == 0 && strstr(text, "can't be converted from") != NULL;
	if (!right)
		printf("# %s\n", archive_error_string(a) != NULL ? archive_error_string(a) : "no warning");
	uselocale(before);
	freelocale(table);
	archive_read_free(a);
	free(b.p);
	return right;
}

/* untar goes by these texts, since libarchive has nothing else that tells them from damage. */
static void test_warnings(void)
{
	struct der a = make(1, 100), tar = ungzip(a);

	ok(warns(tar, "12 path=a\377b\n", "Pathname "), "libarchive's warning of a name in another charset");
	ok(warns(tar, "11 uname=\377\n", "Uname "), "and of an owner's");
	free(tar.p);
	free(a.p);
}

static void test_padding(void)
{
	struct der a = make(2, 300), tar = ungzip(a), b, c;
	unsigned char *zeros = need(calloc(3, 1 << 20));
	struct untar_item item;
	struct untar *r;
	struct outcome o;
	bool right = true;
	int fd;

	b = join(tar.p, tar.len, zeros, 100000);
	ok(take(b.p, b.len).result == UNTAR_END, "a tar padded with 100,000 NULs");
	free(b.p);
	b = join(tar.p, tar.len, zeros, 3 << 20);
	damaged(b.p, b.len, "a tar padded with 3 MiB");
	free(b.p);
	b = join(a.p, a.len, zeros, 32 * 1024);
	for (size_t head = 1; head < b.len; head += head < a.len ? a.len / 3 : 7000) {
		int rest = memory_file(b.p + head, b.len - head);

		right = right && take_from(rest, b.p, head, true, &untar_limits_default).result == UNTAR_END;
		right = right && take_from(-1, b.p, head, true, &untar_limits_default).result == UNTAR_TROUBLE;
		close(rest);
	}
	ok(right, "wherever the head ends, the rest is read, or it is trouble");
	free(b.p);
	b = join(tar.p, tar.len, zeros, 200000);
	c = gzip(b.p, b.len);
	ok(take(c.p, c.len).result == UNTAR_END, "padding that is packed");
	c.p[c.len - 8] ^= 1;
	damaged(c.p, c.len, "a wrong checksum far behind the end of the tar");
	free(b.p);
	free(c.p);
	c = gzip("\x1fis no gzip, and no tar", 22);
	damaged(c.p, c.len, "a gzip of something that begins like one");
	free(c.p);
	b = join(tar.p, 1024, zeros, 512);
	c = join(b.p, b.len, tar.p, tar.len);
	damaged(c.p, c.len, "an end of one block, and then more");
	free(b.p);
	free(c.p);
	b = make(1, 60000);
	o = take(b.p, b.len);
	ok(o.result == UNTAR_END && o.bytes == 60000, "an entry longer than a buffer");
	free(b.p);
	free(tar.p);

	/* The head that somebody has read already may be longer than a buffer. */
	b = make(4, 60000);
	tar = ungzip(b);
	ok(take_from(-1, tar.p, 70000, true, &untar_limits_default).result == UNTAR_TROUBLE,
	    "a head, and then nothing that can be read");
	fd = memory_file(tar.p + 70000, tar.len - 70000);
	o = take_from(fd, tar.p, 70000, true, &untar_limits_default);
	ok(o.result == UNTAR_END && o.bytes == 240000, "a long head, and the rest");
	close(fd);
	fd = memory_file(tar.p, tar.len);
	misplaced = true;
	o = take_from(fd, NULL, 0, true, &untar_limits_default);
	misplaced = false;
	ok(o.result == UNTAR_DAMAGED && strstr(o.why.text, "not as long as it says") != NULL,
	    "a library that stands elsewhere");
	close(fd);
	/* What is not asked for is skipped. */
	need(r = untar_open(-1, tar.p, tar.len, true, &untar_limits_default));
	ok(untar_next(r, &item, &o.why) == UNTAR_ITEM && untar_next(r, &item, &o.why) == UNTAR_ITEM,
	    "an archive that is all head");
	untar_close(r);
	untar_close(NULL);
	free(b.p);
	free(tar.p);
	free(zeros);
	free(a.p);
}

/* Each call that can fail does: the archive is read all the same, or it is trouble, never damage. */
static void every_read(const char *what, struct der b, uint64_t bytes)
{
	unsigned n, trouble = 0;
	bool right = true;

	for (n = 1; n < 1000; n++) {
		int fd = memory_file(b.p, b.len);
		struct untar *r;
		struct untar_item item;
		enum untar_result result = UNTAR_TROUBLE;
		struct reason why;
		uint64_t got = 0;
		bool reached;

		fault_arm(n, ENOMEM);
		if ((r = untar_open(fd, NULL, 0, true, &untar_limits_default)) != NULL)
			while ((result = untar_next(r, &item, &why)) == UNTAR_ITEM)
				got += item.len;
		right = right && (result == UNTAR_END ? got == bytes : result == UNTAR_TROUBLE && errno == ENOMEM);
		reached = fault_over();
		trouble += result == UNTAR_TROUBLE;
		untar_close(r);
		close(fd);
		if (!reached || !right)
			break;
	}
	ok(right && n > 10 && trouble > 8, "%s: each of %u calls fails, %u are trouble", what, n - 1, trouble);
}

static void test_faults(void)
{
	struct der a = make(3, 9000), tar = ungzip(a);

	every_read("a gzip", a, 27000);
	every_read("a tar", tar, 27000);
	free(a.p);
	free(tar.p);
}

/* What a look through says of a file that is read up to here; it leaves it there. */
static bool overfull(struct der b, uint64_t entries, off_t at, size_t read_already)
{
	struct untar_limits limits = untar_limits_default;
	int fd = memory_file(b.p, b.len);
	struct reason why;
	bool many;

	limits.entries = entries;
	lseek(fd, at, SEEK_SET);
	many = untar_overfull(fd, read_already, &limits, &why);
	must(lseek(fd, 0, SEEK_CUR) == at, "it is read on from elsewhere");
	close(fd);
	return many;
}

static void test_overfull(void)
{
	struct der a = make(5, 700), tar = ungzip(a), zero = {calloc(1, 1024), 1024}, b;
	struct reason why;
	int ends[2];

	ok(overfull(a, 4, 0, 0) && overfull(tar, 4, 0, 0), "five entries are more than four");
	ok(!overfull(a, 5, 0, 0) && !overfull(tar, 5, 0, 0), "and no more than five");
	ok(overfull(a, 4, 100, 100) && overfull(tar, 4, 512, 512), "also when the first bytes were read");
	ok(!overfull(tar, 4, 0, 512), "not when these cannot have been read");
	b = with_entry(tar, 'g', "pax", "13 comment=a\n", 13);
	ok(overfull(b, 4, 0, 0) && !overfull(b, 5, 0, 0), "a header of a header is no entry");
	free(b.p);
	ok(!overfull(zero, 0, 0, 0), "the end is none");
	sum_header(tar.p + 1536, true, false);
	tar.p[1536] ^= 1;
	ok(!overfull(tar, 4, 0, 0), "what is damaged is left to the reader");
	b = (struct der){a.p, a.len / 2};
	ok(!overfull(b, 4, 0, 0), "so is what is cut off");
	must(pipe(ends) == 0, "no pipe");
	ok(!untar_overfull(ends[0], 0, &untar_limits_default, &why), "and a pipe");
	fault_arm(1, ENOMEM);
	ok(!overfull(a, 4, 0, 0) && fault_over(), "without memory nothing is found");
	close(ends[0]);
	close(ends[1]);
	free(zero.p);
	free(a.p);
	free(tar.p);
}

int main(void)
{
	test_overfull();
	test_round_trip();
	test_truncated();
	test_flipped();
	test_behind();
	test_nothing();
	test_limits();
	test_names();
	test_looks_like();
	test_kinds();
	test_headers();
	test_warnings();
	test_padding();
	test_faults();
	return tap_done();
}
