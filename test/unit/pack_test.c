/* SPDX-License-Identifier: ISC */
/* Archives that are written. Prints TAP. */
#include <errno.h>
#include <fcntl.h>

#include "archive.h"
#include "fault.h"
#include "tarball.h"

FAULT(int, deflateInit2_, (z_streamp z, int level, int method, int bits, int memory, int strategy,
    const char *version, int size), (z, level, method, bits, memory, strategy, version, size), Z_MEM_ERROR)
FAULT(int, tar_fdopen, (void **tar, int fd, const char *name, void *type, int flags, int mode, int options),
    (tar, fd, name, type, flags, mode, options), -1)
FAULT(void *, calloc, (size_t n, size_t size), (n, size), NULL)
FAULT(ssize_t, write, (int fd, const void *p, size_t len), (fd, p, len), -1)

static void test_bytes(void)
{
	struct blob a = make(3, 889), b = make(3, 889), tar = ungzip(a);
	static const unsigned char zeros[512 + 1024];

	ok(a.len == b.len && memcmp(a.p, b.p, a.len) == 0, "the same input gives the same bytes");
	ok(memcmp(a.p, "\x1f\x8b\x08\0\0\0\0\0", 8) == 0 && a.p[9] == 3,
	    "the gzip header has no name and no time");
	ok(tar.len % 10240 == 0, "the tar is made of whole records");
	ok(strcmp((char *)tar.p, "SEP000000000000.der") == 0 &&
	    memcmp(tar.p + 100, "0000644\0000000000\0000000000\00000000001571\00014524770400\0", 48) == 0 &&
	    tar.p[156] == '0' && memcmp(tar.p + 257, "ustar\00000\0", 9) == 0, "its headers are plain ustar");
	ok(memcmp(tar.p + 512 + 889, zeros, 1024 - 889) == 0 &&
	    strcmp((char *)tar.p + 512 + 1024, "SEP000000000001.der") == 0, "an entry fills up its last block");
	ok(memcmp(tar.p + 3 * (512 + 1024), zeros, 1024) == 0, "two blocks of NULs end it");
	free(a.p);
	free(b.p);
	free(tar.p);
}

/* One entry that cannot be: everything after it fails alike. */
static void refused(const char *name, time_t mtime, size_t len, int error, const char *what)
{
	int fd = memory_file(NULL, 0);
	struct pack *p = need(pack_open(fd, 6));

	ok(pack_put(p, name, mtime, "x", len) == -1 && errno == error &&
	    pack_put(p, "a", WHEN, "x", 1) == -1 && errno == error &&
	    pack_finish(p) == -1 && errno == error && lseek(fd, 0, SEEK_END) == 0, "%s", what);
	pack_free(p);
	close(fd);
}

static void test_errors(void)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	char name[101];
	struct pack *p;

	memset(name, 'x', sizeof name - 1);
	name[100] = '\0';
	ok(pack_open(full, 0) == NULL && errno == EINVAL && pack_open(full, 10) == NULL && errno == EINVAL,
	    "levels 0 and 10 are errors");
	refused(name, WHEN, 1, ENAMETOOLONG, "so is a long name");
	refused("a/b", WHEN, 1, EINVAL, "and a path");
	refused("", WHEN, 1, EINVAL, "and no name");
	refused("a", WHEN, (size_t)1 << 33, EOVERFLOW, "and 8 GiB");
	refused("a", (time_t)1 << 33, 1, EOVERFLOW, "and a time beyond 2242");
	refused("a", -1, 1, EOVERFLOW, "and a time before 1970");
	p = need(pack_open(full, 6));
	ok(pack_put(p, "a", (time_t)1 << 32, "x", 1) == 0, "a time beyond 2038 is none");
	ok(pack_finish(p) == -1 && errno == ENOSPC, "a full disk is noticed");
	pack_free(p);
	pack_free(NULL);
	close(full);
}

/* An archive whose one entry ends so many bytes before the second buffer of tar is full; when that is deflated, the
 * first buffer of output is full as well, since the entry begins with what packs well. */
static struct pack *almost_full(int fd, size_t before)
{
	static unsigned char data[128 * 1024];
	struct pack *p = need(pack_open(fd, 6));

	noise(data + 40000, sizeof data - 40000, 1);
	ok(pack_put(p, "a", WHEN, data, sizeof data - 512 - before) == 0, "%zu bytes before a buffer is full", before);
	return p;
}

static void test_full(void)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct pack *p = almost_full(full, 512);

	ok(pack_put(p, "b", WHEN, "x", 1) == -1 && errno == ENOSPC, "a full disk is noticed in a header");
	pack_free(p);
	p = almost_full(full, 512);
	ok(pack_finish(p) == -1 && errno == ENOSPC, "in the end");
	pack_free(p);
	p = almost_full(full, 1536);
	ok(pack_finish(p) == -1 && errno == ENOSPC, "and in the padding behind it");
	pack_free(p);
	close(full);
}

/* How many entries of an archive our own reader takes. */
static int entries(struct blob b)
{
	int fd = memory_file(b.p, b.len), n = 0;
	struct archive_reader *r = need(archive_open(fd, NULL, 0, true, &archive_limits_default));
	enum archive_result result;
	struct archive_item item;
	struct reason why;

	while ((result = archive_next(r, &item, &why)) == ARCHIVE_ITEM)
		n++;
	archive_close(r);
	close(fd);
	return result == ARCHIVE_END ? n : -1;
}

/* Each call that can fail does: what was written is whole, or somebody was told. */
static void test_faults(void)
{
	static unsigned char data[60000];
	unsigned n, told = 0;
	bool right = true, reached = true;

	noise(data, sizeof data, 1);
	for (n = 1; n < 1000 && reached && right; n++) {
		int fd = memory_file(NULL, 0), failed = 0;
		struct pack *p;
		struct blob b;

		fault_arm(n, ENOSPC);
		if ((p = pack_open(fd, 1)) == NULL) {
			failed = 1;
		} else {
			for (int i = 0; i < 6; i++)
				failed |= pack_put(p, "large", WHEN, data, sizeof data);
			for (int i = 0; i < 300; i++)
				failed |= pack_put(p, "small", WHEN, data + i, 600);
			failed |= pack_finish(p);
		}
		right = !failed || errno == ENOSPC || errno == ENOMEM;
		reached = fault_over();
		right = right && (failed != 0) == reached;
		told += failed != 0;
		pack_free(p);
		b = contents(fd);
		right = right && (failed || entries(b) == 306);
		free(b.p);
	}
	ok(right && n > 8, "each of %u calls fails, and it is said %u times", n - 2, told);
}

int main(void)
{
	test_bytes();
	test_errors();
	test_full();
	test_faults();
	return tap_done();
}
