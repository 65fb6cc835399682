/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capf/session_fetch.h"
#include "capf/session_inside.h"
#include "capf/sign_layout.h"

#define NOTHING_SIGNED ((struct bytes){NULL, 0})
#define CERTIFICATE_MAX (CAPFMSG_BODY_MAX - 12)	/* CERTIFICATE_TYPE, and what is around the DER */

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

/* KEY_TYPE and CURVE only for those who know them. */
static void ask_key(struct session *s, struct session_actions *a, bool ec)
{
	struct capfmsg m = {.command = CAPFMSG_KEY_REQUEST};

	if (ec) {
		m.key_type = CAPFMSG_EC;
		m.curve = s->order.curve;
		capfmsg_add(&m, CAPFMSG_KEY_TYPE);
		capfmsg_add(&m, CAPFMSG_CURVE);
	} else {
		m.key_type = CAPFMSG_RSA;
		m.key_size = s->order.rsa_bits;
		capfmsg_add(&m, CAPFMSG_KEY_SIZE);
		if (s->version >= 3)
			capfmsg_add(&m, CAPFMSG_KEY_TYPE);
	}
	session_forget(s);
	s->ec = ec;
	s->resumed = false;
	s->refusals = 0;
	s->state = KEY;
	if (session_say(s, a, m))
		session_set_timer(a, SESSION_TIMER_KEY);
}

static void new_key(struct session *s, struct session_actions *a)
{
	if (s->order.key_order == SESSION_EC && s->version < 3)
		session_fail(s, a, SESSION_NO_EC, true,
		    "the phone speaks version %u, which has no EC keys, and no other is allowed",
		    s->version);
	else
		ask_key(s, a, s->order.key_order != SESSION_RSA && s->version >= 3);
}

static void wait_for_ca(struct session *s, struct session_actions *a)
{
	s->state = WAIT;
	session_set_timer(a, s->order.keepalive != 0 ? SESSION_TIMER_KEEPALIVE : SESSION_TIMER_NONE);
}

static void install(struct session *s, struct session_actions *a)
{
	if (!s->order.resume || s->order.store_refusals >= SESSION_STORE_TRIES) {
		new_key(s, a);
		return;
	}
	s->resumed = true;
	s->refusals = s->order.store_refusals;
	session_add(a, SESSION_AWAIT);
	wait_for_ca(s, a);
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
		install(s, a);
	}
}

/* answer: what the phone said when it was asked to sign, or empty. */
static void certify(struct session *s, struct session_actions *a, struct bytes spki, struct bytes answer)
{
	struct session_action *one = session_add(a, SESSION_CERTIFY);
	struct capfmsg m = {.key_type = s->ec ? CAPFMSG_EC : CAPFMSG_RSA};

	capfmsg_add(&m, CAPFMSG_KEY_TYPE);
	if (s->ec) {
		m.curve = s->order.curve;
		capfmsg_add(&m, CAPFMSG_CURVE);
	} else {
		m.key_size = s->order.rsa_bits;
		capfmsg_add(&m, CAPFMSG_KEY_SIZE);
	}
	s->message = m;
	one->bytes = spki;
	one->answer = answer;
	one->message = &s->message;
	wait_for_ca(s, a);
}

/* Is this key the last that the phone may try? */
static bool last_key(const struct session *s)
{
	return s->order.key_tries > 0 && s->order.key_failures + 1 >= s->order.key_tries;
}

static void no_key(struct session *s, struct session_actions *a, const char *why)
{
	session_fail(s, a, SESSION_NO_KEY, last_key(s), "the phone made no key: %s", why);
}

static void on_key(struct session *s, struct session_actions *a)
{
	const struct capfmsg *m = &s->message;
	char why[128];

	if (m->public_key.len == 0) {
		session_why_not(m, why, sizeof why);
		if (s->ec && s->order.key_order == SESSION_EC_RSA) {
			session_note(a, "the phone made no EC key, asking for RSA: %s", why);
			ask_key(s, a, false);
		} else
			no_key(s, a, why);
		return;
	}
	if (!s->order.phone_signs) {
		certify(s, a, m->public_key, NOTHING_SIGNED);
		return;
	}
	if (!session_keep(s, a, m->public_key))
		return;
	s->state = PREPARE;
	session_add(a, SESSION_PREPARE)->bytes = session_kept(s);
	session_set_timer(a, SESSION_TIMER_OUTSIDE);
}

static void ask_signature(struct session *s, struct session_actions *a, struct bytes data)
{
	struct sign_layout layout;
	struct capfmsg m;

	if (!sign_layout_get(s->order.sign_layout, &layout))
		sign_layout_get(1, &layout);
	sign_layout_put(&layout, s->ec, data, &m);
	s->state = SIGN;
	if (session_say(s, a, m))
		session_set_timer(a, SESSION_TIMER_MESSAGE);
}

