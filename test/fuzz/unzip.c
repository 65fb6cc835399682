/* SPDX-License-Identifier: ISC */
/* The reader of zips. The first byte says: 1: not flat; 2: low limits; 4: each record's checksum and sizes are mended,
 * so that they do not keep the bytes from the rest. The answer may not depend on how many bytes come at once, and what
 * is accepted is what both of libarchive's readers see, the one that goes by the entries and the one that goes by the
 * directory. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "archive/unzip.h"
#include "fuzz.h"

struct outcome {
	enum untar_result result;
	size_t items, refused, bytes;
	bool ascii;		/* all names: others libarchive writes in the charset of the locale */
	unsigned long sum;	/* over names and data of all that is a file, in their order */
	unsigned long all;	/* over results, names and data */
	struct reason why;
};

static unsigned long add(unsigned long sum, const void *p, size_t len)
{
	return len > 0 ? crc32(sum, p, (unsigned)len) : sum;
}

static void check_name(const char *name, bool flat)
{
	size_t len = strlen(name);

	law(len > 0 && len <= 255 && *name != '/' && strchr(name, '\\') == NULL);
	law(!flat || strchr(name, '/') == NULL);
	law(strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0 && strstr(name, "/../") == NULL);
	for (const char *p = name; *p != '\0'; p++)
		law((unsigned char)*p >= ' ' && *p != 0x7f);
}

static struct outcome read_all(struct bytes in, size_t head, bool flat, const struct untar_limits *limits)
{
	struct outcome o = {.result = UNTAR_END, .ascii = true};
	struct untar_item item;
	struct unzip *r;
	static int fd = -1;

	if (fd < 0)
		law((fd = memfd_create("fuzz", MFD_CLOEXEC)) >= 0);
	law(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	law(pwrite(fd, in.p + head, in.len - head, 0) == (ssize_t)(in.len - head));
	law((r = unzip_open(fd, in.p, head, flat, limits)) != NULL);
	while ((o.result = unzip_next(r, &item, &o.why)) == UNTAR_ITEM || o.result == UNTAR_REFUSED) {
		o.all = add(add(o.all, &o.result, sizeof o.result), item.name, strlen(item.name));
		o.all = add(o.all, item.data, item.len);
		if (o.result == UNTAR_REFUSED) {
			law(item.data == NULL && o.why.text[0] != '\0');
			o.refused++;
			continue;
		}
		check_name(item.name, flat);
		for (const char *p = item.name; *p != '\0'; p++)
			o.ascii = o.ascii && (unsigned char)*p < 0x80;
		law(item.len > 0 && item.len <= limits->entry_bytes);
		o.sum = add(add(o.sum, item.name, strlen(item.name)), item.data, item.len);
		o.items++;
		o.bytes += item.len;
		law(o.items + o.refused <= limits->entries && o.bytes <= limits->total_bytes);
	}
	law(o.result == UNTAR_END || o.result == UNTAR_DAMAGED);
	law(o.result == UNTAR_END ? o.items + o.refused > 0 : o.why.text[0] != '\0');
	law(unzip_next(r, &item, &o.why) == o.result);
	unzip_close(r);
	return o;
}

/* The same by libarchive, without the directories. */
static void compare(struct bytes in, const struct outcome *o, int (*format)(struct archive *))
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	unsigned long sum = 0;
	size_t items = 0;
	static unsigned char data[65536];

	law(a != NULL && format(a) == ARCHIVE_OK && archive_read_open_memory(a, in.p, in.len) == ARCHIVE_OK);
	while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(e);
		la_ssize_t n;

		law(name != NULL);
		if (archive_entry_filetype(e) == AE_IFDIR)
			continue;
		law((n = archive_read_data(a, data, sizeof data)) >= 0);
		if (strncmp(name, "./", 2) == 0)
			name += 2;
		sum = add(add(sum, name, strlen(name)), data, (size_t)n);
		items++;
	}
	law(items == o->items && sum == o->sum);
	archive_read_free(a);
}

/* Entries without sizes behind them: their checksum and sizes become those of stored data. */
static void mend(unsigned char *p, size_t len)
{
	for (size_t i = 0; i + 30 <= len; i++) {
		uint32_t size, crc;
		size_t data;

		if (memcmp(p + i, "PK\3\4", 4) != 0 || p[i + 8] != 0)
			continue;
		memcpy(&size, p + i + 18, sizeof size);
		data = i + 30 + p[i + 26] + 256u * p[i + 27] + p[i + 28] + 256u * p[i + 29];
		if (data > len || size > len - data)
			continue;
		crc = (uint32_t)crc32(0, p + data, size);
		memcpy(p + i + 14, &crc, sizeof crc);
		memcpy(p + i + 22, &size, sizeof size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct untar_limits limits = untar_limits_default;
	struct bytes in = {data, size};
	uint8_t how = take(&in);
	unsigned char *own = copy(in.p, in.len);
	struct outcome whole, cut;
	size_t half;

	if ((how & 2) != 0)
		limits = (struct untar_limits){.entries = 3, .entry_bytes = 1000, .total_bytes = 16384, .ratio = 2};
	if ((how & 4) != 0)
		mend(own, in.len);
	in.p = own;
	whole = read_all(in, in.len, (how & 1) == 0, &limits);
	half = in.len > 0 ? in.p[in.len - 1] * in.len / 256 : 0;
	cut = read_all(in, half, (how & 1) == 0, &limits);
	law(whole.result == cut.result && whole.items == cut.items && whole.refused == cut.refused &&
	    whole.all == cut.all);
	law(whole.result != UNTAR_DAMAGED || strcmp(whole.why.text, cut.why.text) == 0);
	if (whole.result == UNTAR_END && whole.refused == 0 && whole.ascii) {
		compare(in, &whole, archive_read_support_format_zip_streamable);
		compare(in, &whole, archive_read_support_format_zip_seekable);
	}
	free(own);
	return 0;
}
