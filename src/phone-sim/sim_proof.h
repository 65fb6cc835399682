/* SPDX-License-Identifier: ISC */
/* Signatures of a simulated phone, by which it authenticates and requests a certificate; capf-protocol(7), Proof. */
#ifndef SIM_PROOF_H
#define SIM_PROOF_H

#include "phone-sim/sim_phone.h"

/* The signatures that an AUTH_RESPONSE speaks of, until it is encoded; sim_proof_free frees them. */
struct sim_proof {
	struct buf sha1, sha2, sudi_sha1, sudi_sha2;
};

/* Adds the proof to an AUTH_RESPONSE: with one certificate, of the two the one that the mode prefers, and with
 * SUDI_DATA, if the plan wants that. Without any certificate there is no proof. -1 with a reason. */
int sim_proof_add(const struct sim *, struct capfmsg *, struct sim_proof *, struct reason *);
void sim_proof_free(struct sim_proof *);

#define SIM_PROOF_SIGNATURE_MAX 1024	/* RSA with 8192 bits */
/* The signature over the request as a CA wants it (RFC 2986). -1 when it cannot be made. */
int sim_proof_request(EVP_PKEY *key, struct bytes info, unsigned char *sig, size_t *len);

#endif
