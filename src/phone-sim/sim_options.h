/* SPDX-License-Identifier: ISC */
/* The options of phone-sim(1) that say how a phone behaves: --mode, --tamper, --drop and others. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "base/reason.h"
#include "phone-sim/sim_phone.h"

/* Numbers of the words in sim_words.h; 0 and NULL: as a good phone does. */
struct sim_options {
	int mode;		/* of sim_modes; -1: not given */
	int manners, sign_answer, tamper;
	const char *delay;	/* "auth=100,key=5000" */
	const char *drop, *hang, *refuse, *stop;	/* of sim_steps; refuse of sim_asked_steps, stop from auth on */
};

/* -1 with a reason. */
int sim_options_read(const struct sim_options *, struct sim_plan *, struct reason *);

#endif
