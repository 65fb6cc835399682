/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/guess.h"
#include "x509/phone_auth.h"

struct guess {
	uint64_t number;
	char device[DEVICE_MAX + 1];
	time_t order;
	unsigned version;
	unsigned char sent[AUTH_STRING_MAX];
	size_t len;
};

/* What phone-list shows of so many wrong strings, and whether they lock the order. */
static void mark(const struct records *o, const struct phone *p, struct phone_state *st)
{
	st->locked = st->wrong_strings >= o->string_tries;
	st->status = st->locked ? PHONE_FAILED : PHONE_PENDING;
	if (st->locked)
		snprintf(st->reason, sizeof st->reason, "locked after %u wrong strings: phone-set --operation %s --generate %s",
		    st->wrong_strings, phone_operations[p->operation], p->device);
	else if (st->wrong_strings > 0)
		snprintf(st->reason, sizeof st->reason, "wrong authentication string, %u of %u tries used",
		    st->wrong_strings, o->string_tries);
	else
		*st->reason = '\0';
}

/* A place for one more. False when there is none now. */
static bool grow(struct records *o)
{
	size_t cap = o->guess_cap > 0 ? o->guess_cap * 2 : 16;
	struct guess *grown;

	if (o->guesses < o->guess_cap)
		return true;
	if (o->guesses >= RECORDS_GUESSES_MAX || (grown = calloc(cap, sizeof *grown)) == NULL)
		return false;
	/* Not realloc, which leaves strings where they were. */
	if (o->guesses > 0) {
		memcpy(grown, o->guess, o->guesses * sizeof *grown);
		explicit_bzero(o->guess, o->guesses * sizeof *grown);
	}
	free(o->guess);
	o->guess = grown;
	o->guess_cap = cap;
	return true;
}

static int count(struct records *o, const struct records_request *q, const struct phone *p, struct phone_state *st,
    struct reason *why)
{
	struct guess *g;

	if (p->auth != PHONE_BY_STRING || st->status != PHONE_PENDING)
		return reason_set(why, "the operation is over");
	/* The setting may be lower than it was when the others were counted. */
	if (st->wrong_strings >= o->string_tries) {
		mark(o, p, st);
		outcome_save(o, q->device, q->version, st);
		return reason_set(why, "the operation is locked");
	}
	st->wrong_strings++;
	mark(o, p, st);
	outcome_save(o, q->device, q->version, st);
	g = &o->guess[o->guesses++];
	*g = (struct guess){.number = q->number, .order = q->order, .version = q->version, .len = q->password.len};
	strcpy(g->device, q->device);
	/* One that is too long is compared by its length alone. */
	if (g->len <= sizeof g->sent)
		memcpy(g->sent, q->password.p, g->len);
	return 0;
}

int guess_begin(struct records *o, const struct records_request *q, struct reason *why)
{
	struct phone_state st;
	struct phone p;
	int result;

	if (q->password.len == 0)
		return reason_set(why, "no authentication string");
	if (!grow(o))
		return reason_set(why, "too many authentication strings at once") - 1;
	/* Another connection may have come to the last try since the record was looked at. */
	if ((result = outcome_lock(o, q->device, q->order, &p, &st)) < 0)
		reason_set(why, "its record is locked by another program");
	else if (result == 0)
		reason_set(why, "the operation is over");
	else
		result = count(o, q, &p, &st, why) == 0 ? 1 : 0;
	explicit_bzero(&p, sizeof p);
	return result == 1 ? 0 : result < 0 ? -2 : -1;
}

/* True when it was right, and so is taken back. */
static bool compare(struct records *o, const struct guess *g, enum records_guess *what)
{
	struct phone_state st;
	struct phone p;
	/* The lock is ours since it was counted, but another connection here may have ended the order. */
	int result = outcome_lock(o, g->device, g->order, &p, &st);
	bool right = result == 1 && (st.status == PHONE_PENDING || st.locked) &&
	    phone_auth_string_equal(phone_string(&p, &st), (struct bytes){g->sent, g->len});

	*what = result < 0 ? RECORDS_UNREAD : right ? RECORDS_RIGHT :
	    result == 1 && st.locked ? RECORDS_LOCKED : RECORDS_WRONG;
	if (right) {
		st.wrong_strings--;
		mark(o, &p, &st);
		st.authenticated = true;
		outcome_save(o, g->device, g->version, &st);
	}
	explicit_bzero(&p, sizeof p);
	return right;
}

void guess_forget(struct records *o)
{
	if (o->guesses > 0)
		explicit_bzero(o->guess, o->guesses * sizeof *o->guess);
	o->guesses = 0;
}

bool guess_compare(struct records *o, struct buf *answers)
{
	enum records_guess what;
	bool any = false;

	for (size_t i = 0; i < o->guesses; i++) {
		any = compare(o, &o->guess[i], &what) || any;
		buf_put_u64(answers, o->guess[i].number);
		buf_put_u8(answers, (uint8_t)what);
	}
	guess_forget(o);
	return any;
}
