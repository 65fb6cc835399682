/* SPDX-License-Identifier: ISC */
/* The transcript of capf-probe(1): each message with its elements, in words and in hex, for somebody who has no such
 * phone. What proves a phone's identity, and certificates with the names in them, are left out. */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include <stdbool.h>

#include "base/bytes.h"

struct transcript {
	int fd;			/* open for appending; -1: no transcript */
	const char *string;	/* the authentication string, which is in no line; "": none */
	double start;		/* of the session, monotime_seconds() */
	size_t messages;	/* bytes that it has of this session's messages */
	int error;		/* errno of the first line that could not be written; 0: none */
};

/* A line with the time since the session began. */
void transcript_say(struct transcript *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A session begins. */
void transcript_begin(struct transcript *);
/* A message that was sent or came. One that cannot be decoded is only counted: nobody knows what is in it. When a
 * session has 256 KiB of messages, no more of them are shown. */
void transcript_message(struct transcript *, bool sent, struct bytes);

#endif
