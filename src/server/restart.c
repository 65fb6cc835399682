/* SPDX-License-Identifier: ISC */
#include "server/restart.h"

#define CALM_MS 60000		/* it has lived long enough: what comes is no series */
#define DELAY_MOST_MS 60000

void restart_begin(struct restart *r, long long now)
{
	r->started = now;
	r->due = 0;
}

void restart_put_off(struct restart *r, long long now)
{
	if (now - r->started >= CALM_MS)
		r->delay = 0;
	else if (r->delay == 0)
		r->delay = 1000;
	else
		r->delay = 2 * r->delay < DELAY_MOST_MS ? 2 * r->delay : DELAY_MOST_MS;
	r->due = now + r->delay;
	/* 0 is never. */
	r->due += r->due == 0;
}

bool restart_is_due(const struct restart *r, long long now)
{
	return r->due != 0 && r->due <= now;
}

void restart_cancel(struct restart *r)
{
	r->due = r->delay = 0;
}
