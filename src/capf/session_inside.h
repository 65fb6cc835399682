/* SPDX-License-Identifier: ISC */
/* A session from within: its state, which session.c and the operations share, and what they all do in a step. */
#ifndef SESSION_INSIDE_H
#define SESSION_INSIDE_H

#include "capf/session.h"

enum session_state { BEGIN, HELLO, LOOK_UP, AUTH, KEY, PREPARE, SIGN, WAIT, STORE, FETCH, CHECK, DELETE,
	OVER };

struct session {
	enum session_state state;
	uint32_t id;
	uint8_t version;	/* the phone's */
	char device[DEVICE_MAX + 1];
	struct order order;
	struct capfmsg message;	/* the last one, or what CERTIFY tells */
	struct buf kept;	/* AUTH_RESPONSE, then the SPKI to be signed, then the certificate */
	struct buf out;
	bool ec;		/* the key that was asked for */
	bool resumed;		/* its key is from an earlier connection */
	unsigned refusals;	/* of the certificate that it gets */
	bool mic;		/* it was asked for its MIC */
	bool fetched;		/* a certificate was taken, so the operation is complete */
};

/* How a session ends with a phone that hangs up or does not answer. */
struct session_loss {
	const char *did;	/* "hung up", "gave no answer" */
	enum session_failure failure;
	bool final;
	struct reason why;
};

/* One more action, to be filled in. */
struct session_action *session_add(struct session_actions *, enum session_action_type);
__attribute__((format(printf, 2, 3)))
void session_note(struct session_actions *, const char *fmt, ...);
void session_set_timer(struct session_actions *, enum session_timer);
/* Sends a message. False when it could not be made; the session is over then. */
bool session_say(struct session *, struct session_actions *, struct capfmsg);
/* The session is over, and the phone is told so. */
void session_end(struct session *, struct session_actions *, uint8_t reason);
/* The same, and the operation has failed, or only this try. */
__attribute__((format(printf, 5, 6)))
void session_fail(struct session *, struct session_actions *, enum session_failure, bool final,
    const char *fmt, ...);
/* The same when the phone has hung up: it is told nothing. */
void session_lose(struct session *, struct session_actions *, const struct session_loss *);

/* Keeps a copy of the bytes, which may not be those that are kept already. False: the session has failed. */
bool session_keep(struct session *, struct session_actions *, struct bytes);
struct bytes session_kept(const struct session *);
/* Wipes what is kept. */
void session_forget(struct session *);

/* The reason that the phone sent in place of a certificate or key. */
void session_why_not(const struct capfmsg *, char *out, size_t size);
/* Did it send the reason that says that all is done? */
bool session_says_done(const struct capfmsg *);

#endif
