/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/monotime.h"
#include "server/client.h"
#include "server/enrol.h"
#include "server/issuer_process.h"
#include "server/proof_trust.h"
#include "server/records_link.h"
#include "server/registry.h"
#include "spool/turn.h"
#include "site/capf_identity.h"
#include "spool/batch.h"
#include "spool/journal.h"
#include "spool/spool_watch.h"

#define SLICE 500	/* names of the spool that are read in one turn: a fraction of a millisecond */
#define COMPANY 4	/* who are at work, for whom a commit waits */
#define PATIENCE 3000000	/* so long at most, in nanoseconds */

/* Trust and key by these settings. -1 with a reason, and nothing changed. */
static int open_all(struct registry *o, const struct settings *settings, struct issuer *issuing,
    struct reason *why)
{
	struct bytes issuer = issuing != NULL ? issuer_certificate(issuing) : (struct bytes){NULL, 0};
	struct trust *trust;
	struct cert *cert;
	EVP_PKEY *key;

	if (capf_identity_load(o->spool, &cert, &key, why) != 0)
		return -1;
	trust = proof_trust_load(o->spool, issuer, cert, o->spool->now, why);
	cert_free(cert);
	if (trust == NULL) {
		EVP_PKEY_free(key);
		return -1;
	}
	trust_free(o->trust);
	EVP_PKEY_free(o->key);
	issuer_close(o->issuing);
	o->trust = trust;
	o->key = key;
	o->issuing = issuing;
	o->settings = settings;
	return 0;
}

struct registry *registry_new(struct spool *s, struct records_link *records, const struct settings *settings,
    struct issuer *issuing, const struct log *log, const struct registry_hooks *hooks, time_t clock, struct reason *why)
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
	o->records = records;
	if ((o->group = turn_new(s)) == NULL || (o->watch = spool_watch_open(s)) == NULL ||
	    spool_watch_finish(o->watch, s) != 0) {
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
	if (proof_trust_put(o->trust, issuer_certificate(issuing), why) != 0) {
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

bool registry_read_due(struct registry *o)
{
	return spool_watch_due(o->watch);
}

bool registry_read_now(const struct registry *o)
{
	return spool_watch_lost(o->watch);
}

bool registry_read(struct registry *o)
{
	int result = spool_watch_read(o->watch, SLICE, arrived, o);

	if (result < 0)
		registry_complain(o, NULL, "cannot read the spool", strerror(errno));
	return result > 0;
}

void registry_poll(struct registry *o)
{
	struct client *v, *next;

	records_retry(o);
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
	return o->batch == NULL && turn_empty(o->group) && !records_pending(o->records) && TAILQ_EMPTY(&o->held) &&
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

/* The answer to a string that was compared; its visit may be gone. */
static void compared(void *ctx, uint64_t number, enum records_guess what)
{
	struct client *v = find_number(ctx, number);

	if (v == NULL || what == RECORDS_UNREAD)
		return;
	v->guess = what == RECORDS_RIGHT ? GUESS_RIGHT : GUESS_WRONG;
	v->locked = what == RECORDS_LOCKED;
}

/* Files of this worker's, and records by the records process, at the same time; nothing of either on a full disk. What
 * other files show comes before the record that says so. -1 with errno: nobody may be told. */
static int commit_all(struct registry *o)
{
	bool records = records_pending(o->records) || records_late(o->records);
	int asked = records ? records_begin_stage(o, turn_files(o->group)) : 0;
	int result = turn_empty(o->group) ? 0 : turn_stage(o->group, records_files(o->records)), saved = errno;
	int staged = records && asked == 0 ? records_staged(o) : asked;

	if (result == 0 && staged == 0) {
		result = turn_publish(o->group);
		saved = errno;
	} else if (result == 0) {
		saved = errno;
		turn_abandon(o->group);
		result = -1;
	}
	if (records && staged == 0 && result == 0)
		return records_publish(o, compared, o);
	if (records && staged == 0)
		records_abandon(o);
	errno = saved;
	return result;
}

void registry_commit(struct registry *o)
{
	struct client *v;

	o->since = 0;
	/* What an answer leads to is for the next round. */
	for (int more = 0; more < 4 && !o->spool->torn && !records_broken(o->records) && !registry_idle(o); more++) {
		uint64_t round = o->round++;
		struct batch *batch = o->batch;
		bool done;

		o->batch = NULL;
		registry_now(o);
		if (batch != NULL && batch_commit(batch) != 0)
			registry_complain(o, NULL, "cannot keep all requests", strerror(errno));
		if (!(done = commit_all(o) == 0))
			registry_complain(o, NULL, "cannot write to the spool", strerror(errno));
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
