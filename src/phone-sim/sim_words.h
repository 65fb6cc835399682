/* SPDX-License-Identifier: ISC */
/* The words of phone-sim(1) for the steps of a session and for how it ended. */
#ifndef SIM_WORDS_H
#define SIM_WORDS_H

#include "phone-sim/sim_phone.h"

/* "key"; and back, SIM_STEPS when there is none with this name. */
const char *sim_step_name(enum sim_step);
enum sim_step sim_step_of(const char *name, size_t len);
/* "installed", "unknown-device" */
const char *sim_outcome_name(enum sim_outcome);
/* Did it end as it should? */
bool sim_good(enum sim_outcome);

#endif
