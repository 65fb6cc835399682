/* SPDX-License-Identifier: ISC */
#include "capf/session_fetch.h"

void session_fetch_begin(struct session *s, struct session_actions *a)
{
	struct capfmsg m = {.command = CAPFMSG_FETCH_REQUEST};

	if (s->mic) {
		m.cert_type = CAPFMSG_MIC;
		capfmsg_add(&m, CAPFMSG_CERT_TYPE);
	}
	s->state = FETCH;
	if (session_say(s, a, m))
		session_set_timer(a, SESSION_TIMER_MESSAGE);
}

/* The one that was asked for was fetched, or cannot be. */
static void next_fetch(struct session *s, struct session_actions *a, const char *why)
{
	if (s->order.fetch_mic && !s->mic) {
		s->mic = true;
		session_fetch_begin(s, a);
	} else if (s->fetched)
		session_end(s, a, CAPFMSG_NOTHING);
	else
		session_fail(s, a, SESSION_NOT_FETCHED, true, "the phone gave no certificate: %s", why);
}

void session_fetch_on_refused(struct session *s, struct session_actions *a, const char *why)
{
	session_note(a, "the phone gave no %s: %s", s->mic ? "MIC" : "LSC", why);
	next_fetch(s, a, why);
}

void session_fetch_on_response(struct session *s, struct session_actions *a)
{
	const struct capfmsg *m = &s->message;
	uint8_t type = s->mic ? CAPFMSG_MIC : CAPFMSG_LSC;
	struct session_action *one;
	char why[128];

	if (m->certificate.len == 0 || (capfmsg_has(m, CAPFMSG_REASON) && !session_says_done(m))) {
		session_why_not(m, why, sizeof why);
		session_fetch_on_refused(s, a, why);
		return;
	}
	s->state = CHECK;
	one = session_add(a, SESSION_FETCHED);
	one->bytes = m->certificate;
	one->cert_type = capfmsg_has(m, CAPFMSG_CERT_TYPE) ? m->cert_type : type;
	session_set_timer(a, SESSION_TIMER_OUTSIDE);
}

/* One certificate completes the operation. Said before the phone is asked for another: it may hang up there. */
void session_fetch_on_taken(struct session *s, struct session_actions *a)
{
	if (!s->fetched)
		session_add(a, SESSION_FETCH_DONE);
	s->fetched = true;
	next_fetch(s, a, "");
}

void session_fetch_lost(const struct session *s, struct session_loss *l)
{
	if (!s->mic || s->fetched)
		return;
	l->final = true;
	reason_set(&l->why, "the phone gave no LSC, and %s when it was asked for its MIC", l->did);
	l->failure = SESSION_NOT_FETCHED;
}
