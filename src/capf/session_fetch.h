/* SPDX-License-Identifier: ISC */
/* The operation fetch: the phone sends the LSC that it has, then its MIC when the settings want that too. */
#ifndef SESSION_FETCH_H
#define SESSION_FETCH_H

#include "capf/session_inside.h"

void session_fetch_begin(struct session *, struct session_actions *);
/* FETCH_RESPONSE. */
void session_fetch_on_response(struct session *, struct session_actions *);
/* What it sent is a certificate, and kept; or not. */
void session_fetch_on_taken(struct session *, struct session_actions *);
void session_fetch_on_refused(struct session *, struct session_actions *, const char *why);
/* In FETCH: changes how it ends, where that is not as in other states. */
void session_fetch_lost(const struct session *, struct session_loss *);

#endif
