/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/monotime.h"
#include "capf/capfmsg.h"
#include "probe/answer.h"
#include "probe/visit.h"
#include "probe/wire.h"
#include "x509/csr_make.h"
#include "x509/request_proof.h"

#define ALIVE_MAX 1000		/* signs of life in one session; more are a flood */
#define DELAY_SECONDS 60	/* in the RETRY_DELAY of RETRY_LATER, whatever its unit is */

struct visit {
	const struct visit_plan *plan;
	struct transcript *transcript;
	struct wire wire;
	bool named;		/* it says that it is our device */
	uint8_t version;	/* the phone's */
	bool ec;
	unsigned alive;
	struct buf spki, info;
};

/* The same, written down once the phone has said which device it is: before that it may be another one. */
static enum got hear(struct visit *v, double until, struct bytes *whole, struct capfmsg *m, struct reason *why)
{
	enum got got = wire_take(&v->wire, until, whole, why);

	if (got != GOT_IT)
		return got;
	if (v->named)
		transcript_message(v->transcript, false, *whole);
	if (capfmsg_decode(*whole, m, why) == 0 && m->session != v->wire.id)
		reason_set(why, "has another session id");
	else if (m->command != 0 && m->session == v->wire.id)
		return GOT_IT;
	transcript_say(v->transcript, "a message %s", why->text);
	return GOT_RUBBISH;
}

static bool is_alive(struct visit *v, uint8_t command)
{
	return (command == CAPFMSG_IN_PROGRESS || command == CAPFMSG_STATUS_REQUEST ||
	    command == CAPFMSG_STATUS_RESPONSE) && v->alive++ < ALIVE_MAX;
}

/* It ends before the trial. */
static enum visit_end lost(struct visit *v, enum got got, const char *what, struct reason *why)
{
	static const char *const how[] = {"the phone broke the rules", "the phone hung up",
	    "the phone gave no answer", "the phone sent a message that cannot be read", "stopped"};

	reason_set(why, "%s %s%s", how[got], what, v->named ? "" : ", before it said which device it is");
	transcript_say(v->transcript, "%s", why->text);
	/* Whoever does not name our device does not count against it. */
	return got == GOT_STOPPED ? VISIT_STOPPED : v->named ? VISIT_LOST : VISIT_OTHER;
}

static void say_end(struct visit *v, uint8_t reason)
{
	struct capfmsg m = {.command = CAPFMSG_END, .reason = reason};

	capfmsg_add(&m, CAPFMSG_REASON);
	wire_send(&v->wire, m);
}

static bool proves(struct visit *v, const struct capfmsg *m, struct reason *why)
{
	const struct visit_plan *p = v->plan;
	struct phone_auth proof = {
		.certificate = m->certificate, .sha1 = m->signed_data, .sha2_digest = m->sha2_digest,
		.sha2 = m->sha2_signature, .sudi = capfmsg_has(m, CAPFMSG_SUDI_DATA),
		.sudi_certificate = m->sudi_certificate, .sudi_sha1 = m->sudi_sha1, .sudi_sha512 = m->sudi_sha512,
	};
	struct cert *c;

	if (*p->string != '\0' && !phone_auth_string_equal(p->string, m->password)) {
		reason_set(why, "wrong authentication string");
		return false;
	}
	if (p->policy == NULL)
		return true;
	c = phone_auth_check(&proof, p->device, v->wire.id, p->policy, why);
	cert_free(c);
	return c != NULL;
}

static enum visit_end greet(struct visit *v, struct reason *why)
{
	double until = monotime_seconds() + (double)v->plan->message;
	struct capfmsg m = {.command = CAPFMSG_AUTH_REQUEST, .version = CAPFMSG_VERSION};
	struct bytes whole;
	enum got got;

