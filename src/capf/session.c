/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capf/session_fetch.h"
#include "capf/session_inside.h"
#include "capf/session_install.h"

const char *session_state(const struct session *s)
{
	static const char *const names[] = {"begin", "hello", "look-up", "auth", "key", "prepare",
	    "sign", "wait", "store", "fetch", "check", "delete", "over"};

	return names[s->state];
}

const char *session_failure_name(enum session_failure failure)
{
	static const char *const names[] = {"bad-message", "bad-version", "bad-auth", "no-ec",
	    "no-key", "no-signature", "no-certificate", "not-stored", "not-fetched", "not-deleted",
	    "too-slow", "dropped", "stopped", "no-memory"};

	return names[failure];
}

const char *session_device(const struct session *s)
{
	return s->device;
}

bool session_waits(const struct session *s)
{
	return s->state == WAIT;
}

struct session *session_new(uint32_t id)
{
	struct session *s = calloc(1, sizeof *s);

	if (s != NULL)
		s->id = id;
	return s;
}

void session_free(struct session *s)
{
	if (s == NULL)
		return;
	session_forget(s);
	buf_free(&s->out);
	free(s);
}

static void hello(struct session *s, struct session_actions *a)
{
	struct capfmsg m = {.command = CAPFMSG_AUTH_REQUEST, .version = CAPFMSG_VERSION};

	capfmsg_add(&m, CAPFMSG_VERSION_TAG);
	s->state = HELLO;
	if (session_say(s, a, m))
		session_set_timer(a, SESSION_TIMER_MESSAGE);
}

static void on_hello(struct session *s, struct session_actions *a, struct bytes whole)
{
	struct capfmsg *m = &s->message;
	struct reason r;

	if (!capfmsg_has(m, CAPFMSG_DEVICE_NAME)) {
		session_fail(s, a, SESSION_BAD_MESSAGE, false, "AUTH_RESPONSE has no DEVICE_NAME");
		return;
	}
	memcpy(s->device, m->device, sizeof s->device);
	/* One that does not say gets what every version understands. */
	s->version = capfmsg_has(m, CAPFMSG_VERSION_TAG) ? m->version : 1;
	if (s->version < 1 || s->version > CAPFMSG_VERSION) {
		session_fail(s, a, SESSION_BAD_VERSION, false, "the phone speaks version %u, not 1 to %d",
		    s->version, CAPFMSG_VERSION);
		return;
	}
	/* The answers come later, when the caller's bytes are gone. */
	if (!session_keep(s, a, whole))
		return;
	capfmsg_decode(session_kept(s), m, &r);
	s->state = LOOK_UP;
	session_add(a, SESSION_LOOK_UP)->message = m;
	session_set_timer(a, SESSION_TIMER_OUTSIDE);
}

static void on_order(struct session *s, struct session_actions *a)
{
	switch (s->order.operation) {
	case SESSION_UNKNOWN_DEVICE:
		session_note(a, "the device is unknown");
		session_end(s, a, CAPFMSG_NO_DEVICE);
		return;
	case SESSION_NOTHING:
		session_note(a, "nothing to do");
		/* As the vendor's server: a phone shows 7 as "already issued", and 0 as an unknown error. */
		session_end(s, a, CAPFMSG_REFUSED);
		return;
	case SESSION_REJECT:
		session_note(a, "%s", s->order.why.text);
		session_end(s, a, CAPFMSG_REFUSED);
		return;
	default:
		s->state = AUTH;
		session_add(a, SESSION_AUTHENTICATE)->message = &s->message;
		session_set_timer(a, SESSION_TIMER_OUTSIDE);
	}
}

static void ask_delete(struct session *s, struct session_actions *a)
{
	s->state = DELETE;
	if (session_say(s, a, (struct capfmsg){.command = CAPFMSG_DELETE_REQUEST}))
		session_set_timer(a, SESSION_TIMER_MESSAGE);
}

static void on_auth_ok(struct session *s, struct session_actions *a)
{
	session_forget(s);
	s->message = (struct capfmsg){0};
	switch (s->order.operation) {
	case SESSION_FETCH:
		session_fetch_begin(s, a);
		break;
	case SESSION_DELETE:
		ask_delete(s, a);
		break;
	default:
		session_install_begin(s, a);
	}
}

static void on_deleted(struct session *s, struct session_actions *a)
{
	char why[128];

	session_why_not(&s->message, why, sizeof why);
	/* Nothing to do: there was none, which is what is wanted. */
	if (capfmsg_has(&s->message, CAPFMSG_REASON) && s->message.reason == CAPFMSG_NOTHING)
		session_note(a, "the phone had no certificate to delete");
	else if (!session_says_done(&s->message)) {
		session_fail(s, a, SESSION_NOT_DELETED, true, "the phone did not delete its certificate: %s",
		    why);
		return;
	}
	session_add(a, SESSION_DELETED);
	session_end(s, a, CAPFMSG_DONE);
}

static void note_unknown(const struct capfmsg *m, struct session_actions *a)
{
	char tags[CAPFMSG_UNKNOWN_MAX * 4 + 1] = "";
	size_t n = 0;

	if (m->unknowns == 0)
		return;
	for (size_t i = 0; i < m->unknowns && i < CAPFMSG_UNKNOWN_MAX; i++)
		n += (size_t)snprintf(tags + n, sizeof tags - n, " %u", m->unknown[i].tag);
	session_note(a, "%s has unknown tags:%s%s", capfmsg_name(m->command), tags,
	    m->unknowns > CAPFMSG_UNKNOWN_MAX ? " ..." : "");
}

