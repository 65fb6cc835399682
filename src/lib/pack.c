/* SPDX-License-Identifier: ISC */
/* libtar makes the header blocks, zlib the rest. */
#define ZLIB_CONST
#include <errno.h>
#include <fcntl.h>
#include <libtar.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "fileio.h"
#include "pack.h"

#define BLOCK ((size_t)512)
#define RECORD ((size_t)10240)	/* what tar rounds a whole archive up to */
#define BUFFER ((size_t)64 * 1024)

struct pack {
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

static int fail(struct pack *p, int error)
{
	if (p->error == 0)
		p->error = error;
	errno = p->error;
	return -1;
}

struct pack *pack_open(int fd, int level)
{
	struct pack *p;

	if (level < 1 || level > 9) {
		errno = EINVAL;
		return NULL;
	}
	if ((p = calloc(1, sizeof *p)) == NULL)
		return NULL;
	p->fd = fd;
	p->type.closefunc = no_close;
	/* 16: a gzip header; zlib's own has no name, no time and the system "Unix". */
	if (deflateInit2(&p->z, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(p);
		errno = ENOMEM;
		return NULL;
	}
	/* It only fills in headers for us: there is no file behind it. */
	if (tar_fdopen(&p->tar, -1, "", &p->type, O_WRONLY, 0, 0) == -1) {
		deflateEnd(&p->z);
		free(p);
		errno = ENOMEM;
		return NULL;
	}
	p->z.next_out = p->out;
	p->z.avail_out = BUFFER;
	return p;
}

/* Deflates what is in the buffer, and with Z_FINISH all that zlib still has. */
static int flush(struct pack *p, int how)
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
static int add(struct pack *p, const void *data, size_t len)
{
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

/* Digits and a NUL fill the field. Ours, because libtar's numbers are int. */
static bool put_octal(char *field, size_t size, uint64_t n)
{
	field[--size] = '\0';
	while (size > 0) {
		field[--size] = (char)('0' + (n & 7));
		n >>= 3;
	}
	return n == 0;
}

int pack_put(struct pack *p, const char *name, time_t mtime, const void *data, size_t len)
{
	struct tar_header *h = &p->tar->th_buf;

	if (p->error != 0)
		return fail(p, p->error);
	/* A name of 100 bytes would fit, but libtar cuts it. */
	if (*name == '\0' || strchr(name, '/') != NULL)
		return fail(p, EINVAL);
	if (strlen(name) >= sizeof h->name)
		return fail(p, ENAMETOOLONG);
	memset(h, 0, sizeof *h);
	/* First these two: they tell libtar that the path gets no slash at its end. */
	put_octal(h->mode, sizeof h->mode, 0644);
	th_set_type(p->tar, S_IFREG);
	th_set_path(p->tar, name);
	put_octal(h->uid, sizeof h->uid, 0);
	put_octal(h->gid, sizeof h->gid, 0);
	if (mtime < 0 || !put_octal(h->mtime, sizeof h->mtime, (uint64_t)mtime) ||
	    !put_octal(h->size, sizeof h->size, len))
		return fail(p, EOVERFLOW);
	th_finish(p->tar);
	/* libtar leaves blanks before the digits, which not every reader expects. */
	put_octal(h->chksum, sizeof h->chksum - 1, (uint64_t)th_crc_calc(p->tar));
	h->chksum[sizeof h->chksum - 1] = ' ';
	if (add(p, h, BLOCK) == -1 || add(p, data, len) == -1)
		return -1;
	return add(p, NULL, (BLOCK - len % BLOCK) % BLOCK);
}

int pack_finish(struct pack *p)
{
	if (p->error != 0)
		return fail(p, p->error);
	if (add(p, NULL, 2 * BLOCK) == -1 || add(p, NULL, (RECORD - p->total % RECORD) % RECORD) == -1)
		return -1;
	return flush(p, Z_FINISH);
}

void pack_free(struct pack *p)
{
	if (p == NULL)
		return;
	tar_close(p->tar);
	deflateEnd(&p->z);
	free(p);
}
