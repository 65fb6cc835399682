/* SPDX-License-Identifier: ISC */
/* The words of phone-sim's command line for how a phone behaves. */
#ifndef KNOBS_H
#define KNOBS_H

#include "base/reason.h"
#include "phone-sim/sim.h"

/* Each may be NULL: as a good phone does. */
struct knobs {
	const char *mode;	/* null, string, existing-lsc, existing-mic */
	const char *manners;	/* polite, strict */
	const char *tamper;	/* sha1, sha2, sudi, replay, session, certificate */
	const char *delay;	/* "auth=100,key=5000" */
	const char *drop, *hang, *refuse, *stop;	/* steps */
};

/* -1 with a reason. */
int knobs_read(const struct knobs *, struct sim_plan *, struct reason *);

#endif
