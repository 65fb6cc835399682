/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/x509.h>

#include "server/enrol.h"
#include "server/group.h"
#include "server/issuing.h"
#include "server/record.h"
#include "server/shelf.h"
#include "spool/batch.h"
#include "x509/proof.h"
#include "x509/vouch.h"

#define ASKED_MAX 2	/* issuing processes for one key */

static bool refuse(struct visit *v, struct session_event *answer)
{
	*answer = (struct session_event){.type = SESSION_REFUSED, .why = v->why.text};
	return true;
}

/* It would be the same again. */
static bool refuse_for_good(struct visit *v, struct session_event *answer)
{
	refuse(v, answer);
	answer->final = true;
	return true;
}

bool enrol_prepare(struct visit *v, const struct session_action *a, struct session_event *answer)
{
	v->der.len = 0;
	if (vouch_info(a->bytes, v->phone->device, &v->der, &v->why) != 0)
		return refuse(v, answer);
	*answer = (struct session_event){.type = SESSION_TO_SIGN, .bytes = {v->der.p, v->der.len}};
	return true;
}

/* A time later than the order, and than whatever the device has. */
static void stamp(struct visit *v)
{
	char newest[WHEN_STAMP + 1];
	time_t t = desk_now(v->orders), last;

	shelf_stamp(v->orders->shelf, v->phone->device, newest);
	if (*newest != '\0' && when_from_stamp(newest, &last) && last >= t)
		t = last + 1;
	if (v->phone->order >= t)
		t = v->phone->order + 1;
	when_stamp(t, v->stem.stamp);
	strcpy(v->stem.device, v->phone->device);
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

int enrol_find(struct visit *v, struct session_event *answer)
{
	struct orders *o = v->orders;
	char name[STEM_NAME_MAX + 1];
	unsigned char *der;
	enum spool_dir dir;
	struct stem stem;
	size_t len;

	if (!shelf_key(o->shelf, v->phone->device, v->stem.spki, 1u << SPOOL_LSC, &stem, &dir))
		return 0;
	stem_name(&stem, STEM_DER, name);
	if (spool_read(o->spool, SPOOL_LSC, name, &der, &len) != 0) {
		if (errno != ENOENT)
			desk_complain(o, v->phone->device, "cannot read its certificate", strerror(errno));
		return 0;
	}
	buf_free(&v->der);
	v->der = (struct buf){.p = der, .len = len, .cap = len};
	v->stem = stem;
	desk_wait(v, false);
	*answer = (struct session_event){.type = SESSION_CERTIFICATE, .bytes = {der, len}};
	return 1;
}

bool enrol_await(struct visit *v, struct session_event *answer)
{
	desk_wait(v, true);
	logline_say(v->orders->log, "waiting", "device", v->phone->device, "request", "kept", NULL);
	return enrol_find(v, answer) == 1;
}

void enrol_ask(struct visit *v)
{
	struct orders *o = v->orders;

	/* What two of them died of is not given to a third. */
	if (v->asked++ >= ASKED_MAX) {
		v->issued = false;
		o->hooks->event(v->link, &(struct session_event){.type = SESSION_REFUSED,
		    .why = "the issuing process ended"});
	} else if (issuing_ask(o->issuing, v->number, v->phone->device,
	    (struct bytes){v->key.p, v->key.len}) != 0 && errno == ENOMEM)
		desk_complain(o, v->phone->device, "cannot ask the issuing process", strerror(errno));
}

/* Has this order a request, or a certificate, already? It becomes void with a new one. */
static bool has_another(struct visit *v)
{
	const struct index_entry *e = NULL;
	char since[WHEN_STAMP + 1];

	when_stamp(v->phone->order, since);
	while ((e = shelf_each(v->orders->shelf, v->phone->device, 1u << SPOOL_CSR | 1u << SPOOL_LSC, e)) !=
	    NULL)
		if (strcmp(e->stem.stamp, since) > 0)
			return true;
	return false;
}

/* What takes the place of an earlier key is a failed try, or a phone that makes a new one at each visit could fill
 * superseded/ and stale/. False when it has no more tries, with the reason. */
static bool may_replace(struct visit *v)
{
	unsigned tries = v->order.key_tries, failures = v->order.key_failures;

	if (!has_another(v))
		return true;
	if (tries > 0 && failures + 1 >= tries) {
		reason_set(&v->why, "the phone came with another key again and again, and has no more tries");
		return false;
	}
	record_change(v, &(struct record_change){.status = PHONE_PENDING, .attempts = 1,
	    .why = "the phone came with another key before it had the certificate for the one before"});
	return true;
}

/* Our own issuing process signs it, or, while there is none, the next one. */
static bool ask_issuer(struct visit *v, struct bytes spki, struct session_event *answer)
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

static const struct index *look(void *ctx)
{
	return shelf_index(ctx);
}

/* Into the spool with it, and wait. */
static bool ask_ca(struct visit *v, const struct csr *csr, struct session_event *answer)
{
	struct orders *o = v->orders;
	struct stem stem;
	enum spool_dir dir;
	char *pem;
	size_t len;
	int result = -1;

	if (shelf_key(o->shelf, v->phone->device, csr->spki, 1u << SPOOL_CSR | 1u << SPOOL_LSC, &stem,
	    &dir)) {
		v->stem = stem;
		return enrol_await(v, answer);
	}
	if (!may_replace(v))
		return refuse_for_good(v, answer);
	stamp(v);
	v->stem.kind = csr->proof == CSR_OWN ? STEM_CSR : STEM_RA;
	if ((pem = csr_pem(csr, &len)) != NULL) {
		if (o->batch == NULL && (o->batch = batch_open(o->spool)) != NULL)
			batch_look(o->batch, look, o->shelf);
		v->item = o->batch != NULL ? batch_count(o->batch) : 0;
		if (o->batch != NULL)
			result = batch_add(o->batch, &v->stem, SPOOL_CSR, pem, len);
		free(pem);
	}
	if (result != 0) {
		reason_trouble(&v->why, "cannot keep its request: %s", strerror(errno));
		desk_complain(o, v->phone->device, "cannot keep its request", strerror(errno));
		return refuse(v, answer);
	}
	desk_freshen(v);
	return false;
}

/* With the phone's own signature: 0, 1 when it is one that no CA can check, -1, both with the reason. */
static int check_signed(struct visit *v, const struct session_action *a)
{
	struct bytes signature = a->message->sha2_signature;
	struct reason why;
	int result;

	if (a->message->sha2_digest != CAPFMSG_SHA256)
		return reason_set(&v->why, "the phone signed its request with the unknown digest %u",
		    a->message->sha2_digest);
	v->der.len = 0;
	if (vouch_info(a->bytes, v->phone->device, &v->der, &v->why) != 0)
		return -1;
	result = proof_check_request(a->bytes, (struct bytes){v->der.p, v->der.len}, signature, &why);
	if (result > 0)
		reason_set(&v->why, "the phone signed the bare hash, without DigestInfo, which no CA can check");
	else if (result < 0)
		reason_because(&v->why, &why, "the phone's request %.200s", why.text);
	return result;
}

/* The request for the phone's key: signed by the phone, or by CAPF in its place, or by nobody, when our own
 * process issues. NULL with the reason in v->why; final: it would be the same again. */
static struct csr *make_request(struct visit *v, const struct session_action *a, bool *final)
{
	struct orders *o = v->orders;
	int signature;

	*final = false;
	if (capfmsg_has(a->message, CAPFMSG_SHA2_SIGNED_DATA)) {
		signature = check_signed(v, a);
		*final = (signature < 0 && !v->why.trouble) || (signature > 0 && o->conf->csr_proof == CONF_PROOF_PHONE);
		if (*final || signature < 0)
			return NULL;
		if (signature == 0)
			return vouch_signed(a->bytes, v->phone->device, a->message->sha2_signature, &v->why);
		logline_say(o->log, "note", "device", v->phone->device, "text", v->why.text, NULL);
	}
	return vouch_csr(a->bytes, v->phone->device, desk_issues(o) ? NULL : o->key, &v->why);
}

bool enrol_certify(struct visit *v, const struct session_action *a,
    struct session_event *answer)
{
	struct orders *o = v->orders;
	bool result, final;
	struct csr *csr = make_request(v, a, &final);

	if (csr == NULL || check_kind(a->message, csr, &v->why) != 0) {
		result = refuse(v, answer);
		answer->final = final;
	} else {
		memcpy(v->stem.spki, csr->spki, sizeof v->stem.spki);
		result = desk_issues(o) ? ask_issuer(v, a->bytes, answer) : ask_ca(v, csr, answer);
	}
	csr_free(csr);
	return result;
}

/* What the device has and a newer key makes void. */
static void supersede(struct orders *o, const struct stem *newest)
{
	const struct index_entry *e = NULL;

	while ((e = shelf_each(o->shelf, newest->device, 1u << SPOOL_CSR | 1u << SPOOL_LSC, e)) != NULL) {
		if (!stem_newer(newest, &e->stem))
			continue;
		if (e->dir == SPOOL_CSR)
			group_move(o->group, &e->stem, (enum stem_kind)e->stem.kind, SPOOL_CSR,
			    SPOOL_SUPERSEDED, "superseded");
		else
			group_move(o->group, &e->stem, STEM_DER, SPOOL_LSC, SPOOL_STALE, "stale");
	}
}

void enrol_arrived(struct orders *o, const struct stem *stem, enum spool_dir d)
{
	enum spool_dir where;
	struct session_event e;
	struct visit *v, *next;
	struct stem newest;

	if (d == SPOOL_CSR) {
		if (shelf_newest(o->shelf, stem->device, 1u << SPOOL_CSR, &newest, &where))
			supersede(o, &newest);
		return;
	}
	for (v = LIST_FIRST(&o->by_device[desk_bucket(stem->device)]); v != NULL; v = next) {
		next = LIST_NEXT(v, by_device);
		if (v->waits && memcmp(v->stem.spki, stem->spki, STEM_SPKI) == 0 &&
		    strcmp(v->phone->device, stem->device) == 0 && enrol_find(v, &e))
			o->hooks->event(v->link, &e);
	}
}

void enrol_keep(struct visit *v, struct bytes der)
{
	struct orders *o = v->orders;
	char name[STEM_NAME_MAX + 1];

	stamp(v);
	supersede(o, &v->stem);
	v->stem.kind = STEM_DER;
	stem_name(&v->stem, STEM_DER, name);
	buf_free(&v->der);
	buf_put(&v->der, der.p, der.len);
	if (v->der.failed || group_put(o->group, SPOOL_LSC, name, der.p, der.len) != 0) {
		v->issued = false;
		o->hooks->event(v->link, &(struct session_event){.type = SESSION_REFUSED,
		    .why = "out of memory"});
		return;
	}
	desk_freshen(v);
}

void enrol_settle_request(struct visit *v, enum batch_fate fate)
{
	struct orders *o = v->orders;
	struct session_event e;

	if (fate == BATCH_NEW || fate == BATCH_SAME) {
		shelf_add(o->shelf, &v->stem, SPOOL_CSR);
		desk_wait(v, true);
		logline_say(o->log, "waiting", "device", v->phone->device, "request", "new", NULL);
		if (enrol_find(v, &e))
			o->hooks->event(v->link, &e);
		return;
	}
	o->hooks->event(v->link, &(struct session_event){.type = SESSION_REFUSED, .why =
	    fate == BATCH_LATE ? "a newer request of this device came" : "its request cannot be kept"});
}

void enrol_settle_issued(struct visit *v, bool done)
{
	struct orders *o = v->orders;
	struct session_event e = {.type = SESSION_CERTIFICATE, .bytes = {v->der.p, v->der.len}};

	v->issued = false;
	if (done) {
		shelf_add(o->shelf, &v->stem, SPOOL_LSC);
		spool_log(o->spool, "ready", &v->stem);
		logline_say(o->log, "issued", "device", v->phone->device, "stamp", v->stem.stamp, NULL);
	} else
		e = (struct session_event){.type = SESSION_REFUSED, .why = "its certificate cannot be kept"};
	o->hooks->event(v->link, &e);
}

bool enrol_installed(struct visit *v)
{
	struct orders *o = v->orders;

	if (group_move(o->group, &v->stem, STEM_DER, SPOOL_LSC, SPOOL_INSTALLED, "installed") != 0)
		desk_complain(o, v->phone->device, "cannot mark its certificate", strerror(ENOMEM));
	v->stem.kind = STEM_DER;
	shelf_add(o->shelf, &v->stem, SPOOL_INSTALLED);
	logline_say(o->log, "installed", "device", v->phone->device, "stamp", v->stem.stamp, NULL);
	return record_change(v, &(struct record_change){.status = PHONE_SUCCESSFUL, .why = ""});
}

bool enrol_store_failed(struct visit *v, const struct session_action *a)
{
	struct orders *o = v->orders;

	logline_say(o->log, "not-stored", "device", v->phone->device, "why", a->why.text, NULL);
	if (a->final &&
	    group_move(o->group, &v->stem, STEM_DER, SPOOL_LSC, SPOOL_STALE, "stale") != 0)
		desk_complain(o, v->phone->device, "cannot mark its certificate", strerror(ENOMEM));
	/* Also when it hangs up now: it shall not go on like that for ever. */
	return record_change(v, &(struct record_change){.status = PHONE_PENDING, .refusals = !a->final,
	    .other_key = a->final, .attempts = a->final, .why = a->why.text});
}
