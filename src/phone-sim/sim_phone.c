/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "phone-sim/sim_phone.h"
#include "phone-sim/sim_proof.h"
#include "phone-sim/sim_sign.h"
#include "phone-sim/sim_words.h"
#include "x509/cert.h"
#include "x509/public_key.h"

#define RSA_BITS_MIN 512
#define RSA_BITS_MAX 8192
#define NO_CERTIFICATE 16000	/* bytes that are none; nearly all that a message takes */

void sim_init(struct sim *s, const struct sim_plan *plan, const char *device)
{
	*s = (struct sim){.plan = plan};
	snprintf(s->device, sizeof s->device, "%s", device);
	sim_give_lsc(s, plan->lsc);
	sim_give_mic(s, plan->mic);
}

static void set_key(EVP_PKEY **to, EVP_PKEY *key)
{
	if (key != NULL)
		EVP_PKEY_up_ref(key);
	EVP_PKEY_free(*to);
	*to = key;
}

static void own(struct sim_own *own, struct sim_cert c)
{
	buf_free(&own->der);
	buf_put(&own->der, c.der.p, c.der.len);
	set_key(&own->key, c.key);
}

void sim_give_lsc(struct sim *s, struct sim_cert c)
{
	own(&s->lsc, c);
}

void sim_give_mic(struct sim *s, struct sim_cert c)
{
	own(&s->mic, c);
}

void sim_give_key(struct sim *s, EVP_PKEY *key)
{
	set_key(&s->key, key);
}

void sim_free(struct sim *s)
{
	set_key(&s->key, NULL);
	own(&s->lsc, (struct sim_cert){0});
	own(&s->mic, (struct sim_cert){0});
	buf_free(&s->held);
	buf_free(&s->spent);
	buf_free(&s->out);
}

void sim_connect(struct sim *s)
{
	/* No phone loses the key of its certificate. */
	if (s->connections > 0 && !s->plan->keep_key)
		set_key(&s->key, s->lsc.key);
	s->connections++;
	s->state = SIM_READS;
	s->outcome = SIM_RUNNING;
	s->why.text[0] = '\0';
	s->done = s->done || s->stored || s->deleted;
	s->greeted = s->asked = s->stopped = s->stored = s->fetched = s->deleted = false;
	s->asked_key = s->asked_fetch = false;
	buf_free(&s->held);
	buf_free(&s->spent);
	buf_free(&s->out);
}

bool sim_planned(const struct sim *s, enum sim_step plan, enum sim_step step)
{
	return s->connections == 1 && plan == step;
}

static struct sim_action *act(struct sim_actions *a, enum sim_action_type type)
{
	struct sim_action *one = &a->list[a->count];

	/* No step takes more than SIM_PROGRESS_MAX and two. */
	if (a->count < SIM_ACTIONS_MAX - 1)
		a->count++;
	*one = (struct sim_action){.type = type};
	return one;
}

static void leave(struct sim *s, struct sim_actions *a, enum sim_outcome outcome)
{
	s->outcome = outcome;
	s->state = SIM_OVER;
	act(a, SIM_CLOSE);
}

__attribute__((format(printf, 4, 5)))
static void fail(struct sim *s, struct sim_actions *a, enum sim_outcome outcome, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why.text, sizeof s->why.text, fmt, ap);
	va_end(ap);
	leave(s, a, outcome);
}

void sim_end(struct sim *s, enum sim_outcome outcome, const char *why)
{
	reason_set(&s->why, "%s", why);
	s->outcome = outcome;
	s->state = SIM_OVER;
}

/* The bytes of a SEND get their place when the step is over and nothing moves any more. */
static void say(struct sim *s, struct sim_actions *a, struct capfmsg m)
{
	size_t before = s->out.len;
	struct reason r;

	if (s->state == SIM_OVER)
		return;
	m.session = s->plan->tamper == SIM_SESSION ? s->session + 1 : s->session;
	m.reversed = s->plan->reversed;
	if (capfmsg_encode(&m, &s->out, &r) < 0)
		fail(s, a, SIM_TROUBLE, "%s", r.text);
	else
		act(a, SIM_SEND)->bytes.len = s->out.len - before;
}

