/* SPDX-License-Identifier: ISC */
/* Takes certificates that a CA sent into the spool just as cert-import does: judged in processes that can do nothing
 * else, by the same rules, one commit for all of a turn. */
#ifndef INTAKE_H
#define INTAKE_H

#include "site/import.h"
#include "spool/spool.h"

struct intake;

/* clock: what to add to the time of day. NULL when out of memory. */
struct intake *intake_new(struct spool *, time_t clock);
void intake_free(struct intake *);

/* A certificate for this request. -1 when out of memory. */
int intake_put(struct intake *, const struct reqid *, struct bytes der);
/* Takes back all that was put in. */
void intake_forget(struct intake *);
size_t intake_count(const struct intake *);
/* Takes all, and says of each what became of it; nothing is left. What is said is durable. -1 with a reason: of those
 * that were not said nothing is known, and they can be put again. */
int intake_commit(struct intake *, void (*said)(void *ctx, const struct reqid *, const struct imported *), void *ctx,
    struct reason *);

#endif
