/* SPDX-License-Identifier: ISC */
/* Round trips, and every way in which an archive can be damaged. Prints TAP. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "archive.h"
#include "tap.h"

#define WHEN ((time_t)1700000000)

struct blob {
	unsigned char *p;
	size_t len;
};

/* What reading an archive to its end gave. */
struct outcome {
	enum archive_result result;
	int items, refused;
	struct reason why;	/* the last one */
	char names[512];	/* of the items, a blank behind each */
	size_t bytes;
	unsigned long sum;	/* over names and data */
};

static void *need(void *p)
{
	must(p != NULL, "no memory, or no file in it");
	return p;
}

static int memory_file(const void *p, size_t len)
{
	int fd = memfd_create("archive_test", MFD_CLOEXEC);

	if (fd == -1 || (len > 0 && write(fd, p, len) != (ssize_t)len) || lseek(fd, 0, SEEK_SET) == -1)
		need(NULL);
	return fd;
}

static struct blob contents(int fd)
{
	struct blob b;

	b.len = lseek(fd, 0, SEEK_END);
	b.p = need(malloc(b.len + 1));
	if (pread(fd, b.p, b.len, 0) != (ssize_t)b.len)
		need(NULL);
	return b;
}

/* An archive of n entries with some data each. */
static struct blob make(int n, size_t len)
{
	unsigned char *data = need(malloc(len + 1));
	int fd = memory_file(NULL, 0), i;
	struct archive_writer *w = need(archive_create(fd, 6));
	unsigned seed = 1;
	char name[32];
	struct blob b;
	size_t k;

	for (i = 0; i < n; i++) {
		for (k = 0; k < len; k++)
			data[k] = (seed = seed * 1103515245 + 12345) >> 16;
		snprintf(name, sizeof(name), "SEP%012X.der", i);
		if (archive_put(w, name, WHEN + i, data, len) == -1)
			need(NULL);
	}
	if (archive_finish(w) == -1)
		need(NULL);
	archive_discard(w);
	b = contents(fd);
	close(fd);
	free(data);
	return b;
}

static struct blob make_one(const char *name, const void *data, size_t len)
{
	int fd = memory_file(NULL, 0);
	struct archive_writer *w = need(archive_create(fd, 9));
	struct blob b;

	if (archive_put(w, name, WHEN, data, len) == -1 || archive_finish(w) == -1)
		need(NULL);
	archive_discard(w);
	b = contents(fd);
	close(fd);
	return b;
}

static struct blob pack(const void *p, size_t len)
{
	z_stream z = {0};
	struct blob b = {need(malloc(len + 1000)), 0};

	deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (unsigned char *)p;
	z.avail_in = len;
	z.next_out = b.p;
	z.avail_out = len + 1000;
	deflate(&z, Z_FINISH);
	b.len = z.total_out;
	deflateEnd(&z);
	return b;
}

static struct blob unpack(struct blob in)
{
	z_stream z = {0};
	struct blob b = {need(malloc(1 << 20)), 0};

	inflateInit2(&z, 16 + MAX_WBITS);
	z.next_in = in.p;
	z.avail_in = in.len;
	z.next_out = b.p;
	z.avail_out = 1 << 20;
	if (inflate(&z, Z_FINISH) != Z_STREAM_END)
		need(NULL);
	b.len = z.total_out;
	inflateEnd(&z);
	return b;
}

static struct blob join(const void *p, size_t len, const void *q, size_t qlen)
{
	struct blob b = {need(malloc(len + qlen + 1)), len + qlen};

	memcpy(b.p, p, len);
	memcpy(b.p + len, q, qlen);
	return b;
}

/* Another name for the first entry of a tar. */
static void rename_first(struct blob tar, const char *name)
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
    const struct archive_limits *limits)
{
	struct archive_reader *r = need(archive_open(fd, head, head_len, flat, limits));
	struct archive_item item;
	struct outcome o = {0};

	for (;;) {
		o.result = archive_next(r, &item, &o.why);
		if (o.result == ARCHIVE_ITEM) {
			o.items++;
			o.bytes += item.len;
			o.sum = crc32(o.sum, (const unsigned char *)item.name, strlen(item.name));
			o.sum = crc32(o.sum, item.data, item.len);
			if (strlen(o.names) + strlen(item.name) + 2 < sizeof(o.names))
				strcat(strcat(o.names, item.name), " ");
		} else if (o.result == ARCHIVE_REFUSED) {
			o.refused++;
		} else {
			break;
		}
	}
	if (archive_next(r, &item, &o.why) != o.result)
		o.result = ARCHIVE_ITEM;
	archive_close(r);
	return o;
}

