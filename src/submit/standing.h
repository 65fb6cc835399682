/* SPDX-License-Identifier: ISC */
/* How it stands with each CA, as csr-submit --status shows it: counted from what the spool has of its requests. */
#ifndef STANDING_H
#define STANDING_H

#include <stddef.h>
#include <time.h>

#include "base/reason.h"
#include "site/asked.h"
#include "spool/spool.h"

struct standing {
	char ca[ASKED_CA_MAX + 1];
	size_t count[ASKED_STATES];
	time_t oldest;		/* when the first of those was asked that have no answer yet; 0: none */
	time_t success;		/* when it last issued one; 0: never */
	time_t error;		/* when something last went wrong; 0: never */
	char reason[ASKED_REASON_MAX + 1];	/* and what */
};

/* Of each CA, by name; the caller frees. tell is called for files that cannot be understood. -1 with errno. */
int standing_gather(const struct spool *, struct standing **, size_t *,
    void (*tell)(const char *file, const struct reason *));

#endif
