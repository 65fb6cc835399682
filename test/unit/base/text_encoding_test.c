/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/text_encoding.h"
#include "../tap.h"

/* Reads bytes as this encoding: the text, or "!" and the reason. */
static const char *as(enum text_encoding e, const char *bytes, size_t len)
{
	static char out[512];
	struct reason why = {.text = ""};
	struct buf b = {0};

	if (text_encoding_read(e, (const unsigned char *)bytes, len, &b, &why) == 0)
		snprintf(out, sizeof out, "%.*s", (int)b.len, (const char *)b.p);
	else
		snprintf(out, sizeof out, "!%s", why.text);
	buf_free(&b);
	return out;
}
#define AS(e, literal) as(e, literal, sizeof literal - 1)

static enum text_encoding guess(const char *bytes, size_t len)
{
	return text_encoding_guess((const unsigned char *)bytes, len);
}
#define GUESS(literal) guess(literal, sizeof literal - 1)

int main(void)
{
	static const char *const bad[] = {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\xaf",
	    "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82"};

	ok(GUESS("\xff\xfe" "a\0") == TEXT_UTF16LE && GUESS("\xfe\xff\0a") == TEXT_UTF16BE, "byte order marks of UTF-16");
	ok(GUESS("a\0b\0,\0") == TEXT_UTF16LE && GUESS("\0a\0b\0,") == TEXT_UTF16BE, "UTF-16 without them");
	ok(GUESS("device\n") == TEXT_UTF8 && GUESS("") == TEXT_UTF8 && GUESS("a\0bcdefg") == TEXT_UTF8, "else UTF-8");

	ok(strcmp(AS(TEXT_UTF8, "\xef\xbb\xbfZ\xc3\xbcrich \xf0\x9f\x93\x9e"), "Z\xc3\xbcrich \xf0\x9f\x93\x9e") == 0,
	    "UTF-8, without its mark");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ok(*as(TEXT_UTF8, bad[i], strlen(bad[i])) == '!', "no UTF-8: %zu", i);
	ok(strstr(AS(TEXT_UTF8, "a\nb\n\xfc"), "line 3: the byte 0xfc") != NULL, "the line and the byte are said");

	ok(strcmp(AS(TEXT_WINDOWS1252, "Z\xfcrich \x80 \x96"), "Z\xc3\xbcrich \xe2\x82\xac \xe2\x80\x93") == 0, "Windows-1252");
	ok(strcmp(AS(TEXT_WINDOWS1252, "a\n\x81"), "!line 2: Windows-1252 has no character 0x81") == 0, "what it lacks");

	ok(strcmp(AS(TEXT_UTF16LE, "\xff\xfeZ\0\xfc\0\xac\x20"), "Z\xc3\xbc\xe2\x82\xac") == 0, "UTF-16, little end first");
	ok(strcmp(AS(TEXT_UTF16BE, "\xfe\xff\0Z\0\xfc\x20\xac"), "Z\xc3\xbc\xe2\x82\xac") == 0, "UTF-16, big end first");
	ok(strcmp(AS(TEXT_UTF16LE, "\x3d\xd8\xde\xdc"), "\xf0\x9f\x93\x9e") == 0, "two halves of a character");
	ok(*AS(TEXT_UTF16LE, "\x3d\xd8") == '!' && *AS(TEXT_UTF16LE, "\xde\xdc") == '!' &&
	    *AS(TEXT_UTF16LE, "\x3d\xd8" "a\0") == '!', "not one half");
	ok(strstr(AS(TEXT_UTF16LE, "a\0b"), "cut off") != NULL, "an odd number of bytes");

	ok(text_encoding_named("UTF-8") == TEXT_UTF8 && text_encoding_named("cp1252") == TEXT_WINDOWS1252 &&
	    text_encoding_named("Utf-16BE") == TEXT_UTF16BE && text_encoding_named("latin9") == -1, "names");
	return tap_done();
}
