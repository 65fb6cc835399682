/* SPDX-License-Identifier: ISC */
/* The full answer of a CMC server (RFC 5272 3.2, 6.1): a SignedData around a PKIResponse, with certificates beside it.
 * Its signature is not looked at: TLS says who sent it, and the certificates are judged by themselves. Pure: no
 * OpenSSL. */
#ifndef CMC_RESPONSE_H
#define CMC_RESPONSE_H

#include "base/bytes.h"
#include "base/reason.h"

enum cmc_status {	/* RFC 5272 6.1.1 */
	CMC_SUCCESS = 0,
	CMC_FAILED = 2,
	CMC_PENDING = 3,
	CMC_NO_SUPPORT = 4,
	CMC_CONFIRM_REQUIRED = 5,
	CMC_POP_REQUIRED = 6,
	CMC_PARTIAL = 7,
};

struct cmc_response {
	struct bytes certificates;	/* for pkcs7_next; may be empty */
	unsigned status;		/* enum cmc_status, or another number: the first that is no success */
	const char *fail;		/* CMCFailInfo in words; "": it does not say */
	struct bytes text;		/* statusString, as it is */
};

/* Reads one, DER. -1 with a reason. */
int cmc_response_read(struct bytes der, struct cmc_response *, struct reason *);

#endif
