/* SPDX-License-Identifier: ISC */
#include <openssl/cms.h>
#include <openssl/err.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "archive/manifest.h"
#include "base/bytes.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"

#define MANIFEST_MAX_TEXT 536870912	/* two million names of 200 bytes each */
#define DIGEST 32
#define HEX (2 * DIGEST)

struct line {
	char *name;
	unsigned char digest[DIGEST];
	bool met, seen;		/* in the archive at all; with the right content */
};

struct manifest {
	struct buf text;	/* when building */
	struct line *line;	/* when checking: sorted by name */
	size_t count;
	char *names;		/* where the names of the lines stand */
};

bool manifest_is_part(const char *name)
{
	return strcmp(name, MANIFEST_SUMS) == 0 || strcmp(name, MANIFEST_SIGNATURE) == 0;
}

struct manifest *manifest_new(void)
{
	return calloc(1, sizeof(struct manifest));
}

int manifest_add(struct manifest *m, const char *name, const void *data, size_t len)
{
	unsigned char digest[DIGEST];
	char hex[HEX + 1];
	struct reason why;

	/* Such a name could not be read again. */
	if (*name == '\0' || strchr(name, '\n') != NULL || openssl_sha256(data, len, digest, &why) < 0)
		return -1;
	bytes_hex(digest, sizeof digest, hex);
	buf_put(&m->text, hex, HEX);
	buf_put(&m->text, "  ", 2);
	buf_put(&m->text, name, strlen(name));
	buf_put(&m->text, "\n", 1);
	return m->text.failed ? -1 : 0;
}

/* Valid until the next manifest_add, and NUL-terminated. NULL when out of memory. */
const char *manifest_text(struct manifest *m, size_t *len)
{
	buf_put_u8(&m->text, '\0');
	if (m->text.failed)
		return NULL;
	*len = --m->text.len;
	return (const char *)m->text.p;
}

void manifest_free(struct manifest *m)
{
	if (m == NULL)
		return;
	buf_free(&m->text);
	free(m->line);
	free(m->names);
	free(m);
}

int manifest_sign(const char *text, size_t len, const struct cert *signer, EVP_PKEY *key,
    unsigned char **out, size_t *out_len, struct reason *r)
{
	/* Without signed attributes there is no time in it: the same text gives the same bytes. */
	const unsigned int flags = CMS_BINARY | CMS_DETACHED | CMS_NOATTR;
	BIO *bio = len <= MANIFEST_MAX_TEXT ? BIO_new_mem_buf(text, (int)len) : NULL;
	CMS_ContentInfo *cms = NULL;
	unsigned char *der = NULL;
	int n = -1;

	if (bio != NULL && (cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL)) != NULL &&
	    CMS_add1_signer(cms, signer->x509, key, EVP_sha256(), flags) != NULL &&
	    CMS_final(cms, bio, NULL, flags))
		n = i2d_CMS_ContentInfo(cms, &der);
	if (n > 0 && (*out = malloc((size_t)n)) != NULL) {
		memcpy(*out, der, (size_t)n);
		*out_len = (size_t)n;
		ERR_clear_error();
	} else
		n = n > 0 ? reason_memory(r) : openssl_error_set(r, "cannot sign " MANIFEST_SUMS);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(bio);
	return n < 0 ? -1 : 0;
}

/* The text for CMS_verify, which forgets to free its own copy of a BIO that is plain memory when
 * the signature is odd (OpenSSL issue 30471). */
static BIO *text_bio(const void *text, size_t len)
{
	BIO *memory = len <= MANIFEST_MAX_TEXT ? BIO_new_mem_buf(text, (int)len) : NULL;
	BIO *front = memory != NULL ? BIO_new(BIO_f_null()) : NULL;

	if (front != NULL)
		return BIO_push(front, memory);
	BIO_free(memory);
	return NULL;
}

/* Is it a detached signature over the text, by this certificate's key and nobody else's? What the
 * certificate may be used for does not matter, and certificates inside the signature are not
 * used. */