static void place_sends(struct sim *s, struct sim_actions *a)
{
	const unsigned char *p = s->out.p;

	for (size_t i = 0; i < a->count; i++)
		if (a->list[i].type == SIM_SEND) {
			a->list[i].bytes.p = p;
			p += a->list[i].bytes.len;
		}
}

static void say_reason(struct sim *s, struct sim_actions *a, uint8_t command, uint8_t reason)
{
	struct capfmsg m = {.command = command, .reason = reason};

	capfmsg_add(&m, CAPFMSG_REASON);
	say(s, a, m);
}

static bool refuses(const struct sim *s, enum sim_step step)
{
	return s->plan->refuse == step;
}

static struct bytes whole(const struct buf *b)
{
	return (struct bytes){b->p, b->len};
}

/* The start of a message that never comes. */
static void claim(struct sim *s, struct sim_actions *a)
{
	const unsigned char head[] = {0x55, CAPFMSG_AUTH_RESPONSE};

	buf_put(&s->out, head, sizeof head);
	buf_put_u32(&s->out, s->session);
	buf_put(&s->out, "\xff\xff", 2);
	if (s->out.failed) {
		fail(s, a, SIM_TROUBLE, "out of memory");
		return;
	}
	act(a, SIM_SEND)->bytes.len = CAPFMSG_HEADER;
	s->state = SIM_HANGS;
}

static void on_auth(struct sim *s, struct sim_actions *a)
{
	const struct sim_plan *p = s->plan;
	struct capfmsg m = {.command = CAPFMSG_AUTH_RESPONSE, .version = p->version,
	    .reason = CAPFMSG_DONE};
	struct sim_proof g = {0};
	struct reason r;
	int res = 0;

	if (p->claim_long && s->connections == 1) {
		claim(s, a);
		return;
	}
	if (refuses(s, SIM_AUTH)) {
		say_reason(s, a, CAPFMSG_AUTH_RESPONSE, CAPFMSG_REFUSED);
		return;
	}
	memcpy(m.device, s->device, sizeof m.device);
	capfmsg_add(&m, CAPFMSG_VERSION_TAG);
	capfmsg_add(&m, CAPFMSG_DEVICE_NAME);
	capfmsg_add(&m, CAPFMSG_REASON);
	if (p->mode == SIM_STRING && p->string != NULL) {
		m.password = (struct bytes){(const unsigned char *)p->string, strlen(p->string)};
		capfmsg_add(&m, CAPFMSG_PASSWORD);
	}
	if (p->mode == SIM_EXISTING_LSC || p->mode == SIM_EXISTING_MIC)
		res = sim_proof_add(s, &m, &g, &r);
	if (res < 0)
		fail(s, a, SIM_TROUBLE, "cannot prove itself: %.200s", r.text);
	else
		say(s, a, m);
	sim_proof_free(&g);
}

static void no_key(struct sim *s, struct sim_actions *a, const char *why)
{
	reason_set(&s->why, "%s", why);
	say_reason(s, a, CAPFMSG_KEY_RESPONSE, CAPFMSG_REFUSED);
}

