/* SPDX-License-Identifier: ISC */
/* The CAs of a trust store (trust-add(1)), and whether a certificate comes from one of them, RFC 5280 6. */
#ifndef TRUST_H
#define TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/reason.h"
#include "x509/cert.h"

#define TRUST_MAX_DEPTH 4	/* intermediates between leaf and root; the longest seen has two */

struct trust;

/* An empty list; the caller frees with trust_free. NULL when out of memory. */
struct trust *trust_new(void);
void trust_free(struct trust *);
/* Adds a CA. -1 with a reason. */
int trust_put(struct trust *, const struct cert *, struct reason *);
size_t trust_count(const struct trust *);

/* Is this very certificate in the list? */
bool trust_has(const struct trust *, const struct cert *);

/* Does the certificate chain to this list now? Strict, auth level 2, intermediates from the list
 * only. The CAs themselves may lack some form, since each was put into the list by hand. 0; 1 with a
 * remark in the reason (a key identifier is missing, which phones do not mind);
 * -1 with a reason. */
int trust_verify(const struct trust *, const struct cert *, time_t now, struct reason *);

/* The same for a certificate that an old phone proves itself with, and for nothing else: SHA-1 and short RSA
 * keys are good enough, older digests are not. */
int trust_verify_weak(const struct trust *, const struct cert *, time_t now, struct reason *);

/* Every "-----BEGIN CERTIFICATE-----" of a PEM bundle, or one DER: calls each for every one with
 * its number from 1, a NULL certificate and a reason for one that cannot be read. Stops when each
 * returns non-zero and returns that. */
int trust_each(const void *, size_t,
    int (*each)(void *ctx, size_t number, const struct cert *, const struct reason *), void *ctx);

#endif
