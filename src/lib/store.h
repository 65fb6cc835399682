/* SPDX-License-Identifier: ISC */
/* The X.509 side of the spool: the two trust stores, and CAPF's own certificate and key. */
#ifndef STORE_H
#define STORE_H

#include "cert.h"
#include "key.h"
#include "reason.h"
#include "spool.h"
#include "trust.h"

#define STORE_PAIR "capf.pem"	/* in ca/: key and certificate in one file, so that they always match */
#define STORE_CER "CAPF.cer"	/* in ca/: the certificate alone, DER, for administrators */

/* Calls each for every certificate of a trust store, in the order of their file names; c is NULL, and
 * the reason set, for a file that cannot be read as one. Stops when it returns non-zero, and returns
 * that. -1 with a reason when the store cannot be read. */
int store_each(const struct spool *, enum spool_dir,
    int (*each)(void *ctx, const char *file, const char *description, const struct cert *,
    const struct reason *), void *ctx, struct reason *);

/* All of a trust store; the caller frees. NULL with a reason. */
struct trust *store_trust(const struct spool *, enum spool_dir, struct reason *);

/* CAPF's own certificate and, unless key is NULL, its key. -1 with a reason. */
int store_capf(const struct spool *, struct cert **, EVP_PKEY **key, struct reason *);

/* Adds a CA to a trust store under its fingerprint. 1 when it is there already, -1 with a reason. */
int store_add(struct spool *, enum spool_dir, const struct cert *, const char *description,
    struct reason *);

#endif
