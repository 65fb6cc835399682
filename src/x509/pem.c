/* SPDX-License-Identifier: ISC */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "x509/der.h"
#include "x509/pem.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"

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

/* The kind without its article. */
static const char *noun(enum der_kind kind)
{
	return der_kind_text(kind) + 2;
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
		reason_set(r, "holds %s behind the %s", der_kind_text(next), noun(want));
	else
		reason_set(r, "has %zu bytes behind the %s", rest.len, noun(want));
}

/* CAs send PKCS#7 in BER, which OpenSSL reads: then there is a way on. */
static void say_ber(struct bytes in, struct reason *r)
{
	static const unsigned char signed_data[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};

	/* Behind one head, of at most six bytes. */
	if (memmem(in.p, in.len < 6 + sizeof signed_data ? in.len : 6 + sizeof signed_data, signed_data,
	    sizeof signed_data) != NULL)
		reason_set(r, "is a PKCS#7 file in BER instead of DER: \"openssl pkcs7 -print_certs\" makes PEM of it");
	else
		reason_set(r, "is BER instead of DER");
}

static unsigned char *unwrap_der(struct bytes in, enum der_kind want, bool allow_false,
    size_t *out_len, struct reason *r)
{
	struct bytes rest = in, body;
	enum der_kind kind;
	unsigned char *copy;
	uint8_t tag;

	if (in.p[1] == 0x80) {
		say_ber(in, r);
		return NULL;
	}
	if (!der_take(&rest, &tag, &body)) {
		/* A length of more than four bytes or with zeros in front is no lack of bytes. */
		if (in.p[1] > 0x84 || (in.len > 2 && (in.p[2] == 0 ||
		    (in.p[1] == 0x81 && in.p[2] < 0x80))))
			say_ber(in, r);
		else
			reason_set(r, "is cut short: %zu bytes", in.len);
		return NULL;
	}
	in.len -= rest.len;
	kind = der_kind_of(in.p, in.len);
	if (kind != DER_UNKNOWN && kind != want) {
		reason_set(r, "is %s, not %s", der_kind_text(kind), der_kind_text(want));
		return NULL;
	}
	if (rest.len > 0) {
		say_behind(rest, want, der_kind_of(rest.p, rest.len), r);
		return NULL;
	}
	if (!der_exact(in.p, in.len, allow_false)) {
		say_ber(in, r);
		return NULL;
	}
	if (kind == DER_UNKNOWN) {
		reason_set(r, "is not %s", der_kind_text(want));
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
		reason_set(r, "is %s, not %s", der_kind_text(kind), der_kind_text(want));
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
	return in.len >= 2 && in.p[0] == DER_SEQUENCE &&
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
			reason_set(r, "is a private key, not %s", der_kind_text(want));
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

enum der_kind pem_kind(struct bytes file)
{
	struct piece piece;

	if (looks_like_der(file))
		return der_kind_of(file.p, file.len);
	return next_pem(&file, &piece) ? kind_label(piece.label) : DER_UNKNOWN;
}

char *pem_make(const char *label, const void *der, size_t der_len, size_t *len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem = NULL, *data;
	long n;

	if (bio != NULL && der_len <= LONG_MAX && PEM_write_bio(bio, label, "", der, (long)der_len) > 0 &&
	    (n = BIO_get_mem_data(bio, &data)) > 0 && (pem = strndup(data, (size_t)n)) != NULL)
		*len = (size_t)n;
	BIO_free(bio);
	ERR_clear_error();
	return pem;
}
