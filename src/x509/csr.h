/* SPDX-License-Identifier: ISC */
/* Certificate requests that csr-add and csr-sign read from anybody, RFC 2986. */
#ifndef CSR_H
#define CSR_H

#include <stddef.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "base/device.h"
#include "base/reason.h"
#include "x509/facts.h"

#define CSR_MAX_BYTES 65536	/* one with an 8192-bit key and much attached has under 8 KiB */

enum csr_proof {
	CSR_OWN,		/* signed with the key that it is about */
	CSR_RA,			/* signed with the key of the RA, CAPF, which says whose key it is */
};

struct csr {
	X509_REQ *req;
	enum csr_proof proof;
	EVP_PKEY *ra;		/* with CSR_RA the key that signed; the caller's */
	char device[DEVICE_MAX + 1];
	unsigned char spki[32];
	unsigned char *der;
	size_t der_len;
};

/* One request, PEM or DER, nothing before it but text (PEM), nothing behind it but white space. Its
 * signature is checked before its names are read: by its own key, or else by one of the RAs' keys, a list
 * that ends with NULL. Without a list only its own key counts. NULL with a reason. */
struct csr *csr_parse(const void *, size_t, EVP_PKEY *const *ra, struct reason *);
void csr_free(struct csr *);

/* What the request says; its der is the request's. */
void csr_facts(const struct csr *, struct facts *);

/* As PEM, NUL-terminated; the caller frees. NULL when out of memory. */
char *csr_pem(const struct csr *, size_t *len);

#endif
