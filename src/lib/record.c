/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "group.h"
#include "record.h"
#include "roster.h"

int record_load(struct orders *o, const char *device, struct phone *p, struct phone_state *st,
    struct reason *why)
{
	char name[ROSTER_NAME_MAX + 1], text[PHONE_FILE_MAX + 1];
	struct bytes pending;
	int result = roster_load(o->spool, device, p, st, why);

	snprintf(name, sizeof name, "%s" ROSTER_STATE, device);
	if (result == 1 && group_find(o->group, SPOOL_PHONE, name, &pending) &&
	    pending.len < sizeof text) {
		memcpy(text, pending.p, pending.len);
		text[pending.len] = '\0';
		result = phone_state_parse(st, text, why) == 0 ? 1 : -1;
	}
	/* What became of another order is history. */
	if (result == 1 && st->scheduled != p->scheduled)
		*st = (struct phone_state){.scheduled = p->scheduled, .status = PHONE_PENDING,
		    .version = st->version};
	return result;
}

bool record_again(struct visit *v, struct phone_state *st)
{
	struct phone p;
	struct reason why;
	bool same = record_load(v->orders, v->phone->device, &p, st, &why) == 1 &&
	    p.scheduled == v->phone->scheduled;

	explicit_bzero(&p, sizeof p);
	return same;
}

void record_save(struct visit *v, struct phone_state *st)
{
	char name[ROSTER_NAME_MAX + 1];
	struct buf text = {0};

	st->when = desk_now(v->orders);
	if (v->version != 0)
		st->version = v->version;
	snprintf(name, sizeof name, "%s" ROSTER_STATE, v->phone->device);
	phone_state_format(st, &text);
	if (text.failed || group_put(v->orders->group, SPOOL_PHONE, name, text.p, text.len) != 0)
		desk_complain(v->orders, v->phone->device, "cannot keep its state", strerror(ENOMEM));
	buf_free(&text);
}

bool record_conclude(struct visit *v, enum phone_status status, const char *why)
{
	struct phone_state st;

	if (!record_again(v, &st))
		return false;
	st.status = status;
	snprintf(st.reason, sizeof st.reason, "%s", why);
	record_save(v, &st);
	return desk_hold(v);
}
