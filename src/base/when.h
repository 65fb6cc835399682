/* SPDX-License-Identifier: ISC */
/* The times that people give, in one grammar for all options, settings and CSV; capf(7) describes it. Files of the spool
 * and standard output have times in UTC, in one form: see utc.h. */
#ifndef WHEN_H
#define WHEN_H

#include <stdbool.h>
#include <time.h>

/* What a day stands for that has no time of day behind it. */
enum when_day {
	WHEN_BEGIN,	/* its first second, as in "since" and "before" */
	WHEN_END,	/* its last second, as in "until" and "by" */
};

/* For a message: what when_parse takes. */
#define WHEN_SUCH_AS "a time such as 2026-12-31, \"2026-12-31 10:00\", +7d, -12h or 2026-12-31T09:00:00Z"

/* Reads the local time zone, once, before the sandbox forbids it; no later call does. */
void when_init(void);
/* A day, a day and a time of day, a span from now with + or - in front, or @ and seconds since 1970. Local time, or UTC
 * with a Z behind it. False when it is none of these, or no such time exists. */
bool when_parse(const char *, time_t now, enum when_day, time_t *);

#endif
