/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"

/* A time that four digits of a year cannot say is shown as the nearest that they can. */
static struct tm split(time_t t)
{
	struct tm tm;

	t = t < UTC_FIRST ? UTC_FIRST : t > UTC_LAST ? UTC_LAST : t;
	gmtime_r(&t, &tm);
	return tm;
}

void utc_stamp(time_t t, char out[UTC_STAMP + 1])
{
	struct tm tm = split(t);
	unsigned year = (unsigned)tm.tm_year + 1900;

	/* strftime would write a year before 1000 with fewer digits, and snprintf is slow here. */
	unsigned field[] = {year / 100, year % 100, (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday,
	    (unsigned)tm.tm_hour, (unsigned)tm.tm_min, (unsigned)tm.tm_sec};
	for (size_t i = 0; i < sizeof field / sizeof field[0]; i++) {
		if (i == 4)
			*out++ = 'T';
		*out++ = (char)('0' + field[i] / 10 % 10);
		*out++ = (char)('0' + field[i] % 10);
	}
	*out++ = 'Z';
	*out = '\0';
}

void utc_iso(time_t t, char out[UTC_ISO + 1])
{
	char s[UTC_STAMP + 1];

	utc_stamp(t, s);
	snprintf(out, UTC_ISO + 1, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", s, s + 4, s + 6, s + 9, s + 11,
	    s + 13);
}

/* Digits of text at the places where the pattern has a '0'; every other character must be equal.
 * Fills field by field: two digits each, but four for the year. */
static bool scan(const char *text, const char *pattern, int *field)
{
	int n = -1;
	char before = '\0';

	for (; *pattern != '\0'; before = *pattern++, text++) {
		if (*pattern == '0' || *pattern == '1') {
			if (*text < '0' || *text > '9')
				return false;
			if (before != *pattern)
				field[++n] = 0;
			field[n] = field[n] * 10 + (*text - '0');
		} else if (*text != *pattern) {
			return false;
		}
	}
	return true;
}

/* From year, month, day, hour, minute, second; false when there is no such time. */
static bool join(const int field[6], time_t *out)
{
	struct tm tm = {.tm_year = field[0] - 1900, .tm_mon = field[1] - 1, .tm_mday = field[2],
	    .tm_hour = field[3], .tm_min = field[4], .tm_sec = field[5]};
	struct tm before = tm;

	*out = timegm(&tm);
	return tm.tm_mon == before.tm_mon && tm.tm_mday == before.tm_mday &&
	    tm.tm_hour == before.tm_hour && tm.tm_min == before.tm_min &&
	    tm.tm_sec == before.tm_sec;
}

/* In a pattern, neighbouring fields take turns between runs of 0 and of 1. */
bool utc_from_stamp(const char *text, time_t *out)
{
	int field[6];

	return scan(text, "00001100T110011Z", field) && join(field, out);
}

bool utc_clock(const char *text, time_t *out)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 0 || n > UTC_LAST)
		return false;
	*out = (time_t)n;
	return true;
}

bool utc_parse(const char *text, time_t *out)
{
	int field[6] = {0};

	switch (strlen(text)) {
	case 10:
		if (scan(text, "0000-11-00", field))
			return join(field, out);
		break;
	case UTC_STAMP:
		return utc_from_stamp(text, out);
	case UTC_ISO:
		return scan(text, "0000-11-00T11:00:11Z", field) && join(field, out);
	}
	return text[0] == '@' && utc_clock(text + 1, out);
}

bool utc_span(const char *text, time_t *out)
{
	static const struct {
		char letter;
		time_t seconds;
	} unit[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || n < 0 || n > 1000000 || end[0] == '\0' || end[1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof unit / sizeof unit[0]; i++) {
		if (unit[i].letter == end[0]) {
			*out = n * unit[i].seconds;
			return true;
		}
	}
	return false;
}
