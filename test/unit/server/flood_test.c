/* SPDX-License-Identifier: ISC */
#include "capf/capfmsg.h"
#include "server/flood.h"
#include "../tap.h"

#define MOST (8 * (CAPFMSG_HEADER + CAPFMSG_BODY_MAX))

int main(void)
{
	const long long weeks = 6LL * 7 * 86400 * 1000;
	struct flood f;
	bool flooded = false;

	flood_begin(&f, 5000);
	ok(!flood_count(&f, MOST, 5000), "eight of the longest messages at once");
	ok(flood_count(&f, 1, 5000), "and not a byte more");
	flood_begin(&f, 5000);
	flood_count(&f, MOST, 5000);
	ok(!flood_count(&f, 256, 6000) && flood_count(&f, 1, 6000), "after a second 256 bytes more");
	flood_begin(&f, 0);
	flood_count(&f, MOST, 0);
	for (long long now = 1; now <= 1000; now++)
		flooded = flood_count(&f, now % 4 == 0, now) || flooded;
	ok(!flooded, "time that is less than a byte's is not lost");
	flood_begin(&f, 0);
	for (long long now = 0; now < weeks; now += 10000)
		flooded = flood_count(&f, 2000, now) || flooded;
	ok(!flooded, "signs of life for six weeks");
	ok(!flood_count(&f, MOST, weeks) && flood_count(&f, 1, weeks), "silence saves nothing up");
	return tap_done();
}
