/* SPDX-License-Identifier: ISC */
/* Public keys of phones and CAs: which are good enough, and the SHA-256 that tells them apart in the names of the
 * spool's files. */
#ifndef PUBLIC_KEY_H
#define PUBLIC_KEY_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/reason.h"

/* SHA-256 of the DER SubjectPublicKeyInfo. -1 with a reason. */
int public_key_spki(EVP_PKEY *, unsigned char out[32], struct reason *);
/* The same for the key in a certificate or request, as it is written there. */
int public_key_spki_of(const X509_PUBKEY *, unsigned char out[32], struct reason *);

/* May a phone have this key: RSA with 2048 to 8192 bits and a usual exponent, or EC on P-256, P-384 or P-521 as a named
 * curve? -1 with a reason. */
int public_key_check(EVP_PKEY *, struct reason *);
/* Is it written in the one form that the key has (RFC 3279 2.3.1, RFC 5480 2.1.1), so that equal keys have equal
 * SHA-256? -1 with a reason. */
int public_key_check_form(const X509_PUBKEY *, struct reason *);
/* Is this the algorithm of a signature with RSA or ECDSA, and SHA-256 or better? -1 with a reason. */
int public_key_check_signature(const X509_ALGOR *, struct reason *);

#endif
