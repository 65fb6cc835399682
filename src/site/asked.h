/* SPDX-License-Identifier: ISC */
/* What online CAs were asked, and what they said: online/ of the spool, capf-spool(5). Before a request leaves, it is
 * here, durable; so whoever comes after a crash asks what became of it, and no CA is asked twice for one key. */
#ifndef ASKED_H
#define ASKED_H

#include <stdbool.h>
#include <time.h>

#include "base/bytes.h"
#include "base/device.h"
#include "base/reason.h"
#include "spool/spool.h"
#include "spool/turn.h"

#define ASKED_TICKET_MAX 180
#define ASKED_CA_MAX 60
#define ASKED_REASON_MAX 180

enum asked_state {
	ASKED_SENT,		/* it may have left, and no answer is known */
	ASKED_PENDING,		/* the CA has it, and was not ready */
	ASKED_REFUSED,		/* the CA will not, or what it sent is no certificate for this phone */
	ASKED_LOST,		/* it left, and nobody can say what became of it: somebody has to look at the CA */
	ASKED_LATER,		/* it came to nothing, and is asked again by itself */
	ASKED_UNFIT,		/* it was not sent: the CA, as it is set up, would not take it */
	ASKED_ISSUED,		/* KEY.der has the certificate, until somebody takes it */
	ASKED_STATES
};
extern const char *const asked_states[];	/* their words, NULL behind the last */

struct asked {
	unsigned char spki[REQID_SPKI];
	char device[DEVICE_MAX + 1];
	char ca[ASKED_CA_MAX + 1];	/* its name in capf.conf */
	enum asked_state state;
	bool unsaid;		/* its certificate is there, and the file has yet to say ISSUED */
	char ticket[ASKED_TICKET_MAX + 1];	/* what the CA knows it by; may be "" */
	time_t first, last;		/* when it was asked, and when it said something; 0: not yet */
	time_t next;			/* not before; 0: at once. Of ISSUED: when the certificate becomes valid */
	unsigned tries;			/* polls since then, or askings that came to nothing */
	char reason[ASKED_REASON_MAX + 1];
};

/* For who asks, of whom a spool has one at a time: a descriptor to close, -1 with errno, EWOULDBLOCK when another is
 * at work, and still is a second later. A spool of an older version gets its online/ here. */
int asked_lock(struct spool *);

/* What is known of this key. 1; 0 when it was never asked for; -1 with a reason. */
int asked_load(const struct spool *, const unsigned char spki[REQID_SPKI], struct asked *, struct reason *);
/* Calls each for all, in no order, until one returns non-zero. -1 with errno. A file that cannot be understood is
 * told by its name and a reason. */
int asked_each(const struct spool *, int (*each)(void *ctx, const struct asked *, const char *file,
    const struct reason *), void *ctx);

/* What people read of it, after what is said of the phone already; nothing when it was never asked for. */
#define ASKED_SAID_MAX (ASKED_CA_MAX + ASKED_REASON_MAX + 40)
void asked_say(const struct spool *, const unsigned char spki[REQID_SPKI], char *said, size_t size);

/* Puts it into a turn, for the commit. -1 when out of memory. */
int asked_put(struct turn *, const struct asked *);
/* Its certificate, DER: durable with the turn, and from then on it is ISSUED, also when asked_put got no further. */
int asked_put_certificate(struct turn *, const struct asked *, struct bytes);
/* Reads that; the caller frees. -1 with errno: ENOENT when it was taken. */
int asked_certificate(const struct spool *, const unsigned char spki[REQID_SPKI], unsigned char **, size_t *);
/* It was taken. Not durable: who finds it again takes it again. -1 with errno. */
int asked_drop_certificate(struct spool *, const unsigned char spki[REQID_SPKI]);

/* Removes what was issued before a time, and anything before another, unless its request waits in csr/; adds how many
 * to *n. -1 with errno. */
int asked_expire(struct spool *, time_t issued, time_t any, size_t *n);
/* Calls each with the name of every certificate of which nothing is known, until one returns non-zero: a power failure
 * leaves such a one when they are removed. -1 with errno. */
int asked_strays(const struct spool *, int (*each)(void *ctx, const char *file), void *ctx);

#endif
