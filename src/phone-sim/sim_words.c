/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "phone-sim/sim_words.h"

static const char *const step_names[] = {"connect", "handshake", "auth", "key", "sign", "wait",
    "store", "fetch", "delete", "end"};

const char *sim_step_name(enum sim_step step)
{
	return step < SIM_STEPS ? step_names[step] : "none";
}

enum sim_step sim_step_of(const char *name, size_t len)
{
	enum sim_step step = SIM_CONNECT;

	while (step < SIM_STEPS &&
	    (strlen(step_names[step]) != len || memcmp(step_names[step], name, len) != 0))
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
