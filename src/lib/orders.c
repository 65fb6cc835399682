/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <openssl/x509.h>

#include "batch.h"
#include "group.h"
#include "issuing.h"
#include "orders.h"
#include "proof.h"
#include "roster.h"
#include "shelf.h"
#include "store.h"
#include "vouch.h"

#define BUCKETS 4096	/* a power of two; 10,000 phones that wait make chains of three */

struct visit {
	struct orders *orders;
	void *link;
	uint64_t number;
	uint32_t session;
	LIST_ENTRY(visit) by_number;
	LIST_ENTRY(visit) by_device;	/* once it has proved who it is */
	TAILQ_ENTRY(visit) held;	/* until the commit */
	TAILQ_ENTRY(visit) fresh;	/* its request, or its certificate, goes with the next commit */
	struct phone *phone;	/* the record, as it was when the phone came */
	struct order order;
	struct stem stem;	/* its request and certificate */
	struct buf der;		/* the certificate, while somebody reads it */
	struct reason why;
	size_t item;		/* of the batch */
	uint64_t held_round, fresh_round;
	unsigned version;
	bool trusted, waits, is_held, is_fresh, issued;
};

LIST_HEAD(chain, visit);
TAILQ_HEAD(queue, visit);

struct orders {
	struct spool *spool;
	const struct conf *conf;
	const struct log *log;
	const struct orders_hooks *hooks;
	time_t clock;
	struct shelf *shelf;
	struct group *group;
	struct batch *batch;
	struct trust *trust;
	EVP_PKEY *key;		/* CAPF's own */
	struct issuing *issuing;
	struct chain by_number[BUCKETS], by_device[BUCKETS];
	struct queue held, fresh;
	unsigned trusted;
	uint64_t round;		/* how many commits there were */
};

static unsigned hash(const char *device)
{
	unsigned h = 5381;

	while (*device != '\0')
		h = h * 33 + (unsigned char)*device++;
	return h & (BUCKETS - 1);
}

static time_t now(struct orders *o)
{
	return o->spool->now = time(NULL) + o->clock;
}

static void complain(const struct orders *o, const char *device, const char *what, const char *why)
{
	logline_say(o->log, "error", "device", device, "what", what, "why", why, NULL);
}

/* Trust, key and issuing process by these settings. -1 with a reason, and nothing changed. */
static int open_all(struct orders *o, const struct conf *conf, struct reason *why)
{
	struct trust *trust = store_trust(o->spool, SPOOL_TRUST_CAPF, why);
	struct issuing *issuing = NULL;
	struct cert *cert = NULL, *issuer = NULL;
	EVP_PKEY *key = NULL;
	int result = -1;

	if (trust == NULL || store_capf(o->spool, &cert, &key, why) != 0)
		goto out;
	if (conf->issuer == CONF_ISSUER_CAPF) {
		struct issuing_task task = {.days = (int)conf->issuer_days, .clock = o->clock};

		strcpy(task.certificate, conf->issuer_certificate);
		strcpy(task.key, conf->issuer_key);
		if (*task.certificate == '\0')
			snprintf(task.certificate, sizeof task.certificate, "%s/ca/" STORE_CER,
			    o->spool->path);
		if (*task.key == '\0')
			snprintf(task.key, sizeof task.key, "%s/ca/" STORE_PAIR, o->spool->path);
		/* Who has one of its certificates may prove himself with it. */
		if ((issuer = cert_load(task.certificate, why)) == NULL ||
		    trust_put(trust, issuer, why) != 0 || (issuing = issuing_start(&task, why)) == NULL)
			goto out;
	}
	trust_free(o->trust);
	EVP_PKEY_free(o->key);
	issuing_stop(o->issuing);
	o->trust = trust;
	o->key = key;
	o->issuing = issuing;
	o->conf = conf;
	trust = NULL;
	key = NULL;
	result = 0;
out:
	trust_free(trust);
	EVP_PKEY_free(key);
	cert_free(cert);
	cert_free(issuer);
	return result;
}