static struct outcome take_with(const void *p, size_t len, bool flat,
    const struct archive_limits *limits)
{
	int fd = memory_file(p, len);
	struct outcome o = take_from(fd, NULL, 0, flat, limits);

	close(fd);
	return o;
}

static struct outcome take(const void *p, size_t len)
{
	return take_with(p, len, true, &archive_limits_default);
}

static void damaged(const void *p, size_t len, const char *what)
{
	struct outcome o = take(p, len);

	ok(o.result == ARCHIVE_DAMAGED && o.why.text[0] != '\0', "%s: %s", what, o.why.text);
}

static void test_round_trip(void)
{
	struct blob a = make(3, 889), b = make(3, 889), big = make(300, 1000), tar = unpack(a);
	const char *names = "SEP000000000000.der SEP000000000001.der SEP000000000002.der ";
	struct outcome o = take(a.p, a.len);
	int fd;

	ok(o.result == ARCHIVE_END && o.items == 3 && o.bytes == 3 * 889 && o.refused == 0 &&
	    strcmp(o.names, names) == 0, "what was written is read");
	ok(a.len == b.len && memcmp(a.p, b.p, a.len) == 0, "the same input gives the same bytes");
	ok(memcmp(a.p, "\x1f\x8b\x08\0\0\0\0\0", 8) == 0 && a.p[9] == 3,
	    "the gzip header has no name and no time");
	ok(tar.len % 10240 == 0, "the tar is made of whole records");
	ok(memcmp(tar.p + 100, "0000644\0000000000\0000000000\00000000001571\00014524770400\0", 48) == 0 &&
	    memcmp(tar.p + 257, "ustar\00000\0", 9) == 0, "its headers are plain ustar");
	o = take(tar.p, tar.len);
	ok(o.result == ARCHIVE_END && o.items == 3, "a plain tar is read");
	o = take(big.p, big.len);
	ok(o.result == ARCHIVE_END && o.items == 300 && o.bytes == 300000, "more than a buffer is read");

	fd = memory_file(a.p + 1, a.len - 1);
	o = take_from(fd, a.p, 1, true, &archive_limits_default);
	ok(o.result == ARCHIVE_END && o.items == 3, "the first byte may have been read before");
	close(fd);
	fd = memory_file(NULL, 0);
	o = take_from(fd, big.p, big.len, true, &archive_limits_default);
	ok(o.result == ARCHIVE_END && o.items == 300, "all bytes may have been read before");
	close(fd);
	free(a.p);
	free(b.p);
	free(big.p);
	free(tar.p);
}

static void test_truncated(void)
{
	struct blob a = make(2, 300), tar = unpack(a), z;
	size_t i, taken = 0, taken_tar = 0, end = 2 * (512 + 512) + 1024;
	struct outcome o;

	for (i = 0; i < a.len; i++)
		taken += take(a.p, i).result != ARCHIVE_DAMAGED;
	ok(taken == 0, "a .tgz cut at any of its %zu bytes is damaged", a.len);
	for (i = 0; i < end; i++)
		taken_tar += take(tar.p, i).result != ARCHIVE_DAMAGED;
	ok(taken_tar == 0, "a tar cut at any of its %zu bytes before the padding is damaged", end);
	o = take(tar.p, end);
	ok(o.result == ARCHIVE_END && o.items == 2, "a tar without padding is whole");
	for (i = taken = 0; i < end; i += 512) {
		z = pack(tar.p, i);
		taken += take(z.p, z.len).result != ARCHIVE_DAMAGED;
		free(z.p);
	}
	ok(taken == 0, "a whole gzip of a tar cut at any block is damaged");
	free(a.p);
	free(tar.p);
}

static void test_flipped(void)
{
	struct blob a = make(2, 300);
	struct outcome good = take(a.p, a.len), o;
	size_t bit, taken = 0;

	for (bit = (a.len - 8) * 8; bit < a.len * 8; bit++) {
		a.p[bit / 8] ^= 1 << bit % 8;
		taken += take(a.p, a.len).result != ARCHIVE_DAMAGED;
		a.p[bit / 8] ^= 1 << bit % 8;
	}
	ok(taken == 0, "a flipped bit in the CRC or the length is damage");
	/* A time in the head says nothing, and one of two runs of NULs is as good as the other. */
	for (bit = 0; bit < a.len * 8; bit++) {
		a.p[bit / 8] ^= 1 << bit % 8;
		o = take(a.p, a.len);
		taken += o.result != ARCHIVE_DAMAGED && (o.result != ARCHIVE_END || o.sum != good.sum);
		a.p[bit / 8] ^= 1 << bit % 8;
	}
	ok(taken == 0, "a flipped bit anywhere is damage, or changes nothing");
	free(a.p);
}

