/* SPDX-License-Identifier: ISC */
/* The words of phone-sim(1) for the steps of a session and for how it ended. */
#ifndef SIM_WORDS_H
#define SIM_WORDS_H

#include "phone-sim/sim_phone.h"

/* NULL behind the last of each. In the order of enum sim_step, and those at which a server asks for something. */
extern const char *const sim_steps[], *const sim_asked_steps[];
/* Of enum sim_mode, enum sim_tamper and enum sim_sign_answer, and whether a phone is strict. */
extern const char *const sim_modes[], *const sim_tampers[], *const sim_sign_answers[], *const sim_manners[];

/* "key"; and back, SIM_STEPS when there is none with this name. */
const char *sim_step_name(enum sim_step);
enum sim_step sim_step_of(const char *name, size_t len);
/* "installed", "unknown-device" */
const char *sim_outcome_name(enum sim_outcome);
/* Did it end as it should? */
bool sim_good(enum sim_outcome);

#endif
