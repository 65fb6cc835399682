/* SPDX-License-Identifier: ISC */
/* The processes that speak with a CA: each has the network, the CA's credentials and one request at a time, and neither
 * the spool nor CAPF's key. What a CA sends is read there, and only the certificate that was asked for comes back. */
#ifndef CLERK_H
#define CLERK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "online/online_ca.h"

enum clerk_job {
	CLERK_GREET,		/* what it says first, unasked */
	CLERK_TICKET,		/* what shall this request be known by? */
	CLERK_SUBMIT,
	CLERK_POLL,
	CLERK_POLL_LOST,	/* the answer to submit never came */
};

struct clerk_task {
	const struct online_settings *settings;
	EVP_PKEY *const *vouchers;	/* CAPF's keys, for csr_parse; NULL: none is known */
	time_t clock;			/* what to add to the time of day */
};

struct clerk {
	int fd;			/* -1: it does not run */
	pid_t pid;
	bool ready, busy;
};

struct clerk_answer {
	enum clerk_job job;
	enum online_outcome outcome;	/* of submit and poll; of the others ISSUED means that it went well */
	time_t wait;			/* of ISSUED: until the certificate is valid */
	char ticket[ONLINE_TICKET_MAX + 1];
	struct reason why;
	struct bytes certificate;	/* DER; valid until the next call */
};

/* Starts one. Before it is ready it says so, or why it never will be. -1 with errno. */
int clerk_start(struct clerk *, const struct clerk_task *);
/* Gives it something to do. -1 with errno when it is gone. */
int clerk_ask(struct clerk *, enum clerk_job, struct bytes request, const char *ticket);
/* What it says, if anything: 1; 0; -1 when it is gone, or talks nonsense: then clerk_stop. */
int clerk_next(struct clerk *, struct buf *packet, struct clerk_answer *);
/* Ends it. How it ended, as waitpid has it. */
int clerk_stop(struct clerk *);

#endif