static void no_signature(struct session *s, struct session_actions *a, bool final, const char *why)
{
	if (s->order.phone_must_sign) {
		session_fail(s, a, SESSION_NO_SIGNATURE, final, "the phone signed no request: %s", why);
		return;
	}
	session_note(a, "the phone signed no request: %s", why);
	certify(s, a, session_kept(s), NOTHING_SIGNED);
}

/* What was signed, and whether, is for those who have OpenSSL. */
static void on_signature(struct session *s, struct session_actions *a, struct bytes whole)
{
	const struct capfmsg *m = &s->message;
	uint32_t words = 1u << CAPFMSG_REASON | 1u << CAPFMSG_REASON_INFO;
	char why[128];

	if (((m->has & ~words) != 0 || m->unknowns > 0) && (!capfmsg_has(m, CAPFMSG_REASON) || session_says_done(m))) {
		certify(s, a, session_kept(s), whole);
		return;
	}
	session_why_not(m, why, sizeof why);
	no_signature(s, a, true, why);
}

static void ask_store(struct session *s, struct session_actions *a)
{
	struct capfmsg m = {.command = CAPFMSG_STORE_REQUEST, .cert_type = CAPFMSG_LSC,
	    .certificate = session_kept(s)};

	capfmsg_add(&m, CAPFMSG_CERT_TYPE);
	capfmsg_add(&m, CAPFMSG_CERTIFICATE);
	s->state = STORE;
	if (session_say(s, a, m))
		session_set_timer(a, SESSION_TIMER_MESSAGE);
}

static void on_certificate(struct session *s, struct session_actions *a, struct bytes der)
{
	if (der.len > CERTIFICATE_MAX)
		session_fail(s, a, SESSION_NO_CERTIFICATE, true,
		    "the certificate has %zu bytes, more than a message takes", der.len);
	else if (session_keep(s, a, der))
		ask_store(s, a);
}

/* One more refusal of the certificate. True when it was the last one: the certificate goes stale. */
static bool store_failed(struct session *s, struct session_actions *a, const char *why)
{
	struct session_action *one = session_add(a, SESSION_STORE_FAILED);

	one->final = ++s->refusals >= SESSION_STORE_TRIES;
	reason_set(&one->why, "%s", why);
	s->order.key_failures += one->final;
	return one->final;
}

static void on_stored(struct session *s, struct session_actions *a)
{
	struct reason why;
	char said[128];

	if (session_says_done(&s->message)) {
		session_add(a, SESSION_INSTALLED);
		session_end(s, a, CAPFMSG_DONE);
		return;
	}
	session_why_not(&s->message, said, sizeof said);
	reason_set(&why, "the phone did not store the certificate: %s", said);
	if (!store_failed(s, a, why.text))
		ask_store(s, a);
	/* It seems that it has lost the key. */
	else if (s->resumed && (s->order.key_tries == 0 || s->order.key_failures < s->order.key_tries))
		new_key(s, a);
	else
		session_fail(s, a, SESSION_NOT_STORED, true, "%s", why.text);
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
	[KEY] = {CAPFMSG_KEY_RESPONSE, on_key},
	[STORE] = {CAPFMSG_STORE_RESPONSE, on_stored},
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
		on_signature(s, a, whole);
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
	case STORE:
		/* It seems that it has lost the key, as one that refuses. */
		if (!s->resumed)
			break;
		l->final = s->refusals + 1 >= SESSION_STORE_TRIES && last_key(s);
		reason_set(&l->why, "the phone %s at the certificate for its earlier key%s", l->did,
		    l->final ? ", and has no more tries" :
		    s->refusals + 1 >= SESSION_STORE_TRIES ? ", so it is asked for a new key" : "");
		store_failed(s, a, l->why.text);
		if (l->final)
			l->failure = SESSION_NOT_STORED;
		break;
	case SIGN:
		l->final = s->order.phone_must_sign && last_key(s);
		reason_set(&l->why, "the phone %s when it was asked to sign its request%s", l->did,
		    s->order.phone_must_sign ? "" : ": CAPF vouches for it at its next visit");
		l->failure = SESSION_NO_SIGNATURE;
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
	case WAIT:
		if (s->order.keepalive != 0 &&
		    session_say(s, a, (struct capfmsg){.command = s->order.keepalive}))
			session_set_timer(a, SESSION_TIMER_KEEPALIVE);
		break;
	case KEY:
		no_key(s, a, "it took too long");
		break;
	case SIGN:
		no_signature(s, a, last_key(s), "it took too long");
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
			ask_signature(s, a, e->bytes);
		break;
	case SESSION_CERTIFICATE:
		if (s->state == WAIT)
			on_certificate(s, a, e->bytes);
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
