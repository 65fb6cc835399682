/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/when.h"
#include "tap.h"

static void parses(const char *text, time_t want)
{
	time_t t = -1;

	ok(when_parse(text, &t) && t == want, "%s", text);
}

static void refuses(const char *text)
{
	time_t t;

	ok(!when_parse(text, &t), "%s", text);
}

int main(void)
{
	char stamp[WHEN_STAMP + 1], iso[WHEN_ISO + 1];
	time_t t, span;

	when_stamp(1800000000, stamp);
	when_iso(1800000000, iso);
	ok(strcmp(stamp, "20270115T080000Z") == 0, "a stamp");
	ok(strcmp(iso, "2027-01-15T08:00:00Z") == 0, "ISO 8601");
	ok(when_from_stamp(stamp, &t) && t == 1800000000, "and back");
	when_stamp((time_t)1 << 60, stamp);
	ok(strcmp(stamp, "99991231T235959Z") == 0, "the far future has four digits");
	when_stamp(-((time_t)1 << 60), stamp);
	ok(strlen(stamp) == WHEN_STAMP, "and so has the far past");

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

	ok(when_span("2d", &span) && span == 172800, "two days");
	ok(when_span("4w", &span) && span == 2419200, "four weeks");
	ok(!when_span("2", &span) && !when_span("d", &span) && !when_span("2dd", &span) &&
	    !when_span("-2d", &span) && !when_span("99999999999d", &span), "no other spans");
	ok(when_clock("0", &t) && t == 0, "the clock at its beginning");
	ok(!when_clock("-1", &t) && !when_clock("1e9", &t) && !when_clock("", &t) &&
	    !when_clock("99999999999999999999", &t), "no other clocks");
	return tap_done();
}
