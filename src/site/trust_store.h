/* SPDX-License-Identifier: ISC */
/* The two trust stores of a spool, trust-add(1): the CAs that cert-import takes certificates from (capf), and the CAs
 * whose phones the call manager lets in (callmanager). */
#ifndef TRUST_STORE_H
#define TRUST_STORE_H

#include "base/reason.h"
#include "spool/spool.h"
#include "x509/cert.h"
#include "x509/trust.h"

/* The trust store of a name, capf or callmanager. */
bool trust_store_named(const char *, enum spool_dir *);

/* Calls each for every certificate of a trust store, in the order of their file names; c is NULL, and
 * the reason set, for a file that cannot be read as one. Stops when it returns non-zero, and returns
 * that. -1 with a reason when the store cannot be read. */
int trust_store_each(const struct spool *, enum spool_dir,
    int (*each)(void *ctx, const char *file, const char *description, const struct cert *,
    const struct reason *), void *ctx, struct reason *);

/* All of a trust store; the caller frees. NULL with a reason. */
struct trust *trust_store_load(const struct spool *, enum spool_dir, struct reason *);

/* Adds a CA to a trust store under its fingerprint. 1 when it is there already, -1 with errno. */
int trust_store_add(struct spool *, enum spool_dir, const struct cert *, const char *description);

#endif