struct orders *orders_new(struct spool *s, const struct conf *conf, const struct log *log,
    const struct orders_hooks *hooks, time_t clock, struct reason *why)
{
	struct orders *o = calloc(1, sizeof *o);

	if (o == NULL) {
		reason_set(why, "out of memory");
		return NULL;
	}
	o->spool = s;
	o->log = log;
	o->hooks = hooks;
	o->clock = clock;
	TAILQ_INIT(&o->held);
	TAILQ_INIT(&o->fresh);
	if ((o->group = group_new(s)) == NULL || (o->shelf = shelf_open(s)) == NULL) {
		reason_set(why, "cannot read the spool: %s", strerror(errno));
		orders_free(o);
		return NULL;
	}
	if (open_all(o, conf, why) != 0) {
		orders_free(o);
		return NULL;
	}
	return o;
}

void orders_free(struct orders *o)
{
	if (o == NULL)
		return;
	batch_close(o->batch);
	group_free(o->group);
	shelf_close(o->shelf);
	trust_free(o->trust);
	EVP_PKEY_free(o->key);
	issuing_stop(o->issuing);
	free(o);
}

/* Those who wait for a certificate that the old issuing process was asked for would wait for ever. */
static void disappoint(struct orders *o, const char *why)
{
	struct visit *v, *next;

	for (size_t i = 0; i < BUCKETS; i++)
		for (v = LIST_FIRST(&o->by_number[i]); v != NULL; v = next) {
			next = LIST_NEXT(v, by_number);
			if (v->issued && !v->is_fresh) {
				v->issued = false;
				o->hooks->event(v->link, &(struct session_event){
				    .type = SESSION_REFUSED, .why = why});
			}
		}
}

int orders_reload(struct orders *o, const struct conf *conf, struct reason *why)
{
	bool had = o->issuing != NULL;

	if (open_all(o, conf, why) != 0)
		return -1;
	if (had)
		disappoint(o, "the settings were read again, try once more");
	return 0;
}

int orders_news_fd(const struct orders *o)
{
	return shelf_fd(o->shelf);
}

int orders_issuing_fd(const struct orders *o)
{
	return o->issuing != NULL ? issuing_fd(o->issuing) : -1;
}

bool orders_issuing_full(const struct orders *o)
{
	return o->issuing != NULL && issuing_full(o->issuing);
}

struct visit *visit_new(struct orders *o, void *link, uint64_t number, uint32_t session)
{
	struct visit *v = calloc(1, sizeof *v);

	if (v == NULL)
		return NULL;
	v->orders = o;
	v->link = link;
	v->number = number;
	v->session = session;
	LIST_INSERT_HEAD(&o->by_number[number & (BUCKETS - 1)], v, by_number);
	return v;
}

void visit_free(struct visit *v)
{
	if (v == NULL)
		return;
	LIST_REMOVE(v, by_number);
	if (v->trusted) {
		LIST_REMOVE(v, by_device);
		v->orders->trusted--;
	}
	if (v->is_held)
		TAILQ_REMOVE(&v->orders->held, v, held);
	if (v->is_fresh)
		TAILQ_REMOVE(&v->orders->fresh, v, fresh);
	if (v->phone != NULL)
		explicit_bzero(v->phone, sizeof *v->phone);
	free(v->phone);
	buf_free(&v->der);
	free(v);
}

/* False, for those who end with it: there is no answer. */
static bool hold(struct visit *v)
{
	if (!v->is_held) {
		TAILQ_INSERT_TAIL(&v->orders->held, v, held);
		v->held_round = v->orders->round;
	}
	v->is_held = true;
	return false;
}

static void freshen(struct visit *v)
{
	if (!v->is_fresh) {
		TAILQ_INSERT_TAIL(&v->orders->fresh, v, fresh);
		v->fresh_round = v->orders->round;
	}
	v->is_fresh = true;
}

bool visit_held(const struct visit *v)
{
	return v->is_held;
}

/* Record and state, also one that waits for the commit. As roster_load. */
static int load(struct orders *o, const char *device, struct phone *p, struct phone_state *st,
    struct reason *why)
{
	char name[ROSTER_NAME_MAX + 1], text[PHONE_FILE_MAX + 1];
	struct bytes pending;
	int result = roster_load(o->spool, device, p, st, why);

	snprintf(name, sizeof name, "%s" ROSTER_STATE, device);
	if (result == 1 && group_find(o->group, SPOOL_PHONE, name, &pending) &&
	    pending.len < sizeof text) {
		memcpy(text, pending.p, pending.len);
		text[pending.len] = '\0';
		result = phone_state_parse(st, text, why) == 0 ? 1 : -1;
	}
	/* What became of another order is history. */
	if (result == 1 && st->scheduled != p->scheduled)
		*st = (struct phone_state){.scheduled = p->scheduled, .status = PHONE_PENDING,
		    .version = st->version};
	return result;
}

