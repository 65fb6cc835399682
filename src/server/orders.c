/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ticks.h"
#include "server/enrol.h"
#include "server/group.h"
#include "server/guess.h"
#include "server/issuing.h"
#include "server/orders.h"
#include "server/record.h"
#include "server/shelf.h"
#include "server/visit.h"
#include "site/store.h"
#include "spool/batch.h"

#define COMPANY 4	/* who are at work, for whom a commit waits */
#define PATIENCE 3000000	/* so long at most, in nanoseconds */
#define LATE_A_TURN 64	/* changes that were put off; a poll tries all */

/* Who has one of the issuer's certificates may prove himself with it. -1 with a reason. */
static int trust_issuer(struct trust *trust, const struct issuing *issuing, struct reason *why)
{
	struct bytes der = issuing_certificate(issuing);
	struct cert *issuer = cert_parse(der.p, der.len, why);
	int result = issuer != NULL ? trust_put(trust, issuer, why) : -1;

	cert_free(issuer);
	return result;
}

struct former {
	struct trust *trust;
	time_t now;
	struct reason *why;
};

static int trust_one_former(void *ctx, const struct cert *c)
{
	struct former *f = ctx;

	return c->not_after < f->now ? 0 : trust_put(f->trust, c, f->why);
}

/* When CAPF issues itself, phones may still authenticate with what its former certificates issued, until these
 * expire. -1 with a reason. */
static int trust_former(struct orders *o, struct trust *trust, const struct cert *own,
    const struct issuing *issuing, struct reason *why)
{
	struct bytes der = issuing_certificate(issuing);
	struct former f = {trust, o->spool->now, why};

	if (der.len != own->der_len || memcmp(der.p, own->der, der.len) != 0)
		return 0;
	return store_former(o->spool, trust_one_former, &f, why);
}

/* Trust and key by these settings. -1 with a reason, and nothing changed. */
static int open_all(struct orders *o, const struct conf *conf, struct issuing *issuing,
    struct reason *why)
{
	struct trust *trust = store_trust(o->spool, SPOOL_TRUST_CAPF, why);
	struct cert *cert = NULL;
	EVP_PKEY *key = NULL;

	if (trust == NULL || store_capf(o->spool, &cert, &key, why) != 0 ||
	    (issuing != NULL && (trust_issuer(trust, issuing, why) != 0 ||
	    trust_former(o, trust, cert, issuing, why) != 0))) {
		trust_free(trust);
		EVP_PKEY_free(key);
		cert_free(cert);
		return -1;
	}
	cert_free(cert);
	trust_free(o->trust);
	EVP_PKEY_free(o->key);
	issuing_close(o->issuing);
	o->trust = trust;
	o->key = key;
	o->issuing = issuing;
	o->conf = conf;
	return 0;
}

