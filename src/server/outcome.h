/* SPDX-License-Identifier: ISC */
/* In the records process: phones' records and states, read and changed. What waits for the commit counts. Who
 * changes a state holds the phone's lock until then, so that several servers count together. A change is an event
 * of a visit; the state that follows is made here, and never an order. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <sys/queue.h>

#include "server/records_packet.h"
#include "server/unknown_record.h"
#include "spool/turn.h"
#include "site/phone.h"
#include "site/phone_lock.h"
#include "spool/spool.h"

STAILQ_HEAD(late_changes, late_change);
struct guess;

struct records {
	struct spool *spool;
	time_t clock;
	unsigned string_tries;
	struct turn *group;
	struct phone_lock lock;	/* until the commit */
	struct late_changes late;	/* what waits for a lock that another program has */
	struct guess *guess;	/* strings that are counted, and not compared before the commit */
	size_t guesses, guess_cap;
	struct unknown_record unknown;
	struct records_reply *reply;	/* to the request of now */
};

time_t records_now(struct records *);
/* Something for the worker's log. */
void records_complain(struct records *, const char *device, const char *what, const char *why);

/* As phonebook_load. */
int outcome_load(struct records *, const char *device, struct phone *, struct phone_state *, struct reason *);
/* Locks the phone and gives its record and the state of this order, to be changed; the caller wipes the record. 1; 0
 * when there is another order by now, or none; -1 when another program has the lock, -2 when there is trouble. */
int outcome_lock(struct records *, const char *device, time_t order, struct phone *, struct phone_state *);
/* Goes with the next commit; the lock is held. A version of 0 is not known. */
void outcome_save(struct records *, const char *device, unsigned version, struct phone_state *);

/* Writes down what became of an order; what is decided already stays, but for a success. While another program has
 * the lock it is put off, so only what the spool shows by other files as well, or what may happen twice, comes here. */
void outcome_change(struct records *, const char *device, time_t order, unsigned version, const struct outcome_change *);
/* Keeps, beside the record, why a visit to a pending order ended before the phone was authenticated. Anybody can cause
 * that: a phone has one note, which another does not replace within OUTCOME_NOTE_SECONDS. */
#define OUTCOME_NOTE_SECONDS 10
void outcome_note(struct records *, const char *device, unsigned version, const char *why);
/* Once more what was put off, but no more than so many. */
void outcome_retry(struct records *, size_t);
void outcome_forget(struct records *);

#endif
