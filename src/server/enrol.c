/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/x509.h>

#include "capf/sign_layout.h"
#include "server/enrol.h"
#include "server/issuer_process.h"
#include "server/records_link.h"
#include "spool/turn.h"
#include "spool/batch.h"
#include "spool/journal.h"
#include "spool/newest.h"
#include "spool/spool_watch.h"
#include "x509/csr_make.h"
#include "x509/request_proof.h"

#define ASKED_MAX 2	/* issuing processes for one key */

static bool refuse(struct client *v, struct session_event *answer)
{
	*answer = (struct session_event){.type = SESSION_REFUSED, .why = v->why.text};
	return true;
}

/* It would be the same again. */
static bool refuse_for_good(struct client *v, struct session_event *answer)
{
	refuse(v, answer);
	answer->final = true;
	return true;
}

bool enrol_prepare(struct client *v, const struct session_action *a, struct session_event *answer)
{
	struct buf info = {0};
	struct sign_layout l;
	int result = csr_make_info(a->bytes, v->phone->device, &info, &v->why);

	v->der.len = 0;
	sign_layout_get(v->order.sign_layout, &l);
	if (result == 0)
		result = request_proof_data((struct bytes){info.p, info.len}, sign_form_hash(l.form),
		    l.form == SIGN_DIGEST_INFO, &v->der, &v->why);
	buf_free(&info);
	if (result != 0)
		return refuse(v, answer);
	*answer = (struct session_event){.type = SESSION_TO_SIGN, .bytes = {v->der.p, v->der.len}};
	return true;
}

/* False, with a reason, when there is no time later than that of its last request. */
static bool stamp(struct client *v)
{
	char last[UTC_STAMP + 1];

	spool_watch_stamp(v->orders->watch, v->phone->device, last);
	strcpy(v->reqid.device, v->phone->device);
	if (newest_stamp(registry_now(v->orders), last, v->phone->order, v->reqid.stamp))
		return true;
	reason_set(&v->why, "no name in the spool can have a later time than the phone's last request");
	return false;
}

/* Is it the kind of key that was asked for? */
static int check_kind(const struct capfmsg *m, const struct csr *csr, struct reason *why)
{
	static const int bits[] = {[CAPFMSG_P256] = 256, [CAPFMSG_P384] = 384, [CAPFMSG_P521] = 521};
	EVP_PKEY *key = X509_REQ_get0_pubkey(csr->req);
	bool ec = m->key_type == CAPFMSG_EC;
	int want = ec ? bits[m->curve] : m->key_size;

	if ((EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) == ec && EVP_PKEY_get_bits(key) == want)
		return 0;
	return reason_set(why, "the phone made another kind of key than %s %d", ec ? "EC" : "RSA", want);
}

int enrol_find(struct client *v, struct session_event *answer)
{
	struct registry *o = v->orders;
	char name[REQID_NAME_MAX + 1];
	unsigned char *der;
	enum spool_dir dir;
	struct reqid reqid;
	size_t len;

	if (!spool_watch_key(o->watch, v->phone->device, v->reqid.spki, 1u << SPOOL_LSC, &reqid, &dir))
		return 0;
	reqid_name(&reqid, REQID_DER, name);
	if (spool_read(o->spool, SPOOL_LSC, name, &der, &len) != 0) {
		if (errno != ENOENT)
			registry_complain(o, v->phone->device, "cannot read its certificate", strerror(errno));
		return 0;
	}
	buf_free(&v->der);
	v->der = (struct buf){.p = der, .len = len, .cap = len};
	v->reqid = reqid;
	registry_wait(v, false);
	*answer = (struct session_event){.type = SESSION_CERTIFICATE, .bytes = {der, len}};
	return 1;
}

bool enrol_await(struct client *v, struct session_event *answer)
{
	registry_wait(v, true);
	log_say(v->orders->log, "waiting", "device", v->phone->device, "request", "kept", NULL);
	return enrol_find(v, answer) == 1;
}

void enrol_ask(struct client *v)
{
	struct registry *o = v->orders;

	/* What two of them died of is not given to a third. */
	if (v->asked++ >= ASKED_MAX) {
		v->issued = false;
		o->hooks->event(v->link, &(struct session_event){.type = SESSION_REFUSED,
		    .why = "the issuing process ended"});
	} else if (issuer_ask(o->issuing, v->number, v->phone->device,
	    (struct bytes){v->key.p, v->key.len}, (struct bytes){v->proof.p, v->proof.len}) != 0 && errno == ENOMEM)
		registry_complain(o, v->phone->device, "cannot ask the issuing process", strerror(errno));
}

