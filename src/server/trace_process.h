/* SPDX-License-Identifier: ISC */
/* The process that writes traces of sessions, one for all workers. It alone can open files in session/: workers send it
 * text, and it says into which file that goes, how long a file gets, and which one goes for it. It is there only while
 * the settings want traces. */
#ifndef TRACE_PROCESS_H
#define TRACE_PROCESS_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct trace_task {
	const char *path;	/* of the spool */
	time_t clock;		/* what to add to the time of day */
	uint64_t most;		/* bytes of all sessions */
};

/* What it says of itself: of a series of texts that could not be kept the first, and the end of the series. */
struct trace_news {
	int error;		/* 0: traces are kept again */
	uint64_t lost;		/* so many texts were not */
};

/* Starts the process. Returns our socket to it, whose end tells it to end when all is written. -1 with errno. */
int trace_spawn(const struct trace_task *, pid_t *);
/* A socket on which this worker may send traces, in place of the one it had. The caller closes it. -1 with errno. */
int trace_connect(int socket, unsigned worker);
/* Another bound. */
void trace_limit(int socket, uint64_t most);

#endif
