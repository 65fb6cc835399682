/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "online/cmp_message.h"
#include "x509/der.h"

#define REJECTION 2	/* PKIStatus */
#define FAILURES 27	/* bits of PKIFailureInfo */
#define CONTEXT(n) (0xa0 | (n))

/* id-it-caCerts, RFC 9480 2.14. */
static const unsigned char ca_certs[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x04, 0x11};

/* An INTEGER of at most four bytes. */
static bool take_integer(struct bytes *in, long *out)
{
	struct bytes body;
	int32_t n;

	if (!der_expect(in, DER_INTEGER, &body) || body.len == 0 || body.len > 4)
		return false;
	n = body.p[0] >= 0x80 ? -1 : 0;
	for (size_t i = 0; i < body.len; i++)
		n = (int32_t)((uint32_t)n << 8 | body.p[i]);
	*out = n;
	return true;
}

/* [n] EXPLICIT OCTET STRING, if it comes next. */
static bool take_octets(struct bytes *in, uint8_t n, struct bytes *out)
{
	struct bytes inner;

	*out = (struct bytes){0};
	if (!der_expect(in, CONTEXT(n), &inner))
		return true;
	return der_expect(&inner, DER_OCTET_STRING, out) && inner.len == 0;
}

/* PKIHeader, RFC 4210 5.1.1. */
static bool read_header(struct bytes in, struct cmp_message *out)
{
	struct bytes skipped;
	uint8_t tag;

	if (!der_expect(&in, DER_INTEGER, &skipped) || !der_take(&in, &tag, &skipped) ||
	    !der_take(&in, &tag, &skipped))
		return false;
	der_expect(&in, CONTEXT(0), &skipped);
	out->protected = der_expect(&in, CONTEXT(1), &skipped);
	return take_octets(&in, 2, &skipped) && take_octets(&in, 3, &skipped) &&
	    take_octets(&in, 4, &out->transaction) && take_octets(&in, 5, &out->nonce) &&
	    take_octets(&in, 6, &out->recipient_nonce);
}

/* PKIStatusInfo, 5.2.3. */
static bool read_status(struct bytes *in, struct cmp_message *out)
{
	struct bytes info, bits;
	long status;

	if (!der_expect(in, DER_SEQUENCE, &info) || !take_integer(&info, &status))
		return false;
	out->refuses = status == REJECTION;
	der_expect(&info, DER_SEQUENCE, &bits);
	if (!der_expect(&info, DER_BIT_STRING, &bits))
		return true;
	for (size_t i = 8; i / 8 < bits.len && i < 8 + FAILURES; i++)
		if ((bits.p[i / 8] & 0x80 >> i % 8) != 0)
			out->failed |= 1U << (i - 8);
	return true;
}

/* CertRepMessage, 5.3.4: the first response. */
static bool read_certificate(struct bytes in, struct cmp_message *out)
{
	struct bytes authorities, all, one;

	der_expect(&in, CONTEXT(1), &authorities);
	return der_expect(&in, DER_SEQUENCE, &all) && der_expect(&all, DER_SEQUENCE, &one) &&
	    take_integer(&one, &out->request) && read_status(&one, out);
}

/* PollReqContent and PollRepContent, 5.3.22. */
static bool read_poll(struct bytes in, struct cmp_message *out)
{
	struct bytes one;

	return der_expect(&in, DER_SEQUENCE, &one) && take_integer(&one, &out->request);
}

/* ErrorMsgContent, 5.3.21. */
static bool read_error(struct bytes in, struct cmp_message *out)
{
	struct bytes code;

	if (!read_status(&in, out))
		return false;
	der_expect(&in, DER_INTEGER, &code);
	der_expect(&in, DER_SEQUENCE, &out->details);
	return true;
}

/* GenRepContent, 5.3.20. */
static bool read_general(struct bytes in, struct cmp_message *out)
{
	struct bytes one, type;

	while (in.len > 0) {
		if (!der_expect(&in, DER_SEQUENCE, &one) || !der_expect(&one, DER_OID, &type))
			return false;
		if (type.len == sizeof ca_certs && memcmp(type.p, ca_certs, sizeof ca_certs) == 0)
			der_expect(&one, DER_SEQUENCE, &out->certificates);
	}
	return true;
}

