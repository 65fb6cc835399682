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

#endif
