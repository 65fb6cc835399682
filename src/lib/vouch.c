/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "lean.h"
#include "osslerr.h"
#include "vouch.h"

/* The key, when its bytes are the one form that it has. NULL with a reason. */
static X509_PUBKEY *read_key(struct bytes spki, struct reason *r)
{
	const unsigned char *p = spki.p;
	unsigned char *again = NULL;
	X509_PUBKEY *pub = (X509_PUBKEY *)ASN1_item_d2i_ex(NULL, &p, (long)spki.len,
	    ASN1_ITEM_rptr(X509_PUBKEY), lean_context(), NULL);
	EVP_PKEY *key = pub != NULL ? X509_PUBKEY_get0(pub) : NULL;
	int len;

	if (key == NULL || p != spki.p + spki.len) {
		osslerr_set(r, "the phone's key is no public key");
		X509_PUBKEY_free(pub);
		return NULL;
	}
	len = i2d_X509_PUBKEY(pub, &again);
	if (len < 0 || (size_t)len != spki.len || memcmp(again, spki.p, spki.len) != 0) {
		reason_set(r, "the phone's key is not DER");
	} else if (key_check(key, r) == 0 && key_check_form(pub, r) == 0) {
		OPENSSL_free(again);
		return pub;
	}
	OPENSSL_free(again);
	X509_PUBKEY_free(pub);
	return NULL;
}

/* The same bytes once more, in the request's own place: a key of the lean context could not be encoded. */
static int put_key(X509_REQ **req, struct bytes spki)
{
	X509_PUBKEY *slot = X509_REQ_get_X509_PUBKEY(*req);
	const unsigned char *p = spki.p;

	if (ASN1_item_d2i_ex((ASN1_VALUE **)&slot, &p, (long)spki.len, ASN1_ITEM_rptr(X509_PUBKEY),
	    lean_context(), NULL) != NULL)
		return 1;
	/* Out of memory, and OpenSSL has freed what the request still points to. */
	*req = NULL;
	return 0;
}

struct csr *vouch_csr(struct bytes spki, const char *device, EVP_PKEY *ra, struct reason *r)
{
	X509_PUBKEY *pub = read_key(spki, r);
	struct csr *c;
	X509_NAME *name;
	int ok, len = 0;

	if (pub == NULL)
		return NULL;
	if ((c = calloc(1, sizeof *c)) == NULL || (c->req = X509_REQ_new()) == NULL) {
		reason_set(r, "out of memory");
		X509_PUBKEY_free(pub);
		csr_free(c);
		return NULL;
	}
	c->proof = CSR_RA;
	strcpy(c->device, device);
	name = X509_REQ_get_subject_name(c->req);
	ok = X509_REQ_set_version(c->req, X509_REQ_VERSION_1) &&
	    X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
		(const unsigned char *)device, -1, -1, 0) && put_key(&c->req, spki) &&
	    key_spki_of(X509_REQ_get_X509_PUBKEY(c->req), c->spki, r) == 0;
	if (ok && ra != NULL) {
		unsigned char *der = NULL;

		ok = X509_REQ_sign(c->req, ra, EVP_sha256()) > 0 &&
		    (len = i2d_X509_REQ(c->req, &der)) > 0 && (c->der = malloc((size_t)len)) != NULL;
		if (ok) {
			memcpy(c->der, der, (size_t)len);
			c->der_len = (size_t)len;
		}
		OPENSSL_free(der);
	}
	X509_PUBKEY_free(pub);
	if (!ok) {
		osslerr_set(r, "cannot make a request for the phone");
		csr_free(c);
		return NULL;
	}
	return c;
}

int vouch_info(struct bytes spki, const char *device, struct buf *out, struct reason *r)
{
	struct csr *c = vouch_csr(spki, device, NULL, r);
	unsigned char *der = NULL;
	int len;

	if (c == NULL)
		return -1;
	if ((len = i2d_re_X509_REQ_tbs(c->req, &der)) > 0)
		buf_put(out, der, (size_t)len);
	OPENSSL_free(der);
	csr_free(c);
	if (len <= 0)
		return osslerr_set(r, "cannot make a request for the phone");
	return out->failed ? reason_set(r, "out of memory") : 0;
}

/* Puts the signature into the request. 1, or 0 when out of memory. */
static int put_signature(X509_REQ *req, bool rsa, struct bytes signature)
{
	X509_ALGOR *algor = X509_ALGOR_new();
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	/* RFC 4055 5 wants a NULL, RFC 5758 3.2 wants nothing. */
	int ok = algor != NULL && bits != NULL &&
	    X509_ALGOR_set0(algor, OBJ_nid2obj(rsa ? NID_sha256WithRSAEncryption :
	    NID_ecdsa_with_SHA256), rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL) &&
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

struct csr *vouch_signed(struct bytes spki, const char *device, struct bytes signature,
    struct reason *r)
{
	struct csr *c = vouch_csr(spki, device, NULL, r), *signed_one = NULL;
	unsigned char *der = NULL;
	int len = 0;

	if (c == NULL)
		return NULL;
	if (put_signature(c->req, EVP_PKEY_is_a(X509_REQ_get0_pubkey(c->req), "RSA"), signature))
		len = i2d_X509_REQ(c->req, &der);
	if (len <= 0)
		osslerr_set(r, "cannot make a request for the phone");
	else
		signed_one = csr_parse(der, (size_t)len, NULL, r);
	OPENSSL_free(der);
	csr_free(c);
	return signed_one;
}
