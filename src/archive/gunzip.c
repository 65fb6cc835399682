/* SPDX-License-Identifier: ISC */
/* libarchive can inflate too, but its filter checks no checksum, can be made to loop for ever, and unwraps a gzip in a
 * gzip. */
#define ZLIB_CONST
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "archive/gunzip.h"
#include "base/fileio.h"

/* A small archive is mostly zero padding, so its ratio says nothing. */
#define RATIO_FROM ((uint64_t)1 << 20)
/* Hosts with files of fixed records fill the last one with NULs when they store a file from FTP; the largest records
 * have 32,760 bytes. Anything else behind a gzip is refused. */
#define MAX_PADDING ((uint64_t)32 * 1024)

struct gunzip {
	int fd;
	uint64_t most, ratio;

	unsigned char *in;
	size_t in_cap;
	struct bytes left;	/* read into in, and not yet used */
	uint64_t in_total;
	bool in_end;

	bool started, packed;
	bool in_member, behind_member;	/* a gzip has one or several */
	z_stream z;

	uint64_t out_total;
	bool end;		/* nothing more comes out */
	unsigned char out[GUNZIP_BYTES];
};

/* The system failed, which says nothing about the archive. */
static int trouble(struct reason *why, int error)
{
	reason_trouble(why, "cannot be read: %s", strerror(error));
	errno = error;
	return -1;
}

/* Reads more behind the few bytes that are left. */
static int fill(struct gunzip *g, struct reason *why)
{
	size_t have = g->left.len;
	ssize_t n;

	memmove(g->in, g->left.p, have);
	if ((n = fileio_read_full(g->fd, g->in + have, g->in_cap - have)) < 0)
		return trouble(why, errno);
	g->in_end = (size_t)n < g->in_cap - have;
	g->in_total += (size_t)n;
	g->left = (struct bytes){g->in, have + (size_t)n};
	return 0;
}

/* Reads when nothing is left, unless that was the end of the file. */
static int want(struct gunzip *g, struct reason *why)
{
	return g->left.len > 0 || g->in_end ? 0 : fill(g, why);
}

/* The rest of the file, after the last member: nothing, or a few NULs. */
static int end_of_gzip(struct gunzip *g, struct reason *why)
{
	uint64_t n = 0;

	for (;;) {
		n += g->left.len;
		if (n > MAX_PADDING || !bytes_all_zero(g->left))
			return reason_set(why, "has junk behind the end of the gzip");
		g->left.len = 0;
		if (g->in_end)
			break;
		if (fill(g, why) != 0)
			return -1;
	}
	g->end = true;
	return 0;
}

/* Goes on in the member at hand. */
static int inflate_member(struct gunzip *g, struct reason *why)
{
	int r;

	g->z.next_in = g->left.p;
	g->z.avail_in = (unsigned)g->left.len;
	r = inflate(&g->z, Z_NO_FLUSH);
	g->left = (struct bytes){g->z.next_in, g->z.avail_in};
	if (r == Z_STREAM_END) {
		g->in_member = false;
		g->behind_member = true;
		return 0;
	}
	if (r == Z_MEM_ERROR)
		return trouble(why, ENOMEM);
	if (r != Z_OK && r != Z_BUF_ERROR)
		return reason_set(why, "is damaged: gzip: %s", g->z.msg != NULL ? g->z.msg : "invalid data");
	return 0;
}

/* Both fill out, or set end; *len is what is in it. */

static int inflate_out(struct gunzip *g, size_t *len, struct reason *why)
{
	g->z.next_out = g->out;
	g->z.avail_out = GUNZIP_BYTES;
	while (g->z.avail_out > 0) {
		if (want(g, why) != 0)
			return -1;
		if (!g->in_member) {
			if (g->left.len == 0 || (g->behind_member && *g->left.p != 0x1f)) {
				if (end_of_gzip(g, why) != 0)
					return -1;
				break;
			}
			inflateReset(&g->z);
			g->in_member = true;
		}
		if (g->left.len == 0)
			return reason_set(why, "is cut off: the gzip has no end");
		if (inflate_member(g, why) != 0)
			return -1;
	}
	*len = GUNZIP_BYTES - g->z.avail_out;
	return 0;
}

static int copy_out(struct gunzip *g, size_t *len, struct reason *why)
{
	const unsigned char *p;
	size_t n;

	for (*len = 0; *len < GUNZIP_BYTES; *len += n) {
		if (want(g, why) != 0)
			return -1;
		n = GUNZIP_BYTES - *len < g->left.len ? GUNZIP_BYTES - *len : g->left.len;
		if (n == 0) {
			g->end = true;
			break;
		}
		bytes_get(&g->left, &p, n);
		memcpy(g->out + *len, p, n);
	}
	return 0;
}

/* Looks at the first bytes. */
static int start(struct gunzip *g, struct reason *why)
{
	g->started = true;
	if (g->left.len < 2 && fill(g, why) != 0)
		return -1;
	if (g->left.len == 0)
		return reason_set(why, "is empty");
	g->packed = gunzip_looks_like(g->left);
	/* 16: gzip, and no other wrapping. */
	return g->packed && inflateInit2(&g->z, 16 + MAX_WBITS) != Z_OK ? trouble(why, ENOMEM) : 0;
}

struct gunzip *gunzip_open(int fd, struct bytes head, uint64_t most, uint64_t ratio)
{
	struct gunzip *g = calloc(1, sizeof *g);

	if (g == NULL)
		return NULL;
	g->in_cap = head.len > GUNZIP_BYTES ? head.len : GUNZIP_BYTES;
	if ((g->in = malloc(g->in_cap)) == NULL) {
		gunzip_close(g);
		return NULL;
	}
	g->fd = fd;
	g->most = most;
	g->ratio = ratio;
	if (head.len > 0)
		memcpy(g->in, head.p, head.len);
	g->left = (struct bytes){g->in, head.len};
	g->in_total = head.len;
	return g;
}

int gunzip_next(struct gunzip *g, struct bytes *out, struct reason *why)
{
	size_t len = 0;

	*out = (struct bytes){g->out, 0};
	if (g->end)
		return 0;
	if ((!g->started && start(g, why) != 0) ||
	    (g->packed ? inflate_out(g, &len, why) : copy_out(g, &len, why)) != 0)
		return -1;
	g->out_total += len;
	if (g->out_total > g->most)
		return reason_set(why, "is larger than %" PRIu64 " bytes unpacked", g->most);
	if (g->packed && g->out_total > RATIO_FROM &&
	    g->out_total / (g->in_total - g->left.len) > g->ratio)
		return reason_set(why, "unpacks to more than %" PRIu64 " times its size", g->ratio);
	*out = (struct bytes){g->out, len};
	if (g->packed && g->out_total == len && gunzip_looks_like(*out))
		return reason_set(why, "is a gzip inside a gzip");
	return len > 0;
}

void gunzip_close(struct gunzip *g)
{
	if (g == NULL)
		return;
	inflateEnd(&g->z);	/* harmless before inflateInit2 */
	free(g->in);
	free(g);
}

bool gunzip_was_gzip(const struct gunzip *g)
{
	return g->packed;
}

bool gunzip_looks_like(struct bytes b)
{
	return b.len >= 2 && b.p[0] == 0x1f && b.p[1] == 0x8b;
}