	capfmsg_add(&m, CAPFMSG_VERSION_TAG);
	if ((got = wire_send(&v->wire, m)) != GOT_IT || (got = hear(v, until, &whole, &m, why)) != GOT_IT)
		return lost(v, got, "at AUTH_REQUEST", why);
	if (m.command != CAPFMSG_AUTH_RESPONSE || !capfmsg_has(&m, CAPFMSG_DEVICE_NAME))
		return lost(v, GOT_IT, "at AUTH_REQUEST", why);
	if (strcmp(m.device, v->plan->device) != 0) {
		/* Who that is nobody shall read in the transcript. */
		transcript_say(v->transcript, "another device, which is told reason 9");
		say_end(v, CAPFMSG_NO_DEVICE);
		reason_set(why, "%s: another device came, and was told reason 9", m.device);
		return VISIT_OTHER;
	}
	v->named = true;
	transcript_message(v->transcript, false, whole);
	v->version = capfmsg_has(&m, CAPFMSG_VERSION_TAG) ? m.version : 1;
	if (proves(v, &m, why))
		return VISIT_TRIED;
	transcript_say(v->transcript, "the phone did not authenticate");
	say_end(v, CAPFMSG_REFUSED);
	return VISIT_NOT_PROVED;
}

static void ask_key(struct visit *v, struct capfmsg *m)
{
	const struct visit_plan *p = v->plan;

	v->ec = p->ec && v->version >= 3;
	*m = (struct capfmsg){.command = CAPFMSG_KEY_REQUEST, .key_type = v->ec ? CAPFMSG_EC : CAPFMSG_RSA,
	    .curve = p->curve, .key_size = (uint16_t)p->rsa_bits};
	capfmsg_add(m, v->ec ? CAPFMSG_CURVE : CAPFMSG_KEY_SIZE);
	if (v->version >= 3)
		capfmsg_add(m, CAPFMSG_KEY_TYPE);
}

/* The key, and the request for it that is to be signed. */
static enum visit_end take_key(struct visit *v, struct reason *why)
{
	struct capfmsg m;
	struct bytes whole;
	enum got got;

	ask_key(v, &m);
	if ((got = wire_send(&v->wire, m)) != GOT_IT)
		return lost(v, got, "at KEY_GENERATE_REQUEST", why);
	do {
		got = hear(v, monotime_seconds() + (double)v->plan->key, &whole, &m, why);
	} while (got == GOT_IT && is_alive(v, m.command));
	if (got != GOT_IT)
		return lost(v, got, "at KEY_GENERATE_REQUEST", why);
	if (m.command != CAPFMSG_KEY_RESPONSE || m.public_key.len == 0)
		return lost(v, GOT_IT, "at KEY_GENERATE_REQUEST, or made no key", why);
	buf_put(&v->spki, m.public_key.p, m.public_key.len);
	if (v->spki.failed ||
	    csr_make_info((struct bytes){v->spki.p, v->spki.len}, v->plan->device, &v->info, why) != 0) {
		transcript_say(v->transcript, "its key cannot be used: %s", why->text);
		return VISIT_LOST;
	}
	return VISIT_TRIED;
}

static void judge(struct visit *v, struct trial *t, enum trial_verdict verdict, const char *text)
{
	char name[TRIAL_NAME];

	t->verdict = verdict;
	snprintf(t->text, sizeof t->text, "%s", text);
	transcript_say(v->transcript, "verdict: %s: %s after %.1f s: %s", trial_name(t, name), trial_word(verdict),
	    t->seconds, t->text);
}

/* The request in the layout's form. */
static int make_request(struct visit *v, const struct trial *t, struct buf *data, struct capfmsg *m,
    struct reason *why)
{
	struct sign_layout l;

	sign_layout_get(t->layout, &l);
	if (request_proof_data((struct bytes){v->info.p, v->info.len}, sign_form_hash(l.form),
	    l.form == SIGN_DIGEST_INFO, data, why) != 0)
		return -1;
	sign_layout_put(&l, v->ec, (struct bytes){data->p, data->len}, m);
	return 0;
}

static enum visit_end try_layout(struct visit *v, struct trial *t, struct reason *why)
{
	struct bytes spki = {v->spki.p, v->spki.len}, info = {v->info.p, v->info.len}, whole = {NULL, 0};
	double start = monotime_seconds();
	enum trial_verdict verdict = TRIAL_SILENT;
	struct buf data = {0};
	char text[sizeof t->text];
	struct capfmsg m;
	enum got got;

