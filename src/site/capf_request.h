/* SPDX-License-Identifier: ISC */
/* The request for a certificate of CAPF's own that waits for an outside CA, with its key: what capf-init --request
 * leaves for capf-init --complete. */
#ifndef CAPF_REQUEST_H
#define CAPF_REQUEST_H

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "spool/spool.h"

#define CAPF_REQUEST_FILE "request.pem"	/* in ca/: key and request in one file, so that they always match */

/* Keeps a new key and the PEM of its request; there must be none yet. -1 with a reason. */
int capf_request_put(struct spool *, EVP_PKEY *, const char *pem, size_t len, struct reason *);

/* The key that waits and, unless pem is NULL, its request. 0; 1 when none waits; -1 with a reason. */
int capf_request_load(const struct spool *, EVP_PKEY **, struct buf *pem, struct reason *);

/* Removes what waits, if anything does. -1 with a reason. */
int capf_request_remove(struct spool *, struct reason *);

#endif
