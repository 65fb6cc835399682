/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/utc.h"
#include "../tap.h"

static void parses(const char *text, time_t want)
{
	time_t t = -1;

	ok(utc_parse(text, &t) && t == want, "%s", text);
}

static void refuses(const char *text)
{
	time_t t;

	ok(!utc_parse(text, &t), "%s", text);
}

int main(void)
{
	char stamp[UTC_STAMP + 1], iso[UTC_ISO + 1];
	time_t t, span;

	utc_stamp(1800000000, stamp);
	utc_iso(1800000000, iso);
	ok(strcmp(stamp, "20270115T080000Z") == 0, "a stamp");
	ok(strcmp(iso, "2027-01-15T08:00:00Z") == 0, "ISO 8601");
	ok(utc_from_stamp(stamp, &t) && t == 1800000000, "and back");
	utc_stamp((time_t)1 << 60, stamp);
	ok(strcmp(stamp, "99991231T235959Z") == 0, "the far future has four digits");
	utc_stamp(-((time_t)1 << 60), stamp);
	ok(strlen(stamp) == UTC_STAMP, "and so has the far past");

	parses("2027-01-15", 1799971200);
	parses("2027-01-15T08:00:00Z", 1800000000);
	parses("20270115T080000Z", 1800000000);
	parses("@1800000000", 1800000000);
	parses("2028-02-29", 1835395200);
	refuses("2027-02-29");
	refuses("2027-13-01");
	refuses("2027-1-15");
	refuses("2027-01-15T25:00:00Z");
	refuses("2027-01-15 08:00:00Z");
	refuses("yesterday");
	refuses("@-1");
	refuses("@");
	refuses("");

	ok(utc_span("2d", &span) && span == 172800, "two days");
	ok(utc_span("4w", &span) && span == 2419200, "four weeks");
	ok(!utc_span("2", &span) && !utc_span("d", &span) && !utc_span("2dd", &span) &&
	    !utc_span("-2d", &span) && !utc_span("99999999999d", &span), "no other spans");
	ok(utc_clock("0", &t) && t == 0, "the clock at its beginning");
	ok(!utc_clock("-1", &t) && !utc_clock("1e9", &t) && !utc_clock("", &t) &&
	    !utc_clock("99999999999999999999", &t), "no other clocks");
	return tap_done();
}
