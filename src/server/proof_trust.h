/* SPDX-License-Identifier: ISC */
/* Whose certificates phones may authenticate with: those of capf-trust, and of our own issuer. A worker and its issuing
 * process check proofs by the same list, each for itself. */
#ifndef PROOF_TRUST_H
#define PROOF_TRUST_H

#include "base/bytes.h"
#include "spool/spool.h"
#include "x509/cert.h"
#include "x509/trust.h"

/* issuer: the certificate of our own issuer, or empty; own: CAPF's. The caller frees. NULL with a reason. */
struct trust *proof_trust_load(const struct spool *, struct bytes issuer, const struct cert *own, time_t now,
    struct reason *);
/* Phones may authenticate with certificates that this issuer signed. -1 with a reason. */
int proof_trust_put(struct trust *, struct bytes issuer, struct reason *);

#endif
