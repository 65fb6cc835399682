/* SPDX-License-Identifier: ISC */
#include "x509/ber.h"
#include "x509/der.h"

#define DEPTH 32	/* nested elements; certificates inside of CMS have 14 */
#define CONSTRUCTED 0x20
#define INDEFINITE 0x80

/* Tag and length. False when they are not whole; all tags here have one byte. */
static bool take_head(struct bytes *in, uint8_t *tag, size_t *len, bool *indefinite)
{
	uint8_t first, byte;

	if (!bytes_get_u8(in, tag) || (*tag & 0x1f) == 0x1f || !bytes_get_u8(in, &first))
		return false;
	*indefinite = first == INDEFINITE;
	*len = first < 0x80 ? first : 0;
	if (first > 0x84)
		return false;
	for (int i = 0; first > 0x80 && i < (first & 0x7f); i++) {
		if (!bytes_get_u8(in, &byte))
			return false;
		*len = *len << 8 | byte;
	}
	return *indefinite ? (*tag & CONSTRUCTED) != 0 : *len <= in->len;
}

static bool at_end(struct bytes *in)
{
	if (in->len < 2 || in->p[0] != 0 || in->p[1] != 0)
		return false;
	in->p += 2;
	in->len -= 2;
	return true;
}

/* Takes an element off and appends it; of the piece of a string only what is in it. */
static bool put(struct bytes *in, int depth, bool piece, struct buf *out)
{
	struct bytes inside;
	bool indefinite, string, done = false;
	size_t len, from = out->len;
	uint8_t tag;

	if (depth > DEPTH || !take_head(in, &tag, &len, &indefinite) || out->failed)
		return false;
	if (piece && (tag & ~CONSTRUCTED) != DER_OCTET_STRING)
		return false;
	string = (tag & ~CONSTRUCTED) == DER_OCTET_STRING;
	if (!(tag & CONSTRUCTED)) {
		buf_put(out, in->p, len);
		in->p += len;
		in->len -= len;
	} else {
		inside = (struct bytes){in->p, indefinite ? in->len : len};
		while (!done && (indefinite || inside.len > 0)) {
			done = indefinite && at_end(&inside);
			if (!done && !put(&inside, depth + 1, string, out))
				return false;
		}
		in->len -= (size_t)(inside.p - in->p);
		in->p = inside.p;
	}
	if (!piece && out->len - from <= DER_PUT_MAX)
		der_wrap(out, from, string ? DER_OCTET_STRING : tag);
	return !out->failed && out->len - from <= DER_PUT_MAX + 4;
}

bool ber_to_der(struct bytes in, struct buf *out)
{
	return put(&in, 0, false, out) && in.len == 0;
}
