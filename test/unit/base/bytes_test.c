/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/bytes.h"
#include "base/utc.h"
#include "quarantine/verdict.h"
#include "../tap.h"

static void cursor(void)
{
	static const unsigned char in[] = {1, 0, 0, 0, 2, 'h', 'i', 0, 0, 0, 9, 'x'};
	struct bytes b = {in, sizeof in};
	const unsigned char *p;
	uint8_t one;
	uint64_t eight;
	char text[3];
	size_t len;

	ok(bytes_get_u8(&b, &one) && one == 1, "a byte");
	ok(bytes_get_text(&b, text, sizeof text) && strcmp(text, "hi") == 0, "a text");
	ok(!bytes_get_sized(&b, &p, &len) && b.len == 5, "a length past the end moves nothing");
	ok(!bytes_get_u64(&b, &eight) && b.len == 5, "nor does a number");
	b = (struct bytes){in + 1, 6};
	ok(!bytes_get_text(&b, text, 2) && b.len == 6, "nor a text that does not fit");
	b = (struct bytes){(const unsigned char *)"\0\0\0\1\0", 5};
	ok(!bytes_get_text(&b, text, sizeof text) && b.len == 5, "nor a text with a NUL");
	ok(bytes_all_zero((struct bytes){NULL, 0}) && bytes_all_zero((struct bytes){in + 1, 3}) &&
	    !bytes_all_zero((struct bytes){in + 1, 4}) && !bytes_all_zero((struct bytes){in, 4}),
	    "nothing but NULs");
}

static void hex(void)
{
	unsigned char out[3];
	char text[7];

	bytes_hex((const unsigned char *)"\x00\xab\xff", 3, text);
	ok(strcmp(text, "00abff") == 0, "to hex");
	ok(bytes_unhex(text, 3, out) && memcmp(out, "\x00\xab\xff", 3) == 0, "and back");
	ok(!bytes_unhex("00ABff", 3, out) && !bytes_unhex("00abf", 3, out), "lower case and whole only");
}

/* Every verdict survives the way through the pipe; every cut and every changed length is noticed. */
static void verdicts(void)
{
	static const unsigned char der[] = {0x30, 0x03, 0x02, 0x01, 0x05};
	struct verdict v = {.good = true, .entry = "a\nb", .reason = {.text = "remark"}, .read = true,
	    .facts = {.cn = "SEP001122334455", .serial = "0a", .not_after = 1800000000, .der = der,
	    .der_len = sizeof der}}, w;
	struct buf b = {0};
	bool cut = false;

	memset(v.facts.spki, 7, sizeof v.facts.spki);
	memset(v.facts.digest, 9, sizeof v.facts.digest);
	verdict_encode(&v, &b);
	ok(verdict_decode((struct bytes){b.p, b.len}, &w) && w.good && w.read &&
	    strcmp(w.entry, v.entry) == 0 && strcmp(w.reason.text, "remark") == 0 &&
	    memcmp(w.facts.spki, v.facts.spki, sizeof w.facts.spki) == 0 && memcmp(w.facts.digest, v.facts.digest, 32) == 0 &&
	    strcmp(w.facts.cn, v.facts.cn) == 0 && strcmp(w.facts.serial, "0a") == 0 && w.facts.not_after == v.facts.not_after &&
	    w.facts.der_len == sizeof der && memcmp(w.facts.der, der, sizeof der) == 0, "a verdict and back");
	for (size_t i = 0; i < b.len; i++)
		cut = cut || verdict_decode((struct bytes){b.p, i}, &w);
	ok(!cut, "no verdict that is cut short");
	buf_put_u8(&b, 0);
	ok(!verdict_decode((struct bytes){b.p, b.len}, &w), "none with a byte behind it");
	b.p[0] = 2;
	ok(!verdict_decode((struct bytes){b.p, b.len - 1}, &w), "none with a truth of 2");
	b.p[0] = 0;
	ok(!verdict_decode((struct bytes){b.p, b.len - 1}, &w), "none that is bad and has a certificate");
	buf_free(&b);
	/* A certificate may say any year of four digits, and so may a process that tells of it. */
	for (int i = 0; i < 4; i++) {
		static const time_t ends[] = {UTC_FIRST, UTC_LAST, UTC_FIRST - 1, UTC_LAST + 1};

		v = (struct verdict){.read = true, .facts.not_after = ends[i]};
		verdict_encode(&v, &b);
		ok(verdict_decode((struct bytes){b.p, b.len}, &w) == (i < 2), "a verdict that ends at %lld",
		    (long long)ends[i]);
		buf_free(&b);
	}
	v = (struct verdict){.entry = "x", .reason = {.text = "is empty"}};
	verdict_encode(&v, &b);
	ok(verdict_decode((struct bytes){b.p, b.len}, &w) && !w.good && !w.read, "a refusal and back");
	b.p[0] = 1;
	ok(!verdict_decode((struct bytes){b.p, b.len}, &w), "nothing good that was not read");
	buf_free(&b);
}

int main(void)
{
	cursor();
	hex();
	verdicts();
	return tap_done();
}
