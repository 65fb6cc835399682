/* SPDX-License-Identifier: ISC */
/* The extensions that csr-sign, capf-serve and ca-init put into certificates, RFC 5280 4.2. */
#ifndef EXTENSION_H
#define EXTENSION_H

#include <openssl/x509.h>

/* An extension as openssl.cnf writes its value, such as "critical,CA:FALSE". The caller frees what these functions
 * return; NULL when out of memory. */
X509_EXTENSION *extension_make(int nid, const char *value);
/* The subject key identifier of a public key. */
X509_EXTENSION *extension_subject_id(const X509_PUBKEY *);
/* The authority key identifier: the CA's own subject key identifier, however that was made, or, when that is NULL,
 * the usual one of the CA's key. */
X509_EXTENSION *extension_authority_id(const ASN1_OCTET_STRING *own, const X509_PUBKEY *);

#endif
