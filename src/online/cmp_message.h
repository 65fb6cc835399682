/* SPDX-License-Identifier: ISC */
/* Messages of CMP, RFC 4210 5.1, as far as OpenSSL keeps to itself what is in them, and the tickets by which a later
 * process goes on. Pure: no OpenSSL, no socket. */
#ifndef CMP_MESSAGE_H
#define CMP_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "online/online_ca.h"

#define CMP_ID 16		/* bytes of a transaction's name and of our nonces */
#define CMP_NONCE_MAX 40	/* of a CA's nonce that is kept; the standard has 16 */

/* PKIBody's tags. */
enum cmp_body {
	CMP_IR = 0, CMP_IP = 1, CMP_CR = 2, CMP_CP = 3, CMP_P10CR = 4, CMP_GENM = 21, CMP_GENP = 22, CMP_ERROR = 23,
	CMP_CERTCONF = 24, CMP_POLLREQ = 25, CMP_POLLREP = 26, CMP_BODY_MAX = 26,
};

#define CMP_WAITING 3		/* PKIStatus */

/* All of it points into the message. */
struct cmp_message {
	enum cmp_body body;
	bool protected;
	struct bytes transaction, nonce, recipient_nonce;
	bool refuses;			/* ERROR, IP, CP: is it a rejection? */
	unsigned failed;		/* of that: PKIFailureInfo, a bit each */
	long request;			/* IP, CP, POLLREQ, POLLREP: certReqId; -1: none */
	struct bytes details;		/* ERROR: UTF8Strings, one behind the other */
	struct bytes certificates;	/* GENP: the CA's, one behind the other */
};

/* Reads one in DER. False when it is none. */
bool cmp_message_read(struct bytes der, struct cmp_message *);

/* What a request is known by. */
struct cmp_ticket {
	unsigned char id[CMP_ID];
	bool waits;			/* the CA has said that it waits, so there is more: */
	long request;			/* certReqId */
	unsigned char first[CMP_ID];	/* the nonce of the request */
	unsigned char nonce[CMP_NONCE_MAX];	/* the CA's last one */
	size_t nonce_len;		/* 0: it has none, or one that is too long */
};

void cmp_ticket_write(const struct cmp_ticket *, char out[ONLINE_TICKET_MAX + 1]);
/* False when it is none. */
bool cmp_ticket_read(const char *, struct cmp_ticket *);

/* The answer that said so, ip or cp, without its protection: header and body, one behind the other. algorithm is the
 * AlgorithmIdentifier of that. */
void cmp_message_put_waiting(struct buf *, const struct cmp_ticket *, enum cmp_body, struct bytes algorithm);

#endif
