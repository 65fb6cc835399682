/* SPDX-License-Identifier: ISC */
/* A phone's record and its state, as a visit reads and changes them: what waits for the commit counts. Who
 * changes a state holds the phone's lock until then, so that several servers count together. */
#ifndef RECORD_H
#define RECORD_H

#include "server/desk.h"

/* As roster_load. */
int record_load(struct orders *, const char *device, struct phone *, struct phone_state *,
    struct reason *);
/* Locks the phone and gives the state of the order that this visit is about, to be changed. 1; 0 when there
 * is another order by now, or none; -1 when somebody else has the lock, or there is trouble. */
int record_lock(struct visit *, struct phone_state *);
/* Goes with the next commit; the lock is held. */
void record_save(struct visit *, struct phone_state *);

/* What became of an order. */
struct record_change {
	enum phone_status status;	/* PHONE_PENDING: nothing is decided */
	unsigned attempts, refusals, sign_hangups;	/* so many more */
	bool other_key;			/* refusals were of a certificate that is history */
	const char *why;
};

/* Writes that down; what is decided already stays, but for a success. While somebody else has the lock it
 * is put off, so only what the spool shows by other files as well, or what may happen twice, comes
 * here. False, for those who end with it: there is no answer. */
bool record_change(struct visit *, const struct record_change *);
/* Keeps, beside the record, why a visit to a pending order ended before the phone was authenticated. Anybody can cause
 * that: a phone has one note, which another does not replace within RECORD_NOTE_SECONDS. */
#define RECORD_NOTE_SECONDS 10
void record_note(struct orders *, const struct phone *, unsigned version, const char *why);
/* Once more what was put off, but no more than so many. */
void record_retry(struct orders *, size_t);
void record_forget(struct orders *);

#endif
