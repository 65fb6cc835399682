/* SPDX-License-Identifier: ISC */
/* The reader of archives, and the writer. The first byte says how the rest becomes an archive, so that checksums do
 * not keep the bytes from the parsers: 1: each tar header gets the right one; 2: packed by gzip;
 * 4: not flat; 8: two members; 16: low limits. The answer may not depend on how many bytes come at
 * once, what is accepted has a legal name, and can be written and read again. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "archive/tgz.h"
#include "archive/untar.h"
#include "fuzz.h"

#define BLOCK 512
#define MAX_ROUND_TRIP 65536

/* What reading an archive to its end gave. */
struct outcome {
	enum untar_result result;
	size_t items, refused, bytes;
	unsigned long sum;	/* over results, names and data */
	bool plain;		/* every name fits into a header of our own */
	struct reason why;
};

static void check_name(const char *name, bool flat)
{
	size_t len = strlen(name);

	law(len > 0 && len <= 255 && *name != '/' && strchr(name, '\\') == NULL);
	law(!flat || strchr(name, '/') == NULL);
	law(strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0 &&
	    strstr(name, "/../") == NULL);
	law(len < 3 || strcmp(name + len - 3, "/..") != 0);
	for (const char *p = name; *p != '\0'; p++)
		law((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void add(struct outcome *o, const void *p, size_t len)
{
	if (len > 0)
		o->sum = crc32(o->sum, p, (unsigned)len);
}

/* Reads it all; what is accepted goes to w as well, unless that is NULL. */
static struct outcome read_all(struct bytes in, size_t head, bool flat,
    const struct untar_limits *limits, struct tgz *w)
{
	struct outcome o = {.plain = true};
	static int fd = -1;
	struct untar *r;
	struct untar_item item;

	if (fd < 0)
		law((fd = memfd_create("fuzz", MFD_CLOEXEC)) >= 0);
	law(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	law(pwrite(fd, in.p + head, in.len - head, 0) == (ssize_t)(in.len - head));
	law((r = untar_open(fd, in.p, head, flat, limits)) != NULL);
	while ((o.result = untar_next(r, &item, &o.why)) == UNTAR_ITEM ||
	    o.result == UNTAR_REFUSED) {
		law(item.name != NULL);
		add(&o, &o.result, sizeof o.result);
		add(&o, item.name, strlen(item.name));
		if (o.result == UNTAR_REFUSED) {
			law(item.data == NULL && o.why.text[0] != '\0');
			o.refused++;
			continue;
		}
		check_name(item.name, flat);
		law(item.len > 0 && item.len <= limits->entry_bytes);
		add(&o, item.data, item.len);
		o.items++;
		o.bytes += item.len;
		o.plain = o.plain && strlen(item.name) < 100 && strchr(item.name, '/') == NULL;
		law(o.items + o.refused <= limits->entries && o.bytes <= limits->total_bytes);
		if (w != NULL)
			law(tgz_put(w, item.name, 0, item.data, item.len) == 0);
	}
	law(o.result == UNTAR_END || o.result == UNTAR_DAMAGED);
	law(o.result == UNTAR_END ? o.items + o.refused > 0 || !flat : o.why.text[0] != '\0');
	law(untar_next(r, &item, &o.why) == o.result);
	untar_close(r);
	return o;
}

static bool same_outcome(const struct outcome *a, const struct outcome *b)
{
	return a->result == b->result && a->items == b->items && a->refused == b->refused &&
	    a->sum == b->sum &&
	    (a->result != UNTAR_DAMAGED || strcmp(a->why.text, b->why.text) == 0);
}

/* What was accepted makes an archive in which everything is accepted. */
static void round_trip(struct bytes in, const struct outcome *o, bool flat)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct tgz *w = tgz_open(fd, 1);
	struct outcome first, again;
	struct bytes packed;
	unsigned char *p;

	law(fd >= 0 && w != NULL);
	first = read_all(in, in.len, flat, &untar_limits_default, w);
	law(tgz_finish(w) == 0);
	tgz_free(w);
	packed.len = (size_t)lseek(fd, 0, SEEK_END);
	packed.p = p = malloc(packed.len);
	law(p != NULL && pread(fd, p, packed.len, 0) == (ssize_t)packed.len);
	close(fd);
	again = read_all(packed, packed.len, true, &untar_limits_default, NULL);
	law(again.result == UNTAR_END && again.items == o->items && again.refused == 0);
	law(first.refused > 0 || again.sum == o->sum);
	free(p);
}

static void fix_checksums(unsigned char *p, size_t len)
{
	for (; len >= BLOCK; p += BLOCK, len -= BLOCK) {
		unsigned sum = 0;

		if (memcmp(p + 257, "ustar", 5) != 0)
			continue;
		memset(p + 148, ' ', 8);
		for (size_t i = 0; i < BLOCK; i++)
			sum += p[i];
		snprintf((char *)p + 148, 7, "%06o", sum);
	}
}

static size_t gzip(const unsigned char *p, size_t len, unsigned char *out, size_t room)
{
	static z_stream z;
	static bool ready;

	if (!ready)
		law(deflateInit2(&z, 1, Z_DEFLATED, 16 + 9, 1, Z_DEFAULT_STRATEGY) == Z_OK);
	ready = true;
	law(deflateReset(&z) == Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)p;
	z.avail_in = (unsigned)len;
	z.next_out = out;
	z.avail_out = (unsigned)room;
	law(deflate(&z, Z_FINISH) == Z_STREAM_END);
	return room - z.avail_out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct untar_limits limits = untar_limits_default;
	struct bytes in = {data, size};
	uint8_t how = take(&in);
	unsigned char *own = copy(in.p, in.len), *packed = NULL;
	struct outcome whole, cut;
	size_t half;

	if ((how & 16) != 0)
		limits = (struct untar_limits){.entries = 3, .entry_bytes = 1000,
		    .total_bytes = 16384, .ratio = 2};
	if ((how & 1) != 0)
		fix_checksums(own, in.len);
	in.p = own;
	if ((how & 2) != 0) {
		size_t room = in.len * 2 + 2048;

		half = (how & 8) != 0 ? in.len / 2 : in.len;
		law((packed = malloc(room)) != NULL);
		in.len = gzip(own, half, packed, room);
		if ((how & 8) != 0)
			in.len += gzip(own + half, size - 1 - half, packed + in.len, room - in.len);
		in.p = packed;
	}
	whole = read_all(in, in.len, (how & 4) == 0, &limits, NULL);
	half = in.len > 0 ? in.p[in.len - 1] * in.len / 256 : 0;
	cut = read_all(in, half, (how & 4) == 0, &limits, NULL);
	law(same_outcome(&whole, &cut));
	if (whole.result == UNTAR_END && whole.items > 0 && whole.plain && (how & 16) == 0 &&
	    whole.bytes <= MAX_ROUND_TRIP)
		round_trip(in, &whole, (how & 4) == 0);
	free(packed);
	free(own);
	return 0;
}
