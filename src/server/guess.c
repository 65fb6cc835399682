/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "server/guess.h"
#include "server/outcome.h"
#include "x509/phone_auth.h"

/* What phone-list shows of so many wrong strings, and whether they lock the order. */
static void mark(const struct client *v, struct phone_state *st)
{
	unsigned tries = v->orders->settings->string_tries;

	st->locked = st->wrong_strings >= tries;
	st->status = st->locked ? PHONE_FAILED : PHONE_PENDING;
	if (st->locked)
		snprintf(st->reason, sizeof st->reason, "locked: %u wrong authentication strings; phone-set --operation %s "
		    "with a new string unlocks it", st->wrong_strings, phone_operations[v->phone->operation]);
	else if (st->wrong_strings > 0)
		snprintf(st->reason, sizeof st->reason, "wrong authentication string, %u of %u tries used",
		    st->wrong_strings, tries);
	else
		*st->reason = '\0';
}

int guess_begin(struct client *v, struct bytes password, struct reason *why)
{
	struct phone_state st;
	int result;

	if (password.len == 0)
		return reason_set(why, "no authentication string");
	/* Another connection may have come to the last try since LOOK_UP. */
	if ((result = outcome_lock(v, &st)) < 0)
		return reason_set(why, "its record is locked by another program") - 1;
	if (result == 0 || st.status != PHONE_PENDING)
		return reason_set(why, "the operation is over");
	/* The setting may be lower than it was when the others were counted. */
	if (st.wrong_strings >= v->orders->settings->string_tries) {
		mark(v, &st);
		outcome_save(v, &st);
		return reason_set(why, "the operation is locked");
	}
	st.wrong_strings++;
	mark(v, &st);
	outcome_save(v, &st);
	v->sent_len = password.len;
	/* One that is too long is compared by its length alone. */
	if (password.len <= sizeof v->sent)
		memcpy(v->sent, password.p, password.len);
	v->guess = GUESS_COUNTED;
	registry_hold(v);
	return 0;
}

/* True when it was right, and so is taken back. */
static bool compare(struct client *v)
{
	struct phone_state st;
	/* The lock is ours since it was counted, but another connection here may have ended the order. */
	int result = outcome_lock(v, &st);
	bool right = result == 1 && (st.status == PHONE_PENDING || st.locked) &&
	    phone_auth_string_equal(phone_string(v->phone, &st), (struct bytes){v->sent, v->sent_len});

	explicit_bzero(v->sent, sizeof v->sent);
	if (result < 0)
		return false;
	v->guess = right ? GUESS_RIGHT : GUESS_WRONG;
	v->locked = result == 1 && st.locked;
	if (!right)
		return false;
	st.wrong_strings--;
	mark(v, &st);
	outcome_save(v, &st);
	return true;
}

bool guess_compare(struct registry *o, uint64_t round)
{
	bool any = false;
	struct client *v;

	TAILQ_FOREACH(v, &o->held, held)
		if (v->held_round == round && v->guess == GUESS_COUNTED)
			any = compare(v) || any;
	return any;
}
