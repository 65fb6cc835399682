/* SPDX-License-Identifier: ISC */
#include "base/hash.h"
#include "server/registry_inside.h"

bool registry_issues(const struct registry *o)
{
	return o->settings->issuer == SETTINGS_ISSUER_CAPF;
}

unsigned registry_bucket(const char *device)
{
	return hash_name(device, 0) & (REGISTRY_BUCKETS - 1);
}

time_t registry_now(struct registry *o)
{
	return o->spool->now = time(NULL) + o->clock;
}

void registry_complain(const struct registry *o, const char *device, const char *what, const char *why)
{
	log_say(o->log, "error", "device", device, "what", what, "why", why, NULL);
}

bool registry_hold(struct client *v)
{
	if (!v->is_held) {
		TAILQ_INSERT_TAIL(&v->orders->held, v, held);
		v->held_round = v->orders->round;
		v->orders->paused++;
	}
	v->is_held = true;
	return false;
}

void registry_let_go(struct client *v)
{
	if (!v->is_held)
		return;
	TAILQ_REMOVE(&v->orders->held, v, held);
	v->orders->paused--;
	v->is_held = false;
}

void registry_freshen(struct client *v)
{
	if (!v->is_fresh) {
		TAILQ_INSERT_TAIL(&v->orders->fresh, v, fresh);
		v->fresh_round = v->orders->round;
		v->orders->paused++;
	}
	v->is_fresh = true;
}

void registry_settle(struct client *v)
{
	if (!v->is_fresh)
		return;
	TAILQ_REMOVE(&v->orders->fresh, v, fresh);
	v->orders->paused--;
	v->is_fresh = false;
}

void registry_wait(struct client *v, bool waits)
{
	if (v->trusted && v->waits != waits)
		v->orders->active += waits ? -1u : 1u;
	v->waits = waits;
}
