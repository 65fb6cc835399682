/* SPDX-License-Identifier: ISC */
#include "server/restart.h"
#include "../tap.h"

/* It is started now, and ends after so many milliseconds: how long until it is due? */
static long long delay(struct restart *r, long long *now, long long lived)
{
	restart_begin(r, *now);
	*now += lived;
	restart_put_off(r, *now);
	return r->due - *now;
}

int main(void)
{
	struct restart r = {0};
	long long now = 1000000;

	ok(!restart_is_due(&r, now), "what has not ended is not due");
	ok(delay(&r, &now, 10) == 1000 && delay(&r, &now, 10) == 2000 && delay(&r, &now, 10) == 4000,
	    "what ends at once is due after 1 s, 2 s, 4 s");
	ok(!restart_is_due(&r, now) && !restart_is_due(&r, now + 3999) && restart_is_due(&r, now + 4000), "and not before");
	for (int i = 0; i < 10; i++)
		delay(&r, &now, 10);
	ok(delay(&r, &now, 10) == 60000, "a minute is the longest");
	ok(delay(&r, &now, 60000) == 0 && restart_is_due(&r, now), "what has lived for a minute is due at once");
	ok(delay(&r, &now, 59999) == 1000, "and then the series begins again");
	restart_begin(&r, now);
	ok(!restart_is_due(&r, now + 100000), "what has been started is not due");
	delay(&r, &now, 10);
	restart_cancel(&r);
	ok(!restart_is_due(&r, now + 100000), "what was cancelled is never due");
	ok(delay(&r, &now, 10) == 1000, "and its series is over");
	now = 0;
	ok(delay(&r, &now, 60000) == 0 && restart_is_due(&r, now), "as soon after the start of the machine");
	r = (struct restart){.started = -60000};
	restart_put_off(&r, 0);
	ok(r.due != 0 && restart_is_due(&r, 1), "0 is a time like others");
	return tap_done();
}
