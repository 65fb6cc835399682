/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/utc.h"
#include "quarantine/verdict.h"
#include "x509/der.h"

void verdict_encode(const struct verdict *v, struct buf *out)
{
	buf_put_u8(out, v->good);
	buf_put_text(out, v->entry);
	buf_put_text(out, v->reason.text);
	buf_put_u8(out, v->read);
	if (!v->read)
		return;
	buf_put(out, v->spki, sizeof v->spki);
	buf_put(out, v->digest, sizeof v->digest);
	buf_put_text(out, v->cn);
	buf_put_text(out, v->serial);
	buf_put_u64(out, (uint64_t)v->not_after);
	buf_put_sized(out, v->der, v->good ? v->der_len : 0);
}

static bool get_bool(struct bytes *in, bool *out)
{
	uint8_t n;

	if (!bytes_get_u8(in, &n) || n > 1)
		return false;
	*out = n == 1;
	return true;
}

/* What a serial number looks like; it is printed as it is. */
static bool is_hex(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

bool verdict_decode(struct bytes in, struct verdict *v)
{
	uint64_t when;

	*v = (struct verdict){0};
	if (!get_bool(&in, &v->good) || !bytes_get_text(&in, v->entry, sizeof v->entry) ||
	    !bytes_get_text(&in, v->reason.text, sizeof v->reason.text) || !get_bool(&in, &v->read))
		return false;
	if (!v->read)
		return !v->good && in.len == 0;
	if (!bytes_get_copy(&in, v->spki, sizeof v->spki) ||
	    !bytes_get_copy(&in, v->digest, sizeof v->digest) ||
	    !bytes_get_text(&in, v->cn, sizeof v->cn) ||
	    !bytes_get_text(&in, v->serial, sizeof v->serial) || !bytes_get_u64(&in, &when) ||
	    !bytes_get_sized(&in, &v->der, &v->der_len))
		return false;
	v->not_after = (time_t)(int64_t)when;
	return in.len == 0 && (v->serial[0] == '\0' || is_hex(v->serial)) && v->not_after <= UTC_LAST &&
	    v->not_after >= UTC_FIRST &&
	    (v->good ? v->der_len <= VERDICT_DER_MAX && der_is_sequence((struct bytes){v->der, v->der_len}) :
	    v->der_len == 0);
}
