/* SPDX-License-Identifier: ISC */
/* Bytes as they are, and out of a gzip in every way in which it can be damaged. Prints TAP. */
#include <errno.h>

#include "archive/gunzip.h"
#include "../fault.h"
#include "../tarball.h"

FAULT(int, inflateInit2_, (z_streamp z, int bits, const char *version, int size), (z, bits, version, size),
    Z_MEM_ERROR)
FAULT(int, inflate, (z_streamp z, int flush), (z, flush), Z_MEM_ERROR)
FAULT(void *, calloc, (size_t n, size_t size), (n, size), NULL)
FAULT(void *, malloc, (size_t size), (size), NULL)
FAULT(ssize_t, read, (int fd, void *p, size_t len), (fd, p, len), -1)

#define MOST ((uint64_t)64 << 20)
#define RATIO 200

/* What reading to the end gave. */
struct outcome {
	int result;		/* of the last gunzip_next */
	bool whole;		/* the pieces had the length that is promised */
	bool gzip;
	int error;
	struct reason why;
	size_t len;
	unsigned long sum;
};

static struct outcome take_from(int fd, struct bytes head, uint64_t most, uint64_t ratio)
{
	struct gunzip *g = gunzip_open(fd, head, most, ratio);
	struct outcome o = {.result = -1, .whole = true, .error = errno};
	size_t last = GUNZIP_BYTES;
	struct bytes b;

	if (g == NULL)
		return o;
	while ((o.result = gunzip_next(g, &b, &o.why)) > 0) {
		o.whole = o.whole && last == GUNZIP_BYTES && b.len > 0 && b.len <= GUNZIP_BYTES;
		last = b.len;
		o.len += b.len;
		o.sum = crc32(o.sum, b.p, (unsigned)b.len);
	}
	o.error = o.result < 0 && o.why.trouble ? errno : 0;
	o.whole = o.whole && (o.result < 0 || gunzip_next(g, &b, &o.why) == 0);
	o.gzip = gunzip_was_gzip(g);
	gunzip_close(g);
	return o;
}

static struct outcome take_with(const void *p, size_t len, uint64_t most, uint64_t ratio)
{
	int fd = memory_file(p, len);
	struct outcome o = take_from(fd, (struct bytes){NULL, 0}, most, ratio);

	close(fd);
	return o;
}

static struct outcome take(const void *p, size_t len)
{
	return take_with(p, len, MOST, RATIO);
}

/* Are these the bytes that came out, and was that all? */
static bool gave(struct outcome o, const void *p, size_t len)
{
	return o.result == 0 && o.whole && o.len == len && o.sum == crc32(0, p, (unsigned)len);
}

static void damaged(const void *p, size_t len, const char *why)
{
	struct outcome o = take(p, len);

	ok(o.result == -1 && !o.why.trouble && strstr(o.why.text, why) != NULL, "%s", o.why.text);
}

static void test_whole(void)
{
	static const size_t lens[] = {1, 511, 512, GUNZIP_BYTES - 1, GUNZIP_BYTES, GUNZIP_BYTES + 1, 200000};
	static unsigned char data[200000];

	noise(data, sizeof data, 1);
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		struct der z = gzip(data, lens[i]);
		struct outcome o = take(data, lens[i]);

		ok(gave(o, data, lens[i]) && !o.gzip, "%zu bytes as they are", lens[i]);
		o = take(z.p, z.len);
		ok(gave(o, data, lens[i]) && o.gzip, "and out of a gzip");
		free(z.p);
	}
}

/* Whoever looked at the first bytes hands them in. */
static void test_heads(void)
{
	static unsigned char data[150000];
	struct der z;
	bool plain = true, packed = true, cut = true;

	noise(data, sizeof data, 1);
	z = gzip(data, sizeof data);
	for (size_t head = 0; head <= sizeof data; head = head < 3 ? head + 1 : head + 9999) {
		int fd = memory_file(data + head, sizeof data - head);
		size_t n = head < z.len ? head : z.len;

		plain = plain && gave(take_from(fd, (struct bytes){data, head}, MOST, RATIO), data, sizeof data);
		close(fd);
		fd = memory_file(z.p + n, z.len - n);
		packed = packed && gave(take_from(fd, (struct bytes){z.p, n}, MOST, RATIO), data, sizeof data);
		close(fd);
		cut = cut && take_from(-1, (struct bytes){z.p, n}, MOST, RATIO).error == EBADF;
	}
	ok(plain && packed, "wherever the head ends");
	ok(cut, "behind it, a file that cannot be read is trouble, not damage");
	free(z.p);
}

