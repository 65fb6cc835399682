/* SPDX-License-Identifier: ISC */
/* What the sessions of a server want of the spool: records looked up, requests written, certificates found,
 * made and marked as installed. What happens in one turn of the server is made durable together, and
 * nobody is told before. */
#ifndef ORDERS_H
#define ORDERS_H

#include <stdint.h>

#include "conf.h"
#include "logline.h"
#include "session.h"
#include "spool.h"

/* What orders tell a connection. */
struct orders_hooks {
	/* An answer that took its time. */
	void (*event)(void *link, const struct session_event *);
	/* What it was held for is durable; or not, and then nothing may be said to the phone. */
	void (*go_on)(void *link, bool done);
	/* It must end: the phone is here once more, or its time is over. */
	void (*drop)(void *link, const char *why);
};

struct orders;
struct visit;

/* Opens everything that there is to open: trust, certificate, issuing process. Spool, log and hooks stay
 * the caller's. NULL with a reason. clock: what to add to the time of day. */
struct orders *orders_new(struct spool *, const struct conf *, const struct log *,
    const struct orders_hooks *, time_t clock, struct reason *);
void orders_free(struct orders *);
/* The same again with new settings; when that fails everything is as it was. -1 with a reason. */
int orders_reload(struct orders *, const struct conf *, struct reason *);

/* Sockets to be watched, or -1: of the spool, and of the issuing process. */
int orders_news_fd(const struct orders *);
int orders_issuing_fd(const struct orders *);
bool orders_issuing_full(const struct orders *);
/* To be called when they can be read or written, and now and then. */
void orders_news(struct orders *);
void orders_issuing(struct orders *);
void orders_poll(struct orders *);
/* At the end of each turn, until it is idle. */
void orders_commit(struct orders *);
bool orders_idle(const struct orders *);

/* One connection's session; number is different for each. NULL when out of memory. */
struct visit *visit_new(struct orders *, void *link, uint64_t number, uint32_t session);
void visit_free(struct visit *);

/* May nothing be sent before hooks->go_on? */
bool visit_held(const struct visit *);
/* Does what a session wants; not SEND, CLOSE and TIMER. True when the answer is there now, valid until the
 * next call; others come by hooks->event. */
bool visit_do(struct visit *, const struct session_action *, struct session_event *answer);

#endif
