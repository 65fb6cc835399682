/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/outcome.h"
#include "site/phonebook.h"

#define COUNT_MOST 999999	/* of attempts and the like: a worker that goes on counting makes no state that is unreadable */

time_t records_now(struct records *o)
{
	return o->spool->now = time(NULL) + o->clock;
}

void records_complain(struct records *o, const char *device, const char *what, const char *why)
{
	struct records_reply *r = o->reply;

	/* One a request is enough. */
	if (*r->what != '\0')
		return;
	snprintf(r->device, sizeof r->device, "%s", device);
	snprintf(r->what, sizeof r->what, "%s", what);
	snprintf(r->because, sizeof r->because, "%s", why);
}

int outcome_load(struct records *o, const char *device, struct phone *p, struct phone_state *st,
    struct reason *why)
{
	char name[PHONEBOOK_NAME_MAX + 1], text[PHONE_FILE_MAX + 1];
	struct bytes pending;
	int result = phonebook_load(o->spool, device, p, st, why);

	snprintf(name, sizeof name, "%s" PHONEBOOK_STATE, device);
	if (result == 1 && turn_find(o->group, SPOOL_PHONE, name, &pending) &&
	    pending.len < sizeof text) {
		memcpy(text, pending.p, pending.len);
		text[pending.len] = '\0';
		result = phone_state_parse(st, text, why) == 0 ? 1 : -1;
	}
	/* What became of another order is history. */
	if (result == 1 && st->order != p->order)
		*st = (struct phone_state){.order = p->order, .status = PHONE_PENDING,
		    .version = st->version};
	return result;
}

int outcome_lock(struct records *o, const char *device, time_t order, struct phone *p, struct phone_state *st)
{
	int result = phone_lock_try(&o->lock, device);
	struct reason why;

	if (result < 0)
		records_complain(o, device, "cannot lock its record", strerror(errno));
	if (result <= 0)
		return result - 1;
	/* What cannot be read cannot be changed, and the phone must not be told that it was. */
	if ((result = outcome_load(o, device, p, st, &why)) < 0) {
		records_complain(o, device, "cannot read its record", why.text);
		if (why.trouble)
			return -2;
		turn_fail(o->group);
	}
	return result == 1 && p->order == order;
}

static void put(struct records *o, const char *device, const char *name, struct phone_state *st)
{
	struct buf text = {0};

	st->when = records_now(o);
	phone_state_format(st, &text);
	if (text.failed)
		turn_fail(o->group);
	else if (turn_put(o->group, SPOOL_PHONE, name, text.p, text.len) != 0)
		records_complain(o, device, "cannot keep its state", strerror(ENOMEM));
	buf_free(&text);
}

void outcome_save(struct records *o, const char *device, unsigned version, struct phone_state *st)
{
	char name[PHONEBOOK_NAME_MAX + 1];

	if (version != 0)
		st->version = version;
	/* It is for the issuing process, which signs for no other. */
	st->authenticated = st->authenticated && st->status == PHONE_PENDING;
	snprintf(name, sizeof name, "%s" PHONEBOOK_STATE, device);
	put(o, device, name, st);
}

/* A change that waits for a lock; its visit may be gone by then. */
struct late_change {
	STAILQ_ENTRY(late_change) entry;
	char device[DEVICE_MAX + 1];
	time_t order;
	unsigned version;
	enum phone_status status;
	unsigned attempts, refusals, sign_hangups;	/* so many more */
	bool other_key;
	char why[PHONE_TEXT_MAX + 1];
};

static void count(unsigned *n, unsigned more)
{
	*n = *n + more < COUNT_MOST ? *n + more : COUNT_MOST;
}

/* 1; 0 when another program has the lock, -1 when there is trouble. */
static int apply(struct records *o, const struct late_change *l)
{
	struct phone p;
	struct phone_state st;
	int result = outcome_lock(o, l->device, l->order, &p, &st);

	explicit_bzero(&p, sizeof p);
	if (result < 0)
		return result + 1;
	/* From an end nothing leads back: only another order does, and those are the administrator's. */
	if (result == 0 || (st.status != PHONE_PENDING && l->status != PHONE_SUCCESSFUL))
		return 1;
	st.status = l->status;
	st.locked = false;
	count(&st.attempts, l->attempts);
	count(&st.sign_hangups, l->sign_hangups);
	if (l->other_key)
		st.refusals = 0;
	count(&st.refusals, l->refusals);
	strcpy(st.reason, l->why);
	outcome_save(o, l->device, l->version, &st);
	return 1;
}

