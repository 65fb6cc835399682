/* SPDX-License-Identifier: ISC */
/* The registry from within: the state of all visits, which registry_inside.c, client.c and records_link.c share. */
#ifndef REGISTRY_INSIDE_H
#define REGISTRY_INSIDE_H

#include <stdint.h>
#include <sys/queue.h>
#include <openssl/evp.h>

#include "base/auth_string.h"
#include "base/bytes.h"
#include "base/log.h"
#include "capf/session.h"
#include "server/hooks.h"
#include "site/phone.h"
#include "site/settings.h"
#include "spool/spool.h"

#define REGISTRY_BUCKETS 4096	/* a power of two; 10,000 phones that wait make chains of three */

/* What became of an authentication string. */
enum registry_guess { GUESS_NONE, GUESS_COUNTED, GUESS_RIGHT, GUESS_WRONG };

struct client {
	struct registry *orders;
	void *link;
	uint64_t number;
	uint32_t session;
	LIST_ENTRY(client) by_number;
	LIST_ENTRY(client) by_device;	/* once it has proved who it is */
	TAILQ_ENTRY(client) held;	/* until the commit */
	TAILQ_ENTRY(client) fresh;	/* its request, or its certificate, goes with the next commit */
	struct phone *phone;	/* the record, as it was when the phone came; never its string */
	struct order order;
	struct reqid reqid;	/* its request and certificate */
	struct buf key;		/* that our own issuing process signs */
	struct buf proof;	/* by a certificate, for that process */
	unsigned asked;		/* how many such processes */
	struct buf der;		/* the certificate, while somebody reads it */
	struct reason why;
	size_t item;		/* of the batch */
	uint64_t held_round, fresh_round;
	uint64_t proved;	/* when it was trusted: monotime_ns() */
	unsigned version;
	enum registry_guess guess;
	bool locked;		/* by this one */
	bool trusted, waits, is_held, is_fresh, issued;
};

LIST_HEAD(registry_chain, client);
TAILQ_HEAD(registry_queue, client);

struct registry {
	struct spool *spool;
	const struct settings *settings;
	const struct log *log;
	const struct registry_hooks *hooks;
	time_t clock;
	struct spool_watch *watch;
	struct turn *group;
	struct records_link *records;	/* the worker's */
	struct batch *batch;
	struct trust *trust;
	EVP_PKEY *key;		/* CAPF's own */
	struct issuer *issuing;
	struct registry_chain by_number[REGISTRY_BUCKETS], by_device[REGISTRY_BUCKETS];
	struct registry_queue held, fresh;
	unsigned active, elsewhere;	/* operations that do not wait for a CA, here and with other workers */
	unsigned paused;	/* visits that the next commit is for */
	uint64_t since;		/* when something was first seen to wait for it, or 0 */
	uint64_t round;		/* how many commits there were */
};

/* Is the issuer our own process? */
bool registry_issues(const struct registry *);
unsigned registry_bucket(const char *device);
time_t registry_now(struct registry *);
void registry_complain(const struct registry *, const char *device, const char *what, const char *why);
/* Nothing is said to the phone before the next commit. False, for those who end with it: there is no
 * answer. */
bool registry_hold(struct client *);
/* That commit was, or the visit ends. */
void registry_let_go(struct client *);
/* Its request, or its certificate, is part of the next commit. */
void registry_freshen(struct client *);
/* As registry_let_go. */
void registry_settle(struct client *);
/* Does it wait for a certificate of a CA? Then it is no active operation. */
void registry_wait(struct client *, bool);

#endif
