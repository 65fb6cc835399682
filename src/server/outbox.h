/* SPDX-License-Identifier: ISC */
/* What a phone is sent: whole messages, each in a record of TLS of its own, which wait here until the phone takes
 * them. */
#ifndef OUTBOX_H
#define OUTBOX_H

#include "base/bytes.h"
#include "net/tls.h"

struct outbox {
	struct buf messages;	/* each with its length before it */
	enum tls_result waits;	/* what TLS waits for before it can go on; TLS_DONE: for nothing */
};

/* Out of memory is found by outbox_failed. */
void outbox_put(struct outbox *, struct bytes message);
bool outbox_failed(const struct outbox *);
bool outbox_empty(const struct outbox *);
/* Sends what it can. TLS_DONE: that was all; TLS_WANT_READ, TLS_WANT_WRITE: the rest later; others: the phone is
 * gone, and the rest is thrown away. some: a whole message was sent. */
enum tls_result outbox_send(struct outbox *, struct tls *, bool *some);
void outbox_free(struct outbox *);

#endif
