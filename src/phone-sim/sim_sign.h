/* SPDX-License-Identifier: ISC */
/* How a simulated phone signs its request: --sign-layout says which SIGN_CERTIFICATE_REQUEST it understands,
 * --sign-answer how it answers. No real phone is known to do any of it. */
#ifndef SIM_SIGN_H
#define SIM_SIGN_H

#include "phone-sim/sim_phone.h"

/* Does it understand this SIGN_CERTIFICATE_REQUEST? */
bool sim_sign_knows(const struct sim *, const struct capfmsg *);
/* Its answer, which points into room. -1 when it cannot sign. */
int sim_sign_answer(const struct sim *, const struct capfmsg *, struct capfmsg *answer, struct buf *room);

#endif
