/* SPDX-License-Identifier: ISC */
#include <openssl/evp.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "x509/der.h"

#define DER_DEPTH 16	/* nested elements; a certificate has eight */

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define PEM_LINE 64	/* characters of base64 in a line, RFC 7468 */

enum {
	TAG_BOOLEAN = 0x01,
	TAG_INTEGER = 0x02,
	TAG_BIT_STRING = 0x03,
	TAG_OCTET_STRING = 0x04,
	TAG_NULL = 0x05,
	TAG_OID = 0x06,
	TAG_ENUMERATED = 0x0a,
	TAG_UTC_TIME = 0x17,
	TAG_GENERALIZED_TIME = 0x18,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_CONTEXT_0 = 0xa0,
};

/* Takes the next element off. False when it is not one of definite and shortest length; all of
 * X.509 has tags of one byte. */
static bool element(struct bytes *in, unsigned char *tag, struct bytes *body)
{
	struct bytes at = *in;
	uint8_t first, byte;
	size_t len = 0;

	if (!bytes_get_u8(&at, tag) || (*tag & 0x1f) == 0x1f || !bytes_get_u8(&at, &first))
		return false;
	if (first < 0x80)
		len = first;
	else {
		if (first == 0x80 || first > 0x84)
			return false;
		for (int i = 0; i < (first & 0x7f); i++) {
			if (!bytes_get_u8(&at, &byte) || (i == 0 && byte == 0))
				return false;
			len = len << 8 | byte;
		}
		if (len < 0x80)
			return false;
	}
	body->len = len;
	if (!bytes_get(&at, &body->p, len))
		return false;
	*in = at;
	return true;
}

/* The same, when the element must have this tag. */
static bool expect(struct bytes *in, unsigned char want, struct bytes *body)
{
	unsigned char tag;
	struct bytes at = *in;

	if (!element(&at, &tag, body) || tag != want)
		return false;
	*in = at;
	return true;
}

static bool peek(struct bytes in, unsigned char want)
{
	return in.len > 0 && in.p[0] == want;
}

static bool integer_ok(struct bytes b)
{
	if (b.len == 0)
		return false;
	return b.len == 1 ||
	    !((b.p[0] == 0x00 && b.p[1] < 0x80) || (b.p[0] == 0xff && b.p[1] >= 0x80));
}

static bool bit_string_ok(struct bytes b)
{
	if (b.len == 0 || b.p[0] > 7)
		return false;
	return b.p[0] == 0 || (b.len > 1 && (b.p[b.len - 1] & ((1U << b.p[0]) - 1)) == 0);
}

static bool oid_ok(struct bytes b)
{
	if (b.len == 0 || b.p[b.len - 1] >= 0x80)
		return false;
	for (size_t i = 0; i < b.len; i++)
		if (b.p[i] == 0x80 && (i == 0 || b.p[i - 1] < 0x80))
			return false;
	return true;
}

static bool time_ok(struct bytes b, size_t len)
{
	return b.len == len && b.p[len - 1] == 'Z';
}

