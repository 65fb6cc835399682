/* SPDX-License-Identifier: ISC */
/* Which of the certificates that a SCEP server shows as its own are believed: whose answers count, and whom requests
 * are encrypted for. */
#ifndef SCEP_CA_H
#define SCEP_CA_H

#include <time.h>
#include <openssl/x509.h>

#include "base/reason.h"

struct scep_ca {
	STACK_OF(X509) *signers;	/* the CA's and its RA's */
	X509 *recipient;		/* one of what the server showed */
	const X509_NAME *issuer;	/* of the certificates that it will issue */
};

/* pinned: the CA's certificates as the administrator gave them. Then of what the server shows only these are believed,
 * CAs that one of them issued, and certificates that one of them issued to an RA. NULL: the connection vouches for
 * everything. -1 with a reason. scep_ca_free also after that. */
int scep_ca_choose(struct scep_ca *, STACK_OF(X509) *shown, STACK_OF(X509) *pinned, time_t now, struct reason *);
void scep_ca_free(struct scep_ca *);

#endif