static void on_key(struct sim *s, struct sim_actions *a, const struct capfmsg *m)
{
	bool ec = capfmsg_has(m, CAPFMSG_KEY_TYPE) && m->key_type == CAPFMSG_EC;
	struct sim_action *one;

	if (refuses(s, SIM_KEY))
		no_key(s, a, "made no key, as planned");
	else if (s->plan->version < 3 &&
	    (capfmsg_has(m, CAPFMSG_KEY_TYPE) || capfmsg_has(m, CAPFMSG_CURVE)))
		no_key(s, a, "the server sent KEY_TYPE or CURVE to a phone of an older version");
	else if (capfmsg_has(m, CAPFMSG_KEY_TYPE) && m->key_type > CAPFMSG_EC)
		no_key(s, a, "the server wants a type of key that is unknown");
	else if (ec && (!capfmsg_has(m, CAPFMSG_CURVE) || m->curve > CAPFMSG_P521))
		no_key(s, a, "the server names no curve that is known");
	else if (!ec && (!capfmsg_has(m, CAPFMSG_KEY_SIZE) || m->key_size < RSA_BITS_MIN ||
	    m->key_size > RSA_BITS_MAX))
		no_key(s, a, "the server names no size that a key can have");
	else {
		one = act(a, SIM_MAKE_KEY);
		one->key_type = ec ? CAPFMSG_EC : CAPFMSG_RSA;
		one->curve = m->curve;
		one->bits = m->key_size;
		s->state = SIM_MAKES;
	}
}

static void on_sign(struct sim *s, struct sim_actions *a, const struct capfmsg *m)
{
	struct capfmsg answer;
	struct buf room = {0};

	if (refuses(s, SIM_SIGN) || sim_sign_answer(s, m, &answer, &room) != 0)
		say_reason(s, a, CAPFMSG_SIGN_RESPONSE, CAPFMSG_REFUSED);
	else
		say(s, a, answer);
	buf_free(&room);
}

/* Is it a certificate for this phone and its key? */
static bool fits(struct sim *s, const struct capfmsg *m, struct reason *r)
{
	unsigned char spki[32];
	struct cert *c;
	bool good = false;

	if (capfmsg_has(m, CAPFMSG_CERT_TYPE) && m->cert_type != CAPFMSG_LSC) {
		reason_set(r, "the server sent a certificate that is no LSC");
		return false;
	}
	if ((c = cert_parse(m->certificate.p, m->certificate.len, r)) == NULL)
		return false;
	if (s->key == NULL)
		reason_set(r, "has lost the key that the certificate is for");
	else if (public_key_spki(s->key, spki, r) < 0)
		;	/* said already */
	else if (memcmp(spki, c->spki, sizeof spki) != 0)
		reason_set(r, "has another key than the certificate");
	else if (!device_named_by(s->device, c->cn))
		reason_set(r, "the certificate is another device's");
	else
		good = true;
	if (good) {
		bytes_hex(spki, sizeof spki, s->spki);
		strcpy(s->serial, c->serial);
	}
	cert_free(c);
	return good;
}

static void on_store(struct sim *s, struct sim_actions *a, const struct capfmsg *m)
{
	bool good = false;

	if (refuses(s, SIM_STORE)) {
		reason_set(&s->why, "did not store the certificate, as planned");
	} else if ((good = fits(s, m, &s->why))) {
		s->stored = true;
		s->why.text[0] = '\0';
		sim_give_lsc(s, (struct sim_cert){m->certificate, s->key});
		act(a, SIM_KEEP)->bytes = m->certificate;
	}
	say_reason(s, a, CAPFMSG_STORE_RESPONSE, good ? CAPFMSG_DONE : CAPFMSG_REFUSED);
}

static void on_fetch(struct sim *s, struct sim_actions *a, const struct capfmsg *m)
{
	bool mic = capfmsg_has(m, CAPFMSG_CERT_TYPE) && m->cert_type == CAPFMSG_MIC;
	struct capfmsg answer = {.command = CAPFMSG_FETCH_RESPONSE, .reason = CAPFMSG_DONE,
	    .certificate = whole(mic ? &s->mic.der : &s->lsc.der)};

	static const unsigned char rubbish[NO_CERTIFICATE] = {0xa5};

	if (s->plan->tamper == SIM_CERTIFICATE)
		answer.certificate = (struct bytes){rubbish, sizeof rubbish};
	if (refuses(s, SIM_FETCH) || answer.certificate.len == 0) {
		say_reason(s, a, CAPFMSG_FETCH_RESPONSE, CAPFMSG_REFUSED);
		return;
	}
	s->fetched = true;
	capfmsg_add(&answer, CAPFMSG_REASON);
	capfmsg_add(&answer, CAPFMSG_CERTIFICATE);
	say(s, a, answer);
}

