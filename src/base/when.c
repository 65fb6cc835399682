/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "base/when.h"

void when_init(void)
{
	/* mktime() looks at the file again each time, unless TZ says which it is: then it would find UTC in the sandbox. */
	if (getenv("TZ") == NULL)
		setenv("TZ", ":/etc/localtime", 1);
	tzset();
}

/* Year, month, day, hour, minute, second. */
struct fields {
	int at[6];
};

/* The digits of text at the places where the pattern has one, the field's number; all else must be equal. NULL: it does
 * not begin so; or what comes behind. */
static const char *scan(const char *text, const char *pattern, struct fields *f)
{
	for (; *pattern != '\0'; pattern++, text++) {
		if (*pattern < '0' || *pattern > '5') {
			if (*text != *pattern)
				return NULL;
			continue;
		}
		if (*text < '0' || *text > '9')
			return NULL;
		f->at[*pattern - '0'] = f->at[*pattern - '0'] * 10 + (*text - '0');
	}
	return text;
}

static bool is_same(const struct tm *tm, const struct fields *f)
{
	/* The day of the week only mktime and timegm know: no -1 when they took it. */
	return tm->tm_wday >= 0 && tm->tm_year == f->at[0] - 1900 && tm->tm_mon == f->at[1] - 1 && tm->tm_mday == f->at[2] &&
	    tm->tm_hour == f->at[3] && tm->tm_min == f->at[4] && tm->tm_sec == f->at[5];
}

static struct tm split(const struct fields *f, int dst)
{
	return (struct tm){.tm_year = f->at[0] - 1900, .tm_mon = f->at[1] - 1, .tm_mday = f->at[2], .tm_hour = f->at[3],
	    .tm_min = f->at[4], .tm_sec = f->at[5], .tm_isdst = dst, .tm_wday = -1};
}

static bool join_utc(const struct fields *f, time_t *out)
{
	struct tm tm = split(f, 0);

	*out = timegm(&tm);
	return is_same(&tm, f);
}

/* False for a time that the clocks leave out in spring. One that comes twice in autumn is the first. */
static bool join_local(const struct fields *f, time_t *out)
{
	for (int dst = 1; dst >= 0; dst--) {
		struct tm tm = split(f, dst);

		*out = mktime(&tm);
		if (is_same(&tm, f))
			return true;
	}
	return false;
}

/* The first second of a local day, which is not midnight where clocks leave that out. False when the day is left out:
 * there are islands where that happened. */
static bool begin_local(const struct fields *day, time_t *out)
{
	struct fields noon = *day;
	struct tm tm;
	time_t t;

	if (join_local(day, out))
		return true;
	noon.at[3] = 12;
	if (!join_local(&noon, &t))
		return false;
	/* Back from noon, as long as it is the same day: clocks are changed by quarters of an hour. */
	do {
		*out = t;
		t -= 900;
	} while (localtime_r(&t, &tm) != NULL && tm.tm_mday == day->at[2]);
	return true;
}

/* A whole day, local or in UTC. */
static bool take_day(struct fields day, bool utc, enum when_day what, time_t *out)
{
	struct fields next;
	struct tm tm;
	time_t noon;

	if (!(utc ? join_utc : begin_local)(&day, out))
		return false;
	if (what == WHEN_BEGIN)
		return true;
	if (utc) {
		*out += 86399;
		return true;
	}
	/* One second before the next day begins, whatever the clocks do today. A day that is left out is passed. */
	for (int i = 1; i <= 2; i++) {
		day.at[3] = 12;
		tm = split(&day, -1);
		tm.tm_mday += i;
		noon = mktime(&tm);
		if (tm.tm_wday < 0 || localtime_r(&noon, &tm) == NULL)
			return false;
		next = (struct fields){{tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, 0, 0, 0}};
		if (begin_local(&next, out)) {
			*out -= 1;
			return true;
		}
	}
	return false;
}

static bool take_span(const char *text, time_t now, time_t *out)
{
	time_t span;

	if (!utc_span(text + 1, &span))
		return false;
	*out = *text == '+' ? now + span : now - span;
	return true;
}

bool when_parse(const char *text, time_t now, enum when_day what, time_t *out)
{
	static const char *const times[] = {"T33:44:55", " 33:44:55", "T33:44", " 33:44"};
	struct fields f = {{0}}, g;
	const char *rest, *end;

	if (*text == '+' || *text == '-')
		return take_span(text, now, out);
	if (*text == '@')
		return utc_clock(text + 1, out);
	if (strlen(text) == UTC_STAMP && utc_from_stamp(text, out))
		return true;
	if ((rest = scan(text, "0000-11-22", &f)) == NULL)
		return false;
	if (*rest == '\0' || strcmp(rest, "Z") == 0)
		return take_day(f, *rest == 'Z', what, out);
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		g = f;
		if ((end = scan(rest, times[i], &g)) == NULL)
			continue;
		if (*end == '\0')
			return join_local(&g, out);
		if (strcmp(end, "Z") == 0)
			return join_utc(&g, out);
	}
	return false;
}
