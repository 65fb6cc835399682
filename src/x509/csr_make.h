/* SPDX-License-Identifier: ISC */
/* The request that capf-serve makes for a phone, which sent only its public key (csr-proof in capf.conf(5)). */
#ifndef CSR_MAKE_H
#define CSR_MAKE_H

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/csr.h"

/* A request of this device for this SubjectPublicKeyInfo, checked as a request from a file is; the caller
 * frees. With an RA's key it has that key's signature and its DER, else neither, which is enough for
 * issue_phone. NULL with a reason. */
struct csr *csr_make(struct bytes spki, const char *device, EVP_PKEY *ra, struct reason *);

/* Puts the RA's signature in the place of the one that is there: for a request that a former certificate
 * of CAPF signed, which the caller has checked. -1 with a reason. */
int csr_make_again(struct csr *, EVP_PKEY *ra, struct reason *);

/* Appends the CertificationRequestInfo, DER, which the phone has to sign so that the request is its own. -1 with a
 * reason. */
int csr_make_info(struct bytes spki, const char *device, struct buf *, struct reason *);
/* The request with that signature, RSA or ECDSA with this hash ("SHA256", "SHA384", "SHA512"), which is checked. As
 * csr_make. */
struct csr *csr_make_signed(struct bytes spki, const char *device, struct bytes signature, const char *hash,
    struct reason *);

#endif
