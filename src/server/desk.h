/* SPDX-License-Identifier: ISC */
/* What orders, visit, enrol and record share, and nobody else sees: the desk that all visits come to. */
#ifndef DESK_H
#define DESK_H

#include <stdint.h>
#include <sys/queue.h>
#include <openssl/evp.h>

#include "base/bytes.h"
#include "capf/session.h"
#include "server/hooks.h"
#include "server/logline.h"
#include "site/conf.h"
#include "site/lock.h"
#include "site/phone.h"
#include "spool/spool.h"

#define DESK_BUCKETS 4096	/* a power of two; 10,000 phones that wait make chains of three */

/* What became of an authentication string: see guess. */
enum desk_guess { GUESS_NONE, GUESS_COUNTED, GUESS_RIGHT, GUESS_WRONG };

struct visit {
	struct orders *orders;
	void *link;
	uint64_t number;
	uint32_t session;
	LIST_ENTRY(visit) by_number;
	LIST_ENTRY(visit) by_device;	/* once it has proved who it is */
	TAILQ_ENTRY(visit) held;	/* until the commit */
	TAILQ_ENTRY(visit) fresh;	/* its request, or its certificate, goes with the next commit */
	struct phone *phone;	/* the record, as it was when the phone came */
	struct order order;
	struct stem stem;	/* its request and certificate */
	struct buf key;		/* that our own issuing process signs */
	unsigned asked;		/* how many such processes */
	struct buf der;		/* the certificate, while somebody reads it */
	struct reason why;
	size_t item;		/* of the batch */
	uint64_t held_round, fresh_round;
	uint64_t proved;	/* when it was trusted: ticks_ns() */
	unsigned version;
	enum desk_guess guess;
	unsigned char sent[PHONE_STRING_MAX];	/* the string, until it is compared */
	size_t sent_len;
	bool locked;		/* by this one */
	bool trusted, waits, is_held, is_fresh, issued;
};

LIST_HEAD(desk_chain, visit);
TAILQ_HEAD(desk_queue, visit);
STAILQ_HEAD(desk_lates, desk_late);

struct orders {
	struct spool *spool;
	const struct conf *conf;
	const struct log *log;
	const struct orders_hooks *hooks;
	time_t clock;
	struct shelf *shelf;
	struct group *group;
	struct lock lock;	/* until the commit */
	struct desk_lates late;	/* what waits for a lock that somebody else has */
	struct batch *batch;
	struct trust *trust;
	EVP_PKEY *key;		/* CAPF's own */
	struct issuing *issuing;
	struct desk_chain by_number[DESK_BUCKETS], by_device[DESK_BUCKETS];
	struct desk_queue held, fresh;
	unsigned active, elsewhere;	/* operations that do not wait for a CA, here and with other workers */
	unsigned paused;	/* visits that the next commit is for */
	uint64_t since;		/* when something was first seen to wait for it, or 0 */
	uint64_t round;		/* how many commits there were */
};

/* Is the issuer our own process? */
bool desk_issues(const struct orders *);
unsigned desk_bucket(const char *device);
time_t desk_now(struct orders *);
void desk_complain(const struct orders *, const char *device, const char *what, const char *why);
/* Nothing is said to the phone before the next commit. False, for those who end with it: there is no
 * answer. */
bool desk_hold(struct visit *);
/* That commit was, or the visit ends. */
void desk_let_go(struct visit *);
/* Its request, or its certificate, is part of the next commit. */
void desk_freshen(struct visit *);
/* As desk_let_go. */
void desk_settle(struct visit *);
/* Does it wait for a certificate of a CA? Then it is no active operation. */
void desk_wait(struct visit *, bool);

#endif