bool cmp_message_read(struct bytes der, struct cmp_message *out)
{
	struct bytes message, header, body, content;
	uint8_t tag;

	*out = (struct cmp_message){.request = -1};
	if (!der_expect(&der, DER_SEQUENCE, &message) || der.len > 0 || !der_expect(&message, DER_SEQUENCE, &header) ||
	    !read_header(header, out) || !der_take(&message, &tag, &body) || tag < CONTEXT(0) ||
	    tag > CONTEXT(CMP_BODY_MAX))
		return false;
	out->body = (enum cmp_body)(tag - CONTEXT(0));
	if (out->body == CMP_IP || out->body == CMP_CP)
		return der_expect(&body, DER_SEQUENCE, &content) && read_certificate(content, out);
	if (out->body == CMP_POLLREQ || out->body == CMP_POLLREP)
		return der_expect(&body, DER_SEQUENCE, &content) && read_poll(content, out);
	if (out->body == CMP_ERROR)
		return der_expect(&body, DER_SEQUENCE, &content) && read_error(content, out);
	if (out->body == CMP_GENP)
		return der_expect(&body, DER_SEQUENCE, &content) && read_general(content, out);
	return true;
}

void cmp_ticket_write(const struct cmp_ticket *ticket, char out[ONLINE_TICKET_MAX + 1])
{
	char first[2 * CMP_ID + 1], nonce[2 * CMP_NONCE_MAX + 1];
	int n = 2 * CMP_ID;

	bytes_hex(ticket->id, CMP_ID, out);
	if (!ticket->waits)
		return;
	bytes_hex(ticket->first, CMP_ID, first);
	bytes_hex(ticket->nonce, ticket->nonce_len, nonce);
	snprintf(out + n, (size_t)(ONLINE_TICKET_MAX + 1 - n), ".%ld.%s.%s", ticket->request, first, nonce);
}

bool cmp_ticket_read(const char *text, struct cmp_ticket *out)
{
	size_t len = strlen(text), left;
	char *end;

	*out = (struct cmp_ticket){.request = -1};
	if (len < 2 * CMP_ID || !bytes_unhex(text, CMP_ID, out->id))
		return false;
	text += 2 * CMP_ID;
	if (*text == '\0')
		return true;
	out->waits = true;
	if (*text != '.' || (text[1] != '-' && (text[1] < '0' || text[1] > '9')))
		return false;
	out->request = strtol(text + 1, &end, 10);
	if (*end != '.' || out->request < INT32_MIN || out->request > INT32_MAX || strlen(end + 1) < 2 * CMP_ID + 1 ||
	    !bytes_unhex(end + 1, CMP_ID, out->first) || end[1 + 2 * CMP_ID] != '.')
		return false;
	text = end + 2 + 2 * CMP_ID;
	left = strlen(text);
	out->nonce_len = left / 2;
	return left % 2 == 0 && out->nonce_len <= CMP_NONCE_MAX && bytes_unhex(text, out->nonce_len, out->nonce);
}

static void put_integer(struct buf *out, long n)
{
	unsigned char bytes[5];
	size_t len = 0;

	/* The shortest form: from the first byte that is not just the sign of the next one. */
	for (int shift = 24; shift >= 0; shift -= 8)
		if (shift == 0 || len > 0 || n >> (shift - 1) != (n < 0 ? -1 : 0))
			bytes[len++] = (unsigned char)(n >> shift);
	der_put(out, DER_INTEGER, bytes, len);
}

static void put_octets(struct buf *out, uint8_t n, const unsigned char *p, size_t len)
{
	size_t from = out->len;

	der_put(out, DER_OCTET_STRING, p, len);
	der_wrap(out, from, CONTEXT(n));
}

/* A GeneralName: a directoryName without anything in it. */
static void put_nobody(struct buf *out)
{
	size_t from = out->len;

	der_put(out, DER_SEQUENCE, NULL, 0);
	der_wrap(out, from, CONTEXT(4));
}

void cmp_message_put_waiting(struct buf *out, const struct cmp_ticket *ticket, enum cmp_body body,
    struct bytes algorithm)
{
	size_t from = out->len, inner;

	put_integer(out, 2);
	put_nobody(out);
	put_nobody(out);
	inner = out->len;
	buf_put(out, algorithm.p, algorithm.len);
	der_wrap(out, inner, CONTEXT(1));
	put_octets(out, 4, ticket->id, CMP_ID);
	if (ticket->nonce_len > 0)
		put_octets(out, 5, ticket->nonce, ticket->nonce_len);
	put_octets(out, 6, ticket->first, CMP_ID);
	der_wrap(out, from, DER_SEQUENCE);
	from = out->len;
	put_integer(out, ticket->request);
	inner = out->len;
	put_integer(out, CMP_WAITING);
	der_wrap(out, inner, DER_SEQUENCE);
	der_wrap(out, from, DER_SEQUENCE);
	der_wrap(out, from, DER_SEQUENCE);
	der_wrap(out, from, DER_SEQUENCE);
	der_wrap(out, from, CONTEXT(body));
}
