/* SPDX-License-Identifier: ISC */
/* What one session wants of the spool: its phone's record, its proof checked, its certificate, and what
 * became of it written down. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "capf/session.h"

struct registry;
struct client;

/* One connection's session; number is different for each. NULL when out of memory. */
struct client *client_new(struct registry *, void *link, uint64_t number, uint32_t session);
void client_free(struct client *);

/* May nothing be sent before hooks->go_on? */
bool client_held(const struct client *);
/* What held it is on the disk: an authentication string that was counted has its answer, by hooks->event. */
void client_resume(struct client *);
/* Does what a session wants; not SEND, CLOSE and TIMER. True when the answer is there now, valid until the
 * next call; others come by hooks->event. */
bool client_do(struct client *, const struct session_action *, struct session_event *answer);

#endif
