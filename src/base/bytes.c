/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

bool bytes_get(struct bytes *b, const unsigned char **out, size_t len)
{
	if (len > b->len)
		return false;
	*out = b->p;
	b->p += len;
	b->len -= len;
	return true;
}

static bool get_number(struct bytes *b, size_t width, uint64_t *out)
{
	const unsigned char *p;
	uint64_t n = 0;

	if (!bytes_get(b, &p, width))
		return false;
	for (size_t i = 0; i < width; i++)
		n = n << 8 | p[i];
	*out = n;
	return true;
}

bool bytes_get_u8(struct bytes *b, uint8_t *out)
{
	uint64_t n;

	if (!get_number(b, sizeof *out, &n))
		return false;
	*out = (uint8_t)n;
	return true;
}

bool bytes_get_u32(struct bytes *b, uint32_t *out)
{
	uint64_t n;

	if (!get_number(b, sizeof *out, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

bool bytes_get_u64(struct bytes *b, uint64_t *out)
{
	return get_number(b, sizeof *out, out);
}

bool bytes_get_copy(struct bytes *b, void *out, size_t len)
{
	const unsigned char *p;

	if (!bytes_get(b, &p, len))
		return false;
	memcpy(out, p, len);
	return true;
}

bool bytes_get_sized(struct bytes *b, const unsigned char **out, size_t *len)
{
	struct bytes at = *b;
	uint32_t n;

	if (!bytes_get_u32(&at, &n) || !bytes_get(&at, out, n))
		return false;
	*len = n;
	*b = at;
	return true;
}

bool bytes_get_text(struct bytes *b, char *out, size_t size)
{
	struct bytes at = *b;
	const unsigned char *p;
	size_t len;

	if (!bytes_get_sized(&at, &p, &len) || len >= size || (len > 0 && memchr(p, '\0', len) != NULL))
		return false;
	memcpy(out, p, len);
	out[len] = '\0';
	*b = at;
	return true;
}

bool bytes_all_zero(struct bytes b)
{
	return b.len == 0 || (b.p[0] == 0 && memcmp(b.p, b.p + 1, b.len - 1) == 0);
}

void buf_put(struct buf *b, const void *p, size_t len)
{
	if (b->failed || len == 0)
		return;
	if (len > b->cap - b->len) {
		size_t cap = b->cap > 0 ? b->cap : 256;
		unsigned char *grown;

		while (cap - b->len < len) {
			if (cap > SIZE_MAX / 2) {
				b->failed = true;
				return;
			}
			cap *= 2;
		}
		if ((grown = realloc(b->p, cap)) == NULL) {
			b->failed = true;
			return;
		}
		b->p = grown;
		b->cap = cap;
	}
	memcpy(b->p + b->len, p, len);
	b->len += len;
}

static void put_number(struct buf *b, uint64_t n, size_t width)
{
	unsigned char out[sizeof n];

	for (size_t i = width; i-- > 0; n >>= 8)
		out[i] = n & 0xff;
	buf_put(b, out, width);
}

void buf_put_u8(struct buf *b, uint8_t n)
{
	put_number(b, n, sizeof n);
}

void buf_put_u32(struct buf *b, uint32_t n)
{
	put_number(b, n, sizeof n);
}

void buf_put_u64(struct buf *b, uint64_t n)
{
	put_number(b, n, sizeof n);
}

void buf_put_sized(struct buf *b, const void *p, size_t len)
{
	if (len > UINT32_MAX) {
		b->failed = true;
		return;
	}
	buf_put_u32(b, (uint32_t)len);
	buf_put(b, p, len);
}

void buf_put_text(struct buf *b, const char *text)
{
	buf_put_sized(b, text, strlen(text));
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}

void bytes_hex(const unsigned char *p, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool bytes_unhex(const char *text, size_t len, unsigned char *out)
{
	for (size_t i = 0; i < len; i++) {
		int high = digit(text[2 * i]);
		int low = high < 0 ? -1 : digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}
