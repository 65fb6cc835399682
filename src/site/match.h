/* SPDX-License-Identifier: ISC */
/* Finds the request that a certificate is for, as cert-import(1) has it: by its key and nothing else. */
#ifndef MATCH_H
#define MATCH_H

#include <stdbool.h>

#include "base/reason.h"
#include "spool/spool.h"
#include "x509/facts.h"

enum match_result {
	MATCH_READY,		/* for a request that waits */
	MATCH_STALE,		/* for a request that was superseded */
	MATCH_ALREADY,		/* this very certificate is here */
	MATCH_REFUSED,		/* the reason says why */
	MATCH_ELSEWHERE,	/* this spool never had such a request, and knows no such phone; likewise */
	MATCH_TROUBLE,		/* errno says why */
};

struct match;

/* One reading of the spool. NULL with errno. */
struct match *match_open(const struct spool *);
/* The same of these requests and no others: what became of each. For who knows which request each certificate was asked
 * for, and takes so few at a time that a reading of all would cost more. */
struct match *match_open_for(const struct spool *, const struct reqid *, size_t n);
void match_close(struct match *);

/* With READY, STALE and ALREADY the request is in *reqid; the first certificate that
 * is found READY or STALE for a request takes it. */
enum match_result match_find(struct match *, const struct facts *, struct reqid *, struct reason *);

/* Has a request of this spool, of whatever state, this key? */
bool match_knows(const struct match *, const unsigned char *spki);

#endif
