/* SPDX-License-Identifier: ISC */
/* A phone's record and its state, as a visit reads and changes them: what waits for the commit counts. Who
 * changes a state holds the phone's lock until then, so that several servers count together. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "server/registry_inside.h"

/* As phonebook_load. */
int outcome_load(struct registry *, const char *device, struct phone *, struct phone_state *,
    struct reason *);
/* Locks the phone and gives the state of the order that this visit is about, to be changed. 1; 0 when there
 * is another order by now, or none; -1 when somebody else has the lock, or there is trouble. */
int outcome_lock(struct client *, struct phone_state *);
/* Goes with the next commit; the lock is held. */
void outcome_save(struct client *, struct phone_state *);

/* What became of an order. */
struct outcome_change {
	enum phone_status status;	/* PHONE_PENDING: nothing is decided */
	unsigned attempts, refusals, sign_hangups;	/* so many more */
	bool other_key;			/* refusals were of a certificate that is history */
	const char *why;
};

/* Writes that down; what is decided already stays, but for a success. While somebody else has the lock it
 * is put off, so only what the spool shows by other files as well, or what may happen twice, comes
 * here. False, for those who end with it: there is no answer. */
bool outcome_change(struct client *, const struct outcome_change *);
/* Keeps, beside the record, why a visit to a pending order ended before the phone was authenticated. Anybody can cause
 * that: a phone has one note, which another does not replace within OUTCOME_NOTE_SECONDS. */
#define OUTCOME_NOTE_SECONDS 10
void outcome_note(struct registry *, const struct phone *, unsigned version, const char *why);
/* Once more what was put off, but no more than so many. */
void outcome_retry(struct registry *, size_t);
void outcome_forget(struct registry *);

#endif
