/* SPDX-License-Identifier: ISC */
/* What the sessions of a server want of the spool: records looked up, requests written, certificates found,
 * made and marked as installed. What happens in one turn of the server is made durable together, and
 * nobody is told before. */
#ifndef ORDERS_H
#define ORDERS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "server/hooks.h"
#include "server/issuing.h"
#include "server/logline.h"
#include "site/conf.h"
#include "spool/spool.h"

struct orders;

/* Opens everything that there is to open: trust, certificate. When the settings want an issuing process it
 * takes one that has greeted. Spool, settings, log and hooks stay the caller's. NULL with a reason. clock: what
 * to add to the time of day. */
struct orders *orders_new(struct spool *, const struct conf *, struct issuing *, const struct log *,
    const struct orders_hooks *, time_t clock, struct reason *);
void orders_free(struct orders *);
/* The same again with new settings; when that fails everything is as it was, and the process still the
 * caller's. -1 with a reason. */
int orders_reload(struct orders *, const struct conf *, struct issuing *, struct reason *);

/* Sockets to be watched, or -1: of the spool, and of the issuing process. */
int orders_news_fd(const struct orders *);
int orders_issuing_fd(const struct orders *);
bool orders_issuing_full(const struct orders *);
/* To be called when they can be read or written, and now and then. */
void orders_news(struct orders *);
/* False when the issuing process has ended: there is none then, and those who wait for it go on waiting. */
bool orders_issuing(struct orders *);
/* Another one, which has greeted, is asked for what the last one left. Takes it in any case. -1 with a
 * reason. */
int orders_renew(struct orders *, struct issuing *, struct reason *);
/* A device has proved who it is to another worker: its connections here that are older than that end. */
void orders_overtaken(struct orders *, const char *device, uint64_t when);
/* How many phones have an operation here; and with other workers, which counts for max-operations. */
unsigned orders_count(const struct orders *);
void orders_elsewhere(struct orders *, unsigned);
void orders_poll(struct orders *);
/* At the end of each turn, until it is idle. */
void orders_commit(struct orders *);
/* How long the commit had better wait for others to share it, in microseconds; 0: it is due. */
unsigned orders_patience(struct orders *);
bool orders_idle(const struct orders *);

#endif
