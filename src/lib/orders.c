/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "enrol.h"
#include "group.h"
#include "issuing.h"
#include "orders.h"
#include "shelf.h"
#include "store.h"

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

	for (size_t i = 0; i < DESK_BUCKETS; i++)
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

/* A certificate is new in lsc/: does somebody wait for it? */
static void arrived(void *ctx, const struct stem *stem)
{
	struct orders *o = ctx;
	struct session_event e;
	struct visit *v, *next;

	for (v = LIST_FIRST(&o->by_device[desk_bucket(stem->device)]); v != NULL; v = next) {
		next = LIST_NEXT(v, by_device);
		if (v->waits && memcmp(v->stem.spki, stem->spki, STEM_SPKI) == 0 &&
		    strcmp(v->phone->device, stem->device) == 0 && enrol_find(v, &e))
			o->hooks->event(v->link, &e);
	}
}

void orders_news(struct orders *o)
{
	if (shelf_news(o->shelf, arrived, o) != 0)
		desk_complain(o, NULL, "cannot read the news of the spool", strerror(errno));
}

/* Of those who wait: is there still something to wait for, and time? */
static void look_after(struct orders *o, struct visit *v)
{
	struct session_event e = {.type = SESSION_REFUSED};
	enum spool_dir dir;
	struct stem stem;

	if (enrol_find(v, &e))
		o->hooks->event(v->link, &e);
	else if (v->phone->complete_by != 0 && desk_now(o) > v->phone->complete_by) {
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
		desk_complain(o, NULL, "cannot read the spool", strerror(errno));
	for (size_t i = 0; i < DESK_BUCKETS; i++)
		for (v = LIST_FIRST(&o->by_device[i]); v != NULL; v = next) {
			next = LIST_NEXT(v, by_device);
			if (v->waits)
				look_after(o, v);
		}
}

static struct visit *find_number(struct orders *o, uint64_t number)
{
	struct visit *v;

	LIST_FOREACH(v, &o->by_number[number & (DESK_BUCKETS - 1)], by_number)
		if (v->number == number)
			break;
	return v;
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
				enrol_keep(v, der);
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

		desk_complain(o, NULL, "the issuing process ended", strerror(errno));
		if (open_all(o, o->conf, &again) != 0)
			desk_complain(o, NULL, "cannot start the issuing process", again.text);
		disappoint(o, "the issuing process ended");
	}
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
		desk_now(o);
		if (batch != NULL && batch_commit(batch) != 0)
			desk_complain(o, NULL, "cannot keep all requests", strerror(errno));
		if (!(done = group_commit(o->group) == 0))
			desk_complain(o, NULL, "cannot write to the spool", strerror(errno));
		while ((v = TAILQ_FIRST(&o->held)) != NULL && v->held_round == round) {
			TAILQ_REMOVE(&o->held, v, held);
			v->is_held = false;
			o->hooks->go_on(v->link, done);
		}
		while ((v = TAILQ_FIRST(&o->fresh)) != NULL && v->fresh_round == round) {
			TAILQ_REMOVE(&o->fresh, v, fresh);
			v->is_fresh = false;
			if (v->issued)
				enrol_settle_issued(v, done);
			else
				enrol_settle_request(v, batch_fate(batch, v->item));
		}
		spool_log_flush(o->spool);
		batch_close(batch);
	}
}
