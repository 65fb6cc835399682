/* SPDX-License-Identifier: ISC */
/* Texts of spreadsheets: what is read is UTF-8, and read as such it is the same; a text of another encoding has as many
 * characters, and none is lost. The first byte says which encoding: 0 to 3, else the one that is guessed. */
#include "base/text_encoding.h"
#include "fuzz.h"

/* How many characters UTF-8 has; it is known to be that. */
static size_t characters(struct bytes text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += (text.p[i] & 0xc0) != 0x80;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = size > 0 ? copy(data + 1, size - 1) : NULL;
	struct buf out = {0}, again = {0};
	struct reason why = {.text = ""};
	enum text_encoding e;
	size_t len = size - 1;

	if (own == NULL)
		return 0;
	e = data[0] < 4 ? (enum text_encoding)data[0] : text_encoding_guess(own, len);
	law(e <= TEXT_WINDOWS1252 && text_encoding_named(text_encodings[e]) == (int)e);
	if (text_encoding_read(e, own, len, &out, &why) == 0) {
		struct bytes text = {out.p, out.len};

		law(why.text[0] == '\0');
		if (e == TEXT_WINDOWS1252)
			law(characters(text) == len);
		else if (e == TEXT_UTF8)
			law(text.len == len || (text.len + 3 == len && own[0] == 0xef));
		else
			law(characters(text) <= len / 2 && characters(text) >= (len > 0 ? (len / 2 - 1) / 2 : 0));
		/* A character in front: a second byte order mark is one like any other. */
		buf_put_u8(&again, 'x');
		buf_put(&again, out.p, out.len);
		out.len = 0;
		law(text_encoding_read(TEXT_UTF8, again.p, again.len, &out, &why) == 0);
		law(same((struct bytes){out.p, out.len}, (struct bytes){again.p, again.len}));
	} else {
		law(why.text[0] != '\0' && !why.trouble);
	}
	buf_free(&out);
	buf_free(&again);
	free(own);
	return 0;
}
