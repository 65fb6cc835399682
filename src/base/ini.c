/* SPDX-License-Identifier: ISC */
#include <ini.h>
#include <stdbool.h>
#include <string.h>

#include "base/ini.h"

struct parsing {
	int (*take)(void *, const char *, const char *, struct reason *);
	void *ctx;
	struct reason *why;
	bool failed;		/* libinih goes on after an error; the first one counts */
};

/* For libinih non-zero is good. */
static int take_line(void *user, const char *section, const char *name, const char *value)
{
	struct parsing *p = user;

	if (p->failed)
		return 0;
	p->failed = (*section != '\0' ? reason_set(p->why, "there are no [sections] here") :
	    p->take(p->ctx, name, value, p->why)) != 0;
	return !p->failed;
}

/* The number of the first line that libinih would cut in two, and take the rest for a setting; or 0. */
static int too_long(const char *text)
{
	for (int line = 1;; line++) {
		size_t len = strcspn(text, "\n");

		if (len > INI_LINE_MAX)
			return line;
		if (text[len] == '\0')
			return 0;
		text += len + 1;
	}
}

int ini_lines(const char *text,
    int (*take)(void *ctx, const char *name, const char *value, struct reason *), void *ctx,
    struct reason *why)
{
	struct reason cause = {.text = "not \"name = value\""};
	struct parsing p = {take, ctx, &cause, false};
	int line;

	/* libinih does not call take_line() for a section without lines. */
	if (*text == '[' || strstr(text, "\n[") != NULL)
		return reason_set(why, "there are no [sections] here");
	if ((line = too_long(text)) > 0)
		return reason_set(why, "line %d: has more than %d bytes", line, INI_LINE_MAX);
	if ((line = ini_parse_string(text, take_line, &p)) <= 0)
		return line == 0 ? 0 : reason_memory(why);
	return reason_because(why, &cause, "line %d: %s", line, cause.text);
}
