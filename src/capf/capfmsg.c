/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "capf/capfmsg.h"

#define MAGIC 0x55
#define CERT_FORM 1	/* the only one ever seen */

static const char *const commands[] = {"command 0", "AUTH_REQUEST", "AUTH_RESPONSE",
    "KEY_GENERATE_REQUEST", "KEY_GENERATE_RESPONSE", "command 5", "command 6", "command 7",
    "command 8", "STORE_CERTIFICATE_REQUEST", "STORE_CERTIFICATE_RESPONSE",
    "FETCH_CERTIFICATE_REQUEST", "FETCH_CERTIFICATE_RESPONSE", "DELETE_CERTIFICATE_REQUEST",
    "DELETE_CERTIFICATE_RESPONSE", "END_SESSION", "RETRY_LATER", "REQUEST_IN_PROGRESS",
    "STATUS_REQUEST", "STATUS_RESPONSE", "ABORT_REQUEST", "ABORT_RESPONSE",
    "SIGN_CERTIFICATE_REQUEST", "SIGN_CERTIFICATE_RESPONSE"};

enum kind { U8, U16, U32, RAW, TEXT, LOOSE_TEXT, DEVICE, CERTIFICATE, SHA2, SUDI };

/* How each element is written and where it goes: in the order in which it is sent, which is that of
 * the messages that were seen. */
static const struct element {
	enum capfmsg_tag tag;
	enum kind kind;
	size_t at;
	const char *name;
} elements[] = {
	{CAPFMSG_VERSION_TAG, U8, offsetof(struct capfmsg, version), "VERSION"},
	{CAPFMSG_AUTH_TYPE, U8, offsetof(struct capfmsg, auth_type), "AUTH_TYPE"},
	{CAPFMSG_DEVICE_NAME, DEVICE, offsetof(struct capfmsg, device), "DEVICE_NAME"},
	{CAPFMSG_REASON, U8, offsetof(struct capfmsg, reason), "REASON"},
	{CAPFMSG_REASON_INFO, LOOSE_TEXT, offsetof(struct capfmsg, reason_info), "REASON_INFO"},
	{CAPFMSG_PASSWORD, TEXT, offsetof(struct capfmsg, password), "PASSWORD"},
	{CAPFMSG_CERT_TYPE, U8, offsetof(struct capfmsg, cert_type), "CERTIFICATE_TYPE"},
	{CAPFMSG_CERTIFICATE, CERTIFICATE, offsetof(struct capfmsg, certificate), "CERTIFICATE"},
	{CAPFMSG_CERT_ID, RAW, offsetof(struct capfmsg, cert_id), "CERTIFICATE_ID"},
	{CAPFMSG_DIGEST_TYPE, U16, offsetof(struct capfmsg, digest_type), "DIGEST_TYPE"},
	{CAPFMSG_SIGNED_DATA, RAW, offsetof(struct capfmsg, signed_data), "SIGNED_DATA"},
	{CAPFMSG_SHA2_SIGNED_DATA, SHA2, 0, "SHA2_SIGNED_DATA"},
	{CAPFMSG_SUDI_DATA, SUDI, 0, "SUDI_DATA"},
	{CAPFMSG_PUBLIC_KEY, RAW, offsetof(struct capfmsg, public_key), "PUBLIC_KEY"},
	{CAPFMSG_KEY_SIZE, U16, offsetof(struct capfmsg, key_size), "KEY_SIZE"},
	{CAPFMSG_KEY_TYPE, U8, offsetof(struct capfmsg, key_type), "KEY_TYPE"},
	{CAPFMSG_CURVE, U8, offsetof(struct capfmsg, curve), "CURVE"},
	{CAPFMSG_RETRY_DELAY, U32, offsetof(struct capfmsg, retry_delay), "RETRY_DELAY"},
};
#define ELEMENTS (sizeof elements / sizeof elements[0])

const char *capfmsg_name(uint8_t command)
{
	return command < sizeof commands / sizeof commands[0] ? commands[command] :
							       "an unknown command";
}

static bool get_u16(struct bytes *b, uint16_t *out)
{
	unsigned char p[2];

	if (!bytes_get_copy(b, p, sizeof p))
		return false;
	*out = (uint16_t)(p[0] << 8 | p[1]);
	return true;
}

/* A 16-bit length, then that many bytes. */
static bool get_counted(struct bytes *b, struct bytes *out)
{
	uint16_t len;

	if (!get_u16(b, &len) || !bytes_get(b, &out->p, len))
		return false;
	out->len = len;
	return true;
}

int capfmsg_length(struct bytes b, struct reason *r)
{
	int body;

	if (b.len > 0 && b.p[0] != MAGIC)
		return reason_set(r, "is not CAPF: it begins with %02x instead of %02x", b.p[0],
		    MAGIC);
	if (b.len < CAPFMSG_HEADER)
		return 0;
	body = b.p[CAPFMSG_HEADER - 2] << 8 | b.p[CAPFMSG_HEADER - 1];
	if (body > CAPFMSG_BODY_MAX)
		return reason_set(r, "has a body of %d bytes, more than %d", body, CAPFMSG_BODY_MAX);
	return CAPFMSG_HEADER + body;
}

