/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capf/session.h"
#include "capf/sign_layout.h"

#define NOTHING_SIGNED ((struct bytes){NULL, 0})
#define CERTIFICATE_MAX (CAPFMSG_BODY_MAX - 12)	/* CERTIFICATE_TYPE, and what is around the DER */

enum state { BEGIN, HELLO, LOOK_UP, AUTH, KEY, PREPARE, SIGN, WAIT, STORE, FETCH, CHECK, DELETE,
	OVER };

struct session {
	enum state state;
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

static void wipe(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
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
	wipe(&s->kept);
	buf_free(&s->out);
	free(s);
}

static struct session_action *act(struct session_actions *a, enum session_action_type type)
{
	struct session_action *one = &a->list[a->count];

	/* No step takes more than six. */
	if (a->count < SESSION_ACTIONS_MAX - 1)
		a->count++;
	*one = (struct session_action){.type = type};
	return one;
}

__attribute__((format(printf, 2, 3)))
static void note(struct session_actions *a, const char *fmt, ...)
{
	struct session_action *one = act(a, SESSION_NOTE);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(one->why.text, sizeof one->why.text, fmt, ap);
	va_end(ap);
}

static void timer(struct session_actions *a, enum session_timer which)
{
	act(a, SESSION_TIMER)->timer = which;
}

/* Nothing more will be said, not even good-bye. */
static void leave(struct session *s, struct session_actions *a)
{
	act(a, SESSION_CLOSE);
	s->state = OVER;
	wipe(&s->kept);
}

/* False when it could not be made; the session is over then. */
static bool say(struct session *s, struct session_actions *a, struct capfmsg m)
{
	struct session_action *one;
	struct reason r;

	m.session = s->id;
	if (capfmsg_encode(&m, &s->out, &r) < 0) {
		one = act(a, SESSION_FAILED);
		one->failure = SESSION_NO_MEMORY;
		one->device = s->device;
		one->why = r;
		leave(s, a);
		return false;
	}
	act(a, SESSION_SEND)->bytes = (struct bytes){s->out.p, s->out.len};
	return true;
}

static void end(struct session *s, struct session_actions *a, uint8_t reason)
{
	struct capfmsg m = {.command = CAPFMSG_END, .reason = reason};

	capfmsg_add(&m, CAPFMSG_REASON);
	if (say(s, a, m))
		leave(s, a);
}

/* The LSC has completed the operation: what happens to the MIC afterwards is a note. */
static void without_mic(struct session_actions *a, const char *why)
{
	note(a, "the LSC is here, the MIC is not: %s", why);
}

/* The record first, then the phone. */
__attribute__((format(printf, 5, 6)))
static void fail(struct session *s, struct session_actions *a, enum session_failure failure,
    bool final, const char *fmt, ...)
{
	struct session_action *one;
	struct reason why;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why.text, sizeof why.text, fmt, ap);
	va_end(ap);
	if (s->fetched) {
		without_mic(a, why.text);
		end(s, a, CAPFMSG_NOTHING);
		return;
	}
	one = act(a, SESSION_FAILED);
	reason_set(&one->why, "%s", why.text);
	one->failure = failure;
	one->final = final;
	one->device = s->device;
	end(s, a, CAPFMSG_REFUSED);
}

/* Keeps a copy. The bytes may not be those that are kept already. */
static bool keep(struct session *s, struct session_actions *a, struct bytes b)
{
	wipe(&s->kept);
	buf_put(&s->kept, b.p, b.len);
	if (!s->kept.failed)
		return true;
	fail(s, a, SESSION_NO_MEMORY, false, "out of memory");
	return false;
}

static struct bytes kept(const struct session *s)
{
	return (struct bytes){s->kept.p, s->kept.len};
}

/* The reason that the phone sent in place of a certificate or key. */
static void why_not(const struct capfmsg *m, char *out, size_t size)
{
	char reason[16] = "no reason";

	if (capfmsg_has(m, CAPFMSG_REASON))
		snprintf(reason, sizeof reason, "reason %u", m->reason);
	snprintf(out, size, "%s%s%.*s", reason, m->reason_info.len > 0 ? ": " : "",
	    (int)(m->reason_info.len < 100 ? m->reason_info.len : 100),
	    m->reason_info.len > 0 ? (const char *)m->reason_info.p : "");
}

