/* SPDX-License-Identifier: ISC */
/* What an outside CA sends back for a request of ca-init --request or capf-init --request: the certificate of the key,
 * and the CAs above it. */
#ifndef CA_CHAIN_H
#define CA_CHAIN_H

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/cert.h"
#include "x509/trust.h"

#define CA_CHAIN_FILE_MAX 1048576	/* a bundle of a whole PKI has some 100 KiB */

struct ca_chain {
	EVP_PKEY *key;		/* ours; the caller's */
	struct cert *own;	/* the certificate of this key; NULL until it was found */
	struct trust *above;	/* all others, */
	struct buf above_pem;	/* and their PEM, in the order in which they came */
};

/* Begins with the key alone. -1 when out of memory. */
int ca_chain_init(struct ca_chain *, EVP_PKEY *key);
void ca_chain_free(struct ca_chain *);

/* Takes the certificates of a file: PEM, one or many, or one in DER. -1 with a reason. */
int ca_chain_read(struct ca_chain *, const char *path, struct reason *);

/* Is our certificate there, a CA's, valid now, and signed by the others, if there are any? 0; 1 when there is no
 * other, so that its signature could not be checked; -1 with a reason, trouble when it is not valid yet. */
int ca_chain_check(const struct ca_chain *, time_t now, struct reason *);

#endif