/* Of whatever width, as long as the number fits: some widths nobody has seen. */
static bool get_number(struct bytes in, uint32_t max, uint32_t *out)
{
	uint32_t n = 0;

	if (in.len < 1 || in.len > sizeof n)
		return false;
	for (size_t i = 0; i < in.len; i++)
		n = n << 8 | in.p[i];
	*out = n;
	return n <= max;
}

/* Up to the first NUL; nothing but more of them may follow. */
static bool get_text(struct bytes in, struct bytes *out)
{
	const unsigned char *end = in.len > 0 ? memchr(in.p, '\0', in.len) : NULL;

	if (end == NULL)
		return false;
	*out = (struct bytes){in.p, (size_t)(end - in.p)};
	for (size_t i = out->len; i < in.len; i++)
		if (in.p[i] != '\0')
			return false;
	return true;
}

static struct bytes loose_text(struct bytes in)
{
	while (in.len > 0 && in.p[in.len - 1] == '\0')
		in.len--;
	return in;
}

static bool get_device(struct bytes in, char out[DEVICE_MAX + 1])
{
	struct bytes text;

	if (!get_text(in, &text) || !device_ok((const char *)text.p, text.len))
		return false;
	memcpy(out, text.p, text.len);
	out[text.len] = '\0';
	return true;
}

/* 01, length, two bytes that mean nothing to us, DER. */
static bool get_certificate(struct bytes in, struct bytes *out)
{
	const unsigned char *skipped;
	uint8_t form;

	return bytes_get_u8(&in, &form) && form == CERT_FORM && get_counted(&in, out) &&
	    in.len == 0 && bytes_get(out, &skipped, 2);
}

static bool get_sha2(struct bytes in, struct capfmsg *m)
{
	return bytes_get_u8(&in, &m->sha2_digest) && get_counted(&in, &m->sha2_signature) &&
	    in.len == 0;
}

static bool get_sudi(struct bytes in, struct capfmsg *m)
{
	struct bytes *const to[] = {&m->sudi_certificate, &m->sudi_sha1, NULL, &m->sudi_sha512};
	unsigned seen = 0;

	while (in.len > 0) {
		struct bytes item;
		uint8_t id;

		if (!bytes_get_u8(&in, &id) || !get_counted(&in, &item))
			return false;
		if (id >= sizeof to / sizeof to[0] || to[id] == NULL)
			continue;
		if ((seen >> id & 1) != 0)
			return false;
		seen |= 1u << id;
		*to[id] = item;
	}
	return true;
}

static bool get_element(const struct element *e, struct bytes in, struct capfmsg *m)
{
	void *to = (char *)m + e->at;
	uint32_t n;

	switch (e->kind) {
	case U8:
		if (!get_number(in, UINT8_MAX, &n))
			return false;
		*(uint8_t *)to = (uint8_t)n;
		return true;
	case U16:
		if (!get_number(in, UINT16_MAX, &n))
			return false;
		*(uint16_t *)to = (uint16_t)n;
		return true;
	case U32:
		return get_number(in, UINT32_MAX, to);
	case RAW:
		*(struct bytes *)to = in;
		return true;
	case TEXT:
		return get_text(in, to);
	case LOOSE_TEXT:
		*(struct bytes *)to = loose_text(in);
		return true;
	case DEVICE:
		return get_device(in, to);
	case CERTIFICATE:
		return get_certificate(in, to);
	case SHA2:
		return get_sha2(in, m);
	case SUDI:
		return get_sudi(in, m);
	}
	return false;
}

/* Why get_element said no. */
static int refuse(const struct element *e, struct bytes in, struct reason *r)
{
	switch (e->kind) {
	case U8:
	case U16:
	case U32:
		if (in.len == 0)
			return reason_set(r, "has a %s of no bytes", e->name);
		return reason_set(r, "has a %s that is too large a number", e->name);
	case TEXT:
		return reason_set(r, "has a %s that does not end in a NUL", e->name);
	case DEVICE:
		return reason_set(r, "has a %s that is no device name with a NUL", e->name);
	default:
		return reason_set(r, "has a %s that is malformed", e->name);
	}
}

static const struct element *find(uint8_t tag)
{
	for (size_t i = 0; i < ELEMENTS; i++)
		if (elements[i].tag == tag)
			return &elements[i];
	return NULL;
}

const char *capfmsg_tag_name(uint8_t tag)
{
	const struct element *e = find(tag);

	return e != NULL ? e->name : NULL;
}

bool capfmsg_next(struct bytes *body, uint8_t *tag, struct bytes *value)
{
	struct bytes rest = *body;

	if (!bytes_get_u8(&rest, tag) || !get_counted(&rest, value))
		return false;
	*body = rest;
	return true;
}

