/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/monotime.h"
#include "capf/sign_layout.h"
#include "server/client.h"
#include "server/enrol.h"
#include "server/issuer_process.h"
#include "server/records_link.h"
#include "server/registry_inside.h"
#include "site/unknown_devices.h"
#include "spool/turn.h"
#include "spool/spool_watch.h"
#include "x509/phone_auth.h"

_Static_assert(SETTINGS_SIGN_LAYOUT_MAX == SIGN_LAYOUTS, "a setting for each layout");

struct client *client_new(struct registry *o, void *link, uint64_t number, uint32_t session)
{
	struct client *v = calloc(1, sizeof *v);

	if (v == NULL)
		return NULL;
	v->orders = o;
	v->link = link;
	v->number = number;
	v->session = session;
	LIST_INSERT_HEAD(&o->by_number[number & (REGISTRY_BUCKETS - 1)], v, by_number);
	return v;
}

void client_free(struct client *v)
{
	if (v == NULL)
		return;
	LIST_REMOVE(v, by_number);
	if (v->trusted) {
		LIST_REMOVE(v, by_device);
		v->orders->active -= !v->waits;
	}
	registry_let_go(v);
	registry_settle(v);
	free(v->phone);
	buf_free(&v->key);
	buf_free(&v->proof);
	buf_free(&v->der);
	free(v);
}

bool client_held(const struct client *v)
{
	return v->is_held;
}

static bool succeed(struct client *v)
{
	return records_change(v, &(struct outcome_change){.status = PHONE_SUCCESSFUL, .why = ""});
}

/* Has this order got as far as a request, a certificate, or even the phone? Stamps are later than the order
 * that they belong to. */
static void look_for_traces(struct client *v)
{
	struct registry *o = v->orders;
	/* Who issues by himself waits for nobody's request. */
	unsigned dirs = 1u << SPOOL_LSC | 1u << SPOOL_INSTALLED |
	    (registry_issues(o) ? 0 : 1u << SPOOL_CSR);
	char since[UTC_STAMP + 1];
	enum spool_dir dir;

	utc_stamp(v->phone->order, since);
	if (!spool_watch_newest(o->watch, v->phone->device, dirs, &v->reqid, &dir) ||
	    strcmp(v->reqid.stamp, since) <= 0)
		return;
	if (dir != SPOOL_INSTALLED) {
		v->order.resume = o->settings->resume;
		return;
	}
	/* The phone said so, and the server was stopped before it could write that down. */
	succeed(v);
	v->order.operation = SESSION_NOTHING;
}

static void make_order(struct client *v, const struct phone_state *st)
{
	static const enum session_operation operations[] = {
		[PHONE_NONE] = SESSION_NOTHING, [PHONE_INSTALL] = SESSION_INSTALL,
		[PHONE_DELETE] = SESSION_DELETE, [PHONE_TROUBLESHOOT] = SESSION_FETCH,
	};
	static const enum session_key_order key_orders[] = {
		[PHONE_RSA] = SESSION_RSA, [PHONE_EC] = SESSION_EC, [PHONE_EC_RSA] = SESSION_EC_RSA,
	};
	static const uint8_t keepalives[] = {
		[SETTINGS_KEEPALIVE_NONE] = 0, [SETTINGS_KEEPALIVE_IN_PROGRESS] = CAPFMSG_IN_PROGRESS,
		[SETTINGS_KEEPALIVE_STATUS_REQUEST] = CAPFMSG_STATUS_REQUEST,
	};
	const struct phone *p = v->phone;
	struct registry *o = v->orders;
	struct order *order = &v->order;
	struct phone_view view;

	phone_look(p, st, registry_now(o), &view);
	*order = (struct order){
		.operation = operations[p->operation],
		.key_order = key_orders[p->key_order],
		.rsa_bits = (uint16_t)p->rsa,
		.curve = p->ec == 256 ? CAPFMSG_P256 : p->ec == 384 ? CAPFMSG_P384 : CAPFMSG_P521,
		.key_failures = st->attempts,
		.key_tries = (unsigned)o->settings->key_tries,
		.store_refusals = st->refusals,
		/* One that hangs up there does so each time, so it is asked once. */
		.phone_signs = o->settings->csr_proof == SETTINGS_PROOF_PHONE ||
		    (o->settings->csr_proof == SETTINGS_PROOF_PHONE_OR_RA && st->sign_hangups == 0),
		.sign_layout = o->settings->sign_layout,
		.phone_must_sign = o->settings->csr_proof == SETTINGS_PROOF_PHONE,
		.fetch_mic = o->settings->fetch_mic,
		.keepalive = keepalives[o->settings->keepalive_message],
	};
	if (view.status == PHONE_IDLE || view.status == PHONE_SUCCESSFUL)
		order->operation = SESSION_NOTHING;
	else if (view.status == PHONE_FAILED) {
		order->operation = SESSION_REJECT;
		reason_set(&order->why, "the operation failed: %s", view.reason);
	} else if (o->settings->max_operations > 0 &&
	    o->active + o->elsewhere >= o->settings->max_operations) {
		order->operation = SESSION_REJECT;
		reason_set(&order->why, "too many operations at once");
		records_note(o, p->device, v->version, order->why.text);
	} else if (order->operation == SESSION_INSTALL)
		look_for_traces(v);
}