static void test_behind(void)
{
	static const unsigned char zeros[64 * 1024];
	struct blob a = make(2, 300), tar = unpack(a), b, c, d;
	struct outcome o;

	b = join(a.p, a.len, "junk", 4);
	damaged(b.p, b.len, "junk behind the gzip");
	free(b.p);
	b = join(a.p, a.len, "\x1f\x8bjunk", 6);
	damaged(b.p, b.len, "junk behind the gzip that starts like one");
	free(b.p);
	b = join(a.p, a.len, zeros, 20000);
	o = take(b.p, b.len);
	ok(o.result == ARCHIVE_END && o.items == 2, "a record's NULs behind the gzip are taken");
	c = join(b.p, b.len, "junk", 4);
	damaged(c.p, c.len, "junk behind those NULs");
	free(b.p);
	free(c.p);
	b = join(a.p, a.len, zeros, sizeof(zeros));
	damaged(b.p, b.len, "too many NULs behind the gzip");
	free(b.p);
	b = join(a.p, a.len, a.p, a.len);
	damaged(b.p, b.len, "a second archive behind the first");
	free(b.p);

	b = pack(tar.p, 700);
	c = pack(tar.p + 700, tar.len - 700);
	d = join(b.p, b.len, c.p, c.len);
	o = take(d.p, d.len);
	ok(o.result == ARCHIVE_END && o.items == 2, "one tar in two gzip members is read");
	d.p[b.len - 8] ^= 1;
	damaged(d.p, d.len, "a wrong CRC in the first of them");
	free(b.p);
	free(c.p);
	free(d.p);

	b = pack(a.p, a.len);
	damaged(b.p, b.len, "a gzip in a gzip");
	free(b.p);
	b = join(tar.p, tar.len, "junk", 4);
	damaged(b.p, b.len, "junk behind a tar");
	c = pack(b.p, b.len);
	damaged(c.p, c.len, "junk behind a tar in a gzip");
	free(b.p);
	free(c.p);
	free(a.p);
	free(tar.p);
}

static void test_nothing(void)
{
	static const unsigned char zeros[10240];
	struct blob b = make(0, 0);

	damaged(b.p, b.len, "a .tgz without entries");
	free(b.p);
	damaged(zeros, sizeof(zeros), "a tar without entries");
	b = pack("", 0);
	damaged(b.p, b.len, "a gzip of nothing");
	free(b.p);
	damaged("", 0, "nothing");
	damaged("x", 1, "one byte");
	damaged("-----BEGIN CERTIFICATE-----\n", 28, "a PEM file");
	b = pack("-----BEGIN CERTIFICATE-----\n", 28);
	damaged(b.p, b.len, "a gzip of a PEM file");
	free(b.p);
}

