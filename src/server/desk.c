/* SPDX-License-Identifier: ISC */
#include "server/desk.h"

bool desk_issues(const struct orders *o)
{
	return o->conf->issuer == CONF_ISSUER_CAPF;
}

unsigned desk_bucket(const char *device)
{
	unsigned h = 5381;

	while (*device != '\0')
		h = h * 33 + (unsigned char)*device++;
	return h & (DESK_BUCKETS - 1);
}

time_t desk_now(struct orders *o)
{
	return o->spool->now = time(NULL) + o->clock;
}

void desk_complain(const struct orders *o, const char *device, const char *what, const char *why)
{
	logline_say(o->log, "error", "device", device, "what", what, "why", why, NULL);
}

bool desk_hold(struct visit *v)
{
	if (!v->is_held) {
		TAILQ_INSERT_TAIL(&v->orders->held, v, held);
		v->held_round = v->orders->round;
		v->orders->paused++;
	}
	v->is_held = true;
	return false;
}

void desk_let_go(struct visit *v)
{
	if (!v->is_held)
		return;
	TAILQ_REMOVE(&v->orders->held, v, held);
	v->orders->paused--;
	v->is_held = false;
}

void desk_freshen(struct visit *v)
{
	if (!v->is_fresh) {
		TAILQ_INSERT_TAIL(&v->orders->fresh, v, fresh);
		v->fresh_round = v->orders->round;
		v->orders->paused++;
	}
	v->is_fresh = true;
}

void desk_settle(struct visit *v)
{
	if (!v->is_fresh)
		return;
	TAILQ_REMOVE(&v->orders->fresh, v, fresh);
	v->orders->paused--;
	v->is_fresh = false;
}

void desk_wait(struct visit *v, bool waits)
{
	if (v->trusted && v->waits != waits)
		v->orders->active += waits ? -1u : 1u;
	v->waits = waits;
}
