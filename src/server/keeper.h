/* SPDX-License-Identifier: ISC */
/* The master of a server: keeps its workers and issuing processes going, and hands each what it needs. It
 * has no key, and reads nothing that a phone has sent. */
#ifndef KEEPER_H
#define KEEPER_H

#include <time.h>

#include "base/reason.h"
#include "net/listen.h"
#include "server/notify.h"
#include "server/sink.h"
#include "site/conf.h"
#include "spool/spool.h"

struct keeper_task {
	struct spool *spool;
	const struct conf *conf;	/* the first settings */
	struct sink *sink;
	const struct listen *listen;
	const struct notify *notify;
	time_t clock;		/* what to add to the time of day */
	unsigned workers;
};

/* Until SIGTERM or SIGINT. 0; 1 with a reason when the first settings are no good; -1 with a reason when
 * something else is. */
int keeper_run(const struct keeper_task *, struct reason *);

#endif
