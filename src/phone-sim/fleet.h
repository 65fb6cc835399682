/* SPDX-License-Identifier: ISC */
/* Many simulated phones in one process, phone-sim(1) --count: their names, when they start, and how they ended. */
#ifndef FLEET_H
#define FLEET_H

#include <stddef.h>

#include "base/reason.h"
#include "phone-sim/sim_socket.h"

#define FLEET_MAX 1000000

struct fleet_plan {
	struct sim_socket_plan phone;
	const char *pattern;		/* of device names, or one name */
	unsigned long long first;	/* the number of the first phone */
	size_t count;
	long rate;			/* phones a second; 0: all at once */
	long parallel;			/* so many at the same time; 0: no limit */
};

struct fleet_summary {
	size_t outcomes[SIM_OUTCOMES];	/* SIM_RUNNING: not ended when the fleet was stopped */
	size_t good, bad;
	double seconds;			/* of all */
	double p50, p95, p99, max;	/* from the first attempt to the end, of those that ended well */
};

/* The name of the nth phone: a pattern has one %X, %x, %d or %u, with a width perhaps (%012X), or
 * none. -1 with a reason when that gives no legal name. */
int fleet_device(const char *pattern, unsigned long long n, char out[DEVICE_MAX + 1], struct reason *);

/* Until all have ended, or SIGINT or SIGTERM comes. Both are blocked when it returns, so that the caller can say
 * what it came to. -1 with a reason. */
int fleet_run(const struct fleet_plan *, struct fleet_summary *, struct reason *);

#endif