int capfmsg_decode(struct bytes in, struct capfmsg *m, struct reason *r)
{
	int len = capfmsg_length(in, r);
	const unsigned char *magic;

	*m = (struct capfmsg){0};
	if (len < 0)
		return -1;
	if (len == 0 || (size_t)len != in.len)
		return reason_set(r, "is %s", len == 0 || (size_t)len > in.len ? "cut short" :
						      "followed by something");
	bytes_get(&in, &magic, 1);
	bytes_get_u8(&in, &m->command);
	bytes_get_u32(&in, &m->session);
	in.p += 2;
	in.len -= 2;
	while (in.len > 0) {
		const struct element *e;
		struct bytes value;
		uint8_t tag;

		if (!capfmsg_next(&in, &tag, &value))
			return reason_set(r, "has an element that reaches past its end");
		if ((e = find(tag)) == NULL) {
			if (m->unknowns < CAPFMSG_UNKNOWN_MAX)
				m->unknown[m->unknowns] = (struct capfmsg_unknown){tag, value};
			m->unknowns++;
			continue;
		}
		if (capfmsg_has(m, e->tag))
			return reason_set(r, "has two %ss", e->name);
		if (!get_element(e, value, m))
			return refuse(e, value, r);
		capfmsg_add(m, e->tag);
	}
	return 0;
}

static void put_u16(struct buf *b, size_t n)
{
	if (n > UINT16_MAX)
		b->failed = true;
	buf_put_u8(b, n >> 8 & 0xff);
	buf_put_u8(b, n & 0xff);
}

static void put_item(struct buf *b, uint8_t id, struct bytes value)
{
	buf_put_u8(b, id);
	put_u16(b, value.len);
	buf_put(b, value.p, value.len);
}

static void put_certificate(struct buf *b, struct bytes der)
{
	buf_put_u8(b, CERT_FORM);
	put_u16(b, 2 + der.len);
	put_u16(b, 1);
	buf_put(b, der.p, der.len);
}

static void put_value(struct buf *b, const struct element *e, const struct capfmsg *m)
{
	const void *from = (const char *)m + e->at;
	const struct bytes *bytes = from;

	switch (e->kind) {
	case U8:
		buf_put_u8(b, *(const uint8_t *)from);
		break;
	case U16:
		/* The width of DIGEST_TYPE is a guess. */
		if (e->tag == CAPFMSG_DIGEST_TYPE && m->digest_type <= UINT8_MAX)
			buf_put_u8(b, (uint8_t)m->digest_type);
		else
			put_u16(b, *(const uint16_t *)from);
		break;
	case U32:
		buf_put_u32(b, *(const uint32_t *)from);
		break;
	case RAW:
	case LOOSE_TEXT:
		buf_put(b, bytes->p, bytes->len);
		break;
	case TEXT:
		b->failed |= bytes->len > 0 && memchr(bytes->p, '\0', bytes->len) != NULL;
		buf_put(b, bytes->p, bytes->len);
		buf_put_u8(b, 0);
		break;
	case DEVICE:
		b->failed |= !device_ok(m->device, strlen(m->device));
		buf_put(b, m->device, strlen(m->device) + 1);
		break;
	case CERTIFICATE:
		put_certificate(b, *bytes);
		break;
	case SHA2:
		put_item(b, m->sha2_digest, m->sha2_signature);
		break;
	case SUDI:
		put_item(b, 0, m->sudi_certificate);
		put_item(b, CAPFMSG_SHA1, m->sudi_sha1);
		put_item(b, CAPFMSG_SHA512, m->sudi_sha512);
		break;
	}
}

/* Sets a length that was left open: what stands behind it. */
static void close_length(struct buf *b, size_t at)
{
	size_t len = b->failed ? 0 : b->len - at - 2;

	if (b->failed)
		return;
	b->failed = len > UINT16_MAX;
	b->p[at] = len >> 8 & 0xff;
	b->p[at + 1] = len & 0xff;
}

static void put_element(struct buf *b, const struct element *e, const struct capfmsg *m)
{
	size_t at;

	if (!capfmsg_has(m, e->tag))
		return;
	buf_put_u8(b, e->tag);
	at = b->len;
	put_u16(b, 0);
	put_value(b, e, m);
	close_length(b, at);
}

int capfmsg_encode(const struct capfmsg *m, struct buf *b, struct reason *r)
{
	size_t start = b->len, body;

	if (b->failed)
		return reason_memory(r);
	buf_put_u8(b, MAGIC);
	buf_put_u8(b, m->command);
	buf_put_u32(b, m->session);
	body = b->len;
	put_u16(b, 0);
	for (size_t i = 0; i < ELEMENTS; i++)
		put_element(b, &elements[m->reversed ? ELEMENTS - 1 - i : i], m);
	for (size_t i = 0; i < m->unknowns && i < CAPFMSG_UNKNOWN_MAX; i++)
		put_item(b, m->unknown[i].tag, m->unknown[i].value);
	close_length(b, body);
	if (!b->failed && b->len - body - 2 <= CAPFMSG_BODY_MAX)
		return 0;
	b->len = start;
	b->failed = false;
	return reason_set(r, "cannot be sent: too long, an illegal text, or no memory");
}
