/* SPDX-License-Identifier: ISC */
/* A worker of the server: phones on one side, the spool on the other, its master beside it. */
#ifndef WORKER_H
#define WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/log.h"
#include "process/log_output.h"
#include "server/load.h"

struct worker_task {
	const char *path;	/* of the spool */
	time_t clock;		/* what to add to the time of day */
	const struct log *log;
	struct log_output *sink;	/* behind the log */
	struct load *load;
	unsigned number, workers;	/* which of how many; the first is 0 */
	size_t listeners;	/* descriptors after the control socket; then its records process, and its stage in tmp/ */
};

/* The life of a worker, for child_spawn(): takes settings, and issuing processes, from the control socket, and
 * listens once it has some. Until SIGTERM, or the end of the master. 0 when that was in order. */
int worker_life(void *task, int control);

#endif
