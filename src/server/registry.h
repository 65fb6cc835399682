/* SPDX-License-Identifier: ISC */
/* What the sessions of a server want of the spool: records looked up, requests written, certificates found,
 * made and marked as installed. What happens in one turn of the server is made durable together, and
 * nobody is told before. */
#ifndef REGISTRY_H
#define REGISTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/log.h"
#include "server/hooks.h"
#include "server/issuer_process.h"
#include "site/settings.h"
#include "spool/spool.h"

struct records_link;
struct registry;

/* Opens everything that there is to open: trust, certificate. When the settings want an issuing process it
 * takes one that has greeted. Spool, link, settings, log and hooks stay the caller's. NULL with a reason. clock: what
 * to add to the time of day. */
struct registry *registry_new(struct spool *, struct records_link *, const struct settings *, struct issuer *,
    const struct log *, const struct registry_hooks *, time_t clock, struct reason *);
void registry_free(struct registry *);
/* The same again with new settings; when that fails everything is as it was, and the process still the
 * caller's. -1 with a reason. */
int registry_reload(struct registry *, const struct settings *, struct issuer *, struct reason *);

/* Sockets to be watched, or -1: of the spool, and of the issuing process. */
int registry_news_fd(const struct registry *);
int registry_issuing_fd(const struct registry *);
bool registry_issuing_full(const struct registry *);
/* To be called when they can be read or written, and now and then. */
void registry_news(struct registry *);
/* False when the issuing process has ended: there is none then, and those who wait for it go on waiting. */
bool registry_issuing(struct registry *);
/* Another one, which has greeted, is asked for what the last one left. Takes it in any case. -1 with a
 * reason. */
int registry_renew(struct registry *, struct issuer *, struct reason *);
/* A device has proved who it is to another worker: its connections here that are older than that end. */
void registry_overtaken(struct registry *, const char *device, uint64_t when);
/* How many phones have an operation here; and with other workers, which counts for max-operations. */
unsigned registry_count(const struct registry *);
void registry_elsewhere(struct registry *, unsigned);
void registry_poll(struct registry *);
/* Must csr/ and lsc/ be read, for what nobody told? And a part of that; is there more? */
bool registry_read_due(struct registry *);
/* Is that urgent? */
bool registry_read_now(const struct registry *);
bool registry_read(struct registry *);
/* At the end of each turn, until it is idle. */
void registry_commit(struct registry *);
/* How long the commit had better wait for others to share it, in microseconds; 0: it is due. */
unsigned registry_patience(struct registry *);
bool registry_idle(const struct registry *);

#endif
