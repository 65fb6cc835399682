/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "phone-sim/sim_words.h"

const char *const sim_steps[] = {"connect", "handshake", "auth", "key", "sign", "wait", "store", "fetch", "delete",
    "end", NULL};
const char *const sim_asked_steps[] = {"auth", "key", "sign", "store", "fetch", "delete", NULL};
const char *const sim_modes[] = {"null", "string", "existing-lsc", "existing-mic", NULL};
const char *const sim_tampers[] = {"none", "sha1", "sha2", "sudi", "replay", "session", "certificate", NULL};
const char *const sim_sign_answers[] = {"sha2", "bare", "signed-data", "unknown-tag", "request", NULL};
const char *const sim_manners[] = {"polite", "strict", NULL};

const char *sim_step_name(enum sim_step step)
{
	return step < SIM_STEPS ? sim_steps[step] : "none";
}

enum sim_step sim_step_of(const char *name, size_t len)
{
	enum sim_step step = SIM_CONNECT;

	while (step < SIM_STEPS &&
	    (strlen(sim_steps[step]) != len || memcmp(sim_steps[step], name, len) != 0))
		step++;
	return step;
}

const char *sim_outcome_name(enum sim_outcome outcome)
{
	static const char *const names[] = {"running", "installed", "fetched", "deleted", "nothing",
	    "refused", "unknown-device", "later", "dropped", "stopped", "lost", "bad-server",
	    "no-connection", "no-tls", "too-long", "trouble"};

	return names[outcome];
}

bool sim_good(enum sim_outcome outcome)
{
	return outcome >= SIM_INSTALLED && outcome <= SIM_NOTHING;
}
