/* SPDX-License-Identifier: ISC */
/* What capf-probe(1) tries with a phone, one trial a session: layouts of SIGN_CERTIFICATE_REQUEST, and messages to a
 * phone that waits. Their list, their names, and what came of them. */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "capf/sign_layout.h"

#define TRIAL_WAITS 6
#define TRIALS_MAX (SIGN_LAYOUTS + TRIAL_WAITS)

enum trial_verdict {
	TRIAL_UNTRIED,
	TRIAL_WORKS,		/* the phone made a request that CAs take */
	TRIAL_USELESS,		/* its key signed, but no CA can check or takes that */
	TRIAL_ANSWERED,		/* in another way */
	TRIAL_STAYED,		/* it waited to the end */
	TRIAL_SILENT,		/* no answer in time */
	TRIAL_HUNG_UP,
};

struct trial {
	unsigned layout;	/* of SIGN_CERTIFICATE_REQUEST; 0: a message to a phone that waits */
	uint8_t command;	/* that message; 0: none, to compare with */
	uint8_t width;		/* bytes of its RETRY_DELAY; 0: without */
	enum trial_verdict verdict;
	double seconds;		/* after how long */
	char text[200];
};

struct trials {
	struct trial list[TRIALS_MAX];
	size_t n;
};

/* Layouts from a number on, the likely ones or all, and what goes to a phone that waits. With only,
 * "18,25-32,wait", just these. -1 with a reason. */
int trial_plan(struct trials *, bool all, unsigned from, const char *only, struct reason *);

/* "sign-layout 18", "wait status-request". Returns out. */
#define TRIAL_NAME 32
const char *trial_name(const struct trial *, char out[TRIAL_NAME]);
/* "works", "hung-up" */
const char *trial_word(enum trial_verdict);

#endif
