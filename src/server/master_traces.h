/* SPDX-License-Identifier: ISC */
/* The master's part in traces: keeps the process of trace_process.h going while the settings want it, and says in the
 * log when traces are missing. Phones are served without them. */
#ifndef MASTER_TRACES_H
#define MASTER_TRACES_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "base/log.h"
#include "server/restart.h"
#include "site/settings.h"

struct master_traces {
	const struct log *log;
	const struct settings *settings;	/* those of now, the master's */
	const char *path;	/* of the spool */
	time_t clock;		/* what to add to the time of day */
	pid_t pid;		/* 0: none */
	int control;		/* or -1: none, or it shall end */
	bool told;		/* that it has trouble */
	struct restart restart;
};

/* By new settings, before the workers have them. True when the process is new: each worker that is there wants
 * another socket to it. */
bool master_traces_set(struct master_traces *, long long now);
/* Starts it once it is due. True as above. */
bool master_traces_start_due(struct master_traces *, long long now);
/* A socket for this worker, which the caller closes, or -1. A failure has been logged. */
int master_traces_connect(struct master_traces *, unsigned worker);
/* What it has said of itself. */
void master_traces_listen(struct master_traces *);
/* It was reaped. When we are not stopping it is started again. */
void master_traces_ended(struct master_traces *, bool stopping, long long now);
/* It ends when it has written what it was sent. */
void master_traces_stop(struct master_traces *);

#endif