/* Has this order a request, or a certificate, already? It becomes void with a new one. */
static bool has_another(struct client *v)
{
	struct spool_watch_file f = {.at = 0};
	char since[UTC_STAMP + 1];

	utc_stamp(v->phone->order, since);
	while (spool_watch_each(v->orders->watch, v->phone->device, 1u << SPOOL_CSR | 1u << SPOOL_LSC, &f))
		if (strcmp(f.reqid.stamp, since) > 0)
			return true;
	return false;
}

/* What takes the place of an earlier key is a failed try, or a phone that makes a new one at each visit could fill
 * superseded/ and stale/. False when it has no more tries, with the reason. */
static bool may_replace(struct client *v)
{
	unsigned tries = v->order.key_tries, failures = v->order.key_failures;

	if (!has_another(v))
		return true;
	if (tries > 0 && failures + 1 >= tries) {
		reason_set(&v->why, "the phone came with another key again and again, and has no more tries");
		return false;
	}
	records_change(v, &(struct outcome_change){.status = PHONE_PENDING, .attempt = true,
	    .why = "the phone came with another key before it had the certificate for the one before"});
	return true;
}

/* Our own issuing process signs it, or, while there is none, the next one. */
static bool ask_issuer(struct client *v, struct bytes spki, struct session_event *answer)
{
	if (!may_replace(v))
		return refuse_for_good(v, answer);
	buf_free(&v->key);
	buf_put(&v->key, spki.p, spki.len);
	if (v->key.failed) {
		reason_memory(&v->why);
		return refuse(v, answer);
	}
	v->issued = true;
	v->asked = 0;
	if (v->orders->issuing != NULL)
		enrol_ask(v);
	return false;
}

static int refresh(void *ctx)
{
	return spool_watch_refresh(ctx);
}

static int look(void *ctx, const char *device, struct index *ix)
{
	return spool_watch_index(ctx, device, ix);
}

/* Into the spool with it, and wait. */
static bool ask_ca(struct client *v, const struct csr *csr, struct session_event *answer)
{
	struct registry *o = v->orders;
	struct reqid reqid;
	enum spool_dir dir;
	char *pem;
	size_t len;
	int result = -1;

	if (spool_watch_key(o->watch, v->phone->device, csr->spki, 1u << SPOOL_CSR | 1u << SPOOL_LSC, &reqid,
	    &dir)) {
		v->reqid = reqid;
		return enrol_await(v, answer);
	}
	if (!may_replace(v))
		return refuse_for_good(v, answer);
	if (!stamp(v))
		return refuse(v, answer);
	v->reqid.kind = csr->proof == CSR_OWN ? REQID_CSR : REQID_RA;
	if ((pem = csr_pem(csr, &len)) != NULL) {
		if (o->batch == NULL && (o->batch = batch_open(o->spool)) != NULL)
			batch_look(o->batch, &(struct batch_look){refresh, look, o->watch});
		v->item = o->batch != NULL ? batch_count(o->batch) : 0;
		if (o->batch != NULL)
			result = batch_add(o->batch, &v->reqid, SPOOL_CSR, pem, len);
		free(pem);
	}
	if (result != 0) {
		reason_trouble(&v->why, "cannot keep its request: %s", strerror(errno));
		registry_complain(o, v->phone->device, "cannot keep its request", strerror(errno));
		return refuse(v, answer);
	}
	registry_freshen(v);
	return false;
}

/* The best that the phone's answer has, which may be nothing when it does not look like a signature. -1 with a
 * reason. */
static int look_at_answer(const struct request_proof *p, struct bytes whole, struct request_proof_found *best,
    struct reason *why)
{
	struct sign_answer answer;
	struct capfmsg m;
	struct bytes one;

	if (capfmsg_decode(whole, &m, why) != 0)
		return -1;
	if (capfmsg_has(&m, CAPFMSG_SHA2_SIGNED_DATA) &&
	    (m.sha2_digest < CAPFMSG_SHA1 || m.sha2_digest > CAPFMSG_SHA512))
		return reason_set(why, "is signed with the unknown digest %u", m.sha2_digest);
	sign_answer_open(&answer, (struct bytes){whole.p + CAPFMSG_HEADER, whole.len - CAPFMSG_HEADER});
	while (sign_answer_next(&answer, &one))
		if (request_proof_look(p, one, best, why) != 0)
			return -1;
	if (best->kind < REQUEST_PROOF_USELESS &&
	    (capfmsg_has(&m, CAPFMSG_SHA2_SIGNED_DATA) || capfmsg_has(&m, CAPFMSG_SIGNED_DATA)))
		return reason_set(why, "is not signed with its own key");
	return 0;
}

