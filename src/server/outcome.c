/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/outcome.h"
#include "server/turn.h"
#include "site/phonebook.h"

int outcome_load(struct registry *o, const char *device, struct phone *p, struct phone_state *st,
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

/* The lock, then the state. 1, 0 or -1 as outcome_lock; -2 when there is trouble. */
static int lock(struct registry *o, const char *device, time_t order, struct phone_state *st)
{
	int result = phone_lock_try(&o->lock, device);
	struct reason why;
	struct phone p;

	if (result < 0)
		registry_complain(o, device, "cannot lock its record", strerror(errno));
	if (result <= 0)
		return result - 1;
	/* What cannot be read cannot be changed, and the phone must not be told that it was. */
	if ((result = outcome_load(o, device, &p, st, &why)) < 0) {
		registry_complain(o, device, "cannot read its record", why.text);
		if (why.trouble)
			return -2;
		turn_fail(o->group);
	}
	result = result == 1 && p.order == order;
	explicit_bzero(&p, sizeof p);
	return result;
}

static void put(struct registry *o, const char *device, const char *name, struct phone_state *st)
{
	struct buf text = {0};

	st->when = registry_now(o);
	phone_state_format(st, &text);
	if (text.failed)
		turn_fail(o->group);
	else if (turn_put(o->group, SPOOL_PHONE, name, text.p, text.len) != 0)
		registry_complain(o, device, "cannot keep its state", strerror(ENOMEM));
	buf_free(&text);
}

static void save(struct registry *o, const char *device, unsigned version, struct phone_state *st)
{
	char name[PHONEBOOK_NAME_MAX + 1];

	if (version != 0)
		st->version = version;
	snprintf(name, sizeof name, "%s" PHONEBOOK_STATE, device);
	put(o, device, name, st);
}

int outcome_lock(struct client *v, struct phone_state *st)
{
	int result = lock(v->orders, v->phone->device, v->phone->order, st);

	return result < 0 ? -1 : result;
}

void outcome_save(struct client *v, struct phone_state *st)
{
	save(v->orders, v->phone->device, v->version, st);
}

/* A change that waits for a lock; its visit may be gone by then. */
struct late_change {
	STAILQ_ENTRY(late_change) entry;
	char device[DEVICE_MAX + 1];
	time_t order;
	unsigned version;
	struct outcome_change change;
	char why[PHONE_TEXT_MAX + 1];
};

/* 1; 0 when somebody else has the lock, -1 when there is trouble. */
static int apply(struct registry *o, const struct late_change *l)
{
	struct phone_state st;
	int result = lock(o, l->device, l->order, &st);

	if (result < 0)
		return result + 1;
	if (result == 0 || (st.status != PHONE_PENDING && l->change.status != PHONE_SUCCESSFUL))
		return 1;
	st.status = l->change.status;
	st.locked = false;
	st.attempts += l->change.attempts;
	st.sign_hangups += l->change.sign_hangups;
	st.refusals = (l->change.other_key ? 0 : st.refusals) + l->change.refusals;
	strcpy(st.reason, l->why);
	save(o, l->device, l->version, &st);
	return 1;
}

/* One entry for an order, however often its phone comes while somebody keeps the lock. */
static void put_off(struct registry *o, const struct late_change *change)
{
	struct late_change *l;

	STAILQ_FOREACH(l, &o->late, entry)
		if (l->order == change->order && strcmp(l->device, change->device) == 0)
			break;
	if (l != NULL) {
		struct outcome_change sum = l->change;

		if (sum.status != PHONE_PENDING && change->change.status != PHONE_SUCCESSFUL)
			return;
		sum.status = change->change.status;
		sum.attempts += change->change.attempts;
		sum.sign_hangups += change->change.sign_hangups;
		sum.other_key = sum.other_key || change->change.other_key;
		sum.refusals = change->change.other_key ? 0 : sum.refusals + change->change.refusals;
		strcpy(l->why, change->why);
		l->change = sum;
	} else if ((l = malloc(sizeof *l)) != NULL) {
		*l = *change;
		STAILQ_INSERT_TAIL(&o->late, l, entry);
	} else {
		registry_complain(o, change->device, "cannot keep its state", strerror(ENOMEM));
		turn_fail(o->group);
	}
}

bool outcome_change(struct client *v, const struct outcome_change *change)
{
	struct late_change late = {.order = v->phone->order, .version = v->version,
	    .change = *change};
	int result;

	strcpy(late.device, v->phone->device);
	snprintf(late.why, sizeof late.why, "%s", change->why);
	if ((result = apply(v->orders, &late)) == 0)
		put_off(v->orders, &late);
	/* There may be no end to that: the phone is not told, and comes again. */
	if (result < 0)
		turn_fail(v->orders->group);
	return registry_hold(v);
}

/* Is there one of this order that is too new to be replaced? What waits for the commit counts. */
static bool noted(struct registry *o, const struct phone *p, const char *name)
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

void outcome_note(struct registry *o, const struct phone *p, unsigned version, const char *why)
{
	struct phone_state note = {.order = p->order, .status = PHONE_PENDING, .version = version};
	char name[PHONEBOOK_NAME_MAX + 1];

	registry_now(o);
	snprintf(name, sizeof name, "%s" PHONEBOOK_NOTE, p->device);
	if (noted(o, p, name))
		return;
	snprintf(note.reason, sizeof note.reason, "%s", why);
	put(o, p->device, name, &note);
}

void outcome_retry(struct registry *o, size_t most)
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

void outcome_forget(struct registry *o)
{
	struct late_change *l;

	while ((l = STAILQ_FIRST(&o->late)) != NULL) {
		STAILQ_REMOVE_HEAD(&o->late, entry);
		free(l);
	}
}
