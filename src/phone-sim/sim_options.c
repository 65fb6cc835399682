/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "phone-sim/sim_options.h"
#include "phone-sim/sim_words.h"

#define DELAY_MAX 86400000	/* a day */

/* A step; SIM_STEPS, nowhere, without one. The table of options has refused all that are none. */
static enum sim_step step_of(const char *text)
{
	return text != NULL ? sim_step_of(text, strlen(text)) : SIM_STEPS;
}

static int read_delays(const char *text, long delay[SIM_STEPS], struct reason *r)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "=,");
		enum sim_step step = sim_step_of(text, len);
		char *end = NULL;
		long ms = text[len] == '=' ? strtol(text + len + 1, &end, 10) : -1;

		if (step == SIM_STEPS || end == text + len + 1 || ms < 0 || ms > DELAY_MAX ||
		    (*end != '\0' && *end != ','))
			return reason_set(r,
			    "--delay wants STEP=MILLISECONDS, with a comma between two");
		delay[step] = ms;
		text = *end == ',' ? end + 1 : end;
	}
	return 0;
}

int sim_options_read(const struct sim_options *k, struct sim_plan *p, struct reason *r)
{
	p->sign_answer = (enum sim_sign_answer)k->sign_answer;
	p->strict = k->manners == 1;
	p->mode = k->mode < 0 ? SIM_NULL : (enum sim_mode)k->mode;
	p->tamper = (enum sim_tamper)k->tamper;
	p->drop = step_of(k->drop);
	p->hang = step_of(k->hang);
	p->refuse = step_of(k->refuse);
	p->stop = step_of(k->stop);
	return k->delay != NULL ? read_delays(k->delay, p->delay, r) : 0;
}
