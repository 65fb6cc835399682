/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <openssl/sha.h>

#include "base/auth_string.h"
#include "base/escape.h"
#include "capf/capfmsg.h"
#include "server/trace_text.h"
#include "x509/cert.h"

#define LINE_MOST 1400		/* a certificate's, with a subject that is all escapes */
#define HEX_MOST 64		/* bytes of an element that are shown */
#define TEXT_MOST 200
#define DIGEST_LEAST 32		/* a shorter value could be found by its digest, so it is shown */
#define LEFT_OUT "[digits]"

struct text {
	struct buf *out;
	size_t start;
};

static void put(struct text *t, const char *s)
{
	buf_put(t->out, s, strlen(s));
}

__attribute__((format(printf, 2, 3)))
static void say(struct text *t, const char *fmt, ...)
{
	char line[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	put(t, line);
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* How many bytes from here on could be an authentication string in a place that is not its own: so many digits, also
 * with NULs between, as in UTF-16. 0 when there are too few. */
static size_t digits_at(struct bytes b, size_t at)
{
	size_t digits = 0, end = at;

	for (size_t i = at; i < b.len && (is_digit(b.p[i]) || b.p[i] == '\0'); i++)
		if (is_digit(b.p[i])) {
			digits++;
			end = i + 1;
		}
	return digits >= AUTH_STRING_MIN && is_digit(b.p[at]) ? end - at : 0;
}

static void put_hex(struct text *t, struct bytes b)
{
	char hex[3];

	put(t, " hex=");
	for (size_t i = 0, skip; i < b.len; i += skip > 0 ? skip : 1) {
		if (i >= HEX_MOST) {
			put(t, "...");
			return;
		}
		if ((skip = digits_at(b, i)) > 0) {
			put(t, LEFT_OUT);
			continue;
		}
		bytes_hex(b.p + i, 1, hex);
		put(t, hex);
	}
}

/* In quotes; what is not printable, and what would end them, as \xHH. */
static void put_text(struct text *t, struct bytes b, bool hide)
{
	char hex[ESCAPE_LEN];

	put(t, "\"");
	for (size_t i = 0, skip; i < b.len; i += skip > 0 ? skip : 1) {
		if (i >= TEXT_MOST) {
			put(t, "...");
			break;
		}
		if ((skip = hide ? digits_at(b, i) : 0) > 0)
			put(t, LEFT_OUT);
		else if (b.p[i] < ' ' || b.p[i] > '~' || b.p[i] == '"' || b.p[i] == '\\')
			buf_put(t->out, hex, escape_put(b.p[i], hex));
		else
			buf_put(t->out, b.p + i, 1);
	}
	put(t, "\"");
}

static void put_digest(struct text *t, struct bytes b)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char hex[2 * sizeof digest + 1];

	SHA256(b.p, b.len, digest);
	bytes_hex(digest, sizeof digest, hex);
	say(t, " sha256=%s", hex);
}

static void put_length(struct text *t, struct bytes b)
{
	say(t, " length=%zu", b.len);
}

/* Keys and signatures: their bytes are of no use to a reader, and long. */
static void put_large(struct text *t, struct bytes b)
{
	put_length(t, b);
	if (b.len < DIGEST_LEAST)
		put_hex(t, b);
	else
		put_digest(t, b);
}

/* 01, a length, two bytes, DER. */
static void put_certificate(struct text *t, struct bytes b)
{
	struct bytes der = {b.p + 5, b.len - 5};
	struct cert *cert = NULL;
	struct reason why;

	if (b.len > 5)
		cert = cert_parse(der.p, der.len, &why);
	if (cert == NULL) {
		put_large(t, b);
		return;
	}
	put_length(t, der);
	put_digest(t, der);
	put(t, " subject=");
	put_text(t, (struct bytes){(const unsigned char *)cert->cn, strlen(cert->cn)}, false);
	cert_free(cert);
}

static void put_number(struct text *t, struct bytes b)
{
	uint32_t n = 0;

	/* Four digits in the place of a number are no number that a phone would send. */
	if (b.len < 1 || b.len > sizeof n || digits_at(b, 0) > 0) {
		put_length(t, b);
		put_hex(t, b);
		return;
	}
	for (size_t i = 0; i < b.len; i++)
		n = n << 8 | b.p[i];
	say(t, " %u", n);
}

static void put_device(struct text *t, struct bytes b)
{
	if (b.len > 1 && b.p[b.len - 1] == '\0' && device_ok((const char *)b.p, b.len - 1)) {
		put(t, " ");
		put(t, (const char *)b.p);
		return;
	}
	put_length(t, b);
	put_hex(t, b);
}

static void put_value(struct text *t, uint8_t tag, struct bytes b)
{
	switch (tag) {
	case CAPFMSG_REASON:
	case CAPFMSG_CERT_TYPE:
	case CAPFMSG_VERSION_TAG:
	case CAPFMSG_AUTH_TYPE:
	case CAPFMSG_KEY_SIZE:
	case CAPFMSG_RETRY_DELAY:
	case CAPFMSG_KEY_TYPE:
	case CAPFMSG_CURVE:
	case CAPFMSG_DIGEST_TYPE:
		put_number(t, b);
		return;
	case CAPFMSG_REASON_INFO:
		put(t, " ");
		put_text(t, b, true);
		return;
	case CAPFMSG_DEVICE_NAME:
		put_device(t, b);
		return;
	case CAPFMSG_CERTIFICATE:
		put_certificate(t, b);
		return;
	case CAPFMSG_SIGNED_DATA:
	case CAPFMSG_PUBLIC_KEY:
	case CAPFMSG_SUDI_DATA:
	case CAPFMSG_SHA2_SIGNED_DATA:
		put_large(t, b);
		return;
	default:
		put_length(t, b);
		put_hex(t, b);
	}
}

/* Do the elements fill the body exactly? Else one of them has a wrong length, and what looks like an element behind it
 * may be the inside of a PASSWORD. */
static bool is_framed(struct bytes body)
{
	struct bytes value;
	uint8_t tag;

	while (body.len > 0)
		if (!capfmsg_next(&body, &tag, &value))
			return false;
	return true;
}

static void put_element(struct text *t, uint8_t tag, struct bytes value, bool framed)
{
	const char *name = capfmsg_tag_name(tag);

	if (name != NULL)
		say(t, "    %s", name);
	else
		say(t, "    tag %u", tag);
	if (tag == CAPFMSG_PASSWORD)
		put(t, " left out");
	else if (framed)
		put_value(t, tag, value);
	put(t, "\n");
}

static void put_elements(struct text *t, struct bytes body)
{
	bool framed = is_framed(body), secret = false;
	struct bytes value;
	uint8_t tag;

	/* Its last element may be a PASSWORD that is cut off. */
	while (body.len > 0) {
		if (t->out->len - t->start > TRACE_TEXT_MAX - 2 * LINE_MOST) {
			put(t, "    more elements are left out\n");
			return;
		}
		secret = body.p[0] == CAPFMSG_PASSWORD;
		if (!capfmsg_next(&body, &tag, &value)) {
			put(t, secret ? "    PASSWORD left out\n" : "");
			return;
		}
		put_element(t, tag, value, framed);
	}
}

void trace_text_name(struct bytes message, char out[TRACE_NAME_MAX])
{
	struct reason why;
	const char *name;

	if (capfmsg_length(message, &why) <= 0) {
		snprintf(out, TRACE_NAME_MAX, "no message");
		return;
	}
	name = capfmsg_name(message.p[1]);
	if (strncmp(name, "an ", 3) == 0)
		snprintf(out, TRACE_NAME_MAX, "command %u", message.p[1]);
	else
		snprintf(out, TRACE_NAME_MAX, "%s", name);
}

void trace_text(struct bytes message, struct buf *out)
{
	struct text t = {out, out->len};
	struct reason why;
	struct capfmsg m;
	int len = capfmsg_length(message, &why);

	/* No element begins before the end of a header, so no string either. */
	if (len <= 0) {
		message.len = message.len < CAPFMSG_HEADER ? message.len : CAPFMSG_HEADER;
		put(&t, "    header");
		put_hex(&t, message);
		put(&t, "\n");
		if (len < 0)
			say(&t, "    malformed: %.100s\n", why.text);
		return;
	}
	message.len = (size_t)len < message.len ? (size_t)len : message.len;
	put_elements(&t, (struct bytes){message.p + CAPFMSG_HEADER, message.len - CAPFMSG_HEADER});
	if (capfmsg_decode(message, &m, &why) < 0)
		say(&t, "    malformed: %.100s\n", why.text);
}
