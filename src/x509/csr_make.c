/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>

#include "x509/csr_make.h"
#include "x509/der.h"
#include "x509/name.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"
#include "x509/public_key.h"

#define SPKI_MAX 4096		/* RSA-8192 has 1,050 bytes */

/* CertificationRequest, RFC 2986 4.2, without a signature. It is written here, because OpenSSL would decode the key
 * with all its decoders, which takes several times as long as openssl_context() does. */
static void put_request(struct buf *b, struct bytes spki, const char *device)
{
	static const unsigned char version1 = X509_REQ_VERSION_1;
	/* sha256WithRSAEncryption, and a BIT STRING without bits. */
	static const unsigned char no_signature[] = {DER_SEQUENCE, 13, DER_OID, 9, 0x2a, 0x86, 0x48, 0x86,
	    0xf7, 0x0d, 1, 1, 11, DER_NULL, 0, DER_BIT_STRING, 1, 0};
	size_t whole = b->len, subject;

	der_put(b, DER_INTEGER, &version1, sizeof version1);
	subject = b->len;
	name_put_cn(b, device);
	der_wrap(b, subject, DER_SEQUENCE);
	buf_put(b, spki.p, spki.len);
	der_put(b, DER_CONTEXT_0, NULL, 0);	/* no attributes */
	der_wrap(b, whole, DER_SEQUENCE);
	buf_put(b, no_signature, sizeof no_signature);
	der_wrap(b, whole, DER_SEQUENCE);
}

/* Nothing but one key, in the one form that it has, and one that a phone may have? -1 with a reason. */
static int check_key(X509_REQ *req, struct bytes spki, struct reason *r)
{
	const X509_PUBKEY *pub = X509_REQ_get_X509_PUBKEY(req);
	EVP_PKEY *key = X509_REQ_get0_pubkey(req);
	unsigned char *again = NULL;
	int len, same;

	if (key == NULL)
		return openssl_error_set(r, "the phone's key is no public key");
	len = i2d_X509_PUBKEY(pub, &again);
	same = len > 0 && (size_t)len == spki.len && memcmp(again, spki.p, spki.len) == 0;
	OPENSSL_free(again);
	if (!same)
		return reason_set(r, "the phone's key is not DER");
	return public_key_check(key, r) == 0 && public_key_check_form(pub, r) == 0 ? 0 : -1;
}

/* The RA signs what was checked. -1 with a reason. */
static int sign(struct csr *c, EVP_PKEY *ra, struct reason *r)
{
	unsigned char *der = NULL;
	int len = 0;

	if (X509_REQ_sign(c->req, ra, EVP_sha256()) <= 0 || (len = i2d_X509_REQ(c->req, &der)) <= 0)
		return openssl_error_set(r, "cannot make a request for the phone");
	if ((c->der = malloc((size_t)len)) != NULL) {
		memcpy(c->der, der, (size_t)len);
		c->der_len = (size_t)len;
	}
	OPENSSL_free(der);
	return c->der != NULL ? 0 : reason_memory(r);
}

/* NULL with a reason. */
static X509_REQ *make_request(struct bytes spki, const char *device, struct reason *r)
{
	struct buf request = {0};
	X509_REQ *req = NULL;
	const unsigned char *p;

	if (spki.len > SPKI_MAX) {
		reason_set(r, "the phone's key is too long");
		return NULL;
	}
	put_request(&request, spki, device);
	p = request.p;
	if (request.failed)
		reason_memory(r);
	else if ((req = (X509_REQ *)ASN1_item_d2i_ex(NULL, &p, (long)request.len,
	    ASN1_ITEM_rptr(X509_REQ), openssl_context(), NULL)) == NULL)
		openssl_error_set(r, "the phone's key is no public key");
	buf_free(&request);
	return req;
}

struct csr *csr_make(struct bytes spki, const char *device, EVP_PKEY *ra, struct reason *r)
{
	struct csr *c = calloc(1, sizeof *c);

