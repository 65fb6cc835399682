/* SPDX-License-Identifier: ISC */
/* Everything that can be said of a phone's certificate without knowing the requests. */
#ifndef VET_H
#define VET_H

#include <time.h>

#include "base/bytes.h"
#include "quarantine/verdict.h"
#include "x509/trust.h"

struct vet {
	const struct trust *trust;
	time_t now;
};

/* The judge of an intake; ctx is a struct vet. */
void vet_judge(void *ctx, struct bytes data, struct verdict *, struct buf *der);

#endif
