/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/utc.h"
#include "cli/confine.h"
#include "cli/options.h"
#include "cli/status.h"

#define MAX_OPTIONS 64		/* phone-sim has 42, and no other program half as many */
#define REQUIRE_SANDBOX 1	/* no letter, and below 256 */

static void take(const struct option_spec *o, const char *text)
{
	struct option_texts *texts;
	char *end;
	long n;

	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)o->into = true;
		return;
	case OPTION_TEXT:
		*(const char **)o->into = text;
		return;
	case OPTION_TEXTS:
		texts = o->into;
		if (texts->n == OPTION_TEXTS_MAX)
			status_usage("--%s can be given %d times at most", o->name, OPTION_TEXTS_MAX);
		texts->text[texts->n++] = text;
		return;
	case OPTION_MAYBE:
		*(const char **)o->into = text != NULL ? text : "";
		return;
	case OPTION_NUMBER:
		errno = 0;
		n = strtol(text, &end, 10);
		if (errno != 0 || end == text || *end != '\0' || n < o->least || n > o->most)
			status_usage("--%s wants a number from %ld to %ld", o->name, o->least, o->most);
		*(long *)o->into = n;
		return;
	case OPTION_CLOCK:
		if (!utc_clock(text, o->into))
			status_usage("--%s wants seconds since 1970", o->name);
		return;
	case OPTION_TIME:
		if (!utc_parse(text, o->into))
			status_usage("--%s wants a time such as 2026-01-31 or 2026-01-31T08:00:00Z", o->name);
		return;
	case OPTION_SPAN:
		if (!utc_span(text, o->into))
			status_usage("--%s wants a time such as 12h, 7d or 4w", o->name);
	}
}

int options_parse(int argc, char *argv[], const struct option_spec *spec)
{
	struct option longs[MAX_OPTIONS + 4] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{"require-sandbox", no_argument, NULL, REQUIRE_SANDBOX},
	};
	char shorts[2 * MAX_OPTIONS + 3] = "hV", *s = shorts + 2;
	bool required = false;
	int n, c;

	/* A reader that went away is an error to be told, not a signal to die of. */
	signal(SIGPIPE, SIG_IGN);
	/* What getopt_long returns for the nth line of the table: its letter, or 256 + n. */
	for (n = 0; n < MAX_OPTIONS && spec[n].name != NULL; n++) {
		bool flag = spec[n].kind == OPTION_FLAG;
		int argument = flag ? no_argument :
		    spec[n].kind == OPTION_MAYBE ? optional_argument : required_argument;

		longs[n + 3] = (struct option){spec[n].name, argument, NULL,
		    spec[n].letter != 0 ? spec[n].letter : 256 + n};
		if (spec[n].letter != 0) {
			*s++ = (char)spec[n].letter;
			if (!flag)
				*s++ = ':';
		}
	}
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == 'h')
			status_help();
		if (c == 'V')
			status_version();
		if (c == '?')
			status_usage(NULL);
		required = required || c == REQUIRE_SANDBOX;
		for (int i = 0; i < n; i++)
			if (c == (spec[i].letter != 0 ? spec[i].letter : 256 + i))
				take(&spec[i], optarg);
	}
	confine_look(required);
	return optind;
}