/* The request with the phone's own signature. NULL with the reason in v->why; useless: there is none, or one that
 * no CA can check, and nothing that looks like another key's. */
static struct csr *signed_request(struct client *v, const struct session_action *a, bool *useless)
{
	struct request_proof_found best = {.kind = REQUEST_PROOF_NONE};
	struct request_proof *p = NULL;
	struct csr *csr = NULL;
	struct reason why;

	*useless = false;
	v->der.len = 0;
	if (csr_make_info(a->bytes, v->phone->device, &v->der, &v->why) != 0)
		return NULL;
	p = request_proof_open(a->bytes, v->phone->device, (struct bytes){v->der.p, v->der.len}, &why);
	if (p == NULL || look_at_answer(p, a->answer, &best, &why) != 0)
		reason_because(&v->why, &why, "the phone's request %.200s", why.text);
	else if (best.kind <= REQUEST_PROOF_USELESS) {
		*useless = true;
		if (best.kind == REQUEST_PROOF_USELESS)
			reason_set(&v->why, "the phone signed what no CA can check: %s", best.text);
		else
			reason_set(&v->why, "the phone signed no request: its answer has no signature");
	} else
		csr = request_proof_request(p, &best, &v->why);
	request_proof_free(p);
	return csr;
}

/* The request for the phone's key: signed by the phone, or by CAPF in its place, or by nobody, when our own
 * process issues. NULL with the reason in v->why; final: it would be the same again. */
static struct csr *make_request(struct client *v, const struct session_action *a, bool *final)
{
	struct registry *o = v->orders;
	struct csr *csr;
	bool useless;

	*final = false;
	if (a->answer.len > 0) {
		if ((csr = signed_request(v, a, &useless)) != NULL)
			return csr;
		*final = !v->why.trouble && (!useless || o->settings->csr_proof == SETTINGS_PROOF_PHONE);
		if (!useless || *final)
			return NULL;
		log_say(o->log, "note", "device", v->phone->device, "text", v->why.text, NULL);
	}
	return csr_make(a->bytes, v->phone->device, registry_issues(o) ? NULL : o->key, &v->why);
}

bool enrol_certify(struct client *v, const struct session_action *a,
    struct session_event *answer)
{
	struct registry *o = v->orders;
	bool result, final;
	struct csr *csr = make_request(v, a, &final);

	if (csr == NULL || check_kind(a->message, csr, &v->why) != 0) {
		result = refuse(v, answer);
		answer->final = final;
	} else {
		memcpy(v->reqid.spki, csr->spki, sizeof v->reqid.spki);
		result = registry_issues(o) ? ask_issuer(v, a->bytes, answer) : ask_ca(v, csr, answer);
	}
	csr_free(csr);
	return result;
}

/* What the device has and a newer key makes void. */
static void supersede(struct registry *o, const struct reqid *newest)
{
	struct spool_watch_file f = {.at = 0};
	enum spool_dir to;

	while (spool_watch_each(o->watch, newest->device, 1u << SPOOL_CSR | 1u << SPOOL_LSC, &f))
		if (newest_replaces(newest, &f.reqid, f.dir, &to))
			turn_move(o->group, &f.reqid, (enum reqid_kind)f.reqid.kind, f.dir, to, spool_dir_name(to));
}

void enrol_arrived(struct registry *o, const struct reqid *reqid, enum spool_dir d)
{
	enum spool_dir where;
	struct session_event e;
	struct client *v, *next;
	struct reqid newest;

	if (d == SPOOL_CSR) {
		if (spool_watch_newest(o->watch, reqid->device, 1u << SPOOL_CSR, &newest, &where))
			supersede(o, &newest);
		return;
	}
	for (v = LIST_FIRST(&o->by_device[registry_bucket(reqid->device)]); v != NULL; v = next) {
		next = LIST_NEXT(v, by_device);
		if (v->waits && memcmp(v->reqid.spki, reqid->spki, REQID_SPKI) == 0 &&
		    strcmp(v->phone->device, reqid->device) == 0 && enrol_find(v, &e))
			o->hooks->event(v->link, &e);
	}
}