static bool says_done(const struct capfmsg *m)
{
	return capfmsg_has(m, CAPFMSG_REASON) && m->reason == CAPFMSG_DONE;
}

static void hello(struct session *s, struct session_actions *a)
{
	struct capfmsg m = {.command = CAPFMSG_AUTH_REQUEST, .version = CAPFMSG_VERSION};

	capfmsg_add(&m, CAPFMSG_VERSION_TAG);
	s->state = HELLO;
	if (say(s, a, m))
		timer(a, SESSION_TIMER_MESSAGE);
}

static void on_hello(struct session *s, struct session_actions *a, struct bytes whole)
{
	struct capfmsg *m = &s->message;
	struct reason r;

	if (!capfmsg_has(m, CAPFMSG_DEVICE_NAME)) {
		fail(s, a, SESSION_BAD_MESSAGE, false, "AUTH_RESPONSE has no DEVICE_NAME");
		return;
	}
	memcpy(s->device, m->device, sizeof s->device);
	/* One that does not say gets what every version understands. */
	s->version = capfmsg_has(m, CAPFMSG_VERSION_TAG) ? m->version : 1;
	if (s->version < 1 || s->version > CAPFMSG_VERSION) {
		fail(s, a, SESSION_BAD_VERSION, false, "the phone speaks version %u, not 1 to %d",
		    s->version, CAPFMSG_VERSION);
		return;
	}
	/* The answers come later, when the caller's bytes are gone. */
	if (!keep(s, a, whole))
		return;
	capfmsg_decode(kept(s), m, &r);
	s->state = LOOK_UP;
	act(a, SESSION_LOOK_UP)->message = m;
	timer(a, SESSION_TIMER_OUTSIDE);
}

