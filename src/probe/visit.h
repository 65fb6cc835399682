/* SPDX-License-Identifier: ISC */
/* One session of capf-probe(1): the phone authenticates, makes a key, and is then sent what the trial wants. */
#ifndef VISIT_H
#define VISIT_H

#include <time.h>

#include "net/tls.h"
#include "probe/transcript.h"
#include "probe/trial.h"
#include "x509/phone_auth.h"

/* What holds for all sessions. */
struct visit_plan {
	const char *device;		/* the one that is served */
	struct tls_context *tls;
	const char *string;		/* the authentication string it has to send; "": none */
	const struct phone_auth_policy *policy;	/* for one that authenticates with a certificate; NULL: it need not */
	bool ec;			/* the key it is asked for, if its version has EC */
	unsigned rsa_bits;
	uint8_t curve;
	time_t handshake, message, key;	/* seconds it may take */
	time_t wait;			/* seconds that it is left waiting */
	int signals;			/* a descriptor: when it can be read, the program is to end */
	struct transcript *transcript;
};

enum visit_end {
	VISIT_TRIED,		/* and the trial has its verdict */
	VISIT_LOST,		/* the phone did not come as far as that */
	VISIT_NOT_PROVED,	/* it did not authenticate */
	VISIT_OTHER,		/* somebody else */
	VISIT_STOPPED,		/* by a signal */
	VISIT_TROUBLE,		/* of our own */
};

/* Serves one connection, and closes it: without a word, so that the phone comes again by itself, or when it is the
 * last one with END_SESSION. id: of the session. The reason is set unless it was TRIED. */
enum visit_end visit_serve(const struct visit_plan *, int fd, uint32_t id, bool last, struct trial *,
    struct reason *);

#endif
