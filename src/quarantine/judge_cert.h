/* SPDX-License-Identifier: ISC */
/* Everything that can be said of a phone's certificate without knowing the requests. */
#ifndef JUDGE_CERT_H
#define JUDGE_CERT_H

#include <time.h>

#include "base/bytes.h"
#include "quarantine/verdict.h"
#include "x509/trust.h"

struct judge_cert {
	const struct trust *trust;
	time_t now;
};

/* The judge of an intake; ctx is a struct vet. */
void judge_cert(void *ctx, struct bytes data, struct verdict *, struct buf *der);

#endif
