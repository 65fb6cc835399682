/* SPDX-License-Identifier: ISC */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/text_encoding.h"

#define GUESS_BYTES 512		/* that are looked at for NULs */

const char *const text_encodings[] = {"UTF-8", "UTF-16LE", "UTF-16BE", "Windows-1252", NULL};

/* Where it differs from Latin-1: 0x80 to 0x9f. 0: no character. */
static const uint16_t windows1252[32] = {
	0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0,
	0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
};

int text_encoding_named(const char *name)
{
	static const struct {
		const char *name;
		enum text_encoding encoding;
	} known[] = {{"utf-8", TEXT_UTF8}, {"utf8", TEXT_UTF8}, {"utf-16", TEXT_UTF16LE}, {"utf16", TEXT_UTF16LE},
	    {"utf-16le", TEXT_UTF16LE}, {"utf-16be", TEXT_UTF16BE}, {"windows-1252", TEXT_WINDOWS1252},
	    {"cp1252", TEXT_WINDOWS1252}, {"ansi", TEXT_WINDOWS1252}};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcasecmp(known[i].name, name) == 0)
			return (int)known[i].encoding;
	return -1;
}

enum text_encoding text_encoding_guess(const unsigned char *p, size_t len)
{
	size_t nul[2] = {0}, pairs = (len < GUESS_BYTES ? len : GUESS_BYTES) / 2;

	if (len >= 2 && p[0] == 0xff && p[1] == 0xfe)
		return TEXT_UTF16LE;
	if (len >= 2 && p[0] == 0xfe && p[1] == 0xff)
		return TEXT_UTF16BE;
	for (size_t i = 0; i < 2 * pairs; i++)
		nul[i % 2] += p[i] == 0;
	/* Headings are ASCII for the most part. */
	if (pairs > 0 && nul[0] == 0 && 2 * nul[1] > pairs)
		return TEXT_UTF16LE;
	if (pairs > 0 && nul[1] == 0 && 2 * nul[0] > pairs)
		return TEXT_UTF16BE;
	return TEXT_UTF8;
}

static void put(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_put_u8(out, (uint8_t)c);
		return;
	}
	if (c < 0x800) {
		buf_put_u8(out, (uint8_t)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_put_u8(out, (uint8_t)(0xe0 | c >> 12));
		} else {
			buf_put_u8(out, (uint8_t)(0xf0 | c >> 18));
			buf_put_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		}
		buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
}

/* How many bytes the UTF-8 character at p has, RFC 3629: the shortest form, no surrogates. 0: it is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	size_t len = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 :
	    *p >= 0xf0 && *p < 0xf5 ? 4 : 0;

	if (len == 0 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
	    (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static int read_utf8(const unsigned char *p, size_t len, size_t *line, struct buf *out, struct reason *why)
{
	size_t start = len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	for (size_t at = start, n; at < len; at += n) {
		if ((n = utf8_length(p + at, len - at)) == 0)
			return reason_set(why, "line %zu: the byte 0x%02x is no UTF-8; try --encoding windows-1252, "
			    "as older spreadsheets save it", *line, p[at]);
		*line += p[at] == '\n';
	}
	buf_put(out, p + start, len - start);
	return 0;
}

static int read_utf16(const unsigned char *p, size_t len, bool big, size_t *line, struct buf *out,
    struct reason *why)
{
	uint32_t high = 0;

	if (len % 2 != 0)
		return reason_set(why, "is cut off: UTF-16 has an even number of bytes");
	for (size_t at = 0; at < len; at += 2) {
		uint32_t c = (uint32_t)(p[at + !big] << 8 | p[at + big]);
		bool low = c >= 0xdc00 && c < 0xe000;

		if (at == 0 && c == 0xfeff)
			continue;
		if ((high != 0) != low)
			return reason_set(why, "line %zu: is no UTF-16", *line);
		if (c >= 0xd800 && c < 0xdc00) {
			high = c;
			continue;
		}
		put(out, low ? 0x10000 + ((high - 0xd800) << 10) + (c - 0xdc00) : c);
		high = 0;
		*line += c == '\n';
	}
	return high == 0 ? 0 : reason_set(why, "line %zu: is no UTF-16", *line);
}

static int read_windows1252(const unsigned char *p, size_t len, size_t *line, struct buf *out, struct reason *why)
{
	for (size_t at = 0; at < len; at++) {
		uint32_t c = p[at] >= 0x80 && p[at] < 0xa0 ? windows1252[p[at] - 0x80] : p[at];

		if (c == 0 && p[at] != 0)
			return reason_set(why, "line %zu: Windows-1252 has no character 0x%02x", *line, p[at]);
		put(out, c);
		*line += c == '\n';
	}
	return 0;
}

int text_encoding_read(enum text_encoding encoding, const unsigned char *p, size_t len, struct buf *out,
    struct reason *why)
{
	size_t line = 1;
	int result = -1;

	switch (encoding) {
	case TEXT_UTF8:
		result = read_utf8(p, len, &line, out, why);
		break;
	case TEXT_UTF16LE:
	case TEXT_UTF16BE:
		result = read_utf16(p, len, encoding == TEXT_UTF16BE, &line, out, why);
		break;
	case TEXT_WINDOWS1252:
		result = read_windows1252(p, len, &line, out, why);
		break;
	}
	return result == 0 && out->failed ? reason_memory(why) : result;
}
