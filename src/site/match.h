/* SPDX-License-Identifier: ISC */
/* Which request is this certificate for? Its key says so, and nothing else. */
#ifndef MATCH_H
#define MATCH_H

#include "base/reason.h"
#include "spool/spool.h"

enum match_result {
	MATCH_READY,		/* for a request that waits */
	MATCH_STALE,		/* for a request that was superseded */
	MATCH_ALREADY,		/* this very certificate is here */
	MATCH_REFUSED,		/* the reason says why */
	MATCH_TROUBLE,		/* errno says why */
};

/* What is looked at of a certificate that was found good. */
struct match_cert {
	const unsigned char *spki;	/* SHA-256 of its public key */
	const unsigned char *digest;	/* SHA-256 of all of it */
	const char *cn;
	const unsigned char *der;
	size_t der_len;
};

struct match;

/* One reading of the spool. NULL with errno. */
struct match *match_open(const struct spool *);
void match_close(struct match *);

/* With READY, STALE and ALREADY *stem is the request's; the first certificate that
 * is found READY or STALE for a request takes it. */
enum match_result match_find(struct match *, const struct match_cert *, struct reqid *, struct reason *);

#endif
