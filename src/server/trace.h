/* SPDX-License-Identifier: ISC */
/* The trace of a session, by the setting trace: what came, what was sent, and how it ended, as lines that the process of
 * trace_process.h writes. Until the phone is authenticated they are kept here. A phone never waits for its trace. */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "base/log.h"
#include "capf/session.h"
#include "site/settings.h"

struct trace;

/* A worker's way to that process. */
struct trace_link {
	int fd;			/* or -1 */
	unsigned worker;	/* from 1 on */
	unsigned generation;	/* one more for each new socket: another process does not know older sessions */
	time_t clock;		/* what to add to the time of day */
	const struct log *log;
	long long told;		/* when a loss was said last, or 0 */
};

/* What a session is, for the first line of its trace. */
struct trace_session {
	uint64_t number;
	const struct sockaddr_storage *peer;
	const char *tls, *device;	/* "": the phone has not said its name */
	long long began;	/* monotime_ms() */
	bool known;		/* its phone was authenticated before now */
};

/* Takes a socket, or -1 for none; the one before is closed. */
void trace_link_take(struct trace_link *, int fd);

/* The trace of a session by the settings of now, which may be others than when it began: the one that it has had so
 * far, a new one, or NULL, and then the old one is freed. All functions below take NULL for a session that is not
 * traced, as this does. */
struct trace *trace_follow(struct trace *, struct trace_link *, const struct settings *,
    const struct trace_session *);
/* The last line, and it is freed. named: without a device's name nothing of it is kept. */
void trace_end(struct trace *, const char *state, bool named);
/* It is freed, and what has not been sent is forgotten. */
void trace_free(struct trace *);

/* Before the session takes a step, for each thing that it wants then, and when all of that is done. */
void trace_event(struct trace *, const struct session_event *);
void trace_action(struct trace *, const struct session_action *);
void trace_state(struct trace *, const char *state, const char *device);
/* A line of the log about the connection. */
void trace_say(struct trace *, const char *event, const char *key, const char *value);

#endif
