/* SPDX-License-Identifier: ISC */
/* Asks one CA for many certificates: so many at once, so many a minute, again when it was away, and never twice for one
 * key, whatever dies when (asked.h). */
#ifndef DESK_H
#define DESK_H

#include <poll.h>
#include <stdbool.h>

#include "site/asked.h"
#include "submit/clerk.h"

struct desk;

struct desk_task {
	struct spool *spool;
	struct clerk_task clerk;
	bool again;		/* those that were refused or lost are asked for anew */
	/* What became of a request, once that is durable. The certificate is empty unless it is ISSUED. */
	void (*tell)(void *ctx, const struct asked *, struct bytes certificate);
	void *ctx;
};

/* Starts its processes. NULL with errno. */
struct desk *desk_open(const struct desk_task *);
void desk_close(struct desk *);

/* A request to be asked for: PEM or DER. One that it has already is passed over. -1 with a reason. */
int desk_add(struct desk *, const char *device, const unsigned char spki[REQID_SPKI], struct bytes request,
    struct reason *);
/* Nobody wants this one any more: unless it is with the CA just now, it is not asked about again. */
void desk_forget(struct desk *, const unsigned char spki[REQID_SPKI]);

/* What somebody else found out about one that has its answer, to be written by desk_save. */
void desk_note(struct desk *, const struct asked *);
/* Makes that durable. -1 with errno: it is as it was. */
int desk_save(struct desk *);
/* Begins nothing more. */
void desk_stop(struct desk *);

/* How many have no answer yet; how many of them are in the hands of the CA just now; how many of them wait until later. */
struct desk_count {
	size_t open, asking, later;
};
struct desk_count desk_count(const struct desk *);
/* How many of those that are open the CA has nothing of. */
size_t desk_unasked(const struct desk *);

/* The descriptors to poll, at most ONLINE_PARALLEL_MAX, and in how many milliseconds there is something to do without
 * them; -1: never. */
size_t desk_watch(const struct desk *, struct pollfd *);
int desk_due(const struct desk *);
/* Does what there is to do. -1 with errno when the spool cannot be written: nothing was told that is not there. */
int desk_work(struct desk *);

/* Why nothing goes on: NULL; or what is wrong with the CA or with how we are set up. broken: each request would end
 * alike, until a setting changes. failures: so many in a row came to nothing. */
const char *desk_trouble(const struct desk *, bool *broken, unsigned *failures);

#endif
