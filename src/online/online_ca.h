/* SPDX-License-Identifier: ISC */
/* A CA on the network, whatever it speaks: est.h, scep.h, cmp.h and certsrv.h each have one kind. It asks for one
 * certificate after the other and waits for each answer, so whoever wants several at once has several processes. It
 * remembers nothing from one to the next: what has to outlive it is in the ticket. */
#ifndef ONLINE_CA_H
#define ONLINE_CA_H

#include <stdbool.h>
#include <time.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "online/http.h"
#include "online/online_settings.h"
#include "x509/csr.h"

#define ONLINE_TICKET_MAX 180	/* printable, without white space */
#define ONLINE_CERTIFICATES_MAX (128 * 1024)	/* bytes of all certificates in one answer */

enum online_outcome {
	ONLINE_ISSUED,		/* certificates has them */
	ONLINE_PENDING,		/* poll with this ticket, not before so many seconds */
	ONLINE_REFUSED,		/* the CA will not: its verdict on this request alone */
	ONLINE_LATER,		/* nothing was decided, and nothing was issued: submit again, not before so many seconds */
	ONLINE_NEVER,		/* it knows nothing of a request whose answer was lost: submit it */
	ONLINE_LOST,		/* it was asked, and what it said did not arrive, or cannot be read */
	ONLINE_BROKEN,		/* a setting is wrong, such as a password or a CA file: each request would end alike */
};

struct online_answer {
	enum online_outcome outcome;
	struct buf certificates;	/* DER, one behind the other, in any order; the caller frees */
	char ticket[ONLINE_TICKET_MAX + 1];
	time_t wait;			/* seconds, as the CA says; 0: it does not say */
	struct reason why;		/* of all but ISSUED; what the CA says in it is escaped */
};

/* What is known of a CA, for csr-submit --test. */
struct online_report {
	struct buf certificates;	/* its own, DER, one behind the other; the caller frees */
	struct buf text;		/* lines "word TAB value": capabilities, which authentication worked; printable */
};

struct online_ca;

struct online_kind {
	enum online_type type;
	const char *name;
	bool plain;		/* the protocol protects itself, so http:// will do */
	bool resends;		/* it polls by sending the request again, so each poll may issue */
	/* Can a request that its own key did not sign be sent to this CA as it is set up? 0; -1 with a reason that names
	 * the ways out. */
	int (*allows)(const struct online_settings *, enum csr_proof, struct reason *);
	/* Reads keys and certificates that the settings name. -1 with a reason. */
	int (*open)(struct online_ca *, struct reason *);
	void (*close)(struct online_ca *);
	/* A ticket for a request that is to be sent: what it will be known by. It is durable before the first byte leaves.
	 * "" for a kind that cannot choose one. It may look whether the CA is there, and knows us. -1 with a reason; it is
	 * trouble when that may come by itself. */
	int (*ticket)(struct online_ca *, const struct csr *, char out[ONLINE_TICKET_MAX + 1], struct reason *);
	/* Asks for a certificate, under that ticket. */
	void (*submit)(struct online_ca *, const struct csr *, const char *ticket, struct online_answer *);
	/* Asks what became of it. lost: the answer to submit never came; a kind that cannot know then says ONLINE_LOST, and one
	 * whose CA surely never got it ONLINE_NEVER; LATER means here: poll again. */
	void (*poll)(struct online_ca *, const struct csr *, const char *ticket, bool lost, struct online_answer *);
	/* Its certificates and what it can do. Issues nothing. -1 with a reason. */
	int (*check)(struct online_ca *, struct online_report *, struct reason *);
};

struct online_ca {
	const struct online_kind *kind;
	const struct online_settings *settings;
	struct http *http;
	time_t now;
	void *own;		/* the kind's */
};

/* The kind of a type. */
const struct online_kind *online_kind(enum online_type);

/* Opens one: the HTTP part, then the kind's. online_close frees it. -1 with a reason. */
int online_open(struct online_ca *, const struct online_settings *, time_t now, struct reason *);
void online_close(struct online_ca *);

/* Fills an answer. */
void online_say(struct online_answer *, enum online_outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* What an exchange that did not end in HTTP_ANSWERED means for a request: BROKEN, LATER or LOST. */
void online_say_unanswered(struct online_answer *, enum http_result, const struct reason *);
/* The reason of an answer that is no success, as check gives it: trouble when another try may help. Returns -1. */
int online_fail(struct reason *, const char *what, const struct online_answer *);
/* What an HTTP status other than 2xx means: 401, 403, 404 and 407 are BROKEN, 502 and 504 LOST, 429 and other 5xx
 * LATER, the rest of 4xx REFUSED with the beginning of the text, anything else BROKEN. */
void online_say_status(struct online_answer *, const struct http_answer *);

#endif
