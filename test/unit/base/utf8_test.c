/* SPDX-License-Identifier: ISC */
/* UTF-8, its false forms, and the characters that are not what they seem. Prints TAP. */
#include "base/utf8.h"
#include "../tap.h"

static void is(const char *text, size_t want, uint32_t want_c, const char *what)
{
	uint32_t c = 0;
	size_t n = utf8_get(text, &c);

	ok(n == want && (n == 0 || c == want_c), "%s", what);
}

int main(void)
{
	static const uint32_t plain[] = {' ', '~', 0xa0, 0xe9, 0x301, 0x3042, 0x200a, 0x2026, 0x1f600, 0x20000};
	static const uint32_t other[] = {0, 9, 10, 0x1b, 0x7f, 0x85, 0x9b, 0xad, 0x61c, 0x200b, 0x200d, 0x200e, 0x2028,
	    0x202a, 0x202e, 0x2066, 0x2069, 0x3164, 0xe000, 0xfdd0, 0xfe0f, 0xfeff, 0xfffe, 0x1ffff, 0xe0001, 0xe0041,
	    0x10ffff};

	is("a", 1, 'a', "ASCII");
	is("\xc3\xa9", 2, 0xe9, "two bytes");
	is("\xe2\x80\xae", 3, 0x202e, "three bytes");
	is("\xf0\x9f\x98\x80", 4, 0x1f600, "four bytes");
	is("\xf4\x8f\xbf\xbf", 4, 0x10ffff, "the last character");
	is("", 0, 0, "the end");
	is("\x80", 0, 0, "a continuation alone");
	is("\xc3", 0, 0, "cut after one byte");
	is("\xf0\x9f\x98", 0, 0, "cut after three");
	is("\xc3(", 0, 0, "no continuation");
	is("\xc0\xaf", 0, 0, "a longer form of a slash");
	is("\xc1\xbf", 0, 0, "a longer form of DEL");
	is("\xe0\x9f\xbf", 0, 0, "a longer form in three bytes");
	is("\xf0\x8f\xbf\xbf", 0, 0, "a longer form in four");
	is("\xed\xa0\x80", 0, 0, "half of a pair of UTF-16");
	is("\xed\x9f\xbf", 3, 0xd7ff, "the one before");
	is("\xf4\x90\x80\x80", 0, 0, "behind the last character");
	is("\xf8\x88\x80\x80\x80", 0, 0, "five bytes");
	is("\xff", 0, 0, "no beginning of anything");
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		ok(utf8_is_plain(plain[i]), "U+%04X shows itself", (unsigned)plain[i]);
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		ok(!utf8_is_plain(other[i]), "U+%04X does not", (unsigned)other[i]);
	return tap_done();
}
