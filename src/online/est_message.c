/* SPDX-License-Identifier: ISC */
#include <openssl/evp.h>
#include <openssl/objects.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "online/est_message.h"
#include "x509/ber.h"
#include "x509/cmc_response.h"
#include "x509/der.h"
#include "x509/openssl_error.h"
#include "x509/pkcs7.h"

#define WELL_KNOWN "/.well-known/est"
#define LINE 48			/* bytes that make a line of 64 characters */
#define ATTRIBUTES_MAX 32	/* that are shown */
#define SAID_MAX 120		/* characters of a CMC server's text */

/* RFC 3986 2.3; a label that needs more is nothing that this address can hold. */
static bool is_segment(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%+")] == '\0' &&
	    strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

int est_url(const char *url, const char *label, const char *operation, char out[EST_URL_MAX + 1], struct reason *why)
{
	size_t len = strlen(url);
	int n;

	while (len > 0 && url[len - 1] == '/')
		len--;
	if (url[strcspn(url, "?#")] != '\0')
		return reason_set(why, "the url of an EST server has no ? and no #");
	if (!is_segment(label))
		return reason_set(why, "the label cannot stand in an url");
	n = snprintf(out, EST_URL_MAX + 1, "%.*s%s%s%s/%s", (int)len, url,
	    strstr(url, WELL_KNOWN) == NULL ? WELL_KNOWN : "", *label != '\0' ? "/" : "", label, operation);
	return n >= 0 && n <= EST_URL_MAX ? 0 : reason_set(why, "the url is too long");
}

void est_encode(struct bytes der, struct buf *out)
{
	unsigned char line[LINE / 3 * 4 + 1];

	while (der.len > 0) {
		size_t n = der.len < LINE ? der.len : LINE;
		int len = EVP_EncodeBlock(line, der.p, (int)n);

		buf_put(out, line, (size_t)len);
		buf_put_u8(out, '\n');
		der.p += n;
		der.len -= n;
	}
}

/* Takes a line "-----BEGIN ...-----" or "-----END ...-----" off, if one is there. */
static void skip_dashes(struct bytes *in)
{
	while (in->len > 0 && (in->p[0] == ' ' || in->p[0] == '\t' || in->p[0] == '\r' || in->p[0] == '\n')) {
		in->p++;
		in->len--;
	}
	if (in->len < 5 || memcmp(in->p, "-----", 5) != 0)
		return;
	while (in->len > 0 && in->p[0] != '\n' && in->p[0] != '\r') {
		in->p++;
		in->len--;
	}
}

static int digit_of(unsigned char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

int est_decode(struct bytes in, struct buf *out, struct reason *why)
{
	unsigned bits = 0, n = 0, padding = 0;

	/* DER, for a server that encodes nothing. In base64 that is "M"; the character '0' cannot come first. */
	if (in.len >= 2 && in.p[0] == DER_SEQUENCE && in.p[1] >= 0x80) {
		buf_put(out, in.p, in.len);
		return out->failed ? reason_memory(why) : 0;
	}
	skip_dashes(&in);
	for (; in.len > 0 && in.p[0] != '-'; in.p++, in.len--) {
		unsigned char c = in.p[0];
		int digit = digit_of(c);

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		padding += c == '=';
		if ((digit < 0 && c != '=') || (digit >= 0 && padding > 0) || padding > 2)
			return reason_set(why, "is not base64");
		n++;
		if (digit < 0)
			continue;
		bits = bits << 6 | (unsigned)digit;
		if (n % 4 != 1)
			buf_put_u8(out, (uint8_t)(bits >> (6 - 2 * ((n - 1) % 4))));
	}
	skip_dashes(&in);
	skip_dashes(&in);
	if (in.len > 0)
		return reason_set(why, "is not base64");
	if (n == 0)
		return reason_set(why, "is empty");
	if (n % 4 != 0)
		return reason_set(why, "is base64 that was cut short");
	return out->failed ? reason_memory(why) : 0;
}

/* Appends those elements that are certificates; CMS may have others beside them. */
static bool put_certificates(struct bytes all, struct buf *out)
{
	struct bytes one;
	size_t before = out->len;

	while (pkcs7_next(&all, &one))
		if (der_kind_of(one.p, one.len) == DER_CERT)
			buf_put(out, one.p, one.len);
	return all.len == 0 && out->len > before;
}

/* What a CMC server says about a request that it did not grant. */
static enum est_kind refuse(const struct cmc_response *r, struct reason *why)
{
	char said[SAID_MAX + ESCAPE_LEN + 1];
	size_t n = 0;

	for (size_t i = 0; i < r->text.len && n < SAID_MAX; i++) {
		if (r->text.p[i] >= ' ' && r->text.p[i] < 0x7f)
			said[n++] = (char)r->text.p[i];
		else
			n += escape_put(r->text.p[i], said + n);
	}
	said[n] = '\0';
	if (r->status == CMC_PENDING) {
		reason_set(why, "the CA has yet to decide, and CMC over EST has no way to ask%s%s", n > 0 ? ": " : "",
		    said);
		return EST_PENDING;
	}
	reason_set(why, "the CA refuses it (CMC status %u%s%s)%s%s", r->status, *r->fail != '\0' ? ", " : "", r->fail,
	    n > 0 ? ": " : "", said);
	return EST_FAILED;
}

/* Reads CMS in DER. */
static enum est_kind read_cms(struct bytes der, struct buf *out, struct reason *why)
{
	struct cmc_response response;
	struct reason other;
	struct bytes all;

	if (pkcs7_certificates(der, &all, why) != 0) {
		if (cmc_response_read(der, &response, &other) != 0) {
			/* A message that is signed can only be meant as one of CMC. */
			if (strstr(why->text, "signed") != NULL)
				*why = other;
			return EST_UNREADABLE;
		}
		if (response.status != CMC_SUCCESS)
			return refuse(&response, why);
		all = response.certificates;
	}
	if (put_certificates(all, out))
		return out->failed ? EST_UNREADABLE : EST_CERTIFICATES;
	reason_set(why, "has no certificates in it");
	return EST_UNREADABLE;
}

enum est_kind est_read(struct bytes body, struct buf *certificates, struct reason *why)
{
	struct buf cms = {0}, der = {0};
	enum est_kind kind = EST_UNREADABLE;

	if (est_decode(body, &cms, why) == 0) {
		if (ber_to_der((struct bytes){cms.p, cms.len}, &der))
			kind = read_cms((struct bytes){der.p, der.len}, certificates, why);
		else if (der_is_sequence((struct bytes){cms.p, cms.len}))	/* too large to be written again */
			kind = read_cms((struct bytes){cms.p, cms.len}, certificates, why);
		else
			reason_set(why, "is no CMS");
		if (der.failed || certificates->failed) {
			kind = EST_UNREADABLE;
			reason_memory(why);
		}
	}
	buf_free(&cms);
	buf_free(&der);
	return kind;
}

/* Appends one OID as dotted numbers; what is inside is hostile. */
static void put_oid(struct bytes whole, struct buf *out)
{
	const unsigned char *p = whole.p;
	ASN1_OBJECT *oid = d2i_ASN1_OBJECT(NULL, &p, (long)whole.len);
	char text[80];

	if (oid != NULL && OBJ_obj2txt(text, sizeof text, oid, 1) > 0) {
		if (out->len > 0)
			buf_put_u8(out, ' ');
		buf_put(out, text, strlen(text));
	}
	ASN1_OBJECT_free(oid);
}

int est_attributes(struct bytes body, struct buf *out, struct reason *why)
{
	struct buf der = {0}, list = {0};
	struct bytes in, all, one, whole;
	struct reason cause;
	uint8_t tag;
	int result = est_decode(body, &der, why);

	in = (struct bytes){der.p, der.len};
	if (result == 0 && (!der_expect(&in, DER_SEQUENCE, &all) || in.len > 0))
		result = reason_set(why, "is no list of attributes");
	for (int n = 0; result == 0 && all.len > 0 && n < ATTRIBUTES_MAX; n++) {
		whole.p = all.p;
		if (!der_take(&all, &tag, &one) || (tag != DER_OID && tag != DER_SEQUENCE)) {
			result = reason_set(why, "is no list of attributes");
			break;
		}
		/* An attribute begins with its OID. */
		if (tag == DER_SEQUENCE) {
			whole.p = one.p;
			if (!der_expect(&one, DER_OID, &in)) {
				result = reason_set(why, "is no list of attributes");
				break;
			}
			whole.len = (size_t)(one.p - whole.p);
		} else
			whole.len = (size_t)(all.p - whole.p);
		put_oid(whole, &list);
	}
	if (result == 0 && list.len == 0)
		buf_put(out, "none", 4);
	else if (result == 0)
		buf_put(out, list.p, list.len);
	openssl_error_end(0, &cause);
	buf_free(&der);
	buf_free(&list);
	return result;
}
