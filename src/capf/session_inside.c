/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "capf/session_inside.h"

struct session_action *session_add(struct session_actions *a, enum session_action_type type)
{
	struct session_action *one = &a->list[a->count];

	/* No step takes more than six. */
	if (a->count < SESSION_ACTIONS_MAX - 1)
		a->count++;
	*one = (struct session_action){.type = type};
	return one;
}

void session_note(struct session_actions *a, const char *fmt, ...)
{
	struct session_action *one = session_add(a, SESSION_NOTE);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(one->why.text, sizeof one->why.text, fmt, ap);
	va_end(ap);
}

void session_set_timer(struct session_actions *a, enum session_timer which)
{
	session_add(a, SESSION_TIMER)->timer = which;
}

void session_forget(struct session *s)
{
	if (s->kept.p != NULL)
		explicit_bzero(s->kept.p, s->kept.cap);
	buf_free(&s->kept);
}

/* Nothing more will be said, not even good-bye. */
static void leave(struct session *s, struct session_actions *a)
{
	session_add(a, SESSION_CLOSE);
	s->state = OVER;
	session_forget(s);
}

bool session_say(struct session *s, struct session_actions *a, struct capfmsg m)
{
	struct session_action *one;
	struct reason r;

	m.session = s->id;
	if (capfmsg_encode(&m, &s->out, &r) < 0) {
		one = session_add(a, SESSION_FAILED);
		one->failure = SESSION_NO_MEMORY;
		one->device = s->device;
		one->why = r;
		leave(s, a);
		return false;
	}
	session_add(a, SESSION_SEND)->bytes = (struct bytes){s->out.p, s->out.len};
	return true;
}

void session_end(struct session *s, struct session_actions *a, uint8_t reason)
{
	struct capfmsg m = {.command = CAPFMSG_END, .reason = reason};

	capfmsg_add(&m, CAPFMSG_REASON);
	if (session_say(s, a, m))
		leave(s, a);
}

/* The LSC has completed the operation: what happens to the MIC afterwards is a note. */
static void without_mic(struct session_actions *a, const char *why)
{
	session_note(a, "the LSC is here, the MIC is not: %s", why);
}

/* The record first, then the phone. */
void session_fail(struct session *s, struct session_actions *a, enum session_failure failure,
    bool final, const char *fmt, ...)
{
	struct session_action *one;
	struct reason why;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why.text, sizeof why.text, fmt, ap);
	va_end(ap);
	if (s->fetched) {
		without_mic(a, why.text);
		session_end(s, a, CAPFMSG_NOTHING);
		return;
	}
	one = session_add(a, SESSION_FAILED);
	reason_set(&one->why, "%s", why.text);
	one->failure = failure;
	one->final = final;
	one->device = s->device;
	session_end(s, a, CAPFMSG_REFUSED);
}

void session_lose(struct session *s, struct session_actions *a, const struct session_loss *l)
{
	struct session_action *one;

	if (s->fetched) {
		without_mic(a, l->why.text);
	} else {
		one = session_add(a, SESSION_FAILED);
		one->failure = l->failure;
		one->final = l->final;
		one->device = s->device;
		one->why = l->why;
	}
	leave(s, a);
}

bool session_keep(struct session *s, struct session_actions *a, struct bytes b)
{
	session_forget(s);
	buf_put(&s->kept, b.p, b.len);
	if (!s->kept.failed)
		return true;
	session_fail(s, a, SESSION_NO_MEMORY, false, "out of memory");
	return false;
}

struct bytes session_kept(const struct session *s)
{
	return (struct bytes){s->kept.p, s->kept.len};
}

void session_why_not(const struct capfmsg *m, char *out, size_t size)
{
	char reason[16] = "no reason";

	if (capfmsg_has(m, CAPFMSG_REASON))
		snprintf(reason, sizeof reason, "reason %u", m->reason);
	snprintf(out, size, "%s%s%.*s", reason, m->reason_info.len > 0 ? ": " : "",
	    (int)(m->reason_info.len < 100 ? m->reason_info.len : 100),
	    m->reason_info.len > 0 ? (const char *)m->reason_info.p : "");
}

bool session_says_done(const struct capfmsg *m)
{
	return capfmsg_has(m, CAPFMSG_REASON) && m->reason == CAPFMSG_DONE;
}