/* The state of the order that this visit is about, to be changed. False when there is another order by now,
 * or none. */
static bool load_again(struct visit *v, struct phone_state *st)
{
	struct phone p;
	struct reason why;
	bool same = load(v->orders, v->phone->device, &p, st, &why) == 1 &&
	    p.scheduled == v->phone->scheduled;

	explicit_bzero(&p, sizeof p);
	return same;
}

static void save(struct visit *v, struct phone_state *st)
{
	char name[ROSTER_NAME_MAX + 1];
	struct buf text = {0};

	st->when = now(v->orders);
	if (v->version != 0)
		st->version = v->version;
	snprintf(name, sizeof name, "%s" ROSTER_STATE, v->phone->device);
	phone_state_format(st, &text);
	if (text.failed || group_put(v->orders->group, SPOOL_PHONE, name, text.p, text.len) != 0)
		complain(v->orders, v->phone->device, "cannot keep its state", strerror(ENOMEM));
	buf_free(&text);
}

static bool conclude(struct visit *v, enum phone_status status, const char *why)
{
	struct phone_state st;

	if (!load_again(v, &st))
		return false;
	st.status = status;
	snprintf(st.reason, sizeof st.reason, "%s", why);
	save(v, &st);
	return hold(v);
}

/* Has this order got as far as a request, a certificate, or even the phone? Stamps are later than the order
 * that they belong to. */
static void look_for_traces(struct visit *v)
{
	struct orders *o = v->orders;
	/* Who issues by himself waits for nobody's request. */
	unsigned dirs = 1u << SPOOL_LSC | 1u << SPOOL_INSTALLED |
	    (o->issuing == NULL ? 1u << SPOOL_CSR : 0);
	char since[WHEN_STAMP + 1];
	enum spool_dir dir;

	when_stamp(v->phone->scheduled, since);
	if (!shelf_newest(o->shelf, v->phone->device, dirs, &v->stem, &dir) ||
	    strcmp(v->stem.stamp, since) <= 0)
		return;
	if (dir != SPOOL_INSTALLED) {
		v->order.resume = o->conf->resume;
		return;
	}
	/* The phone said so, and the server was stopped before it could write that down. */
	conclude(v, PHONE_SUCCESSFUL, "");
	v->order.operation = SESSION_NOTHING;
}

static void make_order(struct visit *v, const struct phone_state *st)
{
	static const enum session_operation operations[] = {
		[PHONE_NONE] = SESSION_NOTHING, [PHONE_INSTALL] = SESSION_INSTALL,
		[PHONE_DELETE] = SESSION_DELETE, [PHONE_TROUBLESHOOT] = SESSION_FETCH,
	};
	static const enum session_key_order key_orders[] = {
		[PHONE_RSA] = SESSION_RSA, [PHONE_EC] = SESSION_EC, [PHONE_EC_RSA] = SESSION_EC_RSA,
	};
	const struct phone *p = v->phone;
	struct orders *o = v->orders;
	struct order *order = &v->order;
	struct phone_view view;

	phone_look(p, st, now(o), &view);
	*order = (struct order){
		.operation = operations[p->operation],
		.key_order = key_orders[p->key_order],
		.rsa_bits = (uint16_t)p->rsa,
		.curve = p->ec == 256 ? CAPFMSG_P256 : p->ec == 384 ? CAPFMSG_P384 : CAPFMSG_P521,
		.key_failures = st->attempts,
		.key_tries = (unsigned)o->conf->key_tries,
		.fetch_mic = o->conf->fetch_mic,
	};
	if (view.status == PHONE_IDLE || view.status == PHONE_SUCCESSFUL)
		order->operation = SESSION_NOTHING;
	else if (view.status == PHONE_FAILED) {
		order->operation = SESSION_REJECT;
		reason_set(&order->why, "the operation failed: %s", view.reason);
	} else if (o->conf->max_operations > 0 && o->trusted >= o->conf->max_operations) {
		order->operation = SESSION_REJECT;
		reason_set(&order->why, "too many operations at once");
	} else if (order->operation == SESSION_INSTALL)
		look_for_traces(v);
}

static bool look_up(struct visit *v, const struct session_action *a,
    struct session_event *answer)
{
	struct orders *o = v->orders;
	struct phone_state st;
	struct reason why;
	int found = -1;

