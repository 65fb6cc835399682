/* SPDX-License-Identifier: ISC */
/* The options of phone-sim(1) that say how a phone behaves: --mode, --tamper, --drop and others. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "base/reason.h"
#include "phone-sim/sim_phone.h"

/* Each may be NULL: as a good phone does. */
struct sim_options {
	const char *mode;	/* null, string, existing-lsc, existing-mic */
	const char *manners;	/* polite, strict */
	const char *sign_answer;	/* sha2, bare, signed-data, unknown-tag, request */
	const char *tamper;	/* sha1, sha2, sudi, replay, session, certificate */
	const char *delay;	/* "auth=100,key=5000" */
	const char *drop, *hang, *refuse, *stop;	/* steps */
};

/* -1 with a reason. */
int sim_options_read(const struct sim_options *, struct sim_plan *, struct reason *);

#endif
