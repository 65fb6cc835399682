/* SPDX-License-Identifier: ISC */
/* What the master of a server and its workers tell each other, over a socket that keeps packets apart. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "site/settings.h"

#define CONTROL_MAX 4096	/* settings are the largest */

enum control_type {
	/* To a worker. */
	CONTROL_SETTINGS,	/* struct control_settings; and an issuing process when they want one */
	CONTROL_ISSUING,	/* another issuing process */
	CONTROL_TAIL,		/* the spool's journal, opened anew for reading; what follows is */
	CONTROL_JOURNAL,	/* the same file, for appending */
	/* To the master. */
	CONTROL_READY,		/* struct control_answer: the settings are in force */
	CONTROL_REFUSED,	/* the same: they are not */
	CONTROL_TROUBLE,	/* the same: they are not, by no fault of theirs */
	CONTROL_WANTED,		/* the issuing process has ended */
	/* Both ways: the syslog does not listen any more; another socket to it. */
	CONTROL_SYSLOG,
	/* A socket for traces, to a worker, or, with its number, to the process that writes them; struct trace_news from it. */
	CONTROL_TRACES,
	/* Both ways, the master hands it on without a look at it: a phone proved who it is, when and where its
	 * other connections, to other workers, have been overtaken. */
	CONTROL_OVERTAKEN,
	CONTROL_TYPES
};

/* Settings that come while others wait for their issuing process take their place, and those are not answered. */
struct control_settings {
	uint32_t number;	/* from 1 on */
	struct settings settings;
};

struct control_answer {
	uint32_t number;	/* of the settings; 0: it has not seen any */
	char why[REASON_MAX];
};

struct control {
	enum control_type type;
	struct bytes body;	/* in packet */
	int fd;			/* that came with it, or -1 */
	unsigned char packet[CONTROL_MAX];
};

/* Sends one; fd is passed on unless it is -1, and stays the caller's. -1 with errno: EAGAIN when the other side
 * does not read. */
int control_send(int socket, enum control_type, struct bytes body, int fd);
/* The next one. 1, 0 when there is none, -1 with errno when the other side is gone or talks nonsense. */
int control_next(int socket, struct control *);

#endif
