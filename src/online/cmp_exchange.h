/* SPDX-License-Identifier: ISC */
/* One exchange of messages with a CA that speaks CMP: OpenSSL's context for it, filled with what the settings name, and
 * the transfer through http.h. What it means is for cmp.c. */
#ifndef CMP_EXCHANGE_H
#define CMP_EXCHANGE_H

#include <stdbool.h>
#include <openssl/cmp.h>

#include "base/reason.h"
#include "online/cmp_message.h"
#include "online/http.h"
#include "online/online_ca.h"
#include "x509/secret.h"

#define CMP_MESSAGES_MAX 6	/* of an exchange; OpenSSL asks without end when it is always told to wait */
#define CMP_MESSAGE_MAX (128 * 1024)	/* bytes of an answer; one with a chain of four RSA-4096 has 10 KiB */

/* What the settings name, read once; online_ca.own. */
struct cmp {
	EVP_PKEY *key;			/* ra_key, NULL: the secret protects what we send */
	STACK_OF(X509) *own;		/* ra_certificate, and what comes behind it in that file */
	STACK_OF(X509) *issuers;	/* issuer_file; may be empty with a secret */
	struct secret secret;
	bool greeted;			/* the CA's protection is what we expect */
	char refused[REASON_MAX];	/* how it refused the greeting; "": it did not */
};

/* -1 with a reason. cmp_free frees what there is. */
int cmp_load(struct cmp *, const struct online_settings *, time_t now, struct reason *);
void cmp_free(struct cmp *);

enum cmp_trouble {
	CMP_FINE,		/* there is a message, whatever is in it */
	CMP_UNANSWERED,		/* see http and why */
	CMP_STATUS,		/* see answer */
	CMP_UNREADABLE,		/* see why */
};

struct cmp_exchange {
	OSSL_CMP_CTX *ctx;
	struct online_ca *ca;
	struct cmp_ticket ticket;	/* so far: with what the CA's last message and ours say */
	bool resumed;			/* the request was sent in another exchange */
	bool resuming;			/* the first message is answered by us: see cmp_exchange_open */
	bool left;			/* something left, or may have left */
	unsigned messages;		/* how many left */
	int sent;			/* the body of the last message that did, an enum cmp_body */
	bool other_key;			/* the certificate that came is for another key */
	enum cmp_trouble trouble;	/* of the last message that came */
	enum http_result http;
	struct http_answer answer;	/* without its body */
	struct reason why;
	struct buf der;			/* the last message */
	struct cmp_message message;	/* what is in it; not yet known to be the CA's */
};

/* An exchange under this ticket. OpenSSL cannot restore a context in which a request waits at the CA. So for a ticket that
 * waits, OpenSSL makes the request again, which is not sent: we answer it ourselves as the CA did, with the CA's nonce.
 * OpenSSL then polls. -1 with a reason; cmp_exchange_close frees in any case. */
int cmp_exchange_open(struct cmp_exchange *, struct online_ca *, const struct cmp_ticket *, struct reason *);
void cmp_exchange_close(struct cmp_exchange *);

/* Puts a request in: as it is, or with its name, key and extensions alone when the RA vouches for it. -1 with a
 * reason. */
int cmp_exchange_put(struct cmp_exchange *, const struct csr *, struct reason *);

#endif
