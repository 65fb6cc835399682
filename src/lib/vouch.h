/* SPDX-License-Identifier: ISC */
/* A request for a phone that sent only its public key: CAPF says whose key it is. */
#ifndef VOUCH_H
#define VOUCH_H

#include <openssl/evp.h>

#include "bytes.h"
#include "csr.h"
#include "reason.h"

/* A request of this device for this SubjectPublicKeyInfo, checked as a request from a file is; the caller
 * frees. With an RA's key it has that key's signature and its DER, else neither, which is enough for
 * issue_phone. NULL with a reason. */
struct csr *vouch_csr(struct bytes spki, const char *device, EVP_PKEY *ra, struct reason *);

#endif
