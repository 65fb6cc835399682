/* SPDX-License-Identifier: ISC */
/* libtar makes the header blocks. The digits in them are ours: libtar's numbers are int, and have blanks before them,
 * which not every reader expects. */
#include <errno.h>
#include <fcntl.h>
#include <libtar.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/ustar.h"

#define BLOCK ((size_t)512)

struct maker {
	TAR *tar;
	tartype_t type;
	struct ustar_sink sink;
};

static int no_close(int fd)
{
	(void)fd;
	return 0;
}

static void *maker_open(const struct ustar_sink *sink)
{
	struct maker *m = calloc(1, sizeof *m);

	if (m == NULL)
		return NULL;
	m->sink = *sink;
	m->type.closefunc = no_close;
	/* It only fills in headers for us: there is no file behind it. */
	if (tar_fdopen(&m->tar, -1, "", &m->type, O_WRONLY, 0, 0) == -1) {
		free(m);
		errno = ENOMEM;
		return NULL;
	}
	return m;
}

/* So many digits, and behind them what libarchive has there: a blank, and a NUL where there is room. */
static void put_octal(char *field, size_t digits, size_t size, uint64_t n)
{
	if (digits < size)
		field[digits] = ' ';
	while (digits > 0) {
		field[--digits] = (char)('0' + (n & 7));
		n >>= 3;
	}
}

static int maker_put(void *arg, const char *name, time_t mtime, const void *data, size_t len)
{
	struct maker *m = arg;
	struct tar_header *h = &m->tar->th_buf;

	memset(h, 0, sizeof *h);
	/* First these two: they tell libtar that the path gets no slash at its end. */
	put_octal(h->mode, 6, sizeof h->mode, 0644);
	th_set_type(m->tar, S_IFREG);
	th_set_path(m->tar, name);
	put_octal(h->uid, 6, sizeof h->uid, 0);
	put_octal(h->gid, 6, sizeof h->gid, 0);
	put_octal(h->mtime, 11, sizeof h->mtime, (uint64_t)mtime);
	put_octal(h->size, 11, sizeof h->size, len);
	put_octal(h->devmajor, 6, sizeof h->devmajor, 0);
	put_octal(h->devminor, 6, sizeof h->devminor, 0);
	th_finish(m->tar);
	/* A NUL, then a blank, in this field alone. */
	put_octal(h->chksum, 6, 6, (uint64_t)th_crc_calc(m->tar));
	h->chksum[6] = '\0';
	h->chksum[7] = ' ';
	if (m->sink.put(m->sink.to, h, BLOCK) == -1 || m->sink.put(m->sink.to, data, len) == -1)
		return -1;
	return m->sink.put(m->sink.to, NULL, (BLOCK - len % BLOCK) % BLOCK);
}

static int maker_end(void *arg)
{
	struct maker *m = arg;

	return m->sink.put(m->sink.to, NULL, 2 * BLOCK);
}

static void maker_free(void *arg)
{
	struct maker *m = arg;

	tar_close(m->tar);
	free(m);
}

const struct ustar_writer ustar_libtar = {maker_open, maker_put, maker_end, maker_free};
