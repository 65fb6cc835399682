/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "capf/capfmsg.h"
#include "../fault.h"
#include "../tap.h"

#define ID 0x2a

static struct reason r;

FAULT(void *, realloc, (void *p, size_t size), (p, size), NULL)

/* Hex digits with blanks between them, into a fresh buffer of exactly that length, so that a
 * sanitizer sees every byte too many. */
static struct bytes bytes_of(const char *hex)
{
	char digits[4096];
	size_t n = 0;
	unsigned char *p;

	for (; *hex != '\0'; hex++)
		if (*hex != ' ')
			digits[n++] = *hex;
	p = malloc(n / 2 + (n == 0));
	must(p != NULL && bytes_unhex(digits, n / 2, p), "hex");
	return (struct bytes){p, n / 2};
}

static void drop(struct bytes b)
{
	free((void *)b.p);
}

static bool same(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static bool decodes(const char *hex, struct capfmsg *m)
{
	struct bytes b = bytes_of(hex);
	bool good = capfmsg_decode(b, m, &r) == 0;

	drop(b);
	return good;
}

static bool refused(const char *hex, const char *why)
{
	struct capfmsg m;
	bool right;

	r.text[0] = '\0';
	right = !decodes(hex, &m) && strstr(r.text, why) != NULL;
	if (!right)
		printf("# %s\n", r.text);
	return right;
}

/* The message has exactly these bytes, these bytes give it again, and no part of them is a
 * message. */
static void vector(const char *name, const struct capfmsg *m, struct bytes want)
{
	struct buf b = {0};
	struct capfmsg got;
	bool cut = false;

	must(capfmsg_encode(m, &b, &r) == 0, r.text);
	ok(same((struct bytes){b.p, b.len}, want), "%s: to bytes", name);
	buf_free(&b);
	ok(capfmsg_decode(want, &got, &r) == 0 && got.command == m->command &&
	    got.session == m->session && got.has == m->has && got.unknowns == 0, "%s: read", name);
	must(capfmsg_encode(&got, &b, &r) == 0, r.text);
	ok(same((struct bytes){b.p, b.len}, want), "%s: and back", name);
	buf_free(&b);
	ok(capfmsg_length(want, &r) == (int)want.len, "%s: its length", name);
	for (size_t i = 0; i < want.len; i++) {
		unsigned char *part = malloc(i + 1);
		int len;

		memcpy(part, want.p, i);
		len = capfmsg_length((struct bytes){part, i}, &r);
		cut = cut || len != (i < CAPFMSG_HEADER ? 0 : (int)want.len) ||
		    capfmsg_decode((struct bytes){part, i}, &got, &r) == 0;
		/* The header tells the truth, but the last element does not. */
		if (i >= CAPFMSG_HEADER + 2 && want.len - i < 3) {
			part[6] = (i - CAPFMSG_HEADER) >> 8 & 0xff;
			part[7] = (i - CAPFMSG_HEADER) & 0xff;
			cut = cut || capfmsg_decode((struct bytes){part, i}, &got, &r) == 0;
		}
		free(part);
	}
	ok(!cut, "%s: no part of it", name);
}

static void vector_hex(const char *name, struct capfmsg m, uint32_t has, const char *hex)
{
	struct bytes want = bytes_of(hex);

	m.session = ID;
	m.has = has;
	vector(name, &m, want);
	drop(want);
}

#define BIT(tag) (1u << (tag))

static void vectors(void)
{
	vector_hex("AUTH_REQUEST", (struct capfmsg){.command = CAPFMSG_AUTH_REQUEST, .version = 3},
	    BIT(CAPFMSG_VERSION_TAG), "55 01 0000002a 0004  07 0001 03");
	vector_hex("AUTH_REQUEST with AUTH_TYPE",
	    (struct capfmsg){.command = CAPFMSG_AUTH_REQUEST, .version = 3},
	    BIT(CAPFMSG_VERSION_TAG) | BIT(CAPFMSG_AUTH_TYPE),
	    "55 01 0000002a 0008  07 0001 03  08 0001 00");
	vector_hex("AUTH_RESPONSE",
	    (struct capfmsg){.command = CAPFMSG_AUTH_RESPONSE, .version = 2, .device = "CSF123",
	    .reason = CAPFMSG_DONE},
	    BIT(CAPFMSG_VERSION_TAG) | BIT(CAPFMSG_DEVICE_NAME) | BIT(CAPFMSG_REASON),
	    "55 02 0000002a 0012  07 0001 02  0d 0007 43534631323300  01 0001 01");
	vector_hex("KEY_GENERATE_REQUEST to version 2",
	    (struct capfmsg){.command = CAPFMSG_KEY_REQUEST, .key_size = 2048},
	    BIT(CAPFMSG_KEY_SIZE), "55 03 0000002a 0005  0a 0002 0800");
	vector_hex("KEY_GENERATE_REQUEST, RSA 2048",
	    (struct capfmsg){.command = CAPFMSG_KEY_REQUEST, .key_size = 2048},
	    BIT(CAPFMSG_KEY_SIZE) | BIT(CAPFMSG_KEY_TYPE),
	    "55 03 0000002a 0009  0a 0002 0800  11 0001 00");
	vector_hex("KEY_GENERATE_REQUEST, P-384",
	    (struct capfmsg){.command = CAPFMSG_KEY_REQUEST, .key_type = CAPFMSG_EC,
	    .curve = CAPFMSG_P384}, BIT(CAPFMSG_KEY_TYPE) | BIT(CAPFMSG_CURVE),
	    "55 03 0000002a 0008  11 0001 01  12 0001 01");
	vector_hex("REQUEST_IN_PROGRESS", (struct capfmsg){.command = CAPFMSG_IN_PROGRESS}, 0,
	    "55 11 0000002a 0000");
	vector_hex("STORE_CERTIFICATE_RESPONSE",
	    (struct capfmsg){.command = CAPFMSG_STORE_RESPONSE, .reason = CAPFMSG_DONE},
	    BIT(CAPFMSG_REASON), "55 0a 0000002a 0004  01 0001 01");
	vector_hex("END_SESSION", (struct capfmsg){.command = CAPFMSG_END, .reason = CAPFMSG_DONE},
	    BIT(CAPFMSG_REASON), "55 0f 0000002a 0004  01 0001 01");
	/* From here on by the tables, not from bytes that were seen. */
	vector_hex("FETCH_CERTIFICATE_REQUEST", (struct capfmsg){.command = CAPFMSG_FETCH_REQUEST},
	    0, "55 0b 0000002a 0000");
	vector_hex("FETCH_CERTIFICATE_REQUEST for the MIC",
	    (struct capfmsg){.command = CAPFMSG_FETCH_REQUEST, .cert_type = CAPFMSG_MIC},
	    BIT(CAPFMSG_CERT_TYPE), "55 0b 0000002a 0004  03 0001 02");
	vector_hex("DELETE_CERTIFICATE_REQUEST",
	    (struct capfmsg){.command = CAPFMSG_DELETE_REQUEST}, 0, "55 0d 0000002a 0000");
	vector_hex("DELETE_CERTIFICATE_RESPONSE",
	    (struct capfmsg){.command = CAPFMSG_DELETE_RESPONSE, .reason = CAPFMSG_DONE},
	    BIT(CAPFMSG_REASON), "55 0e 0000002a 0004  01 0001 01");
	vector_hex("RETRY_LATER", (struct capfmsg){.command = CAPFMSG_RETRY_LATER,
	    .retry_delay = 60}, BIT(CAPFMSG_RETRY_DELAY), "55 10 0000002a 0007  0c 0004 0000003c");
}

/* The two vectors whose bulk is a key and a certificate. */
static void large(void)
{
	unsigned char filler[979];
	struct capfmsg m = {.command = CAPFMSG_KEY_RESPONSE, .session = ID,
	    .has = BIT(CAPFMSG_PUBLIC_KEY), .public_key = {filler, 294}};
	struct buf want = {0};
	struct bytes head;

	memset(filler, 0x30, sizeof filler);
	head = bytes_of("55 04 0000002a 0129  09 0126");
	buf_put(&want, head.p, head.len);
	buf_put(&want, filler, 294);
	vector("KEY_GENERATE_RESPONSE", &m, (struct bytes){want.p, want.len});
	drop(head);
	buf_free(&want);

	m = (struct capfmsg){.command = CAPFMSG_STORE_REQUEST, .session = ID,
	    .has = BIT(CAPFMSG_CERT_TYPE) | BIT(CAPFMSG_CERTIFICATE), .cert_type = CAPFMSG_LSC,
	    .certificate = {filler, 979}};
	head = bytes_of("55 09 0000002a 03df  03 0001 01  04 03d8  01 03d5 0001");
	buf_put(&want, head.p, head.len);
	buf_put(&want, filler, 979);
	vector("STORE_CERTIFICATE_REQUEST", &m, (struct bytes){want.p, want.len});
	want.p[18] = 0xab;
	want.p[19] = 0xcd;
	ok(capfmsg_decode((struct bytes){want.p, want.len}, &m, &r) == 0 &&
	    m.certificate.len == 979, "the two bytes before a certificate do not matter");
	drop(head);
	buf_free(&want);
}

/* Everything that a phone can send to prove itself, in both orders of elements. */
static void proofs(void)
{
	static const unsigned char x[] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct capfmsg m = {.command = CAPFMSG_AUTH_RESPONSE, .session = ID, .version = 3,
	    .device = "SEP001122334455", .reason = 1, .password = {(const unsigned char *)"1234", 4},
	    .certificate = {x, 5}, .signed_data = {x, 8}, .sha2_digest = CAPFMSG_SHA512,
	    .sha2_signature = {x, 7}, .sudi_certificate = {x, 4}, .sudi_sha1 = {x, 3},
	    .sudi_sha512 = {x, 2}}, got;
	struct buf b = {0}, back = {0};

	m.has = BIT(CAPFMSG_VERSION_TAG) | BIT(CAPFMSG_DEVICE_NAME) | BIT(CAPFMSG_REASON) |
	    BIT(CAPFMSG_PASSWORD) | BIT(CAPFMSG_CERTIFICATE) | BIT(CAPFMSG_SIGNED_DATA) |
	    BIT(CAPFMSG_SHA2_SIGNED_DATA) | BIT(CAPFMSG_SUDI_DATA);
	for (int i = 0; i < 2; i++) {
		m.reversed = i == 1;
		must(capfmsg_encode(&m, &b, &r) == 0, r.text);
		ok(capfmsg_decode((struct bytes){b.p, b.len}, &got, &r) == 0 && got.has == m.has &&
		    strcmp(got.device, m.device) == 0 && same(got.password, m.password) &&
		    same(got.certificate, m.certificate) && same(got.signed_data, m.signed_data) &&
		    got.sha2_digest == 3 && same(got.sha2_signature, m.sha2_signature) &&
		    same(got.sudi_certificate, m.sudi_certificate) &&
		    same(got.sudi_sha1, m.sudi_sha1) && same(got.sudi_sha512, m.sudi_sha512),
		    "all proofs%s", i == 1 ? ", the other way round" : "");
		ok(i == 0 || (back.len == b.len && memcmp(back.p, b.p, b.len) != 0),
		    "and these are %s bytes", i == 1 ? "other" : "some");
		buf_free(&back);
		back = b;
		b = (struct buf){0};
	}
	buf_free(&back);
}

static void odd(void)
{
	struct capfmsg m;

	ok(decodes("55 02 0000002a 0009  0e 0002 0102  0f 0001 09", &m) && m.unknowns == 2 &&
	    m.unknown[0].tag == 14 && m.unknown[1].tag == 15 && m.has == 0, "unknown tags are skipped, told");
	ok(decodes("55 02 0000002a 001b 63 0000 63 0000 63 0000 63 0000 63 0000 63 0000 63 0000"
		   "63 0000 63 0000", &m) && m.unknowns == 9, "more of them than there is room for");
	ok(decodes("55 05 0000002a 0000", &m) && strcmp(capfmsg_name(m.command), "command 5") == 0 &&
	    capfmsg_name(200) != NULL, "an unknown command is the caller's business");
	ok(decodes("55 02 0000002a 0004  0b 0001 00", &m) && m.password.len == 0,
	    "a string that is only a NUL is none");
	ok(decodes("55 02 0000002a 000b  0b 0008 3132333400000000", &m) && m.password.len == 4,
	    "NULs behind a text");
	ok(decodes("55 03 0000002a 0007  0a 0004 00000800", &m) && m.key_size == 2048,
	    "a number that is wider than usual");
	ok(decodes("55 16 0000002a 0004  13 0001 02", &m) && m.digest_type == 2 &&
	    decodes("55 16 0000002a 0005  13 0002 0002", &m) && m.digest_type == 2,
	    "a digest type of one byte or two");
	ok(decodes("55 0f 0000002a 0006  02 0003 6e6f00", &m) && m.reason_info.len == 2 &&
	    decodes("55 0f 0000002a 0005  02 0002 6e6f", &m) && m.reason_info.len == 2,
	    "REASON_INFO with a NUL and without");
}

static void refusals(void)
{
	ok(refused("56 0f 0000002a 0000", "begins with 56"), "not CAPF");
	ok(refused("16", "begins with 16"), "TLS in TLS, from the first byte");
	ok(refused("55 0f 0000002a 4001", "more than 16384"), "a large body, from the header alone");
	ok(refused("55 0f 0000002a 0000 00", "followed by"), "a byte behind it");
	ok(refused("55 0f 0000002a 0001 01", "past its end"), "a tag alone");
	ok(refused("55 0f 0000002a 0002 01 00", "past its end"), "half a length");
	ok(refused("55 0f 0000002a 0003 01 0001", "past its end"), "an element past the body");
	ok(refused("55 0f 0000002a 0003 0e ffff", "past its end"), "an unknown one as well");
	ok(refused("55 0f 0000002a 0003 01 0000", "REASON of no bytes"), "a number of no bytes");
	ok(refused("55 03 0000002a 0003 0a 0000", "KEY_SIZE of no bytes"), "a wide one as well");
	ok(refused("55 0f 0000002a 0005 01 0002 0101", "too large"), "a number that does not fit");
	ok(refused("55 0f 0000002a 0008 01 0005 0000000001", "too large"), "nor is read");
	ok(refused("55 0f 0000002a 0008 01 0001 01 01 0001 01", "two REASONs"), "a repeated tag");
	ok(refused("55 02 0000002a 0003 0b 0000", "NUL"), "an empty text");
	ok(refused("55 02 0000002a 0007 0b 0004 31323334", "NUL"), "a text without NUL");
	ok(refused("55 02 0000002a 0007 0b 0004 31003300", "NUL"), "a NUL inside");
	ok(refused("55 02 0000002a 0009 0d 0006 435346313233", "device name"), "a name without NUL");
	ok(refused("55 02 0000002a 0004 0d 0001 00", "device name"), "a name of nothing");
	ok(refused("55 02 0000002a 0007 0d 0004 2e2f6100", "device name"), "an illegal name");
	ok(refused("55 02 0000002a 0007 0d 0004 616c6c00", "device name"), "a name that is a command's word: all");
	ok(refused("55 02 0000002a 0006 0d 0003 2d6e00", "device name"), "a name that is an option: -n");
	ok(refused("55 0c 0000002a 0003 04 0000", "CERTIFICATE"), "an empty certificate");
	ok(refused("55 0c 0000002a 0009 04 0006 02 0003 0001 30", "CERTIFICATE"), "of another form");
	ok(refused("55 0c 0000002a 0009 04 0006 01 0004 0001 30", "CERTIFICATE"), "past its end");
	ok(refused("55 0c 0000002a 000a 04 0007 01 0003 0001 30 30", "CERTIFICATE"), "and short of it");
	ok(refused("55 0c 0000002a 0007 04 0004 01 0001 00", "CERTIFICATE"), "with half its two bytes");
	ok(refused("55 02 0000002a 0007 14 0004 03 0002 01", "SHA2"), "a signature past its end");
	ok(refused("55 02 0000002a 0008 14 0005 03 0001 0101", "SHA2"), "and short of it");
	ok(refused("55 02 0000002a 0007 10 0004 00 0002 01", "SUDI"), "an item past its end");
	ok(refused("55 02 0000002a 000b 10 0008 01 0001 01 01 0001 01", "SUDI"), "and a repeated one");
}

static void limits(void)
{
	static unsigned char filler[70000];
	struct capfmsg m = {.command = CAPFMSG_STORE_REQUEST, .has = BIT(CAPFMSG_CERTIFICATE)};
	struct buf b = {0};

	buf_put_u8(&b, 7);
	m.certificate = (struct bytes){filler, CAPFMSG_BODY_MAX - 8};
	ok(capfmsg_encode(&m, &b, &r) == 0 && b.len == 1 + CAPFMSG_HEADER + CAPFMSG_BODY_MAX &&
	    capfmsg_decode((struct bytes){b.p + 1, b.len - 1}, &m, &r) == 0 &&
	    m.certificate.len == CAPFMSG_BODY_MAX - 8, "the largest body");
	b.len = 1;
	for (size_t i = 0; i < 2; i++) {
		m.certificate = (struct bytes){filler, i == 0 ? CAPFMSG_BODY_MAX - 7 : 70000};
		ok(capfmsg_encode(&m, &b, &r) < 0 && b.len == 1 && !b.failed && b.p[0] == 7,
		    "no larger one, and the buffer is as it was");
	}
	m = (struct capfmsg){.command = CAPFMSG_AUTH_RESPONSE, .has = BIT(CAPFMSG_DEVICE_NAME),
	    .device = "../x"};
	ok(capfmsg_encode(&m, &b, &r) < 0 && b.len == 1, "no illegal name");
	buf_free(&b);
}

static uint32_t seed = 1;

static uint8_t random_byte(void)
{
	seed = seed * 1664525 + 1013904223;
	return (uint8_t)(seed >> 24);
}

/* Whatever is read again has the same meaning; nothing reaches past its bytes, which are exactly as
 * long as they say. */
static bool survives(const unsigned char *p, size_t len, unsigned *good)
{
	unsigned char *copy = malloc(len);
	struct capfmsg m, again;
	struct buf b = {0};
	bool right = true;

	memcpy(copy, p, len);
	if (capfmsg_decode((struct bytes){copy, len}, &m, &r) == 0) {
		++*good;
		right = capfmsg_encode(&m, &b, &r) == 0 &&
		    capfmsg_decode((struct bytes){b.p, b.len}, &again, &r) == 0 &&
		    again.has == m.has && strcmp(again.device, m.device) == 0 &&
		    same(again.certificate, m.certificate) && same(again.password, m.password) &&
		    same(again.public_key, m.public_key) && again.reason == m.reason;
	}
	buf_free(&b);
	free(copy);
	return right;
}

static void garbage(void)
{
	struct bytes whole = bytes_of("55 02 0000002a 003e  07 0001 02  0d 0007 43534631323300"
				      "01 0001 01  0b 0005 3132333400  04 0006 01 0003 0001 30"
				      "14 0005 03 0002 0102  10 000c 00 0001 01 01 0001 02 03 0001 03"
				      "06 0001 07");
	unsigned char p[300];
	unsigned good = 0, changed = 0;
	bool right = true;

	for (int i = 0; i < 20000; i++) {
		size_t len = CAPFMSG_HEADER + random_byte();

		for (size_t k = 0; k < len; k++)
			p[k] = random_byte() & (random_byte() & 1 ? 0x1f : 0xff);
		p[0] = 0x55;
		p[6] = 0;
		p[7] = (unsigned char)(len - CAPFMSG_HEADER);
		right = right && survives(p, len, &good);
	}
	ok(right, "20,000 random messages, of which %u could be read", good);
	must(capfmsg_length(whole, &r) == (int)whole.len, "the message to be changed");
	for (int i = 0; i < 20000; i++) {
		memcpy(p, whole.p, whole.len);
		for (int k = 1 + random_byte() % 3; k > 0; k--)
			p[CAPFMSG_HEADER + random_byte() % (whole.len - CAPFMSG_HEADER)] =
			    random_byte() & (random_byte() & 1 ? 0x07 : 0xff);
		right = right && survives(p, whole.len, &changed);
	}
	ok(right && changed > 100, "20,000 changed ones, of which %u could be read", changed);
	drop(whole);
}

/* Each time that the buffer should grow. */
static void memory(void)
{
	static const unsigned char big[8000];
	struct capfmsg m = {.command = CAPFMSG_KEY_RESPONSE, .session = ID,
	    .public_key = {big, sizeof big}, .signed_data = {big, 300}};
	struct buf b = {0};
	unsigned n;

	capfmsg_add(&m, CAPFMSG_PUBLIC_KEY);
	capfmsg_add(&m, CAPFMSG_SIGNED_DATA);
	for (n = 1;; n++) {
		int result;

		buf_free(&b);
		buf_put(&b, "x", 1);
		fault_arm(n, ENOMEM);
		result = capfmsg_encode(&m, &b, &r);
		if (!fault_over())
			break;
		if (!ok(result == -1 && b.len == 1 && !b.failed, "no memory at growth %u, buffer as it was", n))
			break;
	}
	ok(n > 2 && b.len > 8300, "and else it is all there");
	b.failed = true;
	ok(capfmsg_encode(&m, &b, &r) == -1 && strstr(r.text, "memory") != NULL,
	    "a buffer that has failed already");
	b.failed = false;
	buf_free(&b);
}

/* An element whose length is cut, and numbers of the widths that nobody has seen. */
static void corners(void)
{
	struct capfmsg m = {.command = CAPFMSG_SIGN_REQUEST, .session = ID, .digest_type = 0x1234};
	struct buf b = {0};

	ok(refused("55 02 0000002a 0001 07", "reaches past its end"), "a tag alone");
	ok(refused("55 02 0000002a 0002 07 00", "reaches past its end"), "a tag and half a length");
	ok(refused("55 02 0000002a 0005 10 0002 00 00", "SUDI_DATA that is malformed"), "half an item in SUDI_DATA");
	ok(refused("55 02 0000002a 0004 10 0001 00", "SUDI_DATA that is malformed"), "an item's number alone");
	capfmsg_add(&m, CAPFMSG_DIGEST_TYPE);
	ok(capfmsg_encode(&m, &b, &r) == 0 && b.len == 8 + 5 && b.p[11] == 0x12, "a wide DIGEST_TYPE");
	buf_free(&b);
	m = (struct capfmsg){.command = CAPFMSG_AUTH_RESPONSE, .session = ID,
	    .password = {(const unsigned char *)"12\0003", 4}};
	capfmsg_add(&m, CAPFMSG_PASSWORD);
	ok(capfmsg_encode(&m, &b, &r) == -1 && b.len == 0, "a NUL in the middle of a text");
	m.password.len = 0;
	ok(capfmsg_encode(&m, &b, &r) == 0 && b.len == 8 + 4, "an empty text");
	buf_free(&b);
}

int main(void)
{
	vectors();
	large();
	proofs();
	odd();
	refusals();
	limits();
	garbage();
	memory();
	corners();
	return tap_done();
}
