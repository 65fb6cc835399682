/* SPDX-License-Identifier: ISC */
/* One simulated phone of phone-sim(1) on a socket: connections, TLS and time for what sim_phone decides. Many may share
 * an event loop. */
#ifndef SIM_SOCKET_H
#define SIM_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "net/dial.h"
#include "net/tls.h"
#include "phone-sim/sim_phone.h"
#include "phone-sim/spare_keys.h"

struct event_base;
struct sim_socket;

/* The settings that the phones have in common. The caller keeps it. */
struct sim_socket_plan {
	struct sim_plan sim;
	struct dial to;
	struct tls_context *tls;
	struct spare_keys *keys;
	long retries, retry_ms;
	long again_ms;			/* it comes back so long after each end; 0: it does not */
	long patience_ms;		/* in all; 0: no limit */
	long answer_ms;			/* for the server's next message, then it hangs up; 0: no limit */
	long answer_more_ms;		/* added for all but one of a fleet's phones, up to so much */
	bool by_bytes;			/* a byte a record ... */
	long byte_ms;			/* ... so far apart */
	bool whole_records;		/* a message must be one record */
	long long rubbish;		/* so many bytes of it instead of messages */

	/* What happens, told at once; each may be NULL. The first three say -1 when they failed, which ends
	 * the phone. */
	int (*wakes)(void *ctx, struct sim *);			/* before it connects for the first time */
	int (*made_key)(void *ctx, const struct sim *, EVP_PKEY *);
	int (*stored)(void *ctx, const struct sim *, struct bytes der);
	void (*saw)(void *ctx, const struct sim *, bool sent, struct bytes message);
	/* A connection is over, and was begun so many seconds ago; there may be another. */
	void (*left)(void *ctx, const struct sim *, double seconds);
	/* The phone is: since its first try. */
	void (*ended)(void *ctx, const struct sim *, double seconds);
	void *ctx;
};

/* A phone that connects at once. Its number says which of the ready keys it takes. When it has ended, over
 * is told the number, the outcome and the seconds, and may free it. NULL when out of memory. */
struct sim_socket *sim_socket_start(const struct sim_socket_plan *, struct event_base *, size_t number,
    const char *device, void (*over)(void *ctx, size_t number, enum sim_outcome, double seconds),
    void *ctx);
/* One that has not ended is cut off, and left and ended are told that it was SIM_RUNNING. */
void sim_socket_free(struct sim_socket *);

#endif
