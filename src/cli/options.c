/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "base/when.h"
#include "cli/confine.h"
#include "cli/options.h"
#include "cli/options_help.h"
#include "cli/status.h"

#define MAX_OPTIONS 64		/* phone-sim has 49, and no other program half as many */
#define REQUIRE_SANDBOX 1	/* no letter, and below 256 */

/* Which of its words; any other is wrong usage. */
static int which(const struct option_spec *o, const char *text)
{
	char all[256] = "";

	for (int i = 0; o->words[i] != NULL; i++) {
		size_t n = strlen(all);

		if (strcmp(o->words[i], text) == 0)
			return i;
		snprintf(all + n, sizeof all - n, i > 0 ? ", %s" : "%s", o->words[i]);
	}
	status_usage("--%s: %s is not one of %s", o->name, text, all);
}

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
		if (texts->n == (size_t)o->most)
			status_usage("--%s can be given %ld times at most", o->name, o->most);
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
		/* take_time, once the clock is known. */
		return;
	case OPTION_SPAN:
		if (!utc_span(text, o->into))
			status_usage("--%s wants a span such as 12h, 7d or 4w", o->name);
		return;
	case OPTION_WORD:
		*(const char **)o->into = o->words[which(o, text)];
		return;
	case OPTION_INDEX:
		*(int *)o->into = which(o, text);
	}
}

/* A span counts from the clock, which may stand behind it. */
static void take_time(const struct option_spec *spec, const struct option_spec *o, const char *text)
{
	time_t now = time(NULL);

	for (; spec->name != NULL; spec++)
		if (spec->kind == OPTION_CLOCK)
			now = *(time_t *)spec->into;
	if (!when_parse(text, now, WHEN_BEGIN, o->into))
		status_usage("--%s wants " WHEN_SUCH_AS, o->name);
}

/* -h and -V are looked for before any option is taken: the values that --help prints are still the defaults then. */
static void look_for_help(int argc, char *argv[], const char *shorts, const struct option *longs,
    const struct option_spec *spec)
{
	int c, shown = opterr;

	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1 && c != '?') {
		if (c == 'h') {
			options_help(spec);
			status_answered();
		}
		if (c == 'V')
			status_version();
	}
	opterr = shown;
	optind = 0;	/* glibc and musl: begin again */
}

int options_parse(int argc, char *argv[], const struct option_spec *spec)
{
	struct option longs[MAX_OPTIONS + 4] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{"require-sandbox", no_argument, NULL, REQUIRE_SANDBOX},
	};
	const char *times[MAX_OPTIONS] = {NULL};
	char shorts[2 * MAX_OPTIONS + 3] = "hV", *s = shorts + 2;
	bool required = false;
	int n, c;

	/* A reader that went away is an error to be told, not a signal to die of. */
	signal(SIGPIPE, SIG_IGN);
	when_init();
	/* Not in longs, so that it shortens no other option's abbreviations. */
	if (argc == 2 && strcmp(argv[1], "--list-options") == 0) {
		options_list(spec);
		status_answered();
	}
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
	look_for_help(argc, argv, shorts, longs, spec);
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == '?')
			status_usage(NULL);
		required = required || c == REQUIRE_SANDBOX;
		for (int i = 0; i < n; i++) {
			if (c != (spec[i].letter != 0 ? spec[i].letter : 256 + i))
				continue;
			take(&spec[i], optarg);
			if (spec[i].kind == OPTION_TIME)
				times[i] = optarg;
		}
	}
	for (int i = 0; i < n; i++)
		if (times[i] != NULL)
			take_time(spec, &spec[i], times[i]);
	confine_look(required);
	return optind;
}
