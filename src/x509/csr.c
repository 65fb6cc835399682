/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>

#include "x509/csr.h"
#include "x509/name.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"
#include "x509/pem.h"
#include "x509/public_key.h"

/* OpenSSL's form of the request, when that gives the same bytes again. */
static int decode(struct csr *c, struct reason *r)
{
	const unsigned char *p = c->der;
	unsigned char *again = NULL;
	int len;

	/* Neither d2i_X509_REQ nor X509_REQ_new_ex would hand the context on to the key. */
	c->req = (X509_REQ *)ASN1_item_d2i_ex(NULL, &p, (long)c->der_len, ASN1_ITEM_rptr(X509_REQ),
	    openssl_context(), NULL);
	if (c->req == NULL)
		return openssl_error_set(r, "is not a certificate request");
	if (X509_REQ_get0_pubkey(c->req) == NULL && openssl_error_lack())
		return reason_memory(r);
	if (p != c->der + c->der_len)
		return reason_set(r, "has bytes behind the certificate request");
	/* This also throws away the bytes that OpenSSL has kept: they are really made again. */
	i2d_re_X509_REQ_tbs(c->req, NULL);
	len = i2d_X509_REQ(c->req, &again);
	if (len < 0 || (size_t)len != c->der_len || memcmp(again, c->der, c->der_len) != 0) {
		OPENSSL_free(again);
		return reason_set(r, "is BER instead of DER");
	}
	OPENSSL_free(again);
	return 0;
}

/* Proof of possession, RFC 2986 4.2, or the RA's signature in its place. */
static int check_signature(struct csr *c, EVP_PKEY *const *ra, struct reason *r)
{
	EVP_PKEY *own = X509_REQ_get0_pubkey(c->req);
	const X509_ALGOR *algor;

	if (X509_REQ_get_version(c->req) != X509_REQ_VERSION_1)
		return reason_set(r, "has a version other than 1");
	X509_REQ_get0_signature(c->req, NULL, &algor);
	if (public_key_check(own, r) < 0 || public_key_check_form(X509_REQ_get_X509_PUBKEY(c->req), r) < 0 ||
	    public_key_check_signature(algor, r) < 0)
		return -1;
	c->proof = CSR_OWN;
	if (X509_REQ_verify_ex(c->req, own, openssl_context(), NULL) == 1)
		return 0;
	c->proof = CSR_RA;
	for (size_t i = 0; ra != NULL && ra[i] != NULL; i++)
		if (X509_REQ_verify_ex(c->req, ra[i], openssl_context(), NULL) == 1) {
			c->ra = ra[i];
			return 0;
		}
	return reason_set(r, "is not signed with its own key%s", ra == NULL ? "" : ra[0] != NULL ?
	    ", nor by the RA" : "; if CAPF vouches for it, add --ra CAPF.cer");
}

/* The one common name of the subject, and the device that it names. */
static int read_device(struct csr *c, struct reason *r)
{
	char cn[FACTS_CN_MAX + 1];
	int found = name_cn(X509_REQ_get_subject_name(c->req), cn, r);

	if (found <= 0)
		return found < 0 ? -1 : reason_set(r, "has no common name");
	if (!device_from_cn(cn, c->device))
		return reason_set(r, "has a common name that is not a device name");
	return 0;
}

struct csr *csr_parse(const void *data, size_t len, EVP_PKEY *const *ra, struct reason *r)
{
	struct csr *c;
	bool pem;

	if (len > CSR_MAX_BYTES) {
		reason_set(r, "has more than %d bytes", CSR_MAX_BYTES);
		return NULL;
	}
	if ((c = calloc(1, sizeof *c)) == NULL) {
		reason_memory(r);
		return NULL;
	}
	/* Attributes may hold a FALSE that is no default; encoding again decides. */
	c->der = pem_unwrap(data, len, DER_REQUEST, true, &c->der_len, &pem, r);
	if (c->der == NULL || decode(c, r) < 0 || check_signature(c, ra, r) < 0 ||
	    read_device(c, r) < 0 || public_key_spki_of(X509_REQ_get_X509_PUBKEY(c->req), c->spki, r) < 0) {
		csr_free(c);
		c = NULL;
	}
	openssl_error_end(c != NULL ? 0 : -1, r);
	return c;
}

void csr_free(struct csr *c)
{
	if (c == NULL)
		return;
	X509_REQ_free(c->req);
	free(c->der);
	free(c);
}

void csr_facts(const struct csr *c, struct facts *f)
{
	*f = (struct facts){.der = c->der, .der_len = c->der_len};
	memcpy(f->spki, c->spki, sizeof f->spki);
	memcpy(f->cn, c->device, sizeof c->device);
}

char *csr_pem(const struct csr *c, size_t *len)
{
	return pem_make("CERTIFICATE REQUEST", c->der, c->der_len, len);
}
