/* SPDX-License-Identifier: ISC */
#include "capf/session_install.h"
#include "capf/sign_layout.h"

#define NOTHING_SIGNED ((struct bytes){NULL, 0})
#define CERTIFICATE_MAX (CAPFMSG_BODY_MAX - 12)	/* CERTIFICATE_TYPE, and what is around the DER */

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

void session_install_begin(struct session *s, struct session_actions *a)
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

void session_install_on_key(struct session *s, struct session_actions *a)
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

void session_install_on_request(struct session *s, struct session_actions *a, struct bytes data)
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
void session_install_on_signature(struct session *s, struct session_actions *a, struct bytes whole)
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

void session_install_on_certificate(struct session *s, struct session_actions *a, struct bytes der)
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

void session_install_on_stored(struct session *s, struct session_actions *a)
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

void session_install_on_timeout(struct session *s, struct session_actions *a)
{
	if (s->state == KEY)
		no_key(s, a, "it took too long");
	else if (s->state == SIGN)
		no_signature(s, a, last_key(s), "it took too long");
	else if (s->order.keepalive != 0 && session_say(s, a, (struct capfmsg){.command = s->order.keepalive}))
		session_set_timer(a, SESSION_TIMER_KEEPALIVE);
}

/* At the certificate: it seems that it has lost the key, as one that refuses. */
static void lost_at_store(struct session *s, struct session_actions *a, struct session_loss *l)
{
	if (!s->resumed)
		return;
	l->final = s->refusals + 1 >= SESSION_STORE_TRIES && last_key(s);
	reason_set(&l->why, "the phone %s at the certificate for its earlier key%s", l->did,
	    l->final ? ", and has no more tries" :
	    s->refusals + 1 >= SESSION_STORE_TRIES ? ", so it is asked for a new key" : "");
	store_failed(s, a, l->why.text);
	if (l->final)
		l->failure = SESSION_NOT_STORED;
}

static void lost_at_sign(const struct session *s, struct session_loss *l)
{
	l->final = s->order.phone_must_sign && last_key(s);
	reason_set(&l->why, "the phone %s when it was asked to sign its request%s", l->did,
	    s->order.phone_must_sign ? "" : ": CAPF vouches for it at its next visit");
	l->failure = SESSION_NO_SIGNATURE;
}

void session_install_lost(struct session *s, struct session_actions *a, struct session_loss *l)
{
	if (s->state == STORE)
		lost_at_store(s, a, l);
	else
		lost_at_sign(s, l);
}
