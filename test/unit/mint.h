/* SPDX-License-Identifier: ISC */
/* Certificates for the unit tests, with whatever is wrong with them. */
#ifndef MINT_H
#define MINT_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string.h>

#include "tap.h"
#include "x509/cert.h"

/* A certificate for name, signed by issuer (itself when NULL) with key; extensions until the first
 * NULL. */
static struct cert *mint(const char *name, EVP_PKEY *own, const struct cert *issuer, EVP_PKEY *key,
    const EVP_MD *md, time_t from, time_t to, const char *const *ext)
{
	X509 *x = X509_new();
	X509V3_CTX v3;
	unsigned char *der = NULL;
	struct reason r;
	struct cert *c;
	int n;

	X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer != NULL ? issuer->x509 : x));
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 77);
	ASN1_TIME_set(X509_getm_notBefore(x), from);
	ASN1_TIME_set(X509_getm_notAfter(x), to);
	X509_set_pubkey(x, own);
	X509V3_set_ctx(&v3, issuer != NULL ? issuer->x509 : x, x, NULL, NULL, 0);
	for (; *ext != NULL; ext++) {
		char id[128], *value;
		X509_EXTENSION *e;

		snprintf(id, sizeof id, "%s", *ext);
		value = strchr(id, '=');
		*value++ = '\0';
		must((e = X509V3_EXT_nconf(NULL, &v3, id, value)) != NULL, *ext);
		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	must(X509_sign(x, key, md) > 0, "sign");
	n = i2d_X509(x, &der);
	c = cert_parse(der, (size_t)n, &r);
	must(c != NULL, r.text);
	OPENSSL_free(der);
	X509_free(x);
	return c;
}

#endif
