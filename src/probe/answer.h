/* SPDX-License-Identifier: ISC */
/* What the phone's answer to SIGN_CERTIFICATE_REQUEST is worth: for capf-probe(1), which takes more than
 * capf-serve does, and says what capf-serve would not take. */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "probe/trial.h"

/* A whole message. -1 with a reason when that cannot be told: memory is short. */
int answer_judge(struct bytes spki, const char *device, struct bytes info, uint32_t session, struct bytes whole,
    enum trial_verdict *, char *text, size_t size, struct reason *);

#endif
