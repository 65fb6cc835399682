/* SPDX-License-Identifier: ISC */
/* From a phone's new key to its certificate: the request that waits for a CA, or our own issuing process,
 * and what becomes of the certificate. */
#ifndef ENROL_H
#define ENROL_H

#include "server/registry_inside.h"
#include "spool/batch.h"

/* SESSION_PREPARE, SESSION_CERTIFY and SESSION_AWAIT. True when the answer is there now. */
bool enrol_prepare(struct client *, const struct session_action *, struct session_event *answer);
bool enrol_certify(struct client *, const struct session_action *, struct session_event *answer);
bool enrol_await(struct client *, struct session_event *answer);
/* Looks for the certificate of the key in v->reqid. 1 with the answer; 0 when it is not there yet. */
int enrol_find(struct client *, struct session_event *answer);

/* Puts its question to the issuing process, once more when that is another one. */
void enrol_ask(struct client *);
/* Something is new in csr/ or lsc/. Who was told of it may be another server, so what it makes void is moved
 * here as well. */
void enrol_arrived(struct registry *, const struct reqid *, enum spool_dir);
/* A certificate that we made: first to the disk, then to the phone. */
void enrol_keep(struct client *, struct bytes der);
/* A request, or a certificate that we made, is in the spool now, or not. */
void enrol_settle_request(struct client *, enum batch_fate);
void enrol_settle_issued(struct client *, bool done);

/* The phone has stored it, or did not. */
bool enrol_installed(struct client *);
bool enrol_store_failed(struct client *, const struct session_action *);

#endif