static void test_limits(void)
{
	struct blob a = make(3, 300), tar = unpack(a), b;
	struct archive_limits limits = archive_limits_default;
	unsigned char *zeros = need(calloc(8, 1 << 20));
	struct outcome o;

	limits.entries = 3;
	ok(take_with(a.p, a.len, true, &limits).result == ARCHIVE_END, "as many entries as allowed");
	limits.entries = 2;
	o = take_with(a.p, a.len, true, &limits);
	ok(o.result == ARCHIVE_DAMAGED && o.items == 2, "too many entries: %s", o.why.text);
	limits = archive_limits_default;
	limits.entry_bytes = 300;
	ok(take_with(a.p, a.len, true, &limits).items == 3, "entries as large as allowed");
	limits.entry_bytes = 299;
	o = take_with(a.p, a.len, true, &limits);
	ok(o.result == ARCHIVE_END && o.items == 0 && o.refused == 3, "entries too large: %s",
	    o.why.text);
	limits = archive_limits_default;
	limits.total_bytes = tar.len;
	ok(take_with(a.p, a.len, true, &limits).result == ARCHIVE_END, "as many bytes as allowed");
	limits.total_bytes = tar.len - 1;
	o = take_with(a.p, a.len, true, &limits);
	ok(o.result == ARCHIVE_DAMAGED, "too many bytes: %s", o.why.text);
	ok(take_with(tar.p, tar.len, true, &limits).result == ARCHIVE_DAMAGED,
	    "too many bytes in a plain tar");

	limits = archive_limits_default;
	limits.entry_bytes = 8 << 20;
	b = make_one("zeros", zeros, 8 << 20);
	o = take_with(b.p, b.len, true, &limits);
	ok(o.result == ARCHIVE_DAMAGED, "packed too well: %s", o.why.text);
	limits.ratio = 2000;
	o = take_with(b.p, b.len, true, &limits);
	ok(o.result == ARCHIVE_END && o.bytes == 8 << 20, "packed as well as allowed");
	free(b.p);
	b = make_one("zeros", zeros, 60000);
	ok(take(b.p, b.len).result == ARCHIVE_END, "a small archive may be packed as well as it likes");
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
		{"..a..der", true, true}, {"a\\b", false, false}, {"a\nb", false, false},
		{"a\033[2J", false, false}, {"a\177", false, false}, {"", false, false},
		{"./", false, false}, {"\303\244.der", true, true}, {"\344.der", true, true},
	};
	struct blob a = make(1, 300), tar = unpack(a);
	struct outcome flat, deep;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rename_first(tar, t[i].name);
		flat = take_with(tar.p, tar.len, true, &archive_limits_default);
		deep = take_with(tar.p, tar.len, false, &archive_limits_default);
		/* A name that ends in a slash is a directory's, skipped; with nothing else it is damage. */
		if (strcmp(t[i].name, "./") == 0)
			ok(flat.result == ARCHIVE_DAMAGED && deep.result == ARCHIVE_DAMAGED,
			    "name %zu is a directory's", i);
		else
			ok(flat.result == ARCHIVE_END && deep.result == ARCHIVE_END &&
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
	ok(flat.result == ARCHIVE_END && flat.refused == 1, "an empty entry: %s", flat.why.text);
	free(a.p);
}

static void test_looks_like(void)
{
	struct blob a = make(1, 300), tar = unpack(a);

	ok(archive_looks_like(a.p, a.len) && archive_looks_like(a.p, 2), "a gzip looks like an archive");
	ok(archive_looks_like(tar.p, 512), "a tar does");
	memset(tar.p + 257, 0, 8);
	rename_first(tar, "v7");
	ok(archive_looks_like(tar.p, 512), "an old one too");
	ok(!archive_looks_like(tar.p, 511), "not when it is too short to tell");
	tar.p[0] ^= 1;
	ok(!archive_looks_like(tar.p, 512), "not with a wrong checksum");
	memset(tar.p, 0, 512);
	ok(!archive_looks_like(tar.p, 512), "NULs do not");
	ok(!archive_looks_like((const unsigned char *)"-----BEGIN", 10) &&
	    !archive_looks_like(tar.p, 0), "PEM and nothing do not");
	free(a.p);
	free(tar.p);
}

static void test_errors(void)
{
	char name[101];
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), fd = memory_file(NULL, 0);
	struct archive_writer *w;

	memset(name, 'x', sizeof(name) - 1);
	name[100] = '\0';
	ok(archive_create(fd, 0) == NULL && errno == EINVAL, "level 0 is an error");
	w = need(archive_create(fd, 6));
	ok(archive_put(w, name, WHEN, "x", 1) == -1 && errno == ENAMETOOLONG, "so is a long name");
	ok(archive_finish(w) == -1 && errno == ENAMETOOLONG, "and it sticks");
	archive_discard(w);
	w = need(archive_create(fd, 6));
	ok(archive_put(w, "a/b", WHEN, "x", 1) == -1 && errno == EINVAL, "and a path");
	archive_discard(w);
	w = need(archive_create(fd, 6));
	ok(archive_put(w, "a", -1, "x", 1) == -1 && errno == EOVERFLOW, "and a time before 1970");
	archive_discard(w);
	ok(lseek(fd, 0, SEEK_END) == 0, "without the end nothing is said to be an archive");
	w = need(archive_create(full, 6));
	ok(archive_put(w, "a", (time_t)1 << 32, "x", 1) == 0, "a time beyond 2038 is none");
	ok(archive_finish(w) == -1 && errno == ENOSPC, "a full disk is noticed");
	archive_discard(w);
	archive_discard(NULL);
	archive_close(NULL);
	close(full);
	close(fd);
	ok(take_from(-1, NULL, 0, true, &archive_limits_default).result == ARCHIVE_TROUBLE,
	    "a file that cannot be read is trouble, not damage");
}

int main(void)
{
	test_round_trip();
	test_truncated();
	test_flipped();
	test_behind();
	test_nothing();
	test_limits();
	test_names();
	test_looks_like();
	test_errors();
	return tap_done();
}
