/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capf/capfmsg.h"
#include "probe/trial.h"

/* The first one sends nothing: a phone that hangs up there does so at whatever it is sent. */
static const struct wait {
	const char *name;
	uint8_t command, width;
} waits[TRIAL_WAITS] = {
	{"nothing", 0, 0},
	{"status-request", CAPFMSG_STATUS_REQUEST, 0},
	{"in-progress", CAPFMSG_IN_PROGRESS, 0},
	{"retry-later-1", CAPFMSG_RETRY_LATER, 1},
	{"retry-later-2", CAPFMSG_RETRY_LATER, 2},
	{"retry-later-4", CAPFMSG_RETRY_LATER, 4},
};

/* Each once. */
static void add(struct trials *t, struct trial one)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].layout == one.layout && t->list[i].command == one.command &&
		    t->list[i].width == one.width)
			return;
	t->list[t->n++] = one;
}

static void add_layouts(struct trials *t, unsigned first, unsigned last)
{
	for (unsigned n = first; n <= last; n++)
		add(t, (struct trial){.layout = n});
}

static void add_waits(struct trials *t)
{
	for (size_t i = 0; i < TRIAL_WAITS; i++)
		add(t, (struct trial){.command = waits[i].command, .width = waits[i].width});
}

static bool is_layout(unsigned long n)
{
	return n >= 1 && n <= SIGN_LAYOUTS;
}

/* "18", "25-32" or "wait". */
static int add_only(struct trials *t, const char *text, size_t len, struct reason *r)
{
	unsigned long first, last;
	char *end;

	if (len == 4 && memcmp(text, "wait", 4) == 0) {
		add_waits(t);
		return 0;
	}
	first = last = strtoul(text, &end, 10);
	if (*end == '-')
		last = strtoul(end + 1, &end, 10);
	if (end != text + len || !is_layout(first) || !is_layout(last) || last < first)
		return reason_set(r, "--only: %.*s is not a number from 1 to %d, two with '-' between, or wait",
		    (int)len, text, SIGN_LAYOUTS);
	add_layouts(t, (unsigned)first, (unsigned)last);
	return 0;
}

int trial_plan(struct trials *t, bool all, unsigned from, const char *only, struct reason *r)
{
	t->n = 0;
	if (only == NULL) {
		add_layouts(t, from, all ? SIGN_LAYOUTS : SIGN_LAYOUTS_LIKELY);
		add_waits(t);
		return 0;
	}
	for (size_t len;; only += len + 1) {
		len = strcspn(only, ",");
		if (add_only(t, only, len, r) != 0)
			return -1;
		if (only[len] == '\0')
			return 0;
	}
}

const char *trial_name(const struct trial *t, char out[TRIAL_NAME])
{
	const struct wait *w = waits;

	if (t->layout > 0) {
		snprintf(out, TRIAL_NAME, "sign-layout %u", t->layout);
		return out;
	}
	while (w->command != t->command || w->width != t->width)
		w++;
	snprintf(out, TRIAL_NAME, "wait %s", w->name);
	return out;
}

const char *trial_word(enum trial_verdict verdict)
{
	static const char *const words[] = {"untried", "works", "useless", "answered", "stayed", "silent", "hung-up"};

	return words[verdict];
}
