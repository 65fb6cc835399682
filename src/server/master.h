/* SPDX-License-Identifier: ISC */
/* The master of a server: keeps its workers and issuing processes going, and hands each what it needs. It
 * has no key, and reads nothing that a phone has sent. */
#ifndef MASTER_H
#define MASTER_H

#include <time.h>

#include "base/reason.h"
#include "net/listen.h"
#include "process/log_output.h"
#include "process/systemd.h"
#include "site/settings.h"
#include "spool/spool.h"

struct master_task {
	struct spool *spool;
	const struct settings *settings;	/* the first settings */
	struct log_output *sink;
	const struct listen *listen;
	const struct systemd *notify;
	time_t clock;		/* what to add to the time of day */
	unsigned workers;
};

/* Until SIGTERM or SIGINT. 0; 1 with a reason when the first settings are no good; -1 with a reason when
 * something else is. */
int master_run(const struct master_task *, struct reason *);

#endif
