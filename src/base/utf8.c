/* SPDX-License-Identifier: ISC */
#include "base/utf8.h"

size_t utf8_get(const char *text, uint32_t *c)
{
	/* The least character that needs so many bytes: a longer form of a shorter one is none. */
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)text;
	size_t n = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf8 ? 4 : 0;

	if (n == 0 || *p == '\0')
		return 0;
	*c = n == 1 ? *p : *p & (0x7fu >> n);
	/* A NUL is no continuation, so nothing behind the end is read. */
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	return *c >= least[n] && *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff) ? n : 0;
}

bool utf8_is_plain(uint32_t c)
{
	static const uint32_t others[][2] = {
		{0, 0x1f}, {0x7f, 0x9f},	/* control characters */
		{0xad, 0xad}, {0x34f, 0x34f},	/* soft hyphen, grapheme joiner */
		{0x61c, 0x61c},			/* direction */
		{0x115f, 0x1160},		/* letters without ink */
		{0x17b4, 0x17b5}, {0x180b, 0x180f},
		{0x200b, 0x200f},		/* no width, direction */
		{0x2028, 0x202e},		/* ends of lines, direction */
		{0x2060, 0x206f},		/* no width, direction */
		{0x2800, 0x2800}, {0x3164, 0x3164},	/* without ink */
		{0xe000, 0xf8ff},		/* private use */
		{0xfdd0, 0xfdef},		/* no characters */
		{0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb},
		{0x13430, 0x1345f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
		{0xe0000, 0x10ffff},		/* tags, selectors, private use */
	};

	if ((c & 0xfffe) == 0xfffe)
		return false;
	for (size_t i = 0; i < sizeof others / sizeof others[0] && others[i][0] <= c; i++)
		if (c <= others[i][1])
			return false;
	return true;
}