	v->version = a->message->version;
	*answer = (struct session_event){.type = SESSION_ORDER, .order = &v->order};
	if ((v->phone = calloc(1, sizeof *v->phone)) != NULL)
		found = load(o, a->message->device, v->phone, &st, &why);
	else
		reason_set(&why, "out of memory");
	if (found < 0) {
		v->order.operation = SESSION_REJECT;
		reason_set(&v->order.why, "its record: %.200s", why.text);
		complain(o, a->message->device, "cannot use its record", why.text);
	} else if (found == 0)
		v->order.operation = SESSION_UNKNOWN_DEVICE;
	else
		make_order(v, &st);
	return true;
}

/* One connection a phone: who comes again has lost the one before. */
static void trust_it(struct visit *v)
{
	struct chain *chain = &v->orders->by_device[hash(v->phone->device)];
	struct visit *other, *next;

	for (other = LIST_FIRST(chain); other != NULL; other = next) {
		next = LIST_NEXT(other, by_device);
		if (strcmp(other->phone->device, v->phone->device) == 0)
			v->orders->hooks->drop(other->link, "the phone connected again");
	}
	v->trusted = true;
	v->orders->trusted++;
	LIST_INSERT_HEAD(chain, v, by_device);
}

/* A wrong string is counted before anything is said, whoever else is guessing. */
static void count_wrong_string(struct visit *v, struct session_event *answer)
{
	struct phone_state st;

	if (!load_again(v, &st))
		return;
	st.wrong_strings++;
	answer->final = st.wrong_strings >= v->orders->conf->string_tries;
	save(v, &st);
}

/* 0, 1 for a wrong string, -1 for the rest, both with the reason. */
static int check_proof(struct visit *v, const struct capfmsg *m, struct reason *why)
{
	struct orders *o = v->orders;
	struct proof proof = {
		.certificate = m->certificate, .sha1 = m->signed_data, .sha2_digest = m->sha2_digest,
		.sha2 = m->sha2_signature, .sudi = capfmsg_has(m, CAPFMSG_SUDI_DATA),
		.sudi_certificate = m->sudi_certificate, .sudi_sha1 = m->sudi_sha1,
		.sudi_sha512 = m->sudi_sha512,
	};
	struct proof_policy policy = {o->trust, now(o), o->conf->accept_expired};
	struct phone_state st;
	struct cert *cert;

	switch (v->phone->auth) {
	case PHONE_BY_NULL:
		return 0;
	case PHONE_BY_STRING:
		/* Another connection may have locked it since LOOK_UP. */
		if (!load_again(v, &st) || st.status != PHONE_PENDING ||
		    st.wrong_strings >= o->conf->string_tries)
			return reason_set(why, "the operation is over");
		if (m->password.len == 0)
			return reason_set(why, "no authentication string");
		if (proof_string_equal(phone_string(v->phone, &st), m->password))
			return 0;
		reason_set(why, "wrong authentication string");
		return 1;
	default:
		if ((cert = proof_check(&proof, v->phone->device, v->session, &policy, why)) == NULL)
			return -1;
		cert_free(cert);
		return 0;
	}
}

static bool authenticate(struct visit *v, const struct session_action *a,
    struct session_event *answer)
{
	int result = check_proof(v, a->message, &v->why);

	*answer = (struct session_event){.type = SESSION_AUTH_BAD, .why = v->why.text};
	if (result == 1) {
		count_wrong_string(v, answer);
		hold(v);
	} else if (result == 0) {
		answer->type = SESSION_AUTH_OK;
		trust_it(v);
	}
	return true;
}

static bool refuse(struct visit *v, struct session_event *answer)
{
	*answer = (struct session_event){.type = SESSION_REFUSED, .why = v->why.text};
	return true;
}

/* A time later than the order, and than whatever the device has. */
static void stamp(struct visit *v)
{
	char newest[WHEN_STAMP + 1];
	time_t t = now(v->orders), last;

	shelf_stamp(v->orders->shelf, v->phone->device, newest);
	if (*newest != '\0' && when_from_stamp(newest, &last) && last >= t)
		t = last + 1;
	if (v->phone->scheduled >= t)
		t = v->phone->scheduled + 1;
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

/* Looks for the certificate of the key in v->stem. 1 with the answer; 0 when it is not there yet. */
static int find_certificate(struct visit *v, struct session_event *answer)
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
			complain(o, v->phone->device, "cannot read its certificate", strerror(errno));
		return 0;
	}
	buf_free(&v->der);
	v->der = (struct buf){.p = der, .len = len, .cap = len};
	v->stem = stem;
	v->waits = false;
	*answer = (struct session_event){.type = SESSION_CERTIFICATE, .bytes = {der, len}};
	return 1;
}

