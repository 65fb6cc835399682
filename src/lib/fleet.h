/* SPDX-License-Identifier: ISC */
/* Many simulated phones in one process: sockets, TLS and time for what sim decides. */
#ifndef FLEET_H
#define FLEET_H

#include <stdbool.h>
#include <stddef.h>

#include "dial.h"
#include "keyring.h"
#include "reason.h"
#include "sim.h"
#include "tls.h"

#define FLEET_MAX 1000000

struct fleet_plan {
	struct sim_plan sim;
	const char *pattern;		/* of device names, or one name */
	unsigned long long first;	/* the number of the first phone */
	size_t count;
	long rate;			/* phones a second; 0: all at once */
	long parallel;			/* so many at the same time; 0: no limit */
	struct dial to;
	struct tls_context *tls;
	struct keyring *keys;
	EVP_PKEY *key;			/* which every phone has from before, or NULL */
	long retries, retry_ms;
	long patience_ms;		/* for each phone; 0: no limit */
	bool by_bytes;			/* a byte a record ... */
	long byte_ms;			/* ... so far apart */
	bool whole_records;		/* a message must be one record */
	long long rubbish;		/* so many bytes of it instead of messages */

	/* What happens, told at once. The first two say -1 when they failed, which ends the phone. */
	int (*made_key)(void *ctx, const char *device, EVP_PKEY *);
	int (*stored)(void *ctx, const char *device, struct bytes der);
	void (*ended)(void *ctx, const char *device, enum sim_outcome, double seconds, const char *why);
	void (*saw)(void *ctx, const char *device, bool sent, struct bytes message);
	void *ctx;
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

/* Until all have ended, or SIGINT or SIGTERM comes. -1 with a reason. */
int fleet_run(const struct fleet_plan *, struct fleet_summary *, struct reason *);

#endif
