/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/device.h"
#include "base/monotime.h"
#include "base/outfile.h"
#include "capf/capfmsg.h"
#include "capf/sign_layout.h"
#include "probe/transcript.h"
#include "x509/der.h"

#define SESSION_MAX (256 << 10)		/* an honest one has less than 20 KiB */

static void put(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct buf *b, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_put(b, text, strlen(text));
}

static void put_hex(struct buf *b, struct bytes in)
{
	char two[3];

	for (size_t i = 0; i < in.len; i++) {
		bytes_hex(in.p + i, 1, two);
		buf_put(b, two, 2);
	}
}

/* Each message is in the file before the next one is sent: whoever ends the program loses nothing. */
static void append(struct transcript *t, struct buf *b)
{
	if (t->fd >= 0 && t->error == 0 && (b->failed || outfile_log_append(t->fd, b->p, b->len) != 0))
		t->error = b->failed ? ENOMEM : errno;
	buf_free(b);
}

void transcript_say(struct transcript *t, const char *fmt, ...)
{
	struct buf b = {0};
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	put(&b, "%8.3f  %s\n", monotime_seconds() - t->start, text);
	append(t, &b);
}

/* Certificates and requests have names in them; whatever an unknown element wraps around one. */
static bool has_names(uint8_t tag, struct bytes value)
{
	const size_t skip[] = {0, 3, 5};
	const char begin[] = "-----BEGIN";

	for (size_t i = 0; i < sizeof skip / sizeof *skip && skip[i] < value.len; i++)
		switch (der_kind_of(value.p + skip[i], value.len - skip[i])) {
		case DER_CERT:
		case DER_REQUEST:
		case DER_CRL:
		case DER_PKCS7:
		case DER_PKCS12:
		case DER_PRIVATE_KEY:
			return true;
		default:
			break;
		}
	return tag == CAPFMSG_SUDI_DATA || memmem(value.p, value.len, begin, strlen(begin)) != NULL;
}

/* Why an element's value is not shown, or NULL. */
static const char *hidden(const struct transcript *t, bool sent, uint8_t command, uint8_t tag, struct bytes value)
{
	size_t len = strlen(t->string);

	if (tag == CAPFMSG_PASSWORD)
		return "the authentication string";
	if (len > 0 && memmem(value.p, value.len, t->string, len) != NULL)
		return "the authentication string is in it";
	if (command == CAPFMSG_AUTH_RESPONSE && tag != CAPFMSG_REASON && tag != CAPFMSG_VERSION_TAG &&
	    tag != CAPFMSG_DEVICE_NAME)
		return "it may prove who the phone is";
	/* What we send has the device's name alone. */
	if (!sent && has_names(tag, value))
		return "a certificate or request, with names";
	return NULL;
}

static void put_element(const struct transcript *t, struct buf *b, bool sent, uint8_t command, uint8_t tag,
    struct bytes value)
{
	const char *why = hidden(t, sent, command, tag, value), *name = capfmsg_tag_name(tag);

	put(b, "            %3u %s, %zu byte%s: ", tag, name != NULL ? name : "unknown", value.len,
	    value.len == 1 ? "" : "s");
	if (why != NULL)
		put(b, "left out, %s", why);
	else
		put_hex(b, value);
	/* Anything else could hold a line of its own. */
	if (why == NULL && tag == CAPFMSG_DEVICE_NAME && value.len > 1 && value.p[value.len - 1] == '\0' &&
	    device_ok((const char *)value.p, value.len - 1))
		put(b, " (%s)", (const char *)value.p);
	put(b, "\n");
}

void transcript_begin(struct transcript *t)
{
	t->start = monotime_seconds();
	t->messages = 0;
}

void transcript_message(struct transcript *t, bool sent, struct bytes whole)
{
	struct bytes body = {whole.p + CAPFMSG_HEADER, whole.len - CAPFMSG_HEADER}, value;
	uint8_t command = whole.p[1], tag;
	struct buf b = {0};

	if (t->messages > SESSION_MAX)
		return;
	put(&b, "%8.3f  %s %u %s, ", monotime_seconds() - t->start, sent ? ">" : "<", command, capfmsg_name(command));
	put_hex(&b, (struct bytes){whole.p, CAPFMSG_HEADER});
	put(&b, "\n");
	while (capfmsg_next(&body, &tag, &value))
		put_element(t, &b, sent, command, tag, value);
	if (body.len > 0)
		put(&b, "            and %zu bytes that are no element\n", body.len);
	t->messages += b.len;
	if (t->messages > SESSION_MAX)
		put(&b, "            more messages of this session are left out\n");
	append(t, &b);
}