static bool await(struct visit *v, struct session_event *answer)
{
	v->waits = true;
	logline_say(v->orders->log, "waiting", "device", v->phone->device, "request", "kept", NULL);
	return find_certificate(v, answer) == 1;
}

/* Our own issuing process signs it. */
static bool ask_issuer(struct visit *v, struct bytes spki, struct session_event *answer)
{
	if (issuing_ask(v->orders->issuing, v->number, v->phone->device, spki) != 0) {
		reason_set(&v->why, "the issuing process: %s", strerror(errno));
		return refuse(v, answer);
	}
	v->issued = true;
	return false;
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
		return await(v, answer);
	}
	stamp(v);
	v->stem.kind = STEM_RA;
	if ((pem = csr_pem(csr, &len)) != NULL) {
		if (o->batch == NULL)
			o->batch = batch_open(o->spool);
		v->item = o->batch != NULL ? batch_count(o->batch) : 0;
		if (o->batch != NULL)
			result = batch_add(o->batch, &v->stem, SPOOL_CSR, pem, len);
		free(pem);
	}
	if (result != 0) {
		reason_set(&v->why, "cannot keep its request: %s", strerror(errno));
		complain(o, v->phone->device, "cannot keep its request", strerror(errno));
		return refuse(v, answer);
	}
	freshen(v);
	return false;
}

static bool certify(struct visit *v, const struct session_action *a,
    struct session_event *answer)
{
	struct orders *o = v->orders;
	struct csr *csr = vouch_csr(a->bytes, v->phone->device, o->issuing != NULL ? NULL : o->key,
	    &v->why);
	bool result;

	if (csr == NULL || check_kind(a->message, csr, &v->why) != 0)
		result = refuse(v, answer);
	else {
		memcpy(v->stem.spki, csr->spki, sizeof v->stem.spki);
		result = o->issuing != NULL ? ask_issuer(v, a->bytes, answer) : ask_ca(v, csr, answer);
	}
	csr_free(csr);
	return result;
}

static bool installed(struct visit *v)
{
	struct orders *o = v->orders;

	if (group_move(o->group, &v->stem, STEM_DER, SPOOL_LSC, SPOOL_INSTALLED, "installed") != 0)
		complain(o, v->phone->device, "cannot mark its certificate", strerror(ENOMEM));
	v->stem.kind = STEM_DER;
	shelf_add(o->shelf, &v->stem, SPOOL_INSTALLED);
	logline_say(o->log, "installed", "device", v->phone->device, "stamp", v->stem.stamp, NULL);
	conclude(v, PHONE_SUCCESSFUL, "");
	return hold(v);
}

static bool store_failed(struct visit *v, const struct session_action *a)
{
	struct orders *o = v->orders;

	logline_say(o->log, "not-stored", "device", v->phone->device, "why", a->why.text, NULL);
	if (!a->final)
		return false;
	if (group_move(o->group, &v->stem, STEM_DER, SPOOL_LSC, SPOOL_STALE, "stale") != 0)
		complain(o, v->phone->device, "cannot mark its certificate", strerror(ENOMEM));
	return hold(v);
}

static bool fetched(struct visit *v, const struct session_action *a)
{
	struct orders *o = v->orders;
	char name[STEM_NAME_MAX + 16], at[WHEN_STAMP + 1];

	when_stamp(now(o), at);
	snprintf(name, sizeof name, "%s+%s.%s.der", v->phone->device, at,
	    a->cert_type == CAPFMSG_MIC ? "mic" : "lsc");
	if (group_put(o->group, SPOOL_TRACE, name, a->bytes.p, a->bytes.len) != 0)
		complain(o, v->phone->device, "cannot keep what it sent", strerror(errno));
	logline_say(o->log, "fetched", "device", v->phone->device, "file", name, NULL);
	return hold(v);
}

