/* SPDX-License-Identifier: ISC */
/* Asks one CA for many certificates: so many at once, so many a minute, again when it was away, and never twice for one
 * key, whatever dies when (asked.h). */
#ifndef QUEUE_H
#define QUEUE_H

#include <poll.h>
#include <stdbool.h>

#include "site/asked.h"
#include "submit/clerk.h"

struct queue;

struct queue_task {
	struct spool *spool;
	struct clerk_task clerk;
	bool again;		/* those that were refused or lost are asked for anew */
	/* What became of a request, once that is durable. The certificate is empty unless it is ISSUED. */
	void (*tell)(void *ctx, const struct asked *, struct bytes certificate);
	void *ctx;
};

/* Starts its processes. NULL with errno. */
struct queue *queue_open(const struct queue_task *);
void queue_close(struct queue *);

/* A request to be asked for: PEM or DER. One that it has already is passed over. -1 with a reason. */
int queue_add(struct queue *, const char *device, const unsigned char spki[REQID_SPKI], struct bytes request,
    struct reason *);
/* Nobody wants this one any more: unless it is with the CA just now, it is not asked about again. */
void queue_forget(struct queue *, const unsigned char spki[REQID_SPKI]);

/* What somebody else found out about one that has its answer, to be written by queue_save. */
void queue_note(struct queue *, const struct asked *);
/* Makes that durable. -1 with errno: it is as it was. */
int queue_save(struct queue *);
/* Begins nothing more. */
void queue_stop(struct queue *);

/* How many have no answer yet; how many of them are in the hands of the CA just now; how many of them wait until later. */
struct queue_count {
	size_t open, asking, later;
};
struct queue_count queue_count(const struct queue *);
/* How many of those that are open the CA has nothing of. */
size_t queue_unasked(const struct queue *);

/* The descriptors to poll, at most ONLINE_PARALLEL_MAX, and in how many milliseconds there is something to do without
 * them; -1: never. */
size_t queue_watch(const struct queue *, struct pollfd *);
int queue_due(const struct queue *);
/* Does what there is to do. -1 with errno when the spool cannot be written: nothing was told that is not there. */
int queue_work(struct queue *);

/* Why nothing goes on: NULL; or what is wrong with the CA or with how we are set up. broken: each request would end
 * alike, until a setting changes. failures: so many in a row came to nothing. */
const char *queue_trouble(const struct queue *, bool *broken, unsigned *failures);

#endif