/* Our trouble is no verdict on a phone: it loses its connection, and so comes again by itself. */
static bool hang_up(struct client *v, const char *why)
{
	v->orders->hooks->drop(v->link, why);
	return false;
}

static bool look_up(struct client *v, const struct session_action *a,
    struct session_event *answer)
{
	struct registry *o = v->orders;
	struct reason why = {.text = "out of memory", .trouble = true};
	char address[UNKNOWN_ADDRESS_MAX + 1];
	struct phone_state st;
	int found = -1;

	v->version = a->message->version;
	*answer = (struct session_event){.type = SESSION_ORDER, .order = &v->order};
	if ((v->phone = calloc(1, sizeof *v->phone)) != NULL)
		found = records_look(o, a->message->device, v->phone, &st, &why);
	if (found < 0 && why.trouble)
		return hang_up(v, why.text);
	if (found < 0) {
		v->order.operation = SESSION_REJECT;
		reason_set(&v->order.why, "its record: %.200s", why.text);
		registry_complain(o, a->message->device, "cannot use its record", why.text);
	} else if (found == 0) {
		v->order.operation = SESSION_UNKNOWN_DEVICE;
		o->hooks->unknown(v->link, a->message->device, address, sizeof address);
		records_unknown(o, a->message->device, address);
	} else
		make_order(v, &st);
	return true;
}

/* One connection a phone: who comes again has lost the one before. */
static void trust_it(struct client *v)
{
	struct registry_chain *chain = &v->orders->by_device[registry_bucket(v->phone->device)];
	struct client *other, *next;

	for (other = LIST_FIRST(chain); other != NULL; other = next) {
		next = LIST_NEXT(other, by_device);
		if (strcmp(other->phone->device, v->phone->device) == 0)
			v->orders->hooks->replaced(other->link);
	}
	v->trusted = true;
	v->proved = monotime_ns();
	v->orders->active++;
	LIST_INSERT_HEAD(chain, v, by_device);
	v->orders->hooks->proved(v->link, v->phone->device, v->proved);
}

/* Of a certificate. 0; -1 with a reason. */
static int check_proof(struct client *v, const struct capfmsg *m, struct reason *why)
{
	struct registry *o = v->orders;
	struct phone_auth proof = {
		.certificate = m->certificate, .sha1 = m->signed_data, .sha2_digest = m->sha2_digest,
		.sha2 = m->sha2_signature, .sudi = capfmsg_has(m, CAPFMSG_SUDI_DATA),
		.sudi_certificate = m->sudi_certificate, .sudi_sha1 = m->sudi_sha1,
		.sudi_sha512 = m->sudi_sha512,
	};
	struct phone_auth_policy policy = {.trust = o->trust, .now = registry_now(o),
	    .allow_expired = o->settings->accept_expired, .allow_weak = o->settings->accept_weak_mic,
	    .require_sudi = o->settings->require_sudi};
	struct cert *cert = phone_auth_check(&proof, v->phone->device, v->session, &policy, why);

	if (cert == NULL)
		return -1;
	cert_free(cert);
	/* The issuing process checks it for itself. */
	if (registry_issues(o)) {
		v->proof.len = 0;
		issuer_put_proof(&v->proof, &proof, v->session);
		if (v->proof.failed)
			return reason_memory(why);
	}
	if (*why->text != '\0')
		log_say(o->log, "note", "device", v->phone->device, "text", why->text, NULL);
	return 0;
}

static bool authenticate(struct client *v, const struct session_action *a,
    struct session_event *answer)
{
	int result = 0;

	if (v->phone->auth == PHONE_BY_STRING) {
		if ((result = records_guess(v, a->message->password, &v->why)) == 0)
			return false;
	} else if (v->phone->auth != PHONE_BY_NULL)
		result = check_proof(v, a->message, &v->why);
	if (result == -2 || (result == -1 && v->why.trouble))
		return hang_up(v, v->why.text);
	*answer = (struct session_event){.type = SESSION_AUTH_BAD, .why = v->why.text};
	if (result == 0) {
		answer->type = SESSION_AUTH_OK;
		trust_it(v);
	}
	return true;
}