static bool failed(struct visit *v, const struct session_action *a)
{
	struct orders *o = v->orders;
	bool locked = a->failure == SESSION_BAD_AUTH && a->final;
	struct phone_state st;

	logline_say(o->log, "failed", "device", v->phone != NULL ? v->phone->device : NULL, "failure",
	    session_failure_name(a->failure), "final", a->final ? "yes" : "no", "why", a->why.text, NULL);
	/* Who has proved nothing writes nothing; who hangs up comes again. */
	if (v->phone == NULL || (!v->trusted && !locked) || a->failure == SESSION_DROPPED ||
	    !load_again(v, &st) || st.status != PHONE_PENDING)
		return false;
	if (a->final)
		st.status = PHONE_FAILED;
	if (a->failure == SESSION_NO_KEY)
		st.attempts++;
	snprintf(st.reason, sizeof st.reason, "%.*s", (int)sizeof st.reason - 1, a->why.text);
	save(v, &st);
	return hold(v);
}

bool visit_do(struct visit *v, const struct session_action *a,
    struct session_event *answer)
{
	switch (a->type) {
	case SESSION_LOOK_UP:
		return look_up(v, a, answer);
	case SESSION_AUTHENTICATE:
		return authenticate(v, a, answer);
	case SESSION_PREPARE:
		reason_set(&v->why, "csr-proof = phone is not there yet");
		return refuse(v, answer);
	case SESSION_CERTIFY:
		return certify(v, a, answer);
	case SESSION_AWAIT:
		return await(v, answer);
	case SESSION_INSTALLED:
		return installed(v);
	case SESSION_STORE_FAILED:
		return store_failed(v, a);
	case SESSION_FETCHED:
		return fetched(v, a);
	case SESSION_FETCH_DONE:
		return conclude(v, PHONE_SUCCESSFUL, "");
	case SESSION_DELETED:
		logline_say(v->orders->log, "deleted", "device", v->phone->device, NULL);
		return conclude(v, PHONE_SUCCESSFUL, "");
	case SESSION_FAILED:
		return failed(v, a);
	case SESSION_NOTE:
		logline_say(v->orders->log, "note", "device", v->phone != NULL ? v->phone->device : NULL,
		    "text", a->why.text, NULL);
		return false;
	case SESSION_SEND:
	case SESSION_CLOSE:
	case SESSION_TIMER:
		break;
	}
	return false;
}

/* A certificate is new in lsc/: does somebody wait for it? */
static void arrived(void *ctx, const struct stem *stem)
{
	struct orders *o = ctx;
	struct session_event e;
	struct visit *v, *next;

	for (v = LIST_FIRST(&o->by_device[hash(stem->device)]); v != NULL; v = next) {
		next = LIST_NEXT(v, by_device);
		if (v->waits && memcmp(v->stem.spki, stem->spki, STEM_SPKI) == 0 &&
		    strcmp(v->phone->device, stem->device) == 0 && find_certificate(v, &e))
			o->hooks->event(v->link, &e);
	}
}

void orders_news(struct orders *o)
{
	if (shelf_news(o->shelf, arrived, o) != 0)
		complain(o, NULL, "cannot read the news of the spool", strerror(errno));
}

/* Of those who wait: is there still something to wait for, and time? */
static void look_after(struct orders *o, struct visit *v)
{
	struct session_event e = {.type = SESSION_REFUSED};
	enum spool_dir dir;
	struct stem stem;

	if (find_certificate(v, &e))
		o->hooks->event(v->link, &e);
	else if (v->phone->complete_by != 0 && now(o) > v->phone->complete_by) {
		v->waits = false;
		e.why = "the time to complete it is over";
		e.final = true;
		o->hooks->event(v->link, &e);
	} else if (!shelf_key(o->shelf, v->phone->device, v->stem.spki,
	    1u << SPOOL_CSR | 1u << SPOOL_LSC, &stem, &dir)) {
		v->waits = false;
		e.why = "its request was deleted, or a newer one came";
		o->hooks->event(v->link, &e);
	}
}

void orders_poll(struct orders *o)
{
	struct visit *v, *next;

	if (shelf_poll(o->shelf, arrived, o) != 0)
		complain(o, NULL, "cannot read the spool", strerror(errno));
	for (size_t i = 0; i < BUCKETS; i++)
		for (v = LIST_FIRST(&o->by_device[i]); v != NULL; v = next) {
			next = LIST_NEXT(v, by_device);
			if (v->waits)
				look_after(o, v);
		}
}

