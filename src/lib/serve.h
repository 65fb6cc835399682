/* SPDX-License-Identifier: ISC */
/* The server's loop: listeners, signals, turns. */
#ifndef SERVE_H
#define SERVE_H

#include <stddef.h>
#include <time.h>

#include "conf.h"
#include "logline.h"
#include "reason.h"
#include "spool.h"

#define SERVE_LISTENERS_MAX 16

struct server;

/* Everything but listening. Spool and log stay the caller's. clock: what to add to the time of day. NULL with
 * a reason. */
struct server *serve_new(struct spool *, const struct log *, time_t clock, struct reason *);
void serve_free(struct server *);

/* Listens at ADDRESS:PORT, IPv6 in brackets; port 0: any. -1 with a reason. */
int serve_listen(struct server *, const char *address, struct reason *);
/* At the addresses of capf.conf, or what systemd handed over. -1 with a reason. */
int serve_listen_default(struct server *, struct reason *);

/* Until SIGTERM or SIGINT. -1 with a reason. */
int serve_run(struct server *, struct reason *);

#endif