static bool alive(uint8_t command)
{
	return command == CAPFMSG_IN_PROGRESS || command == CAPFMSG_STATUS_REQUEST ||
	    command == CAPFMSG_STATUS_RESPONSE;
}

/* A sign of life, where it means something: the phone has been trusted with more than a moment. */
static void on_alive(const struct session *s, struct session_actions *a)
{
	if (s->state == KEY)
		session_set_timer(a, SESSION_TIMER_KEY);
	else if (s->state != WAIT && s->state != PREPARE)
		session_set_timer(a, SESSION_TIMER_MESSAGE);
}

/* The one message that each state waits for, and what becomes of it. */
static const struct {
	uint8_t command;
	void (*on)(struct session *, struct session_actions *);
} awaited[] = {
	[KEY] = {CAPFMSG_KEY_RESPONSE, session_install_on_key},
	[STORE] = {CAPFMSG_STORE_RESPONSE, session_install_on_stored},
	[FETCH] = {CAPFMSG_FETCH_RESPONSE, session_fetch_on_response},
	[DELETE] = {CAPFMSG_DELETE_RESPONSE, on_deleted},
	[OVER] = {0, NULL},
};

static void on_message(struct session *s, struct session_actions *a, struct bytes whole)
{
	struct capfmsg m;
	struct reason r;

	if (capfmsg_decode(whole, &m, &r) < 0) {
		session_fail(s, a, SESSION_BAD_MESSAGE, false, "a message %s", r.text);
		return;
	}
	if (m.session != s->id) {
		session_fail(s, a, SESSION_BAD_MESSAGE, false, "%s has session id %08x instead of %08x",
		    capfmsg_name(m.command), m.session, s->id);
		return;
	}
	note_unknown(&m, a);
	if (m.command == CAPFMSG_ABORT_REQUEST) {
		session_fail(s, a, SESSION_STOPPED, false, "the phone stopped the operation");
		return;
	}
	if (alive(m.command) && s->state >= KEY) {
		on_alive(s, a);
		return;
	}
	s->message = m;
	if (s->state == HELLO && m.command == CAPFMSG_AUTH_RESPONSE)
		on_hello(s, a, whole);
	else if (s->state == SIGN && m.command == CAPFMSG_SIGN_RESPONSE)
		session_install_on_signature(s, a, whole);
	else if (awaited[s->state].on != NULL && awaited[s->state].command == m.command)
		awaited[s->state].on(s, a);
	else
		session_fail(s, a, SESSION_BAD_MESSAGE, false, "%s came out of place, in state %s",
		    capfmsg_name(m.command), session_state(s));
}

/* How it ends with a phone that hangs up, or does not answer. An order that this would only happen to again at
 * the next visit is ended, or the next visit is made another one. */
static void lose(struct session *s, struct session_actions *a, bool closed, struct session_loss *l)
{
	*l = (struct session_loss){.did = closed ? "hung up" : "gave no answer",
	    .failure = closed ? SESSION_DROPPED : SESSION_TOO_SLOW};
	reason_set(&l->why, "the phone %s in state %s", l->did, session_state(s));
	switch (s->state) {
	case SIGN:
	case STORE:
		session_install_lost(s, a, l);
		break;
	case FETCH:
		session_fetch_lost(s, l);
		break;
	default:
		break;
	}
}

static void on_timeout(struct session *s, struct session_actions *a)
{
	struct session_loss loss;

	switch (s->state) {
	case KEY:
	case SIGN:
	case WAIT:
		session_install_on_timeout(s, a);
		break;
	default:
		lose(s, a, false, &loss);
		session_fail(s, a, loss.failure, loss.final, "%s", loss.why.text);
	}
}

static void on_closed(struct session *s, struct session_actions *a)
{
	struct session_loss loss;

	lose(s, a, true, &loss);
	session_lose(s, a, &loss);
}

static void on_refused(struct session *s, struct session_actions *a, const struct session_event *e)
{
	if (s->state == CHECK)
		session_fetch_on_refused(s, a, e->why != NULL ? e->why : "");
	else if (s->state == KEY || s->state == PREPARE || s->state == SIGN || s->state == WAIT)
		session_fail(s, a, SESSION_NO_CERTIFICATE, e->final, "%s", e->why != NULL ? e->why : "");
}

void session_step(struct session *s, const struct session_event *e, struct session_actions *a)
{
	a->count = 0;
	if (s->state == OVER)
		return;
	buf_free(&s->out);
	switch (e->type) {
	case SESSION_START:
		if (s->state == BEGIN)
			hello(s, a);
		break;
	case SESSION_MESSAGE:
		on_message(s, a, e->bytes);
		break;
	case SESSION_ORDER:
		if (s->state == LOOK_UP) {
			s->order = *e->order;
			on_order(s, a);
		}
		break;
	case SESSION_AUTH_OK:
		if (s->state == AUTH)
			on_auth_ok(s, a);
		break;
	case SESSION_AUTH_BAD:
		if (s->state == AUTH)
			session_fail(s, a, SESSION_BAD_AUTH, e->final, "%s", e->why != NULL ? e->why : "");
		break;
	case SESSION_TO_SIGN:
		if (s->state == PREPARE)
			session_install_on_request(s, a, e->bytes);
		break;
	case SESSION_CERTIFICATE:
		if (s->state == WAIT)
			session_install_on_certificate(s, a, e->bytes);
		break;
	case SESSION_TAKEN:
		if (s->state == CHECK)
			session_fetch_on_taken(s, a);
		break;
	case SESSION_REFUSED:
		on_refused(s, a, e);
		break;
	case SESSION_TIMEOUT:
		on_timeout(s, a);
		break;
	case SESSION_CLOSED:
		on_closed(s, a);
		break;
	}
}
