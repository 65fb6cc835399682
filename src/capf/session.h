/* SPDX-License-Identifier: ISC */
/* The server's side of a session, capf-protocol(7), Flows: an event comes in, actions go out. It has no socket, no
 * clock, no spool and no OpenSSL: an action asks for what it needs of these, and an event answers. */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "capf/capfmsg.h"

#define SESSION_ACTIONS_MAX 8
#define SESSION_STORE_TRIES 2	/* refusals after which a certificate is given up */

enum session_operation {
	SESSION_UNKNOWN_DEVICE,		/* END_SESSION 9 */
	SESSION_NOTHING,		/* END_SESSION 7: the order is done, or there is none */
	SESSION_REJECT,			/* END_SESSION 7: locked, too late, ... */
	SESSION_INSTALL,
	SESSION_FETCH,
	SESSION_DELETE,
};

enum session_key_order { SESSION_RSA, SESSION_EC, SESSION_EC_RSA };

/* The order of this device, from its record and the settings: plain data. */
struct order {
	enum session_operation operation;
	enum session_key_order key_order;
	uint16_t rsa_bits;
	uint8_t curve;			/* CAPFMSG_P256, ... */
	unsigned key_failures;		/* how often a key could not be made, or its certificate not be
					 * stored, in this operation so far */
	unsigned key_tries;		/* and how often it may be tried; 0: for ever */
	bool resume;			/* a request waits, or a certificate is ready, for a key that it made */
	unsigned store_refusals;	/* how often it refused that certificate */
	bool phone_signs;		/* csr-proof = phone */
	unsigned sign_layout;		/* how it is asked to, a number of sign_layout.h */
	bool phone_must_sign;		/* and a phone that does not is failed, not vouched for */
	bool fetch_mic;			/* ask again with CERTIFICATE_TYPE 2 */
	uint8_t keepalive;		/* CAPFMSG_IN_PROGRESS, CAPFMSG_STATUS_REQUEST, or 0: no message */
	struct reason why;		/* for SESSION_REJECT */
};

enum session_event_type {
	SESSION_START,		/* TLS is up: the server speaks first */
	SESSION_MESSAGE,	/* bytes: one whole message, or a start that capfmsg_length refused */
	SESSION_ORDER,		/* order: answers LOOK_UP */
	SESSION_AUTH_OK,	/* answer AUTHENTICATE */
	SESSION_AUTH_BAD,	/* why, final: the operation is locked now */
	SESSION_TO_SIGN,	/* bytes: the request in the form that sign_layout wants; answers PREPARE */
	SESSION_CERTIFICATE,	/* bytes: DER; answers CERTIFY and AWAIT, soon or in three weeks */
	SESSION_REFUSED,	/* why, final: answers PREPARE, CERTIFY, AWAIT, FETCHED; also unasked while
				 * waiting */
	SESSION_TIMEOUT,	/* the timer that was set last */
	SESSION_CLOSED,		/* the connection is gone */
	SESSION_TAKEN,		/* answers FETCHED: it is a certificate, and kept */
};

struct session_event {
	enum session_event_type type;
	struct bytes bytes;
	const struct order *order;
	const char *why;
	bool final;
};

enum session_action_type {
	SESSION_SEND,		/* bytes: in one write; they stay until the next step */
	SESSION_CLOSE,		/* when all is sent; the last action there is */
	SESSION_TIMER,		/* timer: forget the one before, start this */
	SESSION_LOOK_UP,	/* message->device: wants ORDER */
	SESSION_AUTHENTICATE,	/* message: AUTH_RESPONSE as it came; wants AUTH_OK or AUTH_BAD */
	SESSION_PREPARE,	/* bytes: SPKI; wants TO_SIGN or REFUSED */
	SESSION_CERTIFY,	/* bytes: SPKI; message: KEY_TYPE, KEY_SIZE or CURVE as asked for, and what the
				 * phone answered when it was asked to sign, the event's; wants CERTIFICATE
				 * or REFUSED */
	SESSION_AWAIT,		/* the certificate for the key that it has; the same answers */
	SESSION_INSTALLED,	/* the phone has stored it, and says so */
	SESSION_STORE_FAILED,	/* why; one more refusal. final: the certificate goes stale */
	SESSION_FETCHED,	/* bytes: what the phone says is a certificate, cert_type; wants TAKEN or
				 * REFUSED */
	SESSION_FETCH_DONE,	/* the operation is successful; the MIC may still be asked for */
	SESSION_DELETED,
	SESSION_FAILED,		/* failure, why. final: the operation; else only this try */
	SESSION_NOTE,		/* why: for the log, nothing changes */
};

enum session_timer {
	SESSION_TIMER_NONE,		/* no limit: the CA has the request */
	SESSION_TIMER_MESSAGE,		/* one answer of the phone */
	SESSION_TIMER_KEY,		/* making a key: minutes, on old phones half an hour */
	SESSION_TIMER_OUTSIDE,		/* looking up, authenticating */
	SESSION_TIMER_KEEPALIVE,	/* to the next application message while waiting */
};

enum session_failure {
	SESSION_BAD_MESSAGE,	/* broke the rules, wrong session id, message out of place */
	SESSION_BAD_VERSION,
	SESSION_BAD_AUTH,
	SESSION_NO_EC,		/* EC only, and the phone's version has none */
	SESSION_NO_KEY,		/* it could not make one, or not in time */
	SESSION_NO_SIGNATURE,	/* csr-proof = phone, and it did not */
	SESSION_NO_CERTIFICATE,	/* REFUSED by the outside */
	SESSION_NOT_STORED,
	SESSION_NOT_FETCHED,
	SESSION_NOT_DELETED,
	SESSION_TOO_SLOW,
	SESSION_DROPPED,	/* it hung up */
	SESSION_STOPPED,	/* its user stopped it */
	SESSION_NO_MEMORY,
};

struct session_action {
	enum session_action_type type;
	struct bytes bytes;
	struct bytes answer;	/* with CERTIFY: SIGN_CERTIFICATE_RESPONSE, or empty */
	const struct capfmsg *message;
	enum session_timer timer;
	enum session_failure failure;
	const char *device;	/* with FAILED: what it calls itself, or "" */
	uint8_t cert_type;
	bool final;
	struct reason why;
};

/* To be done in this order: records come before what the phone is told, and whoever makes them
 * durable in groups may hold back the rest meanwhile. What actions point to is the session's, until
 * the next step, or the event's. */
struct session_actions {
	struct session_action list[SESSION_ACTIONS_MAX];
	size_t count;
};

struct session;

/* The id goes into every message. NULL when out of memory. */
struct session *session_new(uint32_t id);
/* Wipes what the phone sent to prove itself. */
void session_free(struct session *);
/* After CLOSE nothing comes any more, whatever the event. */
void session_step(struct session *, const struct session_event *, struct session_actions *);

/* "" before AUTH_RESPONSE. */
const char *session_device(const struct session *);
/* Is it waiting for the CA, so that a CERTIFICATE is welcome? */
bool session_waits(const struct session *);
/* "key", "wait": for logs. */
const char *session_state(const struct session *);
const char *session_failure_name(enum session_failure);

#endif
