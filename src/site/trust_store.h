/* SPDX-License-Identifier: ISC */
/* The X.509 side of the spool: the two trust stores, and CAPF's own certificate and key. */
#ifndef TRUST_STORE_H
#define TRUST_STORE_H

#include "base/reason.h"
#include "spool/spool.h"
#include "x509/cert.h"
#include "x509/key.h"
#include "x509/trust.h"

#define CAPF_IDENTITY_PAIR "capf.pem"	/* in ca/: key and certificate in one file, so that they always match */
#define CAPF_IDENTITY_CER "CAPF.cer"	/* in ca/: the certificate alone, DER, for administrators */

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

/* CAPF's own certificate and, unless key is NULL, its key. -1 with a reason. */
int capf_identity_load(const struct spool *, struct cert **, EVP_PKEY **key, struct reason *);

/* Calls each for every certificate that CAPF had before, whose .0 file is still in ca/: what it vouched for and
 * issued may be about. Stops when it returns non-zero, and returns that. -1 with a reason when they cannot be
 * read. */
int trust_store_former(const struct spool *, int (*each)(void *ctx, const struct cert *), void *ctx,
    struct reason *);
/* Is this CAPF's own certificate, or one that it had before? 1, 0, or -1 with a reason. */
int trust_store_is_capf(const struct spool *, const struct cert *, struct reason *);
/* The public keys of CAPF that requests of this spool may be signed with, for csr_parse: today's, then former ones.
 * Ends with NULL; the caller frees with trust_store_vouchers_free. NULL with a reason. */
EVP_PKEY **trust_store_vouchers(const struct spool *, struct reason *);
void trust_store_vouchers_free(EVP_PKEY **);

/* Makes this CAPF's own: the pair, the .cer and the .0 file, in an order that a crash cannot turn into two
 * that do not match. -1 with a reason. */
int capf_identity_put(struct spool *, const struct cert *, EVP_PKEY *, struct reason *);
/* Does CAPF.cer, and the .0 file of its name, say what the pair says? With repair they are made to. 0;
 * 1 when they did not; -1 with a reason when the pair is no good. */
int capf_identity_check(struct spool *, bool repair, struct reason *);

/* A certificate in one of the states. NULL with errno when it cannot be read, ENOENT when it went
 * somewhere else meanwhile; with errno 0 and a reason when it is no certificate. */
struct cert *lsc_read(const struct spool *, enum spool_dir, const struct reqid *, struct reason *);
/* The end of its validity; reason as above. */
int lsc_not_after(const struct spool *, enum spool_dir, const struct reqid *, time_t *,
    struct reason *);

/* Adds a CA to a trust store under its fingerprint. 1 when it is there already, -1 with errno. */
int trust_store_add(struct spool *, enum spool_dir, const struct cert *, const char *description);

#endif
