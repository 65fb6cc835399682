/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "capf/capfmsg.h"
#include "probe/advice.h"

unsigned advice_layout(const struct trials *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].layout > 0 && t->list[i].verdict == TRIAL_WORKS)
			return t->list[i].layout;
	return 0;
}

static enum trial_verdict verdict_of(const struct trials *t, uint8_t command)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].layout == 0 && t->list[i].command == command)
			return t->list[i].verdict;
	return TRIAL_UNTRIED;
}

/* An answer shows that the phone knows the message; one that just stays at least does not mind. NULL: not tried. */
static const char *keepalive(const struct trials *t)
{
	enum trial_verdict status = verdict_of(t, CAPFMSG_STATUS_REQUEST);
	enum trial_verdict progress = verdict_of(t, CAPFMSG_IN_PROGRESS);

	if (status == TRIAL_ANSWERED)
		return "status-request";
	if (progress == TRIAL_ANSWERED || progress == TRIAL_STAYED)
		return "in-progress";
	if (status == TRIAL_STAYED)
		return "status-request";
	return status == TRIAL_HUNG_UP && progress == TRIAL_HUNG_UP ? "none" : NULL;
}

static void put(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

void advice_settings(const struct trials *t, struct buf *text)
{
	unsigned layout = advice_layout(t);
	const char *message = keepalive(t);
	char line[64];

	if (layout > 0) {
		snprintf(line, sizeof line, "csr-proof = phone\nsign-layout = %u\n", layout);
		put(text, line);
	}
	if (message != NULL) {
		snprintf(line, sizeof line, "keepalive-message = %s\n", message);
		put(text, line);
	}
}

void advice_next(const struct trials *t, char out[ADVICE_NEXT])
{
	unsigned tried = 0, first = 0, useless = 0, last = 0;
	char next[160];

	for (size_t i = 0; i < t->n; i++) {
		const struct trial *one = &t->list[i];

		if (one->layout == 0)
			continue;
		if (one->verdict == TRIAL_UNTRIED)
			first = first == 0 ? one->layout : first;
		else {
			tried++;
			last = one->layout;
			if (one->verdict == TRIAL_USELESS && useless == 0)
				useless = one->layout;
		}
	}
	out[0] = '\0';
	if (tried == 0 && first == 0)
		return;
	if (first > 0)
		snprintf(next, sizeof next, "go on with --from %u", first);
	else if (useless > 0)
		snprintf(next, sizeof next, "the phone signed at layout %u, see there, so send in the transcript",
		    useless);
	else if (last < SIGN_LAYOUTS)
		snprintf(next, sizeof next, "try the unlikely ones, --all --from %u", last + 1);
	else
		snprintf(next, sizeof next, "no other layout is known, so send in the transcript");
	snprintf(out, ADVICE_NEXT, "none worked, of %u layouts tried; %s (capf-protocol(7)); csr-proof = ra does without",
	    tried, next);
}
