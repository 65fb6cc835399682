/* SPDX-License-Identifier: ISC */
/* Archives that are written. Prints TAP. */
#include <errno.h>
#include <fcntl.h>

#include "archive/untar.h"
#include "archive/ustar.h"
#include "../fault.h"
#include "../tarball.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

FAULT(int, deflateInit2_, (z_streamp z, int level, int method, int bits, int memory, int strategy,
    const char *version, int size), (z, level, method, bits, memory, strategy, version, size), Z_MEM_ERROR)
#ifdef TGZ_LIBTAR
FAULT(int, tar_fdopen, (void **tar, int fd, const char *name, void *type, int flags, int mode, int options),
    (tar, fd, name, type, flags, mode, options), -1)
#endif
FAULT(void *, archive_write_new, (void), (), NULL)
FAULT(void *, archive_entry_new, (void), (), NULL)
FAULT(int, archive_write_set_format_ustar, (void *a), (a), -30)
FAULT(int, archive_write_set_bytes_per_block, (void *a, int n), (a, n), -30)
FAULT(int, archive_write_open, (void *a, void *arg, void *open, void *write, void *close),
    (a, arg, open, write, close), -30)
FAULT(int, archive_write_header, (void *a, void *entry), (a, entry), -30)
FAULT(ssize_t, archive_write_data, (void *a, const void *p, size_t len), (a, p, len), -30)
FAULT(int, archive_write_finish_entry, (void *a), (a), -30)
FAULT(int, archive_write_close, (void *a), (a), -30)
FAULT(void *, calloc, (size_t n, size_t size), (n, size), NULL)
FAULT(ssize_t, write, (int fd, const void *p, size_t len), (fd, p, len), -1)

/* What is in this build; the first is tgz_open's. */
static const struct {
	const char *name;
	const struct ustar_writer *writer;
} writers[] = {
#ifdef TGZ_LIBTAR
    {"libtar", &ustar_libtar},
#endif
    {"libarchive", &ustar_libarchive},
};

static void test_bytes(void)
{
	struct der a = make(3, 889), b = make(3, 889), tar = ungzip(a);
	static const unsigned char zeros[512 + 1024];

	ok(a.len == b.len && memcmp(a.p, b.p, a.len) == 0, "the same input gives the same bytes");
	ok(memcmp(a.p, "\x1f\x8b\x08\0\0\0\0\0", 8) == 0 && a.p[9] == 3,
	    "the gzip header has no name and no time");
	ok(tar.len % 10240 == 0, "the tar is made of whole records");
	ok(strcmp((char *)tar.p, "SEP000000000000.der") == 0 &&
	    memcmp(tar.p + 100, "000644 \000000000 \000000000 \00000000001571 14524770400 011456\0 0", 57) == 0 &&
	    memcmp(tar.p + 157, zeros, 100) == 0 && memcmp(tar.p + 257, "ustar\00000", 8) == 0 &&
	    memcmp(tar.p + 265, zeros, 64) == 0 && memcmp(tar.p + 329, "000000 \000000000 ", 16) == 0 &&
	    memcmp(tar.p + 345, zeros, 167) == 0, "its headers are plain ustar");
	ok(memcmp(tar.p + 512 + 889, zeros, 1024 - 889) == 0 &&
	    strcmp((char *)tar.p + 512 + 1024, "SEP000000000001.der") == 0, "an entry fills up its last block");
	ok(memcmp(tar.p + 3 * (512 + 1024), zeros, 1024) == 0, "two blocks of NULs end it");
	free(a.p);
	free(b.p);
	free(tar.p);
}

static char *name_of(size_t len)
{
	char *name = need(malloc(len + 1));

	memset(name, 'n', len);
	name[len] = '\0';
	return name;
}

/* The tar of entries in which each field has its smallest, its largest and some usual value. */
static struct der all_kinds(const struct ustar_writer *writer)
{
	static const size_t lens[] = {0, 1, 511, 512, 513, 1000, 1024, 70000};
	static const time_t times[] = {0, 1, WHEN, (time_t)1 << 31, (time_t)1 << 32, ((time_t)1 << 33) - 1};
	static unsigned char data[70000];
	int fd = memory_file(NULL, 0);
	struct tgz *p = need(tgz_open_by(writer, fd, 6));
	int failed;

	noise(data, sizeof data, 7);
	failed = tgz_put(p, "k\xc3\xb6nig \xff .der", WHEN, data, 3);
	for (size_t i = 0; i < COUNT(lens); i++)
		failed |= tgz_put(p, "SEP001122334455.csr", WHEN, data, lens[i]);
	for (size_t i = 0; i < COUNT(times); i++)
		failed |= tgz_put(p, "-", times[i], data, 5);
	for (size_t len = 1; len <= 99; len++) {
		char *name = name_of(len);

		failed |= tgz_put(p, name, WHEN, data, len);
		free(name);
	}
	if ((failed | tgz_finish(p)) != 0)
		need(NULL);
	tgz_free(p);
	return contents(fd);
}

/* The same for all: what Debian 12 makes with libtar, Debian 13 makes without it. */
static void test_same(void)
{
	for (size_t i = 0; i < COUNT(writers); i++) {
		struct der a = all_kinds(writers[0].writer), b = all_kinds(writers[i].writer), tar = ungzip(b);

		ok(a.len == b.len && memcmp(a.p, b.p, a.len) == 0, "%s gives the bytes of %s", writers[i].name,
		    writers[0].name);
		ok(adler32(1, tar.p, (unsigned)tar.len) == 0x102de7c0, "%s gives the bytes it gives everywhere",
		    writers[i].name);
		free(a.p);
		free(b.p);
		free(tar.p);
	}
}