struct orders *orders_new(struct spool *s, const struct conf *conf, struct issuing *issuing,
    const struct log *log, const struct orders_hooks *hooks, time_t clock, struct reason *why)
{
	struct orders *o = calloc(1, sizeof *o);

	if (o == NULL) {
		reason_memory(why);
		return NULL;
	}
	o->spool = s;
	o->log = log;
	o->hooks = hooks;
	o->clock = clock;
	TAILQ_INIT(&o->held);
	TAILQ_INIT(&o->fresh);
	STAILQ_INIT(&o->late);
	lock_init(&o->lock, s);
	if ((o->group = group_new(s)) == NULL || (o->shelf = shelf_open(s)) == NULL) {
		reason_trouble(why, "cannot read the spool: %s", strerror(errno));
		orders_free(o);
		return NULL;
	}
	if (open_all(o, conf, issuing, why) != 0) {
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
	record_forget(o);
	lock_close(&o->lock);
	shelf_close(o->shelf);
	trust_free(o->trust);
	EVP_PKEY_free(o->key);
	issuing_close(o->issuing);
	free(o);
}

/* All those who wait for a certificate of an issuing process that is no more. */
static void ask_again(struct orders *o)
{
	struct visit *v, *next;

	for (size_t i = 0; i < DESK_BUCKETS; i++)
		for (v = LIST_FIRST(&o->by_number[i]); v != NULL; v = next) {
			next = LIST_NEXT(v, by_number);
			if (!v->issued || v->is_fresh)
				continue;
			if (o->issuing != NULL) {
				enrol_ask(v);
				continue;
			}
			v->issued = false;
			o->hooks->event(v->link, &(struct session_event){.type = SESSION_REFUSED,
			    .why = "the settings were read again, try once more"});
		}
}

int orders_reload(struct orders *o, const struct conf *conf, struct issuing *issuing,
    struct reason *why)
{
	if (open_all(o, conf, issuing, why) != 0)
		return -1;
	ask_again(o);
	return 0;
}

int orders_renew(struct orders *o, struct issuing *issuing, struct reason *why)
{
	if (trust_issuer(o->trust, issuing, why) != 0) {
		issuing_close(issuing);
		return -1;
	}
	issuing_close(o->issuing);
	o->issuing = issuing;
	ask_again(o);
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

static void arrived(void *ctx, const struct stem *stem, enum spool_dir d)
{
	enrol_arrived(ctx, stem, d);
}

void orders_news(struct orders *o)
{
	if (shelf_news(o->shelf, arrived, o) != 0)
		desk_complain(o, NULL, "cannot read the news of the spool", strerror(errno));
}

void orders_overtaken(struct orders *o, const char *device, uint64_t when)
{
	struct visit *v, *next;

	for (v = LIST_FIRST(&o->by_device[desk_bucket(device)]); v != NULL; v = next) {
		next = LIST_NEXT(v, by_device);
		if (v->proved < when && strcmp(v->phone->device, device) == 0)
			o->hooks->replaced(v->link);
	}
}

unsigned orders_count(const struct orders *o)
{
	return o->active;
}

void orders_elsewhere(struct orders *o, unsigned n)
{
	o->elsewhere = n;
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
		desk_wait(v, false);
		e.why = "the time to complete it is over";
		e.final = true;
		o->hooks->event(v->link, &e);
	} else if (!shelf_key(o->shelf, v->phone->device, v->stem.spki,
	    1u << SPOOL_CSR | 1u << SPOOL_LSC, &stem, &dir)) {
		desk_wait(v, false);
		e.why = "its request was deleted, or a newer one came";
		o->hooks->event(v->link, &e);
	}
}

void orders_poll(struct orders *o)
{
	struct visit *v, *next;

	if (shelf_poll(o->shelf, arrived, o) != 0)
		desk_complain(o, NULL, "cannot read the spool", strerror(errno));
	record_retry(o, SIZE_MAX);
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

bool orders_issuing(struct orders *o)
{
	uint64_t number;
	struct bytes der;
	const char *why;
	struct visit *v;
	int result = 0;

	if (o->issuing == NULL)
		return false;
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
	if (result == 0)
		return true;
	desk_complain(o, NULL, "the issuing process ended", strerror(errno));
	issuing_close(o->issuing);
	o->issuing = NULL;
	return false;
}

bool orders_idle(const struct orders *o)
{
	return o->batch == NULL && group_empty(o->group) && !o->lock.any && TAILQ_EMPTY(&o->held) &&
	    TAILQ_EMPTY(&o->fresh);
}

/* A commit costs much, and little more for each who shares it. So it waits a moment when there are others who
 * may come to that point; not when all who are at work wait for it. */
unsigned orders_patience(struct orders *o)
{
	uint64_t now;

	if (orders_idle(o)) {
		o->since = 0;
		return 0;
	}
	now = ticks_ns();
	if (o->since == 0)
		o->since = now;
	if (o->active < o->paused + COMPANY || now - o->since >= PATIENCE)
		return 0;
	return (unsigned)((PATIENCE - (now - o->since)) / 1000);
}

void orders_commit(struct orders *o)
{
	struct visit *v;

	o->since = 0;
	record_retry(o, LATE_A_TURN);
	/* What an answer leads to is for the next round. */
	for (int more = 0; more < 4 && !o->spool->torn && !orders_idle(o); more++) {
		uint64_t round = o->round++;
		struct batch *batch = o->batch;
		bool done;

		o->batch = NULL;
		desk_now(o);
		if (batch != NULL && batch_commit(batch) != 0)
			desk_complain(o, NULL, "cannot keep all requests", strerror(errno));
		if (!(done = group_commit(o->group) == 0))
			desk_complain(o, NULL, "cannot write to the spool", strerror(errno));
		/* Attempts that are on the disk may be compared. Right ones are given back before anybody else may
		 * count; when that fails they stay counted, which gives no guess away. */
		if (done && guess_compare(o, round) && group_commit(o->group) != 0)
			desk_complain(o, NULL, "cannot give back a try", strerror(errno));
		lock_drop(&o->lock);
		while ((v = TAILQ_FIRST(&o->held)) != NULL && v->held_round == round) {
			desk_let_go(v);
			if (done)
				visit_resume(v);
			o->hooks->go_on(v->link, done);
		}
		while ((v = TAILQ_FIRST(&o->fresh)) != NULL && v->fresh_round == round) {
			desk_settle(v);
			if (v->issued)
				enrol_settle_issued(v, done);
			else
				enrol_settle_request(v, batch_fate(batch, v->item));
		}
		spool_log_flush(o->spool);
		batch_close(batch);
	}
}
