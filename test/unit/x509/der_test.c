/* SPDX-License-Identifier: ISC */
#include "../tap.h"
#include "x509/der.h"

/* Writes a body of so many bytes behind a byte that is not of the element, and reads it again. */
static void there_and_back(size_t len, size_t head, bool wrapped)
{
	struct buf b = {0};
	struct bytes in, body;
	unsigned char *text = calloc(1, len + 1);
	uint8_t tag = 0;
	bool same;

	must(text != NULL, "memory");
	for (size_t i = 0; i < len; i++)
		text[i] = (unsigned char)(i * 7);
	buf_put_u8(&b, 'x');
	if (wrapped) {
		buf_put(&b, text, len);
		der_wrap(&b, 1, DER_OCTET_STRING);
	} else {
		der_put(&b, DER_OCTET_STRING, text, len);
	}
	in = (struct bytes){b.p + 1, b.len - 1};
	same = !b.failed && b.p[0] == 'x' && b.len == 1 + head + len && der_take(&in, &tag, &body) && in.len == 0 &&
	    tag == DER_OCTET_STRING && body.len == len && (len == 0 || memcmp(body.p, text, len) == 0);
	ok(same, "%zu bytes %s, and read again", len, wrapped ? "made an element" : "in an element");
	buf_free(&b);
	free(text);
}

int main(void)
{
	static const struct { size_t len, head; } each[] = {{0, 2}, {1, 2}, {127, 2}, {128, 3}, {255, 3}, {256, 4},
	    {DER_PUT_MAX, 4}};
	static char much[DER_PUT_MAX + 1];
	struct buf b = {0};

	for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
		there_and_back(each[i].len, each[i].head, false);
		there_and_back(each[i].len, each[i].head, true);
	}
	der_put(&b, DER_OCTET_STRING, much, sizeof much);
	ok(b.failed, "not one byte more");
	buf_free(&b);
	buf_put(&b, much, sizeof much);
	der_wrap(&b, 0, DER_OCTET_STRING);
	ok(b.failed, "nor when it is there already");
	buf_free(&b);

	ok(der_is_sequence((struct bytes){(const unsigned char *)"\x30\x02xy", 4}), "a SEQUENCE");
	ok(!der_is_sequence((struct bytes){(const unsigned char *)"\x30\x02xyz", 5}) &&
	    !der_is_sequence((struct bytes){(const unsigned char *)"\x30\x02x", 3}) &&
	    !der_is_sequence((struct bytes){(const unsigned char *)"\x30\x81\x02xy", 5}) &&
	    !der_is_sequence((struct bytes){(const unsigned char *)"\x31\x02xy", 4}) &&
	    !der_is_sequence((struct bytes){NULL, 0}), "nothing else is one");
	return tap_done();
}
