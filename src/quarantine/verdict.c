/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/utc.h"
#include "quarantine/verdict.h"
#include "x509/der.h"

enum { BAD, GOOD, CA, OTHER };

void verdict_encode(const struct verdict *v, struct buf *out)
{
	const struct facts *f = &v->facts;

	buf_put_u8(out, v->good ? GOOD : v->ca ? CA : v->other ? OTHER : BAD);
	buf_put_text(out, v->entry);
	buf_put_text(out, v->reason.text);
	buf_put_u8(out, v->read);
	if (!v->read)
		return;
	buf_put(out, f->spki, sizeof f->spki);
	buf_put(out, f->digest, sizeof f->digest);
	buf_put_text(out, f->cn);
	buf_put_text(out, f->serial);
	buf_put_u64(out, (uint64_t)f->not_after);
	buf_put_sized(out, f->der, v->good ? f->der_len : 0);
}

static bool get_bool(struct bytes *in, bool *out)
{
	uint8_t n;

	if (!bytes_get_u8(in, &n) || n > 1)
		return false;
	*out = n == 1;
	return true;
}

/* A serial number is printed without escapes. */
static bool is_hex(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

bool verdict_decode(struct bytes in, struct verdict *v)
{
	struct facts *f = &v->facts;
	uint64_t when;
	uint8_t what;

	*v = (struct verdict){0};
	if (!bytes_get_u8(&in, &what) || what > OTHER || !bytes_get_text(&in, v->entry, sizeof v->entry) ||
	    !bytes_get_text(&in, v->reason.text, sizeof v->reason.text) || !get_bool(&in, &v->read))
		return false;
	v->good = what == GOOD;
	v->ca = what == CA;
	v->other = what == OTHER;
	if (!v->read || v->other)
		return !v->read && (what == BAD || v->other) && in.len == 0;
	if (!bytes_get_copy(&in, f->spki, sizeof f->spki) ||
	    !bytes_get_copy(&in, f->digest, sizeof f->digest) ||
	    !bytes_get_text(&in, f->cn, sizeof f->cn) ||
	    !bytes_get_text(&in, f->serial, sizeof f->serial) || !bytes_get_u64(&in, &when) ||
	    !bytes_get_sized(&in, &f->der, &f->der_len))
		return false;
	f->not_after = (time_t)(int64_t)when;
	return in.len == 0 && (f->serial[0] == '\0' || is_hex(f->serial)) && f->not_after <= UTC_LAST &&
	    f->not_after >= UTC_FIRST &&
	    (v->good ? f->der_len <= VERDICT_DER_MAX && der_is_sequence((struct bytes){f->der, f->der_len}) :
	    f->der_len == 0);
}
