/* SPDX-License-Identifier: ISC */
/* CAPF's own certificate and key, as capf-init(1) makes and renews them, and the certificates that it had before. */
#ifndef CAPF_IDENTITY_H
#define CAPF_IDENTITY_H

#include <openssl/evp.h>

#include "base/reason.h"
#include "spool/spool.h"
#include "x509/cert.h"

#define CAPF_IDENTITY_PAIR "capf.pem"	/* in ca/: key and certificate in one file, so that they always match */
#define CAPF_IDENTITY_CER "CAPF.cer"	/* in ca/: the certificate alone, DER, for administrators */

/* CAPF's own certificate and, unless key is NULL, its key. -1 with a reason. */
int capf_identity_load(const struct spool *, struct cert **, EVP_PKEY **key, struct reason *);

/* May this become CAPF's own certificate? Phones want a CA certificate that may sign; the name of its .0 file begins
 * with CAPF-. -1 with a reason. */
int capf_identity_fit(const struct cert *, struct reason *);
/* Makes this CAPF's own: the pair, the .cer and the .0 file, in an order that a crash cannot turn into two
 * that do not match. -1 with a reason. */
int capf_identity_put(struct spool *, const struct cert *, EVP_PKEY *, struct reason *);
/* Does CAPF.cer, and the .0 file of its name, say what the pair says? With repair they are made to. 0;
 * 1 when they did not; -1 with a reason when the pair is no good. */
int capf_identity_check(struct spool *, bool repair, struct reason *);

/* Calls each for every certificate that CAPF had before, whose .0 file is still in ca/: requests that it vouched for
 * with one, and certificates that it issued, are still in use. Stops when it returns non-zero, and returns that. -1
 * with a reason when they cannot be read. */
int capf_identity_former(const struct spool *, int (*each)(void *ctx, const struct cert *), void *ctx,
    struct reason *);
/* Is this CAPF's own certificate, or one that it had before? 1, 0, or -1 with a reason. */
int capf_identity_is(const struct spool *, const struct cert *, struct reason *);
/* The public keys of CAPF that requests of this spool may be signed with, for csr_parse: today's, then former ones.
 * Ends with NULL; the caller frees with capf_identity_vouchers_free. NULL with a reason. */
EVP_PKEY **capf_identity_vouchers(const struct spool *, struct reason *);
void capf_identity_vouchers_free(EVP_PKEY **);

#endif