static void on_delete(struct sim *s, struct sim_actions *a)
{
	/* A polite phone has what is wanted when there is nothing to delete. */
	s->deleted = !refuses(s, SIM_DELETE) && !(s->plan->strict && s->lsc.der.len == 0);
	if (s->deleted)
		own(&s->lsc, (struct sim_cert){0});
	say_reason(s, a, CAPFMSG_DELETE_RESPONSE, s->deleted ? CAPFMSG_DONE : CAPFMSG_REFUSED);
}

static void stop(struct sim *s, struct sim_actions *a)
{
	s->stopped = true;
	say(s, a, (struct capfmsg){.command = CAPFMSG_ABORT_REQUEST});
}

/* Does what is planned for a step. True when the phone does not go on by itself. */
static bool misbehaves(struct sim *s, struct sim_actions *a, enum sim_step step)
{
	const struct sim_plan *p = s->plan;

	if (sim_planned(s, p->drop, step))
		fail(s, a, SIM_DROPPED, "hung up at %s, as planned", sim_step_name(step));
	else if (sim_planned(s, p->hang, step))
		s->state = SIM_HANGS;
	else if (sim_planned(s, p->stop, step))
		stop(s, a);
	else
		return false;
	return true;
}

static void sleep_for(struct sim *s, struct sim_actions *a, long ms)
{
	act(a, SIM_SLEEP)->ms = ms;
	s->state = SIM_SLEEPS;
}

/* When an answer is out and the phone has nothing to do but wait. */
static void after(struct sim *s, struct sim_actions *a, enum sim_step step)
{
	if (s->state == SIM_READS && !misbehaves(s, a, step) && s->plan->delay[step] > 0)
		sleep_for(s, a, s->plan->delay[step]);
}

static void answer(struct sim *s, struct sim_actions *a, const struct capfmsg *m)
{
	switch (m->command) {
	case CAPFMSG_AUTH_REQUEST:
		on_auth(s, a);
		return;
	case CAPFMSG_KEY_REQUEST:
		on_key(s, a, m);
		return;
	case CAPFMSG_SIGN_REQUEST:
		on_sign(s, a, m);
		after(s, a, SIM_WAIT);
		return;
	case CAPFMSG_STORE_REQUEST:
		on_store(s, a, m);
		break;
	case CAPFMSG_FETCH_REQUEST:
		on_fetch(s, a, m);
		break;
	case CAPFMSG_DELETE_REQUEST:
		on_delete(s, a);
		break;
	}
	after(s, a, SIM_END);
}

static enum sim_step step_of(uint8_t command)
{
	switch (command) {
	case CAPFMSG_AUTH_REQUEST:
		return SIM_AUTH;
	case CAPFMSG_KEY_REQUEST:
		return SIM_KEY;
	case CAPFMSG_SIGN_REQUEST:
		return SIM_SIGN;
	case CAPFMSG_STORE_REQUEST:
		return SIM_STORE;
	case CAPFMSG_FETCH_REQUEST:
		return SIM_FETCH;
	case CAPFMSG_DELETE_REQUEST:
		return SIM_DELETE;
	}
	return SIM_STEPS;
}

static void say_progress(struct sim *s, struct sim_actions *a)
{
	say(s, a, (struct capfmsg){.command = CAPFMSG_IN_PROGRESS});
	s->progress--;
}

/* Sends what says that the key is being made, evenly over the time that it takes. True when there is
 * more time to pass. */
