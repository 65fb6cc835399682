/* SPDX-License-Identifier: ISC */
/* The grammar of times, in zones whose clocks do strange things. Prints TAP. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utc.h"
#include "base/when.h"
#include "../tap.h"

/* As the files of zones have them, which need not be installed. */
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define NOW 1800000000	/* 2027-01-15T08:00:00Z */

static void zone(const char *name)
{
	setenv("TZ", name, 1);
	when_init();
}

/* Both meanings of a text, in UTC. */
static void means(const char *text, const char *begin, const char *end)
{
	char iso[UTC_ISO + 1] = "nothing", last[UTC_ISO + 1] = "nothing";
	time_t t;

	if (when_parse(text, NOW, WHEN_BEGIN, &t))
		utc_iso(t, iso);
	if (when_parse(text, NOW, WHEN_END, &t))
		utc_iso(t, last);
	ok(strcmp(iso, begin) == 0 && strcmp(last, end) == 0, "%s: \"%s\" is %s to %s", getenv("TZ"), text, iso, last);
}

static void is(const char *text, const char *want)
{
	means(text, want, want);
}

static void refuses(const char *text)
{
	is(text, "nothing");
}

int main(void)
{
	/* What was accepted in version 0.1 and has a zone means the same everywhere. */
	for (int i = 0; i < 2; i++) {
		zone(i == 0 ? "UTC" : BERLIN);
		is("2027-01-15T08:00:00Z", "2027-01-15T08:00:00Z");
		is("20270115T080000Z", "2027-01-15T08:00:00Z");
		is("@1800000000", "2027-01-15T08:00:00Z");
		is("@0", "1970-01-01T00:00:00Z");
		is("+7d", "2027-01-22T08:00:00Z");
		is("-12h", "2027-01-14T20:00:00Z");
		is("2027-01-15 08:00Z", "2027-01-15T08:00:00Z");
		is("2027-01-15 08:00:30Z", "2027-01-15T08:00:30Z");
		means("2027-01-15Z", "2027-01-15T00:00:00Z", "2027-01-15T23:59:59Z");
	}
	zone("UTC");
	means("2027-01-15", "2027-01-15T00:00:00Z", "2027-01-15T23:59:59Z");
	zone(BERLIN);
	means("2026-12-31", "2026-12-30T23:00:00Z", "2026-12-31T22:59:59Z");
	is("2026-12-31 10:00", "2026-12-31T09:00:00Z");
	is("2026-12-31T10:00", "2026-12-31T09:00:00Z");
	is("2026-12-31 10:00:01", "2026-12-31T09:00:01Z");
	is("2026-07-01 10:00", "2026-07-01T08:00:00Z");
	/* The day has 23 hours, and half past two is not among them; in autumn it has 25. */
	means("2027-03-28", "2027-03-27T23:00:00Z", "2027-03-28T21:59:59Z");
	refuses("2027-03-28 02:30");
	is("2027-03-28 03:00", "2027-03-28T01:00:00Z");
	means("2027-10-31", "2027-10-30T22:00:00Z", "2027-10-31T22:59:59Z");
	is("2027-10-31 02:30", "2027-10-31T00:30:00Z");
	is("2027-10-31 03:00", "2027-10-31T02:00:00Z");
	/* There is no midnight on some days in Beirut, and no 30 December 2011 in Samoa. */
	zone("EET-2EEST,M3.5.0/0,M10.5.0/0");
	means("2024-03-31", "2024-03-30T22:00:00Z", "2024-03-31T20:59:59Z");
	means("2024-03-30", "2024-03-29T22:00:00Z", "2024-03-30T21:59:59Z");
	if (access("/usr/share/zoneinfo/Pacific/Apia", R_OK) == 0) {
		zone("Pacific/Apia");
		means("2011-12-29", "2011-12-29T10:00:00Z", "2011-12-30T09:59:59Z");
		refuses("2011-12-30");
		means("2011-12-31", "2011-12-30T10:00:00Z", "2011-12-31T09:59:59Z");
	}
	zone("<+0545>-5:45");
	means("2027-01-15", "2027-01-14T18:15:00Z", "2027-01-15T18:14:59Z");

	zone("UTC");
	means("2028-02-29", "2028-02-29T00:00:00Z", "2028-02-29T23:59:59Z");
	refuses("2027-02-29");
	refuses("2027-02-29 10:00");
	refuses("2027-02-29Z");
	refuses("2027-13-01");
	refuses("2027-1-15");
	refuses("2027-01-15 24:00");
	refuses("2027-01-15 10:60");
	refuses("2027-01-15 8:00");
	refuses("2027-01-15 08:00 ");
	refuses("2027-01-15 08:00+01");
	refuses("2027-01-15  08:00");
	refuses("2027-01-15T");
	refuses("2027-01-15z");
	refuses("20270115T080000");
	refuses("20270115T080000Zx");
	refuses("1800000000");
	refuses("yesterday");
	refuses("@-1");
	refuses("@");
	refuses("+");
	refuses("+7");
	refuses("+-7d");
	refuses("--7d");
	refuses("7d");
	refuses("");
	return tap_done();
}