void enrol_keep(struct client *v, struct bytes der)
{
	struct registry *o = v->orders;
	char name[REQID_NAME_MAX + 1];

	if (!stamp(v)) {
		v->issued = false;
		o->hooks->event(v->link, &(struct session_event){.type = SESSION_REFUSED, .why = v->why.text});
		return;
	}
	supersede(o, &v->reqid);
	v->reqid.kind = REQID_DER;
	reqid_name(&v->reqid, REQID_DER, name);
	buf_free(&v->der);
	buf_put(&v->der, der.p, der.len);
	if (v->der.failed || turn_put(o->group, SPOOL_LSC, name, der.p, der.len) != 0) {
		v->issued = false;
		o->hooks->event(v->link, &(struct session_event){.type = SESSION_REFUSED,
		    .why = "out of memory"});
		return;
	}
	registry_freshen(v);
}

void enrol_settle_request(struct client *v, enum batch_fate fate)
{
	struct registry *o = v->orders;
	struct session_event e;

	if (fate == BATCH_NEW || fate == BATCH_SAME) {
		spool_watch_add(o->watch, &v->reqid, SPOOL_CSR);
		registry_wait(v, true);
		log_say(o->log, "waiting", "device", v->phone->device, "request", "new", NULL);
		if (enrol_find(v, &e))
			o->hooks->event(v->link, &e);
		return;
	}
	o->hooks->event(v->link, &(struct session_event){.type = SESSION_REFUSED, .why =
	    fate == BATCH_LATE ? "a newer request of this device came" : "its request cannot be kept"});
}

void enrol_settle_issued(struct client *v, bool done)
{
	struct registry *o = v->orders;
	struct session_event e = {.type = SESSION_CERTIFICATE, .bytes = {v->der.p, v->der.len}};

	v->issued = false;
	if (done) {
		spool_watch_add(o->watch, &v->reqid, SPOOL_LSC);
		journal_add(o->spool, "ready", &v->reqid);
		log_say(o->log, "issued", "device", v->phone->device, "stamp", v->reqid.stamp, NULL);
	} else
		e = (struct session_event){.type = SESSION_REFUSED, .why = "its certificate cannot be kept"};
	o->hooks->event(v->link, &e);
}

/* Moves the phone's older certificates to done/, behind the one that it has just confirmed. */
static void retire(struct client *v)
{
	struct spool_watch_file f = {.at = 0};
	struct registry *o = v->orders;
	char before[UTC_STAMP + 1];

	newest_kept_since(registry_now(o), o->settings->keep_installed, before);
	while (spool_watch_each(o->watch, v->phone->device, 1u << SPOOL_INSTALLED, &f))
		if (newest_retires(&v->reqid, &f.reqid, before) &&
		    turn_move(o->group, &f.reqid, REQID_DER, SPOOL_INSTALLED, SPOOL_DONE, "replaced") != 0)
			registry_complain(o, v->phone->device, "cannot move its older certificate", strerror(ENOMEM));
}

bool enrol_installed(struct client *v)
{
	struct registry *o = v->orders;

	if (turn_move(o->group, &v->reqid, REQID_DER, SPOOL_LSC, SPOOL_INSTALLED, "installed") != 0)
		registry_complain(o, v->phone->device, "cannot mark its certificate", strerror(ENOMEM));
	v->reqid.kind = REQID_DER;
	retire(v);
	spool_watch_add(o->watch, &v->reqid, SPOOL_INSTALLED);
	log_say(o->log, "installed", "device", v->phone->device, "stamp", v->reqid.stamp, NULL);
	return records_change(v, &(struct outcome_change){.status = PHONE_SUCCESSFUL, .why = ""});
}

bool enrol_store_failed(struct client *v, const struct session_action *a)
{
	struct registry *o = v->orders;

	log_say(o->log, "not-stored", "device", v->phone->device, "why", a->why.text, NULL);
	if (a->final &&
	    turn_move(o->group, &v->reqid, REQID_DER, SPOOL_LSC, SPOOL_STALE, "stale") != 0)
		registry_complain(o, v->phone->device, "cannot mark its certificate", strerror(ENOMEM));
	/* Also when it hangs up now: it shall not go on like that for ever. */
	return records_change(v, &(struct outcome_change){.status = PHONE_PENDING, .refusal = !a->final,
	    .other_key = a->final, .attempt = a->final, .why = a->why.text});
}