	openssl_error_forget();
	if (c == NULL) {
		reason_memory(r);
		return NULL;
	}
	c->proof = CSR_RA;
	strcpy(c->device, device);
	if ((c->req = make_request(spki, device, r)) == NULL || check_key(c->req, spki, r) != 0 ||
	    public_key_spki_of(X509_REQ_get_X509_PUBKEY(c->req), c->spki, r) != 0 ||
	    (ra != NULL && sign(c, ra, r) != 0)) {
		openssl_error_end(-1, r);
		csr_free(c);
		return NULL;
	}
	return c;
}

int csr_make_again(struct csr *c, EVP_PKEY *ra, struct reason *r)
{
	openssl_error_forget();
	free(c->der);
	c->der = NULL;
	return openssl_error_end(sign(c, ra, r), r);
}

int csr_make_info(struct bytes spki, const char *device, struct buf *out, struct reason *r)
{
	struct csr *c = csr_make(spki, device, NULL, r);
	unsigned char *der = NULL;
	int len;

	if (c == NULL)
		return -1;
	if ((len = i2d_re_X509_REQ_tbs(c->req, &der)) > 0)
		buf_put(out, der, (size_t)len);
	OPENSSL_free(der);
	csr_free(c);
	if (len <= 0)
		return openssl_error_set(r, "cannot make a request for the phone");
	return out->failed ? reason_memory(r) : 0;
}

static int signature_nid(bool rsa, const char *hash)
{
	if (strcmp(hash, "SHA512") == 0)
		return rsa ? NID_sha512WithRSAEncryption : NID_ecdsa_with_SHA512;
	if (strcmp(hash, "SHA384") == 0)
		return rsa ? NID_sha384WithRSAEncryption : NID_ecdsa_with_SHA384;
	return rsa ? NID_sha256WithRSAEncryption : NID_ecdsa_with_SHA256;
}

/* Puts the signature into the request. 1, or 0 when out of memory. */
static int put_signature(X509_REQ *req, bool rsa, struct bytes signature, const char *hash)
{
	X509_ALGOR *algor = X509_ALGOR_new();
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	/* RFC 4055 5 wants a NULL, RFC 5758 3.2 wants nothing. */
	int ok = algor != NULL && bits != NULL &&
	    X509_ALGOR_set0(algor, OBJ_nid2obj(signature_nid(rsa, hash)), rsa ? V_ASN1_NULL : V_ASN1_UNDEF,
	    NULL) &&
	    X509_REQ_set1_signature_algo(req, algor) &&
	    ASN1_BIT_STRING_set(bits, (unsigned char *)(uintptr_t)signature.p, (int)signature.len);

	X509_ALGOR_free(algor);
	if (!ok) {
		ASN1_BIT_STRING_free(bits);
		return 0;
	}
	/* All bits count, also when the last ones are zero. */
	bits->flags = (bits->flags & ~(ASN1_STRING_FLAG_BITS_LEFT | 7)) | ASN1_STRING_FLAG_BITS_LEFT;
	X509_REQ_set0_signature(req, bits);
	return 1;
}

struct csr *csr_make_signed(struct bytes spki, const char *device, struct bytes signature, const char *hash,
    struct reason *r)
{
	struct csr *c = csr_make(spki, device, NULL, r), *signed_one = NULL;
	unsigned char *der = NULL;
	int len = 0;

	if (c == NULL)
		return NULL;
	if (put_signature(c->req, EVP_PKEY_is_a(X509_REQ_get0_pubkey(c->req), "RSA"), signature,
	    hash))
		len = i2d_X509_REQ(c->req, &der);
	if (len <= 0)
		openssl_error_set(r, "cannot make a request for the phone");
	else
		signed_one = csr_parse(der, (size_t)len, NULL, r);
	OPENSSL_free(der);
	csr_free(c);
	return signed_one;
}
