/* SPDX-License-Identifier: ISC */
/* A worker of the server: phones on one side, the spool on the other, its master beside it. */
#ifndef SERVE_H
#define SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "server/board.h"
#include "server/logline.h"
#include "server/sink.h"

struct serve_task {
	const char *path;	/* of the spool */
	time_t clock;		/* what to add to the time of day */
	const struct log *log;
	struct sink *sink;	/* behind the log */
	struct board *board;
	unsigned number, workers;	/* which of how many; the first is 0 */
	size_t listeners;	/* descriptors after the control socket */
};

/* The life of a worker, for pool_spawn(): takes settings, and issuing processes, from the control socket, and
 * listens once it has some. Until SIGTERM, or the end of the master. 0 when that was in order. */
int serve_life(void *task, int control);

#endif
