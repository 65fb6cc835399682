/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "x509/der.h"

#define DER_DEPTH 16	/* nested elements; a certificate has eight */

/* X.690 10.1: lengths are definite, and as short as they can be. All tags of X.509 have one byte. */
bool der_take(struct bytes *in, uint8_t *tag, struct bytes *body)
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

bool der_expect(struct bytes *in, uint8_t want, struct bytes *body)
{
	uint8_t tag;
	struct bytes at = *in, found;

	if (!der_take(&at, &tag, &found) || tag != want)
		return false;
	*body = found;
	*in = at;
	return true;
}

static bool peek(struct bytes in, uint8_t want)
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
	uint8_t tag;
	bool ok = true;

	while (in.len > 0 && ok) {
		whole.p = in.p;
		if (!der_take(&in, &tag, &body))
			return false;
		whole.len = (size_t)(in.p - whole.p);
		if (in_set && before.p != NULL && set_order(before, whole) > 0)
			return false;
		before = whole;
		if (tag & 0x20) {
			/* Of the universal types only these two are constructed in DER. */
			ok = (tag >= 0x40 || tag == DER_SEQUENCE || tag == DER_SET) &&
			    depth < DER_DEPTH &&
			    exact(body, depth + 1, allow_false, tag == DER_SET);
			continue;
		}
		switch (tag) {
		case DER_BOOLEAN:
			ok = body.len == 1 &&
			    (body.p[0] == 0xff || (body.p[0] == 0 && allow_false));
			break;
		case DER_INTEGER:
		case DER_ENUMERATED:
			ok = integer_ok(body);
			break;
		case DER_BIT_STRING:
			ok = bit_string_ok(body);
			break;
		case DER_NULL:
			ok = body.len == 0;
			break;
		case DER_OID:
			ok = oid_ok(body);
			break;
		case DER_UTC_TIME:
			ok = time_ok(body, strlen("yymmddhhmmssZ"));
			break;
		case DER_GENERALIZED_TIME:
			ok = time_ok(body, strlen("yyyymmddhhmmssZ"));
			break;
		case DER_SEQUENCE & 0x1f:
		case DER_SET & 0x1f:
		case 0:
			ok = false;
		}
	}
	return ok;
}

bool der_exact(const void *data, size_t len, bool allow_false)
{
	struct bytes in = {data, len}, body;
	uint8_t tag;

	if (!der_take(&in, &tag, &body) || in.len != 0)
		return false;
	in.p = data;
	in.len = len;
	return exact(in, 0, allow_false, false);
}

/* TBSCertificate, CertificationRequestInfo and TBSCertList differ in their first elements. */
static enum der_kind kind_signed(struct bytes tbs)
{
	struct bytes skip;
	uint8_t tag;

	if (peek(tbs, DER_CONTEXT_0))
		return DER_CERT;
	if (!der_expect(&tbs, DER_INTEGER, &skip))
		return peek(tbs, DER_SEQUENCE) ? DER_CRL : DER_UNKNOWN;
	if (!der_expect(&tbs, DER_SEQUENCE, &skip) || !der_expect(&tbs, DER_SEQUENCE, &skip) ||
	    !der_take(&tbs, &tag, &skip))
		return DER_UNKNOWN;
	if (tag == DER_CONTEXT_0)
		return DER_REQUEST;
	return tag == DER_SEQUENCE ? DER_CERT : DER_CRL;
}

bool der_is_sequence(struct bytes b)
{
	struct bytes body;

	return der_expect(&b, DER_SEQUENCE, &body) && b.len == 0;
}

enum der_kind der_kind_of(const void *data, size_t len)
{
	static const unsigned char pkcs7[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07};
	struct bytes in = {data, len}, body, first, second;
	uint8_t tag, next;

	if (!der_expect(&in, DER_SEQUENCE, &body) || !der_take(&body, &tag, &first))
		return DER_UNKNOWN;
	if (!der_take(&body, &next, &second))
		return DER_UNKNOWN;
	switch (tag) {
	case DER_SEQUENCE:
		if (next == DER_OCTET_STRING)
			return DER_PRIVATE_KEY;	/* EncryptedPrivateKeyInfo */
		if (next == DER_BIT_STRING)
			return DER_PUBLIC_KEY;
		return next == DER_SEQUENCE ? kind_signed(first) : DER_UNKNOWN;
	case DER_INTEGER:
		if (first.len == 1 && first.p[0] == 3 && next == DER_SEQUENCE)
			return DER_PKCS12;
		/* PKCS#8, RFC 5208; RSAPrivateKey, RFC 8017; ECPrivateKey, RFC 5915. */
		if (first.len == 1 && first.p[0] <= 1 &&
		    (next == DER_SEQUENCE || next == DER_INTEGER || next == DER_OCTET_STRING))
			return DER_PRIVATE_KEY;
		return DER_UNKNOWN;
	case DER_OID:
		if (first.len > sizeof pkcs7 && memcmp(first.p, pkcs7, sizeof pkcs7) == 0)
			return DER_PKCS7;
	}
	return DER_UNKNOWN;
}

const char *der_kind_text(enum der_kind kind)
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

static void put_head(struct buf *b, uint8_t tag, size_t len)
{
	buf_put_u8(b, tag);
	if (len >= 0x80)
		buf_put_u8(b, len > UINT8_MAX ? 0x82 : 0x81);
	if (len > UINT8_MAX)
		buf_put_u8(b, (uint8_t)(len >> 8));
	buf_put_u8(b, (uint8_t)len);
	b->failed |= len > DER_PUT_MAX;
}

void der_put(struct buf *b, uint8_t tag, const void *body, size_t len)
{
	put_head(b, tag, len);
	buf_put(b, body, len);
}

void der_wrap(struct buf *b, size_t from, uint8_t tag)
{
	size_t end = b->len, head;

	/* The head goes behind the body first, which makes room for it in front. */
	put_head(b, tag, end - from);
	if (!b->failed) {
		unsigned char saved[4];

		head = b->len - end;
		memcpy(saved, b->p + end, head);
		memmove(b->p + from + head, b->p + from, end - from);
		memcpy(b->p + from, saved, head);
	}
}
