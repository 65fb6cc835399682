/* SPDX-License-Identifier: ISC */
/* The work of capf-enroll: what waits in csr/ goes to the CA, what the CA sends goes to lsc/. A process of its own, with
 * the network and the CA's credentials, and without CAPF's key. */
#ifndef ENROLLER_H
#define ENROLLER_H

#include <stdbool.h>
#include <time.h>
#include <openssl/evp.h>

#include "base/log.h"
#include "online/online_settings.h"
#include "spool/spool.h"

struct enroller_task {
	struct spool *spool;		/* confined to what an enroller may change */
	const struct online_settings *ca;
	EVP_PKEY *const *vouchers;	/* CAPF's keys, as csr_parse wants them */
	time_t clock;			/* what to add to the time of day */
	bool once;			/* ends when all that waits was asked, and what is not pending was answered */
	const struct log *log;
	int stop;			/* a descriptor: readable when it is time to end */
	/* Now and then: that it is alive, and how it stands. */
	void (*alive)(void *ctx, const char *status);
	void *ctx;
};

/* Until it is told to stop, and what is under way has an answer. 0; 1 with a reason when with once the CA could not be
 * asked; -1 with errno: the spool. */
int enroller_run(const struct enroller_task *, struct reason *);

#endif
