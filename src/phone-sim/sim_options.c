/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phone-sim/sim_options.h"
#include "phone-sim/sim_words.h"

#define DELAY_MAX 86400000	/* a day */

/* Which of these words it is; 0 without one. -1 with a reason. */
static int choose(const char *option, const char *text, const char *const names[], int n,
    struct reason *r)
{
	char all[128] = "";

	if (text == NULL)
		return 0;
	for (int i = 0; i < n; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
		snprintf(all + strlen(all), sizeof all - strlen(all), i > 0 ? ", %s" : "%s", names[i]);
	}
	return reason_set(r, "%s: %.100s is not one of %s", option, text, all);
}

static int no_step(const char *option, const char *text, struct reason *r)
{
	return reason_set(r, "%s: %.100s is not a step that it takes", option, text);
}

/* A step, this one or a later one. */
static int read_step(const char *option, const char *text, enum sim_step first, enum sim_step *to,
    struct reason *r)
{
	*to = text != NULL ? sim_step_of(text, strlen(text)) : SIM_STEPS;
	if (text != NULL && (*to == SIM_STEPS || *to < first))
		return no_step(option, text, r);
	return 0;
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
	static const char *const modes[] = {"null", "string", "existing-lsc", "existing-mic"};
	static const char *const tampers[] = {"none", "sha1", "sha2", "sudi", "replay", "session",
	    "certificate"};
	static const char *const manners[] = {"polite", "strict"};
	static const char *const answers[] = {"sha2", "bare", "signed-data", "unknown-tag", "request"};
	int mode = choose("--mode", k->mode, modes, sizeof modes / sizeof *modes, r);
	int tamper = mode < 0 ? -1 :
	    choose("--tamper", k->tamper, tampers, sizeof tampers / sizeof *tampers, r);
	int strict = tamper < 0 ? -1 :
	    choose("--manners", k->manners, manners, sizeof manners / sizeof *manners, r);

	int answer = strict < 0 ? -1 :
	    choose("--sign-answer", k->sign_answer, answers, sizeof answers / sizeof *answers, r);

	if (answer < 0)
		return -1;
	p->sign_answer = (enum sim_sign_answer)answer;
	p->strict = strict == 1;
	p->mode = (enum sim_mode)mode;
	p->tamper = (enum sim_tamper)tamper;
	if (read_step("--drop", k->drop, SIM_CONNECT, &p->drop, r) != 0 ||
	    read_step("--hang", k->hang, SIM_CONNECT, &p->hang, r) != 0 ||
	    read_step("--refuse", k->refuse, SIM_AUTH, &p->refuse, r) != 0 ||
	    read_step("--stop", k->stop, SIM_AUTH, &p->stop, r) != 0)
		return -1;
	/* Nobody asks it for anything there. */
	if (p->refuse == SIM_WAIT || p->refuse == SIM_END)
		return no_step("--refuse", k->refuse, r);
	return k->delay != NULL ? read_delays(k->delay, p->delay, r) : 0;
}
