/* SPDX-License-Identifier: ISC */
/* What one session wants of the spool: its phone's record, its proof checked, its certificate, and what
 * became of it written down. */
#ifndef VISIT_H
#define VISIT_H

#include <stdbool.h>
#include <stdint.h>

#include "capf/session.h"

struct orders;
struct visit;

/* One connection's session; number is different for each. NULL when out of memory. */
struct visit *visit_new(struct orders *, void *link, uint64_t number, uint32_t session);
void visit_free(struct visit *);

/* May nothing be sent before hooks->go_on? */
bool visit_held(const struct visit *);
/* What held it is on the disk: an authentication string that was counted has its answer, by hooks->event. */
void visit_resume(struct visit *);
/* Does what a session wants; not SEND, CLOSE and TIMER. True when the answer is there now, valid until the
 * next call; others come by hooks->event. */
bool visit_do(struct visit *, const struct session_action *, struct session_event *answer);

#endif