static int check_signature(const void *text, size_t len, const void *sig, size_t sig_len,
    const struct cert *signer, struct reason *r)
{
	const unsigned int flags = CMS_BINARY | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY;
	const unsigned char *p = sig;
	CMS_ContentInfo *cms = sig_len > LONG_MAX ? NULL :
	    d2i_CMS_ContentInfo(NULL, &p, (long)sig_len);
	STACK_OF(X509) *certs = sk_X509_new_null();
	BIO *bio = text_bio(text, len);
	int res = -1;

	if (cms == NULL || p != (const unsigned char *)sig + sig_len ||
	    OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed || CMS_is_detached(cms) != 1)
		reason_set(r, MANIFEST_SIGNATURE " is not a detached CMS signature");
	else if (certs == NULL || bio == NULL || !sk_X509_push(certs, signer->x509))
		reason_memory(r);
	else if (CMS_verify(cms, certs, NULL, bio, NULL, flags) != 1)
		openssl_error_set(r, MANIFEST_SUMS " is not signed by a CAPF whose certificate was given");
	else
		res = 0;
	openssl_error_end(res, r);
	BIO_free_all(bio);
	sk_X509_free(certs);
	CMS_ContentInfo_free(cms);
	return res;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

/* Exactly "64 hex digits, two spaces, name, newline" each. Names are made strings in place. */
static int read_lines(struct manifest *m, size_t len, struct reason *r)
{
	char *p = m->names, *end = p + len, *stop;
	size_t lines = 0;

	for (char *c = p; c < end; c++)
		lines += *c == '\n';
	if ((m->line = calloc(lines + 1, sizeof *m->line)) == NULL)
		return reason_memory(r);
	for (; p < end; p = stop + 1) {
		struct line *l = &m->line[m->count];

		stop = memchr(p, '\n', (size_t)(end - p));
		if (stop == NULL || stop - p < HEX + 3 || !bytes_unhex(p, DIGEST, l->digest) ||
		    p[HEX] != ' ' || p[HEX + 1] != ' ' ||
		    memchr(p, '\0', (size_t)(stop - p)) != NULL)
			return reason_set(r,
			    MANIFEST_SUMS ": line %zu is not a checksum and a name", m->count + 1);
		l->name = p + HEX + 2;
		*stop = '\0';
		m->count++;
	}
	qsort(m->line, m->count, sizeof *m->line, by_name);
	for (size_t i = 1; i < m->count; i++)
		if (strcmp(m->line[i - 1].name, m->line[i].name) == 0)
			return reason_set(r, MANIFEST_SUMS " lists a name twice");
	return 0;
}

struct manifest *manifest_read(const void *text, size_t len, struct reason *r)
{
	struct manifest *m;

	if ((m = manifest_new()) == NULL || (m->names = malloc(len + 1)) == NULL) {
		reason_memory(r);
		manifest_free(m);
		return NULL;
	}
	memcpy(m->names, text, len);
	if (read_lines(m, len, r) < 0) {
		manifest_free(m);
		return NULL;
	}
	return m;
}

struct manifest *manifest_verify(const void *text, size_t len, const void *sig, size_t sig_len,
    const struct cert *signer, struct reason *r)
{
	return check_signature(text, len, sig, sig_len, signer, r) == 0 ? manifest_read(text, len, r) : NULL;
}

int manifest_check(struct manifest *m, const char *name, const void *data, size_t len,
    struct reason *r)
{
	struct line key = {.name = (char *)name}, *l;
	unsigned char digest[DIGEST];

	l = bsearch(&key, m->line, m->count, sizeof *m->line, by_name);
	if (l == NULL)
		return reason_set(r, "is not listed in " MANIFEST_SUMS);
	l->met = true;
	if (openssl_sha256(data, len, digest, r) < 0)
		return -1;
	if (memcmp(digest, l->digest, sizeof digest) != 0)
		return reason_set(r,
		    "is not what " MANIFEST_SUMS " says: it was changed on the way");
	if (l->seen)
		return reason_set(r, "is there twice");
	l->seen = true;
	return 0;
}

const char *manifest_missing(const struct manifest *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (!m->line[i].met)
			return m->line[i].name;
	return NULL;
}