/* One entry for an order, however often its phone comes while another program keeps the lock. */
static void put_off(struct records *o, const struct late_change *change)
{
	struct late_change *l;

	STAILQ_FOREACH(l, &o->late, entry)
		if (l->order == change->order && strcmp(l->device, change->device) == 0)
			break;
	if (l != NULL) {
		if (l->status != PHONE_PENDING && change->status != PHONE_SUCCESSFUL)
			return;
		l->status = change->status;
		count(&l->attempts, change->attempts);
		count(&l->sign_hangups, change->sign_hangups);
		l->other_key = l->other_key || change->other_key;
		if (change->other_key)
			l->refusals = 0;
		else
			count(&l->refusals, change->refusals);
		strcpy(l->why, change->why);
	} else if ((l = malloc(sizeof *l)) != NULL) {
		*l = *change;
		STAILQ_INSERT_TAIL(&o->late, l, entry);
	} else {
		records_complain(o, change->device, "cannot keep its state", strerror(ENOMEM));
		turn_fail(o->group);
	}
}

void outcome_change(struct records *o, const char *device, time_t order, unsigned version,
    const struct outcome_change *change)
{
	struct late_change late = {.order = order, .version = version, .status = change->status,
	    .attempts = change->attempt, .refusals = change->refusal, .sign_hangups = change->sign_hangup,
	    .other_key = change->other_key};
	int result;

	strcpy(late.device, device);
	snprintf(late.why, sizeof late.why, "%s", change->why);
	if ((result = apply(o, &late)) == 0)
		put_off(o, &late);
	/* There may be no end to that: the phone is not told, and comes again. */
	if (result < 0)
		turn_fail(o->group);
}

/* Is there one of this order that is too new to be replaced? What waits for the commit counts. */
static bool noted(struct records *o, const struct phone *p, const char *name)
{
	char text[PHONE_FILE_MAX + 1];
	struct phone_state note;
	struct bytes pending;
	struct reason why;

	if (turn_find(o->group, SPOOL_PHONE, name, &pending) && pending.len < sizeof text) {
		memcpy(text, pending.p, pending.len);
		text[pending.len] = '\0';
		if (phone_state_parse(&note, text, &why) != 0)
			return false;
	} else if (phonebook_note(o->spool, p->device, &note, &why) <= 0)
		return false;
	/* After the clock was set back every note would be too new. */
	return note.order == p->order && note.when <= o->spool->now &&
	    o->spool->now - note.when < OUTCOME_NOTE_SECONDS;
}

void outcome_note(struct records *o, const char *device, unsigned version, const char *why)
{
	struct phone_state st, note = {.status = PHONE_PENDING, .version = version};
	char name[PHONEBOOK_NAME_MAX + 1];
	struct phone_view view;
	struct reason ignored;
	struct phone p;
	int found = outcome_load(o, device, &p, &st, &ignored);

	snprintf(name, sizeof name, "%s" PHONEBOOK_NOTE, device);
	if (found == 1)
		phone_look(&p, &st, records_now(o), &view);
	if (found == 1 && view.status == PHONE_PENDING && !noted(o, &p, name)) {
		note.order = p.order;
		snprintf(note.reason, sizeof note.reason, "%s", why);
		put(o, device, name, &note);
	}
	explicit_bzero(&p, sizeof p);
}

void outcome_retry(struct records *o, size_t most)
{
	struct late_changes still = STAILQ_HEAD_INITIALIZER(still);
	struct late_change *l;

	for (size_t i = 0; i < most && (l = STAILQ_FIRST(&o->late)) != NULL; i++) {
		STAILQ_REMOVE_HEAD(&o->late, entry);
		if (apply(o, l) == 1)
			free(l);
		else
			STAILQ_INSERT_TAIL(&still, l, entry);
	}
	/* The others first, the next time. */
	STAILQ_CONCAT(&o->late, &still);
}

void outcome_forget(struct records *o)
{
	struct late_change *l;

	while ((l = STAILQ_FIRST(&o->late)) != NULL) {
		STAILQ_REMOVE_HEAD(&o->late, entry);
		free(l);
	}
}