	if (make_request(v, t, &data, &m, why) != 0) {
		buf_free(&data);
		return VISIT_TROUBLE;
	}
	got = wire_send(&v->wire, m);
	buf_free(&data);
	while (got == GOT_IT) {
		got = wire_take(&v->wire, monotime_seconds() + (double)v->plan->message, &whole, why);
		if (got == GOT_IT)
			transcript_message(v->transcript, false, whole);
		if (got != GOT_IT || !is_alive(v, whole.p[1]))
			break;
	}
	t->seconds = monotime_seconds() - start;
	switch (got) {
	case GOT_STOPPED:
		return lost(v, got, "before its answer", why);
	case GOT_IT:
		if (answer_judge(spki, v->plan->device, info, v->wire.id, whole, &verdict, text, sizeof text, why) != 0)
			return VISIT_TROUBLE;
		judge(v, t, verdict, text);
		break;
	case GOT_HANG_UP:
		judge(v, t, TRIAL_HUNG_UP, "the phone hung up");
		break;
	case GOT_NOTHING:
		judge(v, t, TRIAL_SILENT, "no answer");
		break;
	case GOT_RUBBISH:
		judge(v, t, TRIAL_ANSWERED, "an answer that is no message");
		break;
	}
	return VISIT_TRIED;
}

static enum got send_while_waiting(struct visit *v, const struct trial *t)
{
	const unsigned char delay[4] = {0, 0, 0, DELAY_SECONDS};
	struct capfmsg m = {.command = t->command};

	if (t->command == 0)
		return GOT_IT;
	if (t->width > 0) {
		/* As bytes, for its width is one of the questions. */
		m.unknown[0] = (struct capfmsg_unknown){CAPFMSG_RETRY_DELAY,
		    {delay + sizeof delay - t->width, t->width}};
		m.unknowns = 1;
	}
	return wire_send(&v->wire, m);
}

static enum visit_end try_waiting(struct visit *v, struct trial *t, struct reason *why)
{
	double start = monotime_seconds(), until = start + (double)v->plan->wait;
	char said[64] = "no answer";
	struct bytes whole;
	unsigned heard = 0;
	enum got got = send_while_waiting(v, t);

	while (got == GOT_IT && heard < ALIVE_MAX && (got = wire_take(&v->wire, until, &whole, why)) == GOT_IT) {
		transcript_message(v->transcript, false, whole);
		if (heard++ == 0)
			snprintf(said, sizeof said, "answered with %u %s", whole.p[1], capfmsg_name(whole.p[1]));
	}
	t->seconds = monotime_seconds() - start;
	if (got == GOT_STOPPED)
		return lost(v, got, "while the phone waited", why);
	judge(v, t, got == GOT_HANG_UP ? TRIAL_HUNG_UP :
	    heard > 0 || got != GOT_NOTHING ? TRIAL_ANSWERED : TRIAL_STAYED,
	    got == GOT_RUBBISH ? "an answer that is no message" : got == GOT_HANG_UP ? "the phone hung up" : said);
	return VISIT_TRIED;
}

static enum visit_end serve(struct visit *v, bool last, struct trial *t, struct reason *why)
{
	enum visit_end end;
	enum got got;

	if (wire_open(&v->wire, v->plan->tls, why) != GOT_IT)
		return VISIT_TROUBLE;
	if ((got = wire_shake(&v->wire, why)) != GOT_IT) {
		transcript_say(v->transcript, "a connection without TLS: %s",
		    got == GOT_STOPPED ? "stopped" : why->text);
		return got == GOT_STOPPED ? VISIT_STOPPED : VISIT_OTHER;
	}
	transcript_say(v->transcript, "connected, %s", tls_version(v->wire.tls));
	if ((end = greet(v, why)) != VISIT_TRIED || (end = take_key(v, why)) != VISIT_TRIED)
		return end;
	end = t->layout > 0 ? try_layout(v, t, why) : try_waiting(v, t, why);
	if (end == VISIT_TRIED && last && t->verdict != TRIAL_HUNG_UP)
		say_end(v, CAPFMSG_REFUSED);
	return end;
}

enum visit_end visit_serve(const struct visit_plan *plan, int fd, uint32_t id, bool last, struct trial *t,
    struct reason *why)
{
	struct visit v = {.plan = plan, .transcript = plan->transcript, .wire = {.fd = fd, .id = id,
	    .handshake = plan->handshake, .message = plan->message, .signals = plan->signals,
	    .transcript = plan->transcript}};
	enum visit_end end;

	transcript_begin(plan->transcript);
	end = serve(&v, last, t, why);
	if (end == VISIT_TRIED && !last && t->verdict != TRIAL_HUNG_UP)
		transcript_say(v.transcript, "hung up, so that the phone comes again");
	wire_close(&v.wire);
	buf_free(&v.spki);
	buf_free(&v.info);
	return end;
}
