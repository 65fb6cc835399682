/* SPDX-License-Identifier: ISC */
/* The CAs that a site knows, and which of them issued a certificate, up to the root: what others need to verify it. */
#ifndef ISSUERS_H
#define ISSUERS_H

#include <stddef.h>
#include <time.h>

#include "base/reason.h"
#include "x509/cert.h"
#include "x509/trust.h"

#define ISSUERS_CHAIN_MAX (TRUST_MAX_DEPTH + 1)	/* CAs above a certificate, the root included */

struct issuers {
	struct cert **cert;	/* CAs, none twice */
	size_t n, cap;
};

/* Adds a copy of a CA's certificate, unless it is there; of another one nothing is kept. -1 with a reason. */
int issuers_add(struct issuers *, const struct cert *, struct reason *);
void issuers_free(struct issuers *);

/* The CAs above a certificate, the one that issued it first, the root last; they stay the set's. Of two that could have
 * issued it, as when a CA's certificate was renewed, one that is valid now counts, then the younger. How many, at most
 * ISSUERS_CHAIN_MAX; -1 with a reason when one is missing. */
int issuers_chain(const struct issuers *, const struct cert *, time_t now, const struct cert *chain[ISSUERS_CHAIN_MAX],
    struct reason *);

#endif
