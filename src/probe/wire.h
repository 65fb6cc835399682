/* SPDX-License-Identifier: ISC */
/* The phone's connection in a session of capf-probe(1): messages over TLS, each with a time limit, until a signal. */
#ifndef WIRE_H
#define WIRE_H

#include <time.h>

#include "base/bytes.h"
#include "capf/capfmsg.h"
#include "net/tls.h"
#include "probe/transcript.h"

struct wire {
	int fd;			/* a connected socket that does not block */
	struct tls *tls;
	uint32_t id;		/* of the session */
	time_t handshake, message;	/* seconds */
	int signals;		/* a descriptor: when it can be read, everything ends */
	struct transcript *transcript;
	struct buf in;
	size_t taken;		/* bytes of it that are done with */
};

enum got { GOT_IT, GOT_HANG_UP, GOT_NOTHING, GOT_RUBBISH, GOT_STOPPED };

/* Not GOT_IT, with a reason: memory is short. */
enum got wire_open(struct wire *, struct tls_context *, struct reason *);
void wire_close(struct wire *);
enum got wire_shake(struct wire *, struct reason *);
/* Also writes it down. */
enum got wire_send(struct wire *, struct capfmsg);
/* The next message, which stays until the next call, at most until a time of monotime_seconds(). GOT_RUBBISH with a
 * reason. */
enum got wire_take(struct wire *, double until, struct bytes *whole, struct reason *);

#endif
