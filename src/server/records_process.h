/* SPDX-License-Identifier: ISC */
/* The process that keeps the phones' records for one worker. It alone reads and writes phone/: the worker gets records
 * without their strings, and says what happened; the process says what follows, and compares strings itself. So a
 * worker that a phone has taken over can make no order, and no phone authenticated that has not sent the string. */
#ifndef RECORDS_PROCESS_H
#define RECORDS_PROCESS_H

#include <sys/types.h>
#include <time.h>

#include "site/settings.h"

struct records_task {
	const char *path;	/* of the spool */
	time_t clock;		/* what to add to the time of day */
	unsigned string_tries;
};

/* Starts the process: worker is its end of the socket to its worker. Returns our own socket to it, for settings, whose
 * end tells it to end, as the end of its worker does. -1 with errno. */
int records_spawn(const struct records_task *, int worker, pid_t *);
/* New settings. -1 with errno. */
int records_tell(int socket, const struct settings *);

#endif
