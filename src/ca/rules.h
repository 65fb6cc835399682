/* SPDX-License-Identifier: ISC */
/* What csr-sign, capf-serve and ca-init do alike for a phone's certificate and for a CA's: who may sign, the serial
 * number, the dates and the digest. */
#ifndef RULES_H
#define RULES_H

#include <stdbool.h>
#include <time.h>
#include <openssl/evp.h>

#include "base/reason.h"
#include "x509/cert.h"

#define RULES_SERIAL 16		/* bytes of a serial number; RFC 5280 4.1.2.2 allows 20 */
#define RULES_SKEW 3600		/* seconds that a phone's clock may be behind the host's */
#define RULES_DAY 86400

/* Is this a CA's certificate, valid now, and the key its key? -1 with a reason. A CA that is not valid yet is trouble:
 * the clock of a host without a battery is behind until somebody sets it. */
int rules_check_ca(const struct cert *, EVP_PKEY *, time_t now, struct reason *);

/* A new serial number: random, positive, and always of the same length. False when there are no random bytes. */
bool rules_serial(unsigned char serial[RULES_SERIAL]);
/* Valid from RULES_SKEW ago and for so many days, but not before first and not after last, the dates of the CA. */
void rules_dates(time_t now, int days, time_t first, time_t last, time_t *from, time_t *to);
/* The digest to sign with: the wanted one, or a longer one that fits the signer's EC key and costs no more there. */
const char *rules_digest(EVP_PKEY *signer, const char *wanted);

#endif