static bool make_progress(struct sim *s, struct sim_actions *a, long delay)
{
	unsigned parts = s->plan->progress > 0 ? s->plan->progress : 1;

	if (delay <= 0) {
		while (s->progress > 0)
			say_progress(s, a);
		return false;
	}
	if (s->progress == 0)
		return false;
	say_progress(s, a);
	sleep_for(s, a, delay / parts);
	return true;
}

/* Why a strict phone hangs up at this request, or NULL. */
static const char *unexpected(const struct sim *s, const struct capfmsg *m)
{
	switch (m->command) {
	case CAPFMSG_SIGN_REQUEST:
		return s->plan->sign_layout > 0 ? NULL : "which it does not know";
	case CAPFMSG_IN_PROGRESS:
	case CAPFMSG_STATUS_REQUEST:
	case CAPFMSG_RETRY_LATER:
		return "which it does not know";
	case CAPFMSG_STORE_REQUEST:
		return s->asked_key || s->plan->keep_key ? NULL : "without KEY_GENERATE_REQUEST before it";
	case CAPFMSG_FETCH_REQUEST:
		return s->asked_fetch ? "for the second time" : NULL;
	}
	return NULL;
}

/* A request of the server has come; the answer may have to wait. */
static void on_request(struct sim *s, struct sim_actions *a, const struct capfmsg *m, struct bytes in)
{
	enum sim_step step = step_of(m->command);
	long delay = step < SIM_STEPS ? s->plan->delay[step] : 0;

	if (step == SIM_STEPS) {
		fail(s, a, SIM_BAD_SERVER, "the server sent %s", capfmsg_name(m->command));
		return;
	}
	s->asked = s->asked || step != SIM_AUTH;
	if (misbehaves(s, a, step))
		return;
	if (step == SIM_KEY)
		s->progress = s->plan->progress;
	if (step != SIM_KEY || !make_progress(s, a, delay)) {
		if (delay <= 0) {
			answer(s, a, m);
			return;
		}
		sleep_for(s, a, delay);
	}
	buf_put(&s->held, in.p, in.len);
	if (s->held.failed)
		fail(s, a, SIM_TROUBLE, "out of memory");
}

/* END_SESSION must fit what was done. */
static void on_end(struct sim *s, struct sim_actions *a, const struct capfmsg *m)
{
	if (s->stopped) {
		fail(s, a, SIM_STOPPED, "stopped by its user, as planned");
		return;
	}
	if (!capfmsg_has(m, CAPFMSG_REASON)) {
		fail(s, a, SIM_BAD_SERVER, "END_SESSION without REASON");
		return;
	}
	switch (m->reason) {
	case CAPFMSG_NOTHING:
		if (s->stored || s->deleted)
			fail(s, a, SIM_BAD_SERVER, "END_SESSION says that there was nothing to do");
		else
			leave(s, a, s->fetched ? SIM_FETCHED : SIM_NOTHING);
		break;
	case CAPFMSG_DONE:
		if (s->stored || s->deleted)
			leave(s, a, s->stored ? SIM_INSTALLED : SIM_DELETED);
		else
			fail(s, a, SIM_BAD_SERVER, "END_SESSION says done, but nothing was done");
		break;
	case CAPFMSG_REFUSED:
		/* Nothing was wanted of a phone that is done already: it lost the connection before it heard
		 * that, or it came again. */
		leave(s, a, s->done && !s->asked ? SIM_NOTHING : SIM_REFUSED);
		break;
	case CAPFMSG_NO_DEVICE:
		leave(s, a, SIM_UNKNOWN_DEVICE);
		break;
	default:
		fail(s, a, SIM_BAD_SERVER, "END_SESSION with the unknown reason %u", m->reason);
	}
}