void client_resume(struct client *v)
{
	struct session_event e = {.type = SESSION_AUTH_OK, .why = "wrong authentication string", .final = v->locked};

	if (v->trusted || v->guess == GUESS_NONE)
		return;
	if (v->guess == GUESS_COUNTED) {
		hang_up(v, "its record cannot be read");
		return;
	}
	if (v->guess == GUESS_RIGHT)
		trust_it(v);
	else
		e.type = SESSION_AUTH_BAD;
	v->orders->hooks->event(v->link, &e);
}

/* Nothing is kept that is no certificate, and of an order one file of each kind: a phone that comes again and
 * again writes over what it gave before. */
static bool fetched(struct client *v, const struct session_action *a, struct session_event *answer)
{
	struct registry *o = v->orders;
	struct reason why;
	struct cert *cert = cert_parse(a->bytes.p, a->bytes.len, &why);
	char name[REQID_TRACE_MAX + 1];

	if (cert == NULL && why.trouble)
		return hang_up(v, why.text);
	*answer = (struct session_event){.type = SESSION_TAKEN};
	if (cert == NULL) {
		reason_because(&v->why, &why, "its certificate %.200s", why.text);
		*answer = (struct session_event){.type = SESSION_REFUSED, .why = v->why.text};
		return true;
	}
	reqid_trace_name(v->phone->device, v->phone->order, a->cert_type == CAPFMSG_MIC, name);
	if (turn_put(o->group, SPOOL_TRACE, name, cert->der, cert->der_len) != 0)
		registry_complain(o, v->phone->device, "cannot keep what it sent", strerror(errno));
	cert_free(cert);
	log_say(o->log, "fetched", "device", v->phone->device, "file", name, NULL);
	registry_hold(v);
	return true;
}

/* Its certificate, and older ones, are history. */
static bool deleted(struct client *v)
{
	struct spool_watch_file f = {.at = 0};
	struct registry *o = v->orders;

	while (spool_watch_each(o->watch, v->phone->device, 1u << SPOOL_INSTALLED, &f))
		if (turn_move(o->group, &f.reqid, REQID_DER, SPOOL_INSTALLED, SPOOL_DONE, "uninstalled") != 0)
			registry_complain(o, v->phone->device, "cannot mark its certificate", strerror(ENOMEM));
	log_say(o->log, "deleted", "device", v->phone->device, NULL);
	return succeed(v);
}

static bool failed(struct client *v, const struct session_action *a)
{
	struct registry *o = v->orders;
	bool unsigned_key = a->failure == SESSION_NO_SIGNATURE;

	log_say(o->log, "failed", "device", *a->device != '\0' ? a->device : NULL, "failure",
	    session_failure_name(a->failure), "final", a->final ? "yes" : "no", "why", a->why.text, NULL);
	if (v->trusted)
		return records_change(v, &(struct outcome_change){
		    .status = a->final ? PHONE_FAILED : PHONE_PENDING,
		    .attempt = a->failure == SESSION_NO_KEY || (unsigned_key && v->order.phone_must_sign),
		    .sign_hangup = unsigned_key && !v->order.phone_must_sign, .why = a->why.text});
	/* A phone that is not authenticated does not change its record, but for the strings that it tries: those
	 * are counted there already. */
	if (v->guess == GUESS_NONE && *a->device != '\0')
		records_note(o, a->device, v->version, a->why.text);
	return false;
}

bool client_do(struct client *v, const struct session_action *a,
    struct session_event *answer)
{
	switch (a->type) {
	case SESSION_LOOK_UP:
		return look_up(v, a, answer);
	case SESSION_AUTHENTICATE:
		return authenticate(v, a, answer);
	case SESSION_PREPARE:
		return enrol_prepare(v, a, answer);
	case SESSION_CERTIFY:
		return enrol_certify(v, a, answer);
	case SESSION_AWAIT:
		return enrol_await(v, answer);
	case SESSION_INSTALLED:
		return enrol_installed(v);
	case SESSION_STORE_FAILED:
		return enrol_store_failed(v, a);
	case SESSION_FETCHED:
		return fetched(v, a, answer);
	case SESSION_FETCH_DONE:
		return succeed(v);
	case SESSION_DELETED:
		return deleted(v);
	case SESSION_FAILED:
		return failed(v, a);
	case SESSION_NOTE:
		log_say(v->orders->log, "note", "device", v->phone != NULL ? v->phone->device : NULL,
		    "text", a->why.text, NULL);
		return false;
	case SESSION_SEND:
	case SESSION_CLOSE:
	case SESSION_TIMER:
		break;
	}
	return false;
}
