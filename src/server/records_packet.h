/* SPDX-License-Identifier: ISC */
/* What a worker asks its records process, and the answers. A request is one packet, and has one answer. A worker may
 * be in the hands of a phone, so a request names a device and an event, never a record: which state follows is the
 * records process's to say. */
#ifndef RECORDS_PACKET_H
#define RECORDS_PACKET_H

#include "base/bytes.h"
#include "base/reason.h"
#include "site/phone.h"

#define RECORDS_PACKET_MAX 65536
#define RECORDS_GUESSES_MAX 4096	/* in one commit: their answers are one packet */
#define RECORDS_VERSION_MAX 255		/* of CAPF, a byte */

enum records_request_type {
	RECORDS_LOOK,		/* device: its record, without the string, and its state */
	RECORDS_GUESS,		/* device, order, version, number, password: a string that a phone sent */
	RECORDS_CHANGE,		/* device, order, version, change, why */
	RECORDS_NOTE,		/* device, version, why: of a visit that was not authenticated */
	RECORDS_UNKNOWN,	/* device, why: the address from which one connected that has no record */
	RECORDS_RETRY,		/* what waited for locks, all of it */
	RECORDS_END,		/* of the worker: devices without a record are written now, for the master waits for no more */
	/* The commit. Between STAGE and what follows it nothing else comes. */
	RECORDS_STAGE,
	RECORDS_PUBLISH,	/* answers with the guesses that were compared */
	RECORDS_ABANDON,
	RECORDS_REQUESTS
};

/* What became of an order. */
struct outcome_change {
	enum phone_status status;	/* PHONE_PENDING: nothing is decided */
	bool attempt, refusal, sign_hangup;	/* one more */
	bool other_key;			/* refusals were of a certificate that is history */
	const char *why;
};

struct records_request {
	enum records_request_type type;
	uint64_t number;		/* of the visit that guesses; with STAGE how many files the worker has */
	char device[DEVICE_MAX + 1];	/* "" where none is wanted */
	time_t order;
	unsigned version;
	struct bytes password;
	struct outcome_change change;	/* its why is that below */
	char why[PHONE_TEXT_MAX + 1];
};

enum records_guess { RECORDS_UNREAD, RECORDS_RIGHT, RECORDS_WRONG, RECORDS_LOCKED };

struct records_reply {
	int result, error;	/* as the functions of outcome and guess say it, and errno */
	struct reason why;
	/* For the log, unless what is "". */
	char device[DEVICE_MAX + 1], what[64], because[REASON_MAX];
	bool pending;		/* something waits for a commit */
	uint32_t files;		/* of it */
	bool late;		/* or for a lock that another program has */
	bool torn;		/* a directory shows what may not be on the disk: no more of this */
	/* RECORDS_LOOK: struct phone and struct phone_state. RECORDS_PUBLISH: for each guess its number and a byte
	 * of enum records_guess. */
	struct bytes body;
};

void records_request_put(const struct records_request *, struct buf *);
/* False when that is no request; what it points to stays the packet's. */
bool records_request_get(struct bytes, struct records_request *);
void records_reply_put(const struct records_reply *, struct buf *);
bool records_reply_get(struct bytes, struct records_reply *);

#endif