static void on_message(struct sim *s, struct sim_actions *a, struct bytes in)
{
	const char *what;
	struct capfmsg m;
	struct reason r;

	if (capfmsg_decode(in, &m, &r) < 0) {
		fail(s, a, SIM_BAD_SERVER, "a message %.200s", r.text);
		return;
	}
	/* The server picks the id. */
	if (!s->greeted)
		s->session = m.session;
	s->greeted = true;
	if (m.session != s->session) {
		fail(s, a, SIM_BAD_SERVER, "%s has session id %08x instead of %08x",
		    capfmsg_name(m.command), m.session, s->session);
		return;
	}
	if (s->plan->strict && s->state != SIM_HANGS && (what = unexpected(s, &m)) != NULL) {
		fail(s, a, SIM_DROPPED, "hung up at %s, %s", capfmsg_name(m.command), what);
		return;
	}
	if (m.command == CAPFMSG_SIGN_REQUEST && s->state != SIM_HANGS && !sim_sign_knows(s, &m)) {
		fail(s, a, SIM_DROPPED, "hung up at SIGN_CERTIFICATE_REQUEST, in a layout that it does not know");
		return;
	}
	s->asked_key |= m.command == CAPFMSG_KEY_REQUEST;
	s->asked_fetch |= m.command == CAPFMSG_FETCH_REQUEST;
	if (m.command == CAPFMSG_END)
		on_end(s, a, &m);
	else if (m.command == CAPFMSG_RETRY_LATER)
		fail(s, a, SIM_LATER, "the server wants to be asked later");
	else if (m.command == CAPFMSG_IN_PROGRESS || s->stopped || s->state == SIM_HANGS)
		;	/* nothing to be answered */
	else if (m.command == CAPFMSG_STATUS_REQUEST)
		say(s, a, (struct capfmsg){.command = CAPFMSG_STATUS_RESPONSE});
	else
		on_request(s, a, &m, in);
}

static void on_timer(struct sim *s, struct sim_actions *a)
{
	struct capfmsg m;
	struct reason r;
	struct buf held = s->held;

	if (s->state != SIM_SLEEPS)
		return;
	s->state = SIM_READS;
	/* Without one it was a rest after an answer. */
	if (held.len == 0)
		return;
	if (s->progress > 0 && make_progress(s, a, s->plan->delay[SIM_KEY]))
		return;
	s->held = (struct buf){0};
	/* Actions may point into it. */
	s->spent = held;
	if (capfmsg_decode(whole(&held), &m, &r) == 0)
		answer(s, a, &m);
}

static void on_made(struct sim *s, struct sim_actions *a, EVP_PKEY *key)
{
	struct capfmsg m = {.command = CAPFMSG_KEY_RESPONSE};
	unsigned char *der = NULL;
	int len;

	if (s->state != SIM_MAKES)
		return;
	s->state = SIM_READS;
	if (key == NULL || (len = i2d_PUBKEY(key, &der)) <= 0) {
		ERR_clear_error();
		no_key(s, a, "could not make a key");
		return;
	}
	set_key(&s->key, key);
	s->keys++;
	m.public_key = (struct bytes){der, (size_t)len};
	capfmsg_add(&m, CAPFMSG_PUBLIC_KEY);
	say(s, a, m);
	OPENSSL_free(der);
	after(s, a, SIM_WAIT);
}

void sim_step(struct sim *s, const struct sim_event *e, struct sim_actions *a)
{
	a->count = 0;
	if (s->state == SIM_OVER)
		return;
	buf_free(&s->spent);
	buf_free(&s->out);
	switch (e->type) {
	case SIM_MESSAGE:
		on_message(s, a, e->bytes);
		break;
	case SIM_TIMER:
		on_timer(s, a);
		break;
	case SIM_MADE:
		on_made(s, a, e->key);
		break;
	case SIM_GONE:
		if (s->stopped)
			fail(s, a, SIM_STOPPED, "stopped by its user, as planned");
		else
			fail(s, a, SIM_LOST, "the server hung up");
		break;
	}
	place_sends(s, a);
}
