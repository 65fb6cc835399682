/* SPDX-License-Identifier: ISC */
/* One simulated phone of phone-sim(1), by capf-protocol(7): messages of the server in, actions out. No socket, no
 * clock, no file; a key is asked for by an action, so that it can come from a pool. */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/device.h"
#include "base/reason.h"
#include "capf/capfmsg.h"
#include "x509/cert.h"

#define SIM_ACTIONS_MAX 8
#define SIM_PROGRESS_MAX 5	/* REQUEST_IN_PROGRESS that go out at once: so many fit into the actions */

/* Where something can be made to happen: mostly when the server has asked, before the answer. */
enum sim_step {
	SIM_CONNECT,		/* before the TLS handshake */
	SIM_HANDSHAKE,		/* in the middle of it */
	SIM_AUTH,
	SIM_KEY,
	SIM_SIGN,
	SIM_WAIT,		/* the public key is sent */
	SIM_STORE,
	SIM_FETCH,
	SIM_DELETE,
	SIM_END,		/* the last answer is sent */
	SIM_STEPS,		/* how many there are; or none of them */
};

enum sim_mode { SIM_NULL, SIM_STRING, SIM_EXISTING_LSC, SIM_EXISTING_MIC };
enum sim_tamper { SIM_HONEST, SIM_SHA1, SIM_SHA2, SIM_SUDI, SIM_REPLAY, SIM_SESSION, SIM_CERTIFICATE };
/* How it answers when it is asked to sign its request. */
enum sim_sign_answer {
	SIM_ANSWER_SHA2,		/* the signature in SHA2_SIGNED_DATA */
	SIM_ANSWER_BARE,		/* the same without DigestInfo */
	SIM_ANSWER_SIGNED_DATA,
	SIM_ANSWER_UNKNOWN_TAG,		/* in a tag that has no name */
	SIM_ANSWER_WHOLE,		/* a whole PKCS#10 request, in CERTIFICATE */
};

/* A certificate that the phone has. */
struct sim_cert {
	struct bytes der;	/* empty: none */
	EVP_PKEY *key;		/* NULL: none, so it proves nothing */
};

/* How a phone behaves: plain data, shared by a fleet. */
struct sim_plan {
	uint8_t version;
	enum sim_mode mode;
	const char *string;		/* NULL: none */
	struct sim_cert lsc, mic;	/* of each phone, unless it has its own */
	bool sudi;			/* sends SUDI_DATA, with the MIC */
	enum sim_tamper tamper;
	bool reversed;			/* elements in the opposite order */
	unsigned progress;		/* how many REQUEST_IN_PROGRESS before the key */
	bool keep_key;			/* over connections */
	unsigned sign_layout;		/* the one SIGN_CERTIFICATE_REQUEST that it understands; 0: the first */
	enum sim_sign_answer sign_answer;
	bool strict;			/* hangs up at whatever it does not expect */
	long delay[SIM_STEPS];		/* milliseconds */
	/* SIM_STEPS: nowhere. All but refuse hold for the first connection only. */
	enum sim_step refuse, drop, hang, stop;
	bool claim_long;		/* sends the start of a message with 65,535 bytes, and no more */
};

enum sim_outcome {
	SIM_RUNNING,
	SIM_INSTALLED,
	SIM_FETCHED,
	SIM_DELETED,
	SIM_NOTHING,		/* the server had nothing to do; it said 0, or 7 to a phone that was done before */
	SIM_REFUSED,		/* also when nothing was to be done: the server says 7 for both */
	SIM_UNKNOWN_DEVICE,
	SIM_LATER,		/* RETRY_LATER */
	SIM_DROPPED,		/* it hung up itself, as planned or by its manners */
	SIM_STOPPED,		/* by its user */
	SIM_LOST,		/* the connection, before the end */
	SIM_BAD_SERVER,		/* which broke the protocol */
	SIM_NO_CONNECTION,
	SIM_NO_TLS,
	SIM_TOO_LONG,		/* the caller's patience */
	SIM_TROUBLE,		/* of the simulator itself */
	SIM_OUTCOMES,
};

enum sim_event_type {
	SIM_MESSAGE,		/* bytes: one whole message, or a start that capfmsg_length refused */
	SIM_TIMER,		/* answers SLEEP */
	SIM_MADE,		/* key: answers MAKE_KEY; NULL: it could not be made */
	SIM_GONE,		/* the connection */
};

struct sim_event {
	enum sim_event_type type;
	struct bytes bytes;
	EVP_PKEY *key;		/* the phone keeps a reference of its own */
};

enum sim_action_type {
	SIM_SEND,		/* bytes, as one message; they stay until the next step */
	SIM_SLEEP,		/* ms: read nothing, then TIMER */
	SIM_MAKE_KEY,		/* key_type, and bits or curve: wants MADE; read nothing until then */
	SIM_KEEP,		/* bytes: the LSC that it has stored */
	SIM_CLOSE,		/* the last action there is; sim_outcome says why */
};

struct sim_action {
	enum sim_action_type type;
	struct bytes bytes;
	long ms;
	uint8_t key_type, curve;
	unsigned bits;
};

struct sim_actions {
	struct sim_action list[SIM_ACTIONS_MAX];
	size_t count;
};

enum sim_state { SIM_READS, SIM_SLEEPS, SIM_MAKES, SIM_HANGS, SIM_OVER };

struct sim {
	const struct sim_plan *plan;
	char device[DEVICE_MAX + 1];
	unsigned connections;		/* so far, this one included */
	unsigned keys;			/* that it made */
	EVP_PKEY *key;			/* the last of them, unless it has lost it */
	struct sim_own {
		struct buf der;
		EVP_PKEY *key;
	} lsc, mic;			/* the plan's, until it is given others, or stores an LSC */
	enum sim_state state;
	enum sim_outcome outcome;
	struct reason why;		/* for an outcome that wants one, or "" */
	uint32_t session;
	bool greeted, asked, stopped, stored, fetched, deleted;	/* in this connection */
	bool done;			/* it has stored or deleted its LSC in an earlier one */
	bool asked_key, asked_fetch;	/* the same, by the server */
	char spki[65], serial[FACTS_SERIAL_MAX + 1];	/* of the last one that it took */
	unsigned progress;		/* REQUEST_IN_PROGRESS still to come */
	uint8_t key_type, curve;
	unsigned bits;
	struct buf held;		/* a message that will be answered later; empty: none */
	struct buf spent;
	struct buf out;
};

/* The plan is kept, not copied. */
void sim_init(struct sim *, const struct sim_plan *, const char *device);
void sim_free(struct sim *);
/* A certificate and its key (or NULL) instead of the plan's; both are copied. */
void sim_give_lsc(struct sim *, struct sim_cert);
void sim_give_mic(struct sim *, struct sim_cert);
/* The key that it made in an earlier life. */
void sim_give_key(struct sim *, EVP_PKEY *);
/* A new connection: everything but its key is forgotten, and perhaps that too. */
void sim_connect(struct sim *);
void sim_step(struct sim *, const struct sim_event *, struct sim_actions *);
/* The caller ends it: no connection, out of patience. */
void sim_end(struct sim *, enum sim_outcome, const char *why);

/* Is this planned for this connection? */
bool sim_planned(const struct sim *, enum sim_step plan, enum sim_step);

#endif