/* Order of a SET OF, X.690 11.6: the shorter counts as filled up with zeros. */
static int set_order(struct bytes a, struct bytes b)
{
	int c = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static bool exact(struct bytes in, int depth, bool allow_false, bool in_set)
{
	struct bytes body, whole, before = {0};
	unsigned char tag;
	bool ok = true;

	while (in.len > 0 && ok) {
		whole.p = in.p;
		if (!element(&in, &tag, &body))
			return false;
		whole.len = (size_t)(in.p - whole.p);
		if (in_set && before.p != NULL && set_order(before, whole) > 0)
			return false;
		before = whole;
		if (tag & 0x20) {
			/* Of the universal types only these two are constructed in DER. */
			ok = (tag >= 0x40 || tag == TAG_SEQUENCE || tag == TAG_SET) &&
			    depth < DER_DEPTH &&
			    exact(body, depth + 1, allow_false, tag == TAG_SET);
			continue;
		}
		switch (tag) {
		case TAG_BOOLEAN:
			ok = body.len == 1 &&
			    (body.p[0] == 0xff || (body.p[0] == 0 && allow_false));
			break;
		case TAG_INTEGER:
		case TAG_ENUMERATED:
			ok = integer_ok(body);
			break;
		case TAG_BIT_STRING:
			ok = bit_string_ok(body);
			break;
		case TAG_NULL:
			ok = body.len == 0;
			break;
		case TAG_OID:
			ok = oid_ok(body);
			break;
		case TAG_UTC_TIME:
			ok = time_ok(body, strlen("yymmddhhmmssZ"));
			break;
		case TAG_GENERALIZED_TIME:
			ok = time_ok(body, strlen("yyyymmddhhmmssZ"));
			break;
		case TAG_SEQUENCE & 0x1f:
		case TAG_SET & 0x1f:
		case 0:
			ok = false;
		}
	}
	return ok;
}

bool der_exact(const void *data, size_t len, bool allow_false)
{
	struct bytes in = {data, len}, body;
	unsigned char tag;

	if (!element(&in, &tag, &body) || in.len != 0)
		return false;
	in.p = data;
	in.len = len;
	return exact(in, 0, allow_false, false);
}

/* TBSCertificate, CertificationRequestInfo and TBSCertList differ in their first elements. */
static enum der_kind kind_signed(struct bytes tbs)
{
	struct bytes skip;
	unsigned char tag;

	if (peek(tbs, TAG_CONTEXT_0))
		return DER_CERT;
	if (!expect(&tbs, TAG_INTEGER, &skip))
		return peek(tbs, TAG_SEQUENCE) ? DER_CRL : DER_UNKNOWN;
	if (!expect(&tbs, TAG_SEQUENCE, &skip) || !expect(&tbs, TAG_SEQUENCE, &skip) ||
	    !element(&tbs, &tag, &skip))
		return DER_UNKNOWN;
	if (tag == TAG_CONTEXT_0)
		return DER_REQUEST;
	return tag == TAG_SEQUENCE ? DER_CERT : DER_CRL;
}

enum der_kind der_kind_of(const void *data, size_t len)
{
	static const unsigned char pkcs7[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07};
	struct bytes in = {data, len}, body, first, second;
	unsigned char tag, next;

	if (!expect(&in, TAG_SEQUENCE, &body) || !element(&body, &tag, &first))
		return DER_UNKNOWN;
	if (!element(&body, &next, &second))
		return DER_UNKNOWN;
	switch (tag) {
	case TAG_SEQUENCE:
		if (next == TAG_OCTET_STRING)
			return DER_PRIVATE_KEY;	/* EncryptedPrivateKeyInfo */
		if (next == TAG_BIT_STRING)
			return DER_PUBLIC_KEY;
		return next == TAG_SEQUENCE ? kind_signed(first) : DER_UNKNOWN;
	case TAG_INTEGER:
		if (first.len == 1 && first.p[0] == 3 && next == TAG_SEQUENCE)
			return DER_PKCS12;
		/* PKCS#8, RFC 5208; RSAPrivateKey, RFC 8017; ECPrivateKey, RFC 5915. */
		if (first.len == 1 && first.p[0] <= 1 &&
		    (next == TAG_SEQUENCE || next == TAG_INTEGER || next == TAG_OCTET_STRING))
			return DER_PRIVATE_KEY;
		return DER_UNKNOWN;
	case TAG_OID:
		if (first.len > sizeof pkcs7 && memcmp(first.p, pkcs7, sizeof pkcs7) == 0)
			return DER_PKCS7;
	}
	return DER_UNKNOWN;
}

static const struct {
	const char *label;
	enum der_kind kind;
} labels[] = {
    {"CERTIFICATE", DER_CERT},
    {"X509 CERTIFICATE", DER_CERT},
    {"CERTIFICATE REQUEST", DER_REQUEST},
    {"NEW CERTIFICATE REQUEST", DER_REQUEST},
    {"PUBLIC KEY", DER_PUBLIC_KEY},
    {"RSA PUBLIC KEY", DER_PUBLIC_KEY},
    {"X509 CRL", DER_CRL},
    {"PKCS7", DER_PKCS7},
    {"CMS", DER_PKCS7},
};

static const char *article(enum der_kind kind)
{
	switch (kind) {
	case DER_CERT:
		return "a certificate";
	case DER_REQUEST:
		return "a certificate request";
	case DER_PRIVATE_KEY:
		return "a private key";
	case DER_PUBLIC_KEY:
		return "a public key";
	case DER_CRL:
		return "a revocation list";
	case DER_PKCS7:
		return "a PKCS#7 file";
	case DER_PKCS12:
		return "a PKCS#12 file";
	case DER_UNKNOWN:
		break;
	}
	return "something else";
}

/* The kind without its article. */
static const char *noun(enum der_kind kind)
{
	return article(kind) + 2;
}

/* A part of a file, from its "-----BEGIN " to behind the dashes of its END line. */
struct piece {
	struct bytes all, label, body;
	bool whole;		/* there is an END line with the same label */
};

/* Windows puts three bytes in front of a text file. */
static bool is_bom(const unsigned char *begin, const unsigned char *p)
{
	return p - begin == 3 && memcmp(begin, "\xef\xbb\xbf", 3) == 0;
}

/* Where text first stands in a file at the beginning of a line; NULL when nowhere. */
static const unsigned char *line_with(struct bytes in, const char *text)
{
	const unsigned char *p = in.p, *end = in.p + in.len, *hit;
	size_t len = strlen(text);

	while ((hit = memmem(p, (size_t)(end - p), text, len)) != NULL) {
		if (hit == in.p || hit[-1] == '\n' || hit[-1] == '\r' || is_bom(in.p, hit))
			return hit;
		p = hit + 1;
	}
	return NULL;
}

/* Finds the next PEM in a file and takes it off. False when there is none. */
static bool next_pem(struct bytes *file, struct piece *out)
{
	const unsigned char *begin = line_with(*file, BEGIN), *stop = file->p + file->len;
	const unsigned char *end, *tail;
	struct bytes rest;

	if (begin == NULL)
		return false;
	out->whole = false;
	out->all.p = begin;
	out->label.p = begin + strlen(BEGIN);
	tail = memmem(out->label.p, (size_t)(stop - out->label.p), DASHES, strlen(DASHES));
	out->label.len = tail != NULL ? (size_t)(tail - out->label.p) : 0;
	out->body.p = tail != NULL ? tail + strlen(DASHES) : stop;
	rest.p = out->body.p;
	rest.len = (size_t)(stop - rest.p);
	end = line_with(rest, END);
	/* A BEGIN before the END starts another piece: this one has no end. */
	begin = line_with(rest, BEGIN);
	if (end == NULL || (begin != NULL && begin < end))
		end = begin != NULL ? begin : stop;
	else {
		const unsigned char *name = end + strlen(END);
		size_t left = (size_t)(stop - name), len = out->label.len + strlen(DASHES);

		if (left >= len && memcmp(name, out->label.p, len) == 0) {
			out->whole = true;
			out->body.len = (size_t)(end - out->body.p);
			end = name + len;
		} else
			end = name;
	}
	if (!out->whole)
		out->body.len = (size_t)(end - out->body.p);
	out->all.len = (size_t)(end - out->all.p);
	file->p = end;
	file->len = (size_t)(stop - end);
	return true;
}

static enum der_kind kind_label(struct bytes label)
{
	static const char key[] = "PRIVATE KEY";
	size_t len = strlen(key);

	if (label.len >= len && memcmp(label.p + label.len - len, key, len) == 0)
		return DER_PRIVATE_KEY;
	for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
		if (strlen(labels[i].label) == label.len &&
		    memcmp(labels[i].label, label.p, label.len) == 0)
			return labels[i].kind;
	return DER_UNKNOWN;
}

static bool is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* How much follows that is not white space at the end. */
static size_t behind(struct bytes b)
{
	while (b.len > 0 && is_space(b.p[b.len - 1]))
		b.len--;
	return b.len;
}

/* Says what is wrong with what follows an object. */
static void say_behind(struct bytes rest, enum der_kind want, enum der_kind next,
    struct reason *r)
{
	if (next == want)
		reason_set(r, "holds two %ss", noun(want));
	else if (next != DER_UNKNOWN)
		reason_set(r, "holds %s behind the %s", article(next), noun(want));
	else
		reason_set(r, "has %zu bytes behind the %s", rest.len, noun(want));
}

static unsigned char *unwrap_der(struct bytes in, enum der_kind want, bool allow_false,
    size_t *out_len, struct reason *r)
{
	struct bytes rest = in, body;
	enum der_kind kind;
	unsigned char *copy, tag;

	if (in.p[1] == 0x80) {
		reason_set(r, "is BER instead of DER");
		return NULL;
	}
	if (!element(&rest, &tag, &body)) {
		/* A length of more than four bytes or with zeros in front is no lack of bytes. */
		if (in.p[1] > 0x84 || (in.len > 2 && (in.p[2] == 0 ||
		    (in.p[1] == 0x81 && in.p[2] < 0x80))))
			reason_set(r, "is BER instead of DER");
		else
			reason_set(r, "is cut short: %zu bytes", in.len);
		return NULL;
	}
	in.len -= rest.len;
	kind = der_kind_of(in.p, in.len);
	if (kind != DER_UNKNOWN && kind != want) {
		reason_set(r, "is %s, not %s", article(kind), article(want));
		return NULL;
	}
	if (rest.len > 0) {
		say_behind(rest, want, der_kind_of(rest.p, rest.len), r);
		return NULL;
	}
	if (!der_exact(in.p, in.len, allow_false)) {
		reason_set(r, "is BER instead of DER");
		return NULL;
	}
	if (kind == DER_UNKNOWN) {
		reason_set(r, "is not %s", article(want));
		return NULL;
	}
	if ((copy = malloc(in.len)) == NULL) {
		reason_memory(r);
		return NULL;
	}
	memcpy(copy, in.p, in.len);
	*out_len = in.len;
	return copy;
}

/* Base64 of a PEM body, RFC 7468: nothing but its alphabet and white space. NULL with a reason when it is
 * wrong. */
static unsigned char *decode(struct bytes in, size_t *out_len, struct reason *r)
{
	unsigned char *text = malloc(in.len + 1), *out = malloc(in.len + 1);
	size_t n = 0, pad = 0;
	int len = -1;

	if (text != NULL && out != NULL) {
		for (size_t i = 0; i < in.len; i++)
			if (!is_space(in.p[i]))
				text[n++] = in.p[i];
		while (pad < n && pad < 3 && text[n - 1 - pad] == '=')
			pad++;
		if (n > 0 && n % 4 == 0 && n <= INT_MAX && pad < 3)
			len = EVP_DecodeBlock(out, text, (int)n);
	}
	if (len < 0) {
		if (text == NULL || out == NULL)
			reason_memory(r);
		else
			reason_set(r, "is PEM with broken base64");
		free(text);
		free(out);
		return NULL;
	}
	free(text);
	*out_len = (size_t)len - pad;
	return out;
}

static unsigned char *unwrap_pem(struct bytes in, enum der_kind want, bool allow_false,
    size_t *out_len, struct reason *r)
{
	struct bytes rest = in;
	struct piece one, next;
	enum der_kind kind;
	unsigned char *der, *out;
	size_t len, before;

	if (!next_pem(&rest, &one)) {
		reason_set(r, "is neither PEM nor DER");
		return NULL;
	}
	before = (size_t)(one.all.p - in.p);
	kind = kind_label(one.label);
	if (kind != want)
		reason_set(r, "is %s, not %s", article(kind), article(want));
	else if (memchr(in.p, '\0', before) != NULL)
		reason_set(r, "has %zu bytes before the %s that are not text", before, noun(want));
	else if (!one.whole)
		reason_set(r, "is cut short: PEM without its last line");
	else if (behind(rest) != 0) {
		struct bytes tail = rest;

		say_behind(rest, want, next_pem(&tail,
		    &next) ? kind_label(next.label) : DER_UNKNOWN, r);
	} else if ((der = decode(one.body, &len, r)) == NULL)
		; /* said already */
	else {
		in.p = der;
		in.len = len;
		out = NULL;
		if (len < 2)
			reason_set(r, "is PEM of next to nothing");
		else
			out = unwrap_der(in, want, allow_false, out_len, r);
		free(der);
		return out;
	}
	return NULL;
}

/* DER of some size, or small and known: text may begin with "0" as well, but no letter with the
 * highest bit set follows there. */
static bool looks_like_der(struct bytes in)
{
	return in.len >= 2 && in.p[0] == TAG_SEQUENCE &&
	    (in.p[1] >= 0x80 || der_kind_of(in.p, in.len) != DER_UNKNOWN);
}

unsigned char *pem_unwrap(const void *data, size_t len, enum der_kind want, bool allow_false,
    size_t *out_len, bool *pem, struct reason *r)
{
	static const char key[] = "PRIVATE KEY-----";
	struct bytes in = {data, len};

	*pem = false;
	if (len == 0) {
		reason_set(r, "is empty");
		return NULL;
	}
	if (memmem(data, len, key, strlen(key)) != NULL) {
		struct bytes at = in;
		struct piece one;

		if (next_pem(&at, &one) && kind_label(one.label) == DER_PRIVATE_KEY)
			reason_set(r, "is a private key, not %s", article(want));
		else
			reason_set(r, "holds a private key");
		return NULL;
	}
	if (looks_like_der(in))
		return unwrap_der(in, want, allow_false, out_len, r);
	*pem = true;
	return unwrap_pem(in, want, allow_false, out_len, r);
}

bool pem_next(struct bytes *file, struct bytes *one)
{
	struct piece piece;

	if (file->len == 0)
		return false;
	if (!looks_like_der(*file) && next_pem(file, &piece)) {
		*one = piece.all;
		/* Text behind the last one is no piece of its own. */
		if (line_with(*file, BEGIN) == NULL)
			file->len = 0;
		return true;
	}
	*one = *file;
	file->len = 0;
	return true;
}

char *pem_make(const char *label, const void *der, size_t der_len, size_t *len)
{
	size_t name = strlen(label), lines = (der_len + 47) / 48;
	size_t size = 2 * name + strlen(BEGIN) + strlen(END) + 2 * strlen(DASHES) + 2 +
	    (der_len + 2) / 3 * 4 + lines + 1;
	const unsigned char *p = der;
	char *pem = malloc(size), *out = pem;

	if (pem == NULL)
		return NULL;
	out += sprintf(out, BEGIN "%s" DASHES "\n", label);
	for (size_t n; der_len > 0; der_len -= n, p += n) {
		n = der_len < PEM_LINE / 4 * 3 ? der_len : PEM_LINE / 4 * 3;
		out += EVP_EncodeBlock((unsigned char *)out, p, (int)n);
		*out++ = '\n';
	}
	out += sprintf(out, END "%s" DASHES "\n", label);
	*len = (size_t)(out - pem);
	return pem;
}
