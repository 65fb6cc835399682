/* SPDX-License-Identifier: ISC */
/* libtar or libarchive writes the tar, zlib compresses it. */
#define ZLIB_CONST
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "archive/tgz.h"
#include "archive/ustar.h"
#include "base/fileio.h"

#define RECORD ((size_t)10240)	/* what tar rounds a whole archive up to */
/* A field has 100 bytes and 11 octal digits. libtar cuts a name of 100 bytes; readers may miss its NUL. */
#define NAME ((size_t)99)
#define NUMBER (((uint64_t)1 << 33) - 1)
#define BUFFER ((size_t)64 * 1024)

struct tgz {
	int fd;
	int error;		/* errno of what failed first */
	const struct ustar_writer *writer;
	void *tar;
	z_stream z;
	uint64_t total;
	size_t in_len;
	unsigned char in[BUFFER], out[BUFFER];
};

static int fail(struct tgz *p, int error)
{
	if (p->error == 0)
		p->error = error;
	errno = p->error;
	return -1;
}

/* Deflates what is in the buffer, and with Z_FINISH all that zlib still has. */
static int flush(struct tgz *p, int how)
{
	int r;

	p->z.next_in = p->in;
	p->z.avail_in = (unsigned)p->in_len;
	p->in_len = 0;
	do {
		r = deflate(&p->z, how);
		if (p->z.avail_out == 0 || r == Z_STREAM_END) {
			if (fileio_write_all(p->fd, p->out, BUFFER - p->z.avail_out) == -1)
				return fail(p, errno);
			p->z.next_out = p->out;
			p->z.avail_out = BUFFER;
		}
	} while (p->z.avail_in > 0 || (how == Z_FINISH && r != Z_STREAM_END));
	return 0;
}

/* Adds len bytes, NULs when data is NULL. */
static int add(void *arg, const void *data, size_t len)
{
	struct tgz *p = arg;
	const unsigned char *from = data;
	size_t n;

	p->total += len;
	while (len > 0) {
		n = BUFFER - p->in_len < len ? BUFFER - p->in_len : len;
		if (from != NULL) {
			memcpy(p->in + p->in_len, from, n);
			from += n;
		} else {
			memset(p->in + p->in_len, 0, n);
		}
		p->in_len += n;
		len -= n;
		if (p->in_len == BUFFER && flush(p, Z_NO_FLUSH) == -1)
			return -1;
	}
	return 0;
}

struct tgz *tgz_open_by(const struct ustar_writer *writer, int fd, int level)
{
	struct ustar_sink sink = {.put = add};
	struct tgz *p;

	if (level < 1 || level > 9) {
		errno = EINVAL;
		return NULL;
	}
	if ((p = calloc(1, sizeof *p)) == NULL)
		return NULL;
	p->fd = fd;
	p->writer = writer;
	/* 16: a gzip header; zlib's own has no name, no time and the system "Unix". */
	if (deflateInit2(&p->z, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(p);
		errno = ENOMEM;
		return NULL;
	}
	sink.to = p;
	if ((p->tar = writer->open(&sink)) == NULL) {
		deflateEnd(&p->z);
		free(p);
		errno = ENOMEM;
		return NULL;
	}
	p->z.next_out = p->out;
	p->z.avail_out = BUFFER;
	return p;
}

struct tgz *tgz_open(int fd, int level)
{
#ifdef TGZ_LIBTAR
	return tgz_open_by(&ustar_libtar, fd, level);
#else
	return tgz_open_by(&ustar_libarchive, fd, level);
#endif
}

int tgz_put(struct tgz *p, const char *name, time_t mtime, const void *data, size_t len)
{
	if (p->error != 0)
		return fail(p, p->error);
	if (*name == '\0' || strchr(name, '/') != NULL)
		return fail(p, EINVAL);
	if (strlen(name) > NAME)
		return fail(p, ENAMETOOLONG);
	if (mtime < 0 || (uint64_t)mtime > NUMBER || len > NUMBER)
		return fail(p, EOVERFLOW);
	return p->writer->put(p->tar, name, mtime, data, len) == -1 ? fail(p, errno) : 0;
}

int tgz_finish(struct tgz *p)
{
	if (p->error != 0)
		return fail(p, p->error);
	if (p->writer->end(p->tar) == -1)
		return fail(p, errno);
	if (add(p, NULL, (RECORD - p->total % RECORD) % RECORD) == -1)
		return -1;
	return flush(p, Z_FINISH);
}

void tgz_free(struct tgz *p)
{
	if (p == NULL)
		return;
	p->writer->free(p->tar);
	deflateEnd(&p->z);
	free(p);
}