static void test_damage(void)
{
	static unsigned char data[700];
	size_t taken = 0, changed = 0;
	struct der z;

	noise(data, sizeof data / 2, 1);
	z = gzip(data, sizeof data);
	for (size_t i = 2; i < z.len; i++)
		taken += take(z.p, i).result == 0;
	ok(taken == 0, "a gzip cut at any of its %zu bytes is damaged", z.len);
	for (size_t bit = 0; bit < z.len * 8; bit++) {
		struct outcome o;

		z.p[bit / 8] ^= (unsigned char)(1 << bit % 8);
		o = take(z.p, z.len);
		/* The first two bytes make it a gzip. */
		changed += bit >= 16 && o.result == 0 && !gave(o, data, sizeof data);
		taken += bit >= (z.len - 8) * 8 && o.result == 0;
		z.p[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	ok(taken == 0, "a flipped bit in the CRC or the length is damage");
	ok(changed == 0, "a flipped bit anywhere is damage, or changes nothing");
	damaged(z.p, z.len / 2, "is cut off: the gzip has no end");
	z.p[z.len - 8] ^= 1;
	damaged(z.p, z.len, "is damaged: gzip: incorrect data check");
	free(z.p);
	damaged("", 0, "is empty");
	z = gzip("", 0);
	ok(gave(take(z.p, z.len), "", 0), "a gzip of nothing is nothing");
	free(z.p);
}

static void test_behind(void)
{
	static const unsigned char zeros[200000];
	struct der a = gzip("abcdef", 6), b, c;
	struct outcome o;

	for (size_t n = 1; n <= 32 * 1024; n += 4095) {
		b = join(a.p, a.len, zeros, n);
		o = take(b.p, b.len);
		ok(gave(o, "abcdef", 6), "%zu NULs behind it: a record that was filled up", n);
		free(b.p);
	}
	for (size_t n = 32 * 1024 + 1; n <= sizeof zeros; n *= 2) {
		b = join(a.p, a.len, zeros, n);
		damaged(b.p, b.len, "junk behind the end of the gzip");
		free(b.p);
	}
	b = join(a.p, a.len, "junk", 4);
	damaged(b.p, b.len, "junk behind the end of the gzip");
	free(b.p);
	b = join(a.p, a.len, "\x1f\x8bjunk", 6);
	damaged(b.p, b.len, "is damaged");
	free(b.p);
	b = join(a.p, a.len, zeros, 20000);
	c = join(b.p, b.len, a.p, a.len);
	damaged(c.p, c.len, "junk behind the end of the gzip");
	free(c.p);
	free(b.p);

	b = gzip("ghi", 3);
	c = join(a.p, a.len, b.p, b.len);
	ok(gave(take(c.p, c.len), "abcdefghi", 9), "two members are one after the other");
	c.p[a.len - 8] ^= 1;
	damaged(c.p, c.len, "incorrect data check");
	free(c.p);
	free(b.p);
	b = gzip(a.p, a.len);
	damaged(b.p, b.len, "is a gzip inside a gzip");
	free(b.p);
	free(a.p);
}

static void test_ceilings(void)
{
	static unsigned char data[3 << 20];
	struct der z;
	struct outcome o;

	noise(data, sizeof data, 1);
	z = gzip(data, sizeof data);
	ok(gave(take_with(z.p, z.len, sizeof data, RATIO), data, sizeof data) &&
	    gave(take_with(data, sizeof data, sizeof data, RATIO), data, sizeof data), "as many bytes as may come");
	o = take_with(z.p, z.len, sizeof data - 1, RATIO);
	ok(o.result == -1 && !o.why.trouble, "one more: %s", o.why.text);
	o = take_with(data, sizeof data, sizeof data - 1, RATIO);
	ok(o.result == -1 && !o.why.trouble, "and without gzip: %s", o.why.text);
	free(z.p);
	memset(data, 0, sizeof data);
	z = gzip(data, sizeof data);
	o = take(z.p, z.len);
	ok(o.result == -1 && o.len < 3 << 19, "packed too well: %s", o.why.text);
	ok(gave(take_with(z.p, z.len, MOST, 2000), data, sizeof data), "packed as well as it may");
	ok(gave(take(data, sizeof data), data, sizeof data), "what is not packed, is not packed well");
	free(z.p);
	z = gzip(data, 1 << 20);
	ok(gave(take(z.p, z.len), data, 1 << 20), "1 MiB may be packed as well as it likes");
	free(z.p);
}

static void test_looks_like(void)
{
	static const unsigned char gz[] = {0x1f, 0x8b, 8};

	ok(gunzip_looks_like((struct bytes){gz, 3}) && gunzip_looks_like((struct bytes){gz, 2}) &&
	    !gunzip_looks_like((struct bytes){gz, 1}) && !gunzip_looks_like((struct bytes){gz + 1, 2}) &&
	    !gunzip_looks_like((struct bytes){(const unsigned char *)"\x1f\x9d", 2}),
	    "two bytes make it look like a gzip");
}

/* Each call that can fail does: all comes out, or it is trouble, never damage. */
static void every_fault(const char *what, struct der b, const void *p, size_t len)
{
	bool right = true, reached = true;
	unsigned n;

	for (n = 1; n < 1000 && reached && right; n++) {
		int fd = memory_file(b.p, b.len);
		struct outcome o;

		fault_arm(n, ENOMEM);
		o = take_from(fd, (struct bytes){NULL, 0}, MOST, RATIO);
		reached = fault_over();
		close(fd);
		right = reached ? o.result == -1 && o.error == ENOMEM : gave(o, p, len);
	}
	ok(right && n > 6, "%s: each of %u calls fails", what, n - 2);
}

static void test_faults(void)
{
	static unsigned char data[300000];
	struct der z;

	noise(data, sizeof data, 1);
	z = gzip(data, sizeof data);
	every_fault("a gzip", z, data, sizeof data);
	every_fault("plain bytes", (struct der){data, sizeof data}, data, sizeof data);
	free(z.p);
	z = gzip(data, GUNZIP_BYTES - 1);
	every_fault("a gzip that ends where a buffer does", z, data, GUNZIP_BYTES - 1);
	free(z.p);
	gunzip_close(NULL);
}

int main(void)
{
	test_whole();
	test_heads();
	test_damage();
	test_behind();
	test_ceilings();
	test_looks_like();
	test_faults();
	return tap_done();
}
