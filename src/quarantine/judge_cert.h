/* SPDX-License-Identifier: ISC */
/* What cert-import checks of a phone's certificate before it looks for the request: form, usage, and the chain to
 * capf-trust. */
#ifndef JUDGE_CERT_H
#define JUDGE_CERT_H

#include <time.h>

#include "base/bytes.h"
#include "quarantine/verdict.h"
#include "x509/trust.h"

struct judge_cert {
	const struct trust *trust;
	time_t now;		/* 0: when it judges, by the time of day and clock: certificates may be made meanwhile */
	time_t clock;		/* what to add to the time of day */
};

/* For struct inspect_task; ctx is a struct judge_cert. */
void judge_cert(void *ctx, struct bytes data, struct verdict *, struct buf *der);

#endif
