/* SPDX-License-Identifier: ISC */
/* OpenSSL with only what certificates and requests need, for all programs. For every public key that it
 * reads, OpenSSL 3.0 walks through each decoder and key type that it has, which takes 120 of the
 * 150 microseconds of d2i_X509; with RSA and EC alone it takes ten. */
#ifndef OPENSSL_CONTEXT_H
#define OPENSSL_CONTEXT_H

#include <stddef.h>
#include <openssl/evp.h>

#include "base/reason.h"

/* The context, made on first use and never freed. It has the default provider's own digests, RSA
 * and EC public keys and their signatures, and nothing else: no random numbers, no private keys.
 * NULL, which is OpenSSL's own context and always right, when it cannot be made. */
OSSL_LIB_CTX *openssl_context(void);

/* The whole default provider, but for what it decodes: public keys of the kinds that sign, in 40 of those 150 microseconds.
 * For CMS and CMP, which decode each certificate several times; a private key has to be read before, in another context.
 * Made on first use and never freed; NULL, as above, when it cannot be made. */
OSSL_LIB_CTX *openssl_context_quick(void);

/* SHA-256 of some bytes. -1 with a reason: memory is short. */
int openssl_sha256(const void *, size_t, unsigned char out[32], struct reason *);

#endif