static struct visit *find_number(struct orders *o, uint64_t number)
{
	struct visit *v;

	LIST_FOREACH(v, &o->by_number[number & (BUCKETS - 1)], by_number)
		if (v->number == number)
			break;
	return v;
}

/* What the device has and the new certificate makes void. */
static void supersede(struct visit *v)
{
	struct orders *o = v->orders;
	struct stem stem;
	enum spool_dir dir;

	if (!shelf_newest(o->shelf, v->phone->device, 1u << SPOOL_CSR | 1u << SPOOL_LSC, &stem, &dir))
		return;
	if (dir == SPOOL_CSR)
		group_move(o->group, &stem, (enum stem_kind)stem.kind, SPOOL_CSR, SPOOL_SUPERSEDED,
		    "superseded");
	else
		group_move(o->group, &stem, STEM_DER, SPOOL_LSC, SPOOL_STALE, "stale");
}

/* A certificate that we made: first to the disk, then to the phone. */
static void keep_issued(struct visit *v, struct bytes der)
{
	struct orders *o = v->orders;
	char name[STEM_NAME_MAX + 1];

	supersede(v);
	stamp(v);
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
	freshen(v);
}

void orders_issuing(struct orders *o)
{
	uint64_t number;
	struct bytes der;
	const char *why;
	struct visit *v;
	int result = 0;

	if (o->issuing == NULL)
		return;
	if (issuing_write(o->issuing) == 0)
		while ((result = issuing_next(o->issuing, &number, &der, &why)) == 1) {
			if ((v = find_number(o, number)) == NULL || !v->issued || v->is_fresh)
				continue;
			if (why == NULL) {
				keep_issued(v, der);
				continue;
			}
			v->issued = false;
			o->hooks->event(v->link, &(struct session_event){.type = SESSION_REFUSED,
			    .why = why});
		}
	else
		result = -1;
	if (result < 0) {
		struct reason again;

		complain(o, NULL, "the issuing process ended", strerror(errno));
		if (open_all(o, o->conf, &again) != 0)
			complain(o, NULL, "cannot start the issuing process", again.text);
		disappoint(o, "the issuing process ended");
	}
}

/* A request that is in the spool now, or not. */
static void settle_request(struct visit *v, enum batch_fate fate)
{
	struct orders *o = v->orders;
	struct session_event e;

	if (fate == BATCH_NEW || fate == BATCH_SAME) {
		shelf_add(o->shelf, &v->stem, SPOOL_CSR);
		v->waits = true;
		logline_say(o->log, "waiting", "device", v->phone->device, "request", "new", NULL);
		if (find_certificate(v, &e))
			o->hooks->event(v->link, &e);
		return;
	}
	o->hooks->event(v->link, &(struct session_event){.type = SESSION_REFUSED, .why =
	    fate == BATCH_LATE ? "a newer request of this device came" : "its request cannot be kept"});
}

static void settle_issued(struct visit *v, bool done)
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

bool orders_idle(const struct orders *o)
{
	return o->batch == NULL && group_empty(o->group) && TAILQ_EMPTY(&o->held) &&
	    TAILQ_EMPTY(&o->fresh);
}

void orders_commit(struct orders *o)
{
	struct visit *v;

	/* What an answer leads to is for the next round. */
	for (int more = 0; more < 4 && !orders_idle(o); more++) {
		uint64_t round = o->round++;
		struct batch *batch = o->batch;
		bool done;

		o->batch = NULL;
		now(o);
		if (batch != NULL && batch_commit(batch) != 0)
			complain(o, NULL, "cannot keep all requests", strerror(errno));
		if (!(done = group_commit(o->group) == 0))
			complain(o, NULL, "cannot write to the spool", strerror(errno));
		while ((v = TAILQ_FIRST(&o->held)) != NULL && v->held_round == round) {
			TAILQ_REMOVE(&o->held, v, held);
			v->is_held = false;
			o->hooks->go_on(v->link, done);
		}
		while ((v = TAILQ_FIRST(&o->fresh)) != NULL && v->fresh_round == round) {
			TAILQ_REMOVE(&o->fresh, v, fresh);
			v->is_fresh = false;
			if (v->issued)
				settle_issued(v, done);
			else
				settle_request(v, batch_fate(batch, v->item));
		}
		spool_log_flush(o->spool);
		batch_close(batch);
	}
}
