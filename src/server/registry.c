/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/monotime.h"
#include "server/client.h"
#include "server/enrol.h"
#include "server/guess.h"
#include "server/issuer_process.h"
#include "server/outcome.h"
#include "server/registry.h"
#include "server/spool_watch.h"
#include "server/turn.h"
#include "site/capf_identity.h"
#include "site/trust_store.h"
#include "spool/batch.h"
#include "spool/journal.h"

#define COMPANY 4	/* who are at work, for whom a commit waits */
#define PATIENCE 3000000	/* so long at most, in nanoseconds */
#define LATE_A_TURN 64	/* changes that were put off; a poll tries all */

/* Who has one of the issuer's certificates may prove himself with it. -1 with a reason. */
static int trust_issuer(struct trust *trust, const struct issuer *issuing, struct reason *why)
{
	struct bytes der = issuer_certificate(issuing);
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
static int trust_former(struct registry *o, struct trust *trust, const struct cert *own,
    const struct issuer *issuing, struct reason *why)
{
	struct bytes der = issuer_certificate(issuing);
	struct former f = {trust, o->spool->now, why};

	if (der.len != own->der_len || memcmp(der.p, own->der, der.len) != 0)
		return 0;
	return capf_identity_former(o->spool, trust_one_former, &f, why);
}

/* Trust and key by these settings. -1 with a reason, and nothing changed. */
static int open_all(struct registry *o, const struct settings *settings, struct issuer *issuing,
    struct reason *why)
{
	struct trust *trust = trust_store_load(o->spool, SPOOL_TRUST_CAPF, why);
	struct cert *cert = NULL;
	EVP_PKEY *key = NULL;

	if (trust == NULL || capf_identity_load(o->spool, &cert, &key, why) != 0 ||
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
	issuer_close(o->issuing);
	o->trust = trust;
	o->key = key;
	o->issuing = issuing;
	o->settings = settings;
	return 0;
}

struct registry *registry_new(struct spool *s, const struct settings *settings, struct issuer *issuing,
    const struct log *log, const struct registry_hooks *hooks, time_t clock, struct reason *why)
{
	struct registry *o = calloc(1, sizeof *o);

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
	phone_lock_init(&o->lock, s);
	if ((o->group = turn_new(s)) == NULL || (o->watch = spool_watch_open(s)) == NULL) {
		reason_trouble(why, "cannot read the spool: %s", strerror(errno));
		registry_free(o);
		return NULL;
	}
	if (open_all(o, settings, issuing, why) != 0) {
		registry_free(o);
		return NULL;
	}
	return o;
}

void registry_free(struct registry *o)
{
	if (o == NULL)
		return;
	batch_close(o->batch);
	turn_free(o->group);
	outcome_forget(o);
	phone_lock_close(&o->lock);
	spool_watch_close(o->watch);
	trust_free(o->trust);
	EVP_PKEY_free(o->key);
	issuer_close(o->issuing);
	free(o);
}

/* All those who wait for a certificate of an issuing process that is no more. */
static void ask_again(struct registry *o)
{
	struct client *v, *next;

	for (size_t i = 0; i < REGISTRY_BUCKETS; i++)
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

int registry_reload(struct registry *o, const struct settings *settings, struct issuer *issuing,
    struct reason *why)
{
	if (open_all(o, settings, issuing, why) != 0)
		return -1;
	ask_again(o);
	return 0;
}

int registry_renew(struct registry *o, struct issuer *issuing, struct reason *why)
{
	if (trust_issuer(o->trust, issuing, why) != 0) {
		issuer_close(issuing);
		return -1;
	}
	issuer_close(o->issuing);
	o->issuing = issuing;
	ask_again(o);
	return 0;
}

int registry_news_fd(const struct registry *o)
{
	return spool_watch_fd(o->watch);
}

int registry_issuing_fd(const struct registry *o)
{
	return o->issuing != NULL ? issuer_fd(o->issuing) : -1;
}

bool registry_issuing_full(const struct registry *o)
{
	return o->issuing != NULL && issuer_full(o->issuing);
}

static void arrived(void *ctx, const struct reqid *reqid, enum spool_dir d)
{
	enrol_arrived(ctx, reqid, d);
}

void registry_news(struct registry *o)
{
	if (spool_watch_news(o->watch, arrived, o) != 0)
		registry_complain(o, NULL, "cannot read the news of the spool", strerror(errno));
}

void registry_overtaken(struct registry *o, const char *device, uint64_t when)
{
	struct client *v, *next;

	for (v = LIST_FIRST(&o->by_device[registry_bucket(device)]); v != NULL; v = next) {
		next = LIST_NEXT(v, by_device);
		if (v->proved < when && strcmp(v->phone->device, device) == 0)
			o->hooks->replaced(v->link);
	}
}

unsigned registry_count(const struct registry *o)
{
	return o->active;
}

void registry_elsewhere(struct registry *o, unsigned n)
{
	o->elsewhere = n;
}

/* Of those who wait: is there still something to wait for, and time? */
static void look_after(struct registry *o, struct client *v)
{
	struct session_event e = {.type = SESSION_REFUSED};
	enum spool_dir dir;
	struct reqid reqid;

	if (enrol_find(v, &e))
		o->hooks->event(v->link, &e);
	else if (v->phone->complete_by != 0 && registry_now(o) > v->phone->complete_by) {
		registry_wait(v, false);
		e.why = "the time to complete it is over";
		e.final = true;
		o->hooks->event(v->link, &e);
	} else if (!spool_watch_key(o->watch, v->phone->device, v->reqid.spki,
	    1u << SPOOL_CSR | 1u << SPOOL_LSC, &reqid, &dir)) {
		registry_wait(v, false);
		e.why = "its request was deleted, or a newer one came";
		o->hooks->event(v->link, &e);
	}
}

void registry_poll(struct registry *o)
{
	struct client *v, *next;

	if (spool_watch_poll(o->watch, arrived, o) != 0)
		registry_complain(o, NULL, "cannot read the spool", strerror(errno));
	outcome_retry(o, SIZE_MAX);
	for (size_t i = 0; i < REGISTRY_BUCKETS; i++)
		for (v = LIST_FIRST(&o->by_device[i]); v != NULL; v = next) {
			next = LIST_NEXT(v, by_device);
			if (v->waits)
				look_after(o, v);
		}
}

static struct client *find_number(struct registry *o, uint64_t number)
{
	struct client *v;

	LIST_FOREACH(v, &o->by_number[number & (REGISTRY_BUCKETS - 1)], by_number)
		if (v->number == number)
			break;
	return v;
}

bool registry_issuing(struct registry *o)
{
	uint64_t number;
	struct bytes der;
	const char *why;
	struct client *v;
	int result = 0;

	if (o->issuing == NULL)
		return false;
	if (issuer_write(o->issuing) == 0)
		while ((result = issuer_next(o->issuing, &number, &der, &why)) == 1) {
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
	registry_complain(o, NULL, "the issuing process ended", strerror(errno));
	issuer_close(o->issuing);
	o->issuing = NULL;
	return false;
}

bool registry_idle(const struct registry *o)
{
	return o->batch == NULL && turn_empty(o->group) && !o->lock.any && TAILQ_EMPTY(&o->held) &&
	    TAILQ_EMPTY(&o->fresh);
}

/* A commit costs much, and little more for each who shares it. So it waits a moment when there are others who
 * may come to that point; not when all who are at work wait for it. */
unsigned registry_patience(struct registry *o)
{
	uint64_t now;

	if (registry_idle(o)) {
		o->since = 0;
		return 0;
	}
	now = monotime_ns();
	if (o->since == 0)
		o->since = now;
	if (o->active < o->paused + COMPANY || now - o->since >= PATIENCE)
		return 0;
	return (unsigned)((PATIENCE - (now - o->since)) / 1000);
}

void registry_commit(struct registry *o)
{
	struct client *v;

	o->since = 0;
	outcome_retry(o, LATE_A_TURN);
	/* What an answer leads to is for the next round. */
	for (int more = 0; more < 4 && !o->spool->torn && !registry_idle(o); more++) {
		uint64_t round = o->round++;
		struct batch *batch = o->batch;
		bool done;

		o->batch = NULL;
		registry_now(o);
		if (batch != NULL && batch_commit(batch) != 0)
			registry_complain(o, NULL, "cannot keep all requests", strerror(errno));
		if (!(done = turn_commit(o->group) == 0))
			registry_complain(o, NULL, "cannot write to the spool", strerror(errno));
		/* Attempts that are on the disk may be compared. Right ones are given back before anybody else may
		 * count; when that fails they stay counted, which gives no guess away. */
		if (done && guess_compare(o, round) && turn_commit(o->group) != 0)
			registry_complain(o, NULL, "cannot give back a try", strerror(errno));
		phone_lock_drop(&o->lock);
		while ((v = TAILQ_FIRST(&o->held)) != NULL && v->held_round == round) {
			registry_let_go(v);
			if (done)
				client_resume(v);
			o->hooks->go_on(v->link, done);
		}
		while ((v = TAILQ_FIRST(&o->fresh)) != NULL && v->fresh_round == round) {
			registry_settle(v);
			if (v->issued)
				enrol_settle_issued(v, done);
			else
				enrol_settle_request(v, batch_fate(batch, v->item));
		}
		journal_flush(o->spool);
		batch_close(batch);
	}
}
