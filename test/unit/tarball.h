/* SPDX-License-Identifier: ISC */
/* Archives for the unit tests, and what is to be wrong with them. */
#ifndef TARBALL_H
#define TARBALL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "archive/tgz.h"
#include "tap.h"

#define WHEN ((time_t)1700000000)

struct der {
	unsigned char *p;
	size_t len;
};

static void *need(void *p)
{
	must(p != NULL, "no memory, or no file in it");
	return p;
}

static int memory_file(const void *p, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	if (fd == -1 || (len > 0 && write(fd, p, len) != (ssize_t)len) || lseek(fd, 0, SEEK_SET) == -1)
		need(NULL);
	return fd;
}

/* What is in a file; closes it. */
static struct der contents(int fd)
{
	struct der b;

	b.len = (size_t)lseek(fd, 0, SEEK_END);
	b.p = need(malloc(b.len + 1));
	if (pread(fd, b.p, b.len, 0) != (ssize_t)b.len)
		need(NULL);
	close(fd);
	return b;
}

/* Bytes that pack badly. */
__attribute__((unused)) static void noise(unsigned char *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
}

/* A .tgz of n entries with some data each. */
__attribute__((unused)) static struct der make(int n, size_t len)
{
	unsigned char *data = need(malloc(len + 1));
	int fd = memory_file(NULL, 0);
	struct tgz *p = need(tgz_open(fd, 6));
	char name[32];

	for (int i = 0; i < n; i++) {
		noise(data, len, (unsigned)i + 1);
		snprintf(name, sizeof name, "SEP%012X.der", (unsigned)i);
		if (tgz_put(p, name, WHEN + i, data, len) == -1)
			need(NULL);
	}
	if (tgz_finish(p) == -1)
		need(NULL);
	tgz_free(p);
	free(data);
	return contents(fd);
}

/* One of one entry. */
__attribute__((unused)) static struct der make_one(const char *name, const void *data, size_t len)
{
	int fd = memory_file(NULL, 0);
	struct tgz *p = need(tgz_open(fd, 9));

	if (tgz_put(p, name, WHEN, data, len) == -1 || tgz_finish(p) == -1)
		need(NULL);
	tgz_free(p);
	return contents(fd);
}

__attribute__((unused)) static struct der gzip(const void *p, size_t len)
{
	z_stream z = {0};
	size_t room = len + len / 100 + 1000;
	struct der b = {need(malloc(room)), 0};

	deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (unsigned char *)(uintptr_t)p;
	z.avail_in = (unsigned)len;
	z.next_out = b.p;
	z.avail_out = (unsigned)room;
	deflate(&z, Z_FINISH);
	b.len = z.total_out;
	deflateEnd(&z);
	return b;
}

__attribute__((unused)) static struct der ungzip(struct der in)
{
	z_stream z = {0};
	struct der b = {need(malloc(1 << 20)), 0};

	inflateInit2(&z, 16 + MAX_WBITS);
	z.next_in = in.p;
	z.avail_in = (unsigned)in.len;
	z.next_out = b.p;
	z.avail_out = 1 << 20;
	if (inflate(&z, Z_FINISH) != Z_STREAM_END)
		need(NULL);
	b.len = z.total_out;
	inflateEnd(&z);
	return b;
}

__attribute__((unused)) static struct der join(const void *p, size_t len, const void *q, size_t qlen)
{
	struct der b = {need(malloc(len + qlen + 1)), len + qlen};

	memcpy(b.p, p, len);
	memcpy(b.p + len, q, qlen);
	return b;
}

#endif
