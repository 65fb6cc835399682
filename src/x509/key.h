/* SPDX-License-Identifier: ISC */
/* Private keys, as --key names them: made, written, and loaded from files, tokens and HSMs. */
#ifndef KEY_H
#define KEY_H

#include <stdbool.h>

#include <openssl/evp.h>

#include "base/reason.h"
#include "x509/secret.h"

/* The key behind a file name (PEM, encrypted PEM, PKCS#8, DER) or a store URI (file:, pkcs11:).
 * When the key wants a pass phrase and the secret has none, the terminal is asked once and the
 * answer kept in the secret, so that workers need not ask again. NULL with a reason. */
EVP_PKEY *key_load(const char *uri, struct secret *, struct reason *);

/* Is this a store URI rather than a file? Then the key may stay where it is, and each signature ask for
 * it there. */
bool key_is_uri(const char *);

extern const char *const key_specs[];	/* what key_make takes, "rsa:2048" and others; NULL behind the last */
/* A new key. NULL with a reason. */
EVP_PKEY *key_make(const char *spec, struct reason *);

/* PKCS#8 PEM, encrypted when the secret has text. The caller frees it with secret_free. NULL with a reason. */
char *key_pem(EVP_PKEY *, const struct secret *, size_t *len, struct reason *);

#endif