static void on_order(struct session *s, struct session_actions *a)
{
	switch (s->order.operation) {
	case SESSION_UNKNOWN_DEVICE:
		note(a, "the device is unknown");
		end(s, a, CAPFMSG_NO_DEVICE);
		return;
	case SESSION_NOTHING:
		note(a, "nothing to do");
		/* As the vendor's server: a phone shows 7 as "already issued", and 0 as an unknown error. */
		end(s, a, CAPFMSG_REFUSED);
		return;
	case SESSION_REJECT:
		note(a, "%s", s->order.why.text);
		end(s, a, CAPFMSG_REFUSED);
		return;
	default:
		s->state = AUTH;
		act(a, SESSION_AUTHENTICATE)->message = &s->message;
		timer(a, SESSION_TIMER_OUTSIDE);
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
	wipe(&s->kept);
	s->ec = ec;
	s->resumed = false;
	s->refusals = 0;
	s->state = KEY;
	if (say(s, a, m))
		timer(a, SESSION_TIMER_KEY);
}

static void new_key(struct session *s, struct session_actions *a)
{
	if (s->order.key_order == SESSION_EC && s->version < 3)
		fail(s, a, SESSION_NO_EC, true,
		    "the phone speaks version %u, which has no EC keys, and no other is allowed",
		    s->version);
	else
		ask_key(s, a, s->order.key_order != SESSION_RSA && s->version >= 3);
}

static void wait_for_ca(struct session *s, struct session_actions *a)
{
	s->state = WAIT;
	timer(a, s->order.keepalive != 0 ? SESSION_TIMER_KEEPALIVE : SESSION_TIMER_NONE);
}

static void install(struct session *s, struct session_actions *a)
{
	if (!s->order.resume || s->order.store_refusals >= SESSION_STORE_TRIES) {
		new_key(s, a);
		return;
	}
	s->resumed = true;
	s->refusals = s->order.store_refusals;
	act(a, SESSION_AWAIT);
	wait_for_ca(s, a);
}

static void ask_fetch(struct session *s, struct session_actions *a)
{
	struct capfmsg m = {.command = CAPFMSG_FETCH_REQUEST};

	if (s->mic) {
		m.cert_type = CAPFMSG_MIC;
		capfmsg_add(&m, CAPFMSG_CERT_TYPE);
	}
	s->state = FETCH;
	if (say(s, a, m))
		timer(a, SESSION_TIMER_MESSAGE);
}

static void ask_delete(struct session *s, struct session_actions *a)
{
	s->state = DELETE;
	if (say(s, a, (struct capfmsg){.command = CAPFMSG_DELETE_REQUEST}))
		timer(a, SESSION_TIMER_MESSAGE);
}

static void on_auth_ok(struct session *s, struct session_actions *a)
{
	wipe(&s->kept);
	s->message = (struct capfmsg){0};
	switch (s->order.operation) {
	case SESSION_FETCH:
		ask_fetch(s, a);
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
	struct session_action *one = act(a, SESSION_CERTIFY);
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
	fail(s, a, SESSION_NO_KEY, last_key(s), "the phone made no key: %s", why);
}

static void on_key(struct session *s, struct session_actions *a)
{
	const struct capfmsg *m = &s->message;
	char why[128];

	if (m->public_key.len == 0) {
		why_not(m, why, sizeof why);
		if (s->ec && s->order.key_order == SESSION_EC_RSA) {
			note(a, "the phone made no EC key, asking for RSA: %s", why);
			ask_key(s, a, false);
		} else
			no_key(s, a, why);
		return;
	}
	if (!s->order.phone_signs) {
		certify(s, a, m->public_key, NOTHING_SIGNED);
		return;
	}
	if (!keep(s, a, m->public_key))
		return;
	s->state = PREPARE;
	act(a, SESSION_PREPARE)->bytes = kept(s);
	timer(a, SESSION_TIMER_OUTSIDE);
}

static void ask_signature(struct session *s, struct session_actions *a, struct bytes data)
{
	struct sign_layout layout;
	struct capfmsg m;

	if (!sign_layout_get(s->order.sign_layout, &layout))
		sign_layout_get(1, &layout);
	sign_layout_put(&layout, s->ec, data, &m);
	s->state = SIGN;
	if (say(s, a, m))
		timer(a, SESSION_TIMER_MESSAGE);
}

static void no_signature(struct session *s, struct session_actions *a, bool final, const char *why)
{
	if (s->order.phone_must_sign) {
		fail(s, a, SESSION_NO_SIGNATURE, final, "the phone signed no request: %s", why);
		return;
	}
	note(a, "the phone signed no request: %s", why);
	certify(s, a, kept(s), NOTHING_SIGNED);
}

/* What was signed, and whether, is for those who have OpenSSL. */
static void on_signature(struct session *s, struct session_actions *a, struct bytes whole)
{
	const struct capfmsg *m = &s->message;
	uint32_t words = 1u << CAPFMSG_REASON | 1u << CAPFMSG_REASON_INFO;
	char why[128];

	if (((m->has & ~words) != 0 || m->unknowns > 0) && (!capfmsg_has(m, CAPFMSG_REASON) || says_done(m))) {
		certify(s, a, kept(s), whole);
		return;
	}
	why_not(m, why, sizeof why);
	no_signature(s, a, true, why);
}

static void ask_store(struct session *s, struct session_actions *a)
{
	struct capfmsg m = {.command = CAPFMSG_STORE_REQUEST, .cert_type = CAPFMSG_LSC,
	    .certificate = kept(s)};

	capfmsg_add(&m, CAPFMSG_CERT_TYPE);
	capfmsg_add(&m, CAPFMSG_CERTIFICATE);
	s->state = STORE;
	if (say(s, a, m))
		timer(a, SESSION_TIMER_MESSAGE);
}

static void on_certificate(struct session *s, struct session_actions *a, struct bytes der)
{
	if (der.len > CERTIFICATE_MAX)
		fail(s, a, SESSION_NO_CERTIFICATE, true,
		    "the certificate has %zu bytes, more than a message takes", der.len);
	else if (keep(s, a, der))
		ask_store(s, a);
}

/* One more refusal of the certificate. True when it was the last one: the certificate goes stale. */
static bool store_failed(struct session *s, struct session_actions *a, const char *why)
{
	struct session_action *one = act(a, SESSION_STORE_FAILED);

	one->final = ++s->refusals >= SESSION_STORE_TRIES;
	reason_set(&one->why, "%s", why);
	s->order.key_failures += one->final;
	return one->final;
}

static void on_stored(struct session *s, struct session_actions *a)
{
	struct reason why;
	char said[128];

	if (says_done(&s->message)) {
		act(a, SESSION_INSTALLED);
		end(s, a, CAPFMSG_DONE);
		return;
	}
	why_not(&s->message, said, sizeof said);
	reason_set(&why, "the phone did not store the certificate: %s", said);
	if (!store_failed(s, a, why.text))
		ask_store(s, a);
	/* It seems that it has lost the key. */
	else if (s->resumed && (s->order.key_tries == 0 || s->order.key_failures < s->order.key_tries))
		new_key(s, a);
	else
		fail(s, a, SESSION_NOT_STORED, true, "%s", why.text);
}

/* The one that was asked for was fetched, or cannot be. */
static void next_fetch(struct session *s, struct session_actions *a, const char *why)
{
	if (s->order.fetch_mic && !s->mic) {
		s->mic = true;
		ask_fetch(s, a);
	} else if (s->fetched)
		end(s, a, CAPFMSG_NOTHING);
	else
		fail(s, a, SESSION_NOT_FETCHED, true, "the phone gave no certificate: %s", why);
}

static void not_fetched(struct session *s, struct session_actions *a, const char *why)
{
	note(a, "the phone gave no %s: %s", s->mic ? "MIC" : "LSC", why);
	next_fetch(s, a, why);
}

static void on_fetched(struct session *s, struct session_actions *a)
{
	const struct capfmsg *m = &s->message;
	uint8_t type = s->mic ? CAPFMSG_MIC : CAPFMSG_LSC;
	struct session_action *one;
	char why[128];

	if (m->certificate.len == 0 || (capfmsg_has(m, CAPFMSG_REASON) && !says_done(m))) {
		why_not(m, why, sizeof why);
		not_fetched(s, a, why);
		return;
	}
	s->state = CHECK;
	one = act(a, SESSION_FETCHED);
	one->bytes = m->certificate;
	one->cert_type = capfmsg_has(m, CAPFMSG_CERT_TYPE) ? m->cert_type : type;
	timer(a, SESSION_TIMER_OUTSIDE);
}

/* One certificate completes the operation. Said before the phone is asked for another: it may hang up there. */
static void on_taken(struct session *s, struct session_actions *a)
{
	if (!s->fetched)
		act(a, SESSION_FETCH_DONE);
	s->fetched = true;
	next_fetch(s, a, "");
}

static void on_deleted(struct session *s, struct session_actions *a)
{
	char why[128];

	why_not(&s->message, why, sizeof why);
	/* Nothing to do: there was none, which is what is wanted. */
	if (capfmsg_has(&s->message, CAPFMSG_REASON) && s->message.reason == CAPFMSG_NOTHING)
		note(a, "the phone had no certificate to delete");
	else if (!says_done(&s->message)) {
		fail(s, a, SESSION_NOT_DELETED, true, "the phone did not delete its certificate: %s",
		    why);
		return;
	}
	act(a, SESSION_DELETED);
	end(s, a, CAPFMSG_DONE);
}

static void note_unknown(const struct capfmsg *m, struct session_actions *a)
{
	char tags[CAPFMSG_UNKNOWN_MAX * 4 + 1] = "";
	size_t n = 0;

	if (m->unknowns == 0)
		return;
	for (size_t i = 0; i < m->unknowns && i < CAPFMSG_UNKNOWN_MAX; i++)
		n += (size_t)snprintf(tags + n, sizeof tags - n, " %u", m->unknown[i].tag);
	note(a, "%s has unknown tags:%s%s", capfmsg_name(m->command), tags,
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
		timer(a, SESSION_TIMER_KEY);
	else if (s->state != WAIT && s->state != PREPARE)
		timer(a, SESSION_TIMER_MESSAGE);
}

/* The one message that each state waits for, and what becomes of it. */
static const struct {
	uint8_t command;
	void (*on)(struct session *, struct session_actions *);
} awaited[] = {
	[KEY] = {CAPFMSG_KEY_RESPONSE, on_key},
	[STORE] = {CAPFMSG_STORE_RESPONSE, on_stored},
	[FETCH] = {CAPFMSG_FETCH_RESPONSE, on_fetched},
	[DELETE] = {CAPFMSG_DELETE_RESPONSE, on_deleted},
	[OVER] = {0, NULL},
};

static void on_message(struct session *s, struct session_actions *a, struct bytes whole)
{
	struct capfmsg m;
	struct reason r;

	if (capfmsg_decode(whole, &m, &r) < 0) {
		fail(s, a, SESSION_BAD_MESSAGE, false, "a message %s", r.text);
		return;
	}
	if (m.session != s->id) {
		fail(s, a, SESSION_BAD_MESSAGE, false, "%s has session id %08x instead of %08x",
		    capfmsg_name(m.command), m.session, s->id);
		return;
	}
	note_unknown(&m, a);
	if (m.command == CAPFMSG_ABORT_REQUEST) {
		fail(s, a, SESSION_STOPPED, false, "the phone stopped the operation");
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
		fail(s, a, SESSION_BAD_MESSAGE, false, "%s came out of place, in state %s",
		    capfmsg_name(m.command), session_state(s));
}

/* How it ends with a phone that hangs up, or does not answer. An order that this would only happen to again at
 * the next visit is ended, or the next visit is made another one. */
static enum session_failure no_answer(struct session *s, struct session_actions *a, bool closed, bool *final,
    struct reason *why)
{
	const char *did = closed ? "hung up" : "gave no answer";

	*final = false;
	switch (s->state) {
	case STORE:
		/* It seems that it has lost the key, as one that refuses. */
		if (!s->resumed)
			break;
		*final = s->refusals + 1 >= SESSION_STORE_TRIES && last_key(s);
		reason_set(why, "the phone %s at the certificate for its earlier key%s", did,
		    *final ? ", and has no more tries" :
		    s->refusals + 1 >= SESSION_STORE_TRIES ? ", so it is asked for a new key" : "");
		store_failed(s, a, why->text);
		if (*final)
			return SESSION_NOT_STORED;
		return closed ? SESSION_DROPPED : SESSION_TOO_SLOW;
	case SIGN:
		*final = s->order.phone_must_sign && last_key(s);
		reason_set(why, "the phone %s when it was asked to sign its request%s", did,
		    s->order.phone_must_sign ? "" : ": CAPF vouches for it at its next visit");
		return SESSION_NO_SIGNATURE;
	case FETCH:
		if (!s->mic || s->fetched)
			break;
		*final = true;
		reason_set(why, "the phone gave no LSC, and %s when it was asked for its MIC", did);
		return SESSION_NOT_FETCHED;
	default:
		break;
	}
	reason_set(why, "the phone %s in state %s", did, session_state(s));
	return closed ? SESSION_DROPPED : SESSION_TOO_SLOW;
}

static void on_timeout(struct session *s, struct session_actions *a)
{
	enum session_failure failure;
	struct reason why;
	bool final;

	switch (s->state) {
	case WAIT:
		if (s->order.keepalive != 0 &&
		    say(s, a, (struct capfmsg){.command = s->order.keepalive}))
			timer(a, SESSION_TIMER_KEEPALIVE);
		break;
	case KEY:
		no_key(s, a, "it took too long");
		break;
	case SIGN:
		no_signature(s, a, last_key(s), "it took too long");
		break;
	default:
		failure = no_answer(s, a, false, &final, &why);
		fail(s, a, failure, final, "%s", why.text);
	}
}

static void on_closed(struct session *s, struct session_actions *a)
{
	enum session_failure failure;
	struct session_action *one;
	struct reason why;
	bool final;

	failure = no_answer(s, a, true, &final, &why);
	if (s->fetched) {
		without_mic(a, why.text);
	} else {
		one = act(a, SESSION_FAILED);
		one->failure = failure;
		one->final = final;
		one->device = s->device;
		one->why = why;
	}
	leave(s, a);
}

static void on_refused(struct session *s, struct session_actions *a, const struct session_event *e)
{
	if (s->state == CHECK)
		not_fetched(s, a, e->why != NULL ? e->why : "");
	else if (s->state == KEY || s->state == PREPARE || s->state == SIGN || s->state == WAIT)
		fail(s, a, SESSION_NO_CERTIFICATE, e->final, "%s", e->why != NULL ? e->why : "");
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
			fail(s, a, SESSION_BAD_AUTH, e->final, "%s", e->why != NULL ? e->why : "");
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
			on_taken(s, a);
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
