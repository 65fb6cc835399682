/* SPDX-License-Identifier: ISC */
/* The table of layouts for messages 22 and 23: its numbers never get another meaning, each layout is told from all the
 * others, and every element of an answer is looked at. */
#include <string.h>

#include "../tap.h"
#include "capf/sign_layout.h"

static unsigned char data[400];

/* Data of this form, as far as that can be seen from outside. */
static struct bytes data_of(enum sign_form form)
{
	static const size_t len[] = {[SIGN_INFO] = 330, [SIGN_SHA256] = 32, [SIGN_DIGEST_INFO] = 51,
	    [SIGN_SHA512] = 64, [SIGN_SHA1] = 20};

	return (struct bytes){data, len[form]};
}

/* Published numbers: settings and transcripts of others have them. */
static void numbers(void)
{
	static const struct {
		unsigned number;
		const char *text;
	} published[] = {
		{1, "the request in SIGNED_DATA, DIGEST_TYPE 2"},
		{2, "the request in tag 14, DIGEST_TYPE 2"},
		{3, "the request in tag 15, DIGEST_TYPE 2"},
		{4, "the request in CERTIFICATE, DIGEST_TYPE 2"},
		{5, "SHA-256 of the request in SIGNED_DATA, DIGEST_TYPE 2"},
		{11, "DigestInfo of the request in tag 15, DIGEST_TYPE 2"},
		{13, "the request in SIGNED_DATA, no DIGEST_TYPE"},
		{18, "SHA-256 of the request in tag 14, no DIGEST_TYPE"},
		{21, "DigestInfo of the request in SIGNED_DATA, no DIGEST_TYPE"},
		{25, "the request in SIGNED_DATA, DIGEST_TYPE 2, KEY_TYPE"},
		{32, "SHA-256 of the request in CERTIFICATE, DIGEST_TYPE 2, KEY_TYPE"},
		{33, "DigestInfo of the request in SIGNED_DATA, DIGEST_TYPE 2, KEY_TYPE"},
		{49, "the request in SIGNED_DATA, DIGEST_TYPE 3"},
		{53, "SHA-512 of the request in SIGNED_DATA, DIGEST_TYPE 3"},
		{73, "the request in SIGNED_DATA, DIGEST_TYPE 1"},
		{77, "SHA-1 of the request in SIGNED_DATA, DIGEST_TYPE 1"},
		{96, "SHA-1 of the request in CERTIFICATE, no DIGEST_TYPE, KEY_TYPE"},
	};
	char text[SIGN_LAYOUT_TEXT];
	struct sign_layout l;

	for (size_t i = 0; i < sizeof published / sizeof *published; i++)
		ok(sign_layout_get(published[i].number, &l) &&
		    strcmp(sign_layout_text(&l, text), published[i].text) == 0, "layout %u: %s", published[i].number, text);
	ok(!sign_layout_get(0, &l) && !sign_layout_get(SIGN_LAYOUTS + 1, &l), "there are no others");
}

/* A phone of one layout takes no other one for it. */
static void each_is_its_own(void)
{
	struct sign_layout sent, wanted;
	struct capfmsg m, got;
	struct bytes found;
	unsigned bad = 0;
	struct reason r;

	for (unsigned i = 1; i <= SIGN_LAYOUTS; i++) {
		struct buf b = {0};

		sign_layout_get(i, &sent);
		sign_layout_put(&sent, i % 2 != 0, data_of(sent.form), &m);
		must(capfmsg_encode(&m, &b, &r) == 0 && capfmsg_decode((struct bytes){b.p, b.len}, &got, &r) == 0, r.text);
		for (unsigned k = 1; k <= SIGN_LAYOUTS; k++) {
			sign_layout_get(k, &wanted);
			bad += sign_layout_match(&wanted, &got, &found) != (i == k);
		}
		bad += !sign_layout_match(&sent, &got, &found) || found.len != data_of(sent.form).len ||
		    memcmp(found.p, data, found.len) != 0;
		capfmsg_add(&got, CAPFMSG_REASON);
		bad += sign_layout_match(&sent, &got, &found);
		buf_free(&b);
	}
	ok(bad == 0, "each of %d layouts is told from all the others, over the wire", SIGN_LAYOUTS);
}

static void bytes_of_22(void)
{
	struct buf b = {0};
	struct sign_layout l;
	struct capfmsg m;
	struct reason r;
	char hex[64];

	sign_layout_get(25, &l);
	sign_layout_put(&l, true, (struct bytes){data, 2}, &m);
	m.session = 0x2a;
	must(capfmsg_encode(&m, &b, &r) == 0 && b.len < sizeof hex / 2, "a message");
	bytes_hex(b.p, b.len, hex);
	ok(strcmp(hex, "55160000002a000d1300010206000207081100" "0101") == 0, "22 with all: %s", hex);
	buf_free(&b);
}

/* The candidates of a body, each as hex with its tag. */
static const char *candidates(const char *body)
{
	static char out[512];
	unsigned char raw[128];
	struct sign_answer a;
	struct bytes one;
	size_t n = strlen(body) / 2;

	must(n <= sizeof raw && bytes_unhex(body, n, raw), "hex");
	sign_answer_open(&a, (struct bytes){raw, n});
	out[0] = '\0';
	while (sign_answer_next(&a, &one)) {
		char hex[257];

		bytes_hex(one.p, one.len, hex);
		snprintf(out + strlen(out), sizeof out - strlen(out), "%u:%s ", a.tag, hex);
	}
	return out;
}

static void answers(void)
{
	ok(strcmp(candidates("010001010e0003aabbcc"), "1:01 14:aabbcc ") == 0, "the value of each element");
	ok(strcmp(candidates("14000502000211ff"), "20:02000211ff 20:11ff ") == 0,
	    "and of SHA2_SIGNED_DATA what is in it");
	ok(strcmp(candidates("0400070100040001" "3000"), "4:01000400013000 4:00013000 4:3000 ") == 0,
	    "and of CERTIFICATE");
	ok(strcmp(candidates("630000060001aa"), "6:aa ") == 0, "nothing of what is empty");
	ok(strcmp(candidates("14000502000311ff"), "20:02000311ff ") == 0, "a length that is not that of the rest");
	ok(strcmp(candidates("060001aa0effff"), "6:aa ") == 0, "nothing from an element that reaches past the end");
	ok(*candidates("") == '\0', "nothing from nothing");
}

int main(void)
{
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i + 7);
	numbers();
	each_is_its_own();
	bytes_of_22();
	answers();
	return tap_done();
}