/* One entry that cannot be: everything after it fails alike. */
static void refused(const char *name, time_t mtime, size_t len, int error, const char *what)
{
	for (size_t i = 0; i < COUNT(writers); i++) {
		int fd = memory_file(NULL, 0);
		struct tgz *p = need(tgz_open_by(writers[i].writer, fd, 6));

		ok(tgz_put(p, name, mtime, "x", len) == -1 && errno == error &&
		    tgz_put(p, "a", WHEN, "x", 1) == -1 && errno == error &&
		    tgz_finish(p) == -1 && errno == error && lseek(fd, 0, SEEK_END) == 0, "%s, for %s", what,
		    writers[i].name);
		tgz_free(p);
		close(fd);
	}
}

static void test_errors(void)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct tgz *p;

	ok(tgz_open(full, 0) == NULL && errno == EINVAL && tgz_open(full, 10) == NULL && errno == EINVAL,
	    "levels 0 and 10 are errors");
	for (size_t len = 100; len <= 300; len += len < 102 ? 1 : 99) {
		char *name = name_of(len);

		refused(name, WHEN, 1, ENAMETOOLONG, "so is a long name");
		free(name);
	}
	refused("a/b", WHEN, 1, EINVAL, "and a path");
	refused("", WHEN, 1, EINVAL, "and no name");
	refused("a", WHEN, (size_t)1 << 33, EOVERFLOW, "and 8 GiB");
	refused("a", (time_t)1 << 33, 1, EOVERFLOW, "and a time beyond 2242");
	refused("a", -1, 1, EOVERFLOW, "and a time before 1970");
	p = need(tgz_open(full, 6));
	ok(tgz_put(p, "a", (time_t)1 << 32, "x", 1) == 0, "a time beyond 2038 is none");
	ok(tgz_finish(p) == -1 && errno == ENOSPC, "a full disk is noticed");
	tgz_free(p);
	tgz_free(NULL);
	close(full);
}

/* An archive whose one entry ends so many bytes before the second buffer of tar is full; when that is deflated, the
 * first buffer of output is full as well, since the entry begins with what packs well. */
static struct tgz *almost_full(const struct ustar_writer *writer, int fd, size_t before)
{
	static unsigned char data[128 * 1024];
	struct tgz *p = need(tgz_open_by(writer, fd, 6));

	noise(data + 40000, sizeof data - 40000, 1);
	ok(tgz_put(p, "a", WHEN, data, sizeof data - 512 - before) == 0, "%zu bytes before a buffer is full", before);
	return p;
}

static void test_full(const struct ustar_writer *writer)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct tgz *p = almost_full(writer, full, 512);

	ok(tgz_put(p, "b", WHEN, "x", 1) == -1 && errno == ENOSPC, "a full disk is noticed in a header");
	tgz_free(p);
	p = almost_full(writer, full, 512);
	ok(tgz_finish(p) == -1 && errno == ENOSPC, "in the end");
	tgz_free(p);
	p = almost_full(writer, full, 1536);
	ok(tgz_finish(p) == -1 && errno == ENOSPC, "and in the padding behind it");
	tgz_free(p);
	close(full);
}

/* How many entries of an archive our own reader takes. */
static int entries(struct der b)
{
	int fd = memory_file(b.p, b.len), n = 0;
	struct untar *r = need(untar_open(fd, NULL, 0, true, &untar_limits_default));
	enum untar_result result;
	struct untar_item item;
	struct reason why;

	while ((result = untar_next(r, &item, &why)) == UNTAR_ITEM)
		n++;
	untar_close(r);
	close(fd);
	return result == UNTAR_END ? n : -1;
}

/* Each call that can fail does: what was written is whole, or somebody was told. */
static void test_faults(const struct ustar_writer *writer)
{
	static unsigned char data[60000];
	unsigned n, told = 0;
	bool right = true, reached = true;

	noise(data, sizeof data, 1);
	for (n = 1; n < 3000 && reached && right; n++) {
		int fd = memory_file(NULL, 0), failed = 0;
		struct tgz *p;
		struct der b;

		fault_arm(n, ENOSPC);
		if ((p = tgz_open_by(writer, fd, 1)) == NULL) {
			failed = 1;
		} else {
			for (int i = 0; i < 6; i++)
				failed |= tgz_put(p, "large", WHEN, data, sizeof data);
			for (int i = 0; i < 300; i++)
				failed |= tgz_put(p, "small", WHEN, data + i, 600);
			failed |= tgz_finish(p);
		}
		right = !failed || errno == ENOSPC || errno == ENOMEM;
		reached = fault_over();
		right = right && (failed != 0) == reached;
		told += failed != 0;
		tgz_free(p);
		b = contents(fd);
		right = right && (failed || entries(b) == 306);
		free(b.p);
	}
	ok(right && n > 8, "each of %u calls fails, and it is said %u times", n - 2, told);
}

int main(void)
{
	test_bytes();
	test_same();
	test_errors();
	for (size_t i = 0; i < COUNT(writers); i++) {
		test_full(writers[i].writer);
		test_faults(writers[i].writer);
	}
	return tap_done();
}
