/* SPDX-License-Identifier: ISC */
/* Private keys: made, written, and loaded from files, tokens and HSMs. */
#ifndef KEY_H
#define KEY_H

#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/reason.h"

/* From now on nobody else of this user reads the memory of this process, or traces it, and a crash leaves no core.
 * Whatever loads or makes a key, or has its pass phrase, does that first; children inherit it. */
void key_guard(void);

/* A pass phrase or PIN. */
struct secret {
	char *text;		/* NULL: none */
};

/* The first line of a file. -1 with a reason. */
int secret_read(struct secret *, const char *path, struct reason *);
/* Asks on the terminal, without echo. -1 with a reason. */
int secret_ask(struct secret *, const char *prompt, struct reason *);
/* Wipes it. */
void secret_wipe(struct secret *);

/* The key behind a file name (PEM, encrypted PEM, PKCS#8, DER) or a store URI (file:, pkcs11:).
 * When the key wants a pass phrase and the secret has none, the terminal is asked once and the
 * answer kept in the secret, so that workers need not ask again. NULL with a reason. */
EVP_PKEY *key_load(const char *uri, struct secret *, struct reason *);

/* Is this a store URI rather than a file? Then the key may stay where it is, and each signature ask for
 * it there. */
bool key_is_uri(const char *);

/* A new key: "rsa:2048", "rsa:3072", "rsa:4096", "ec:256", "ec:384", "ec:521". NULL with a
 * reason. */
EVP_PKEY *key_make(const char *spec, struct reason *);

/* PKCS#8 PEM, encrypted when the secret has text. The caller wipes and frees. NULL with a
 * reason. */
char *key_pem(EVP_PKEY *, const struct secret *, size_t *len, struct reason *);
/* Wipes and frees what key_pem gave. */
void key_pem_free(char *, size_t len);

/* SHA-256 of the DER SubjectPublicKeyInfo: what the spool's file names carry. -1 with a reason. */
int key_spki(EVP_PKEY *, unsigned char out[32], struct reason *);

/* Is this a public key that a phone may have: RSA 2048 to 8192 with a sane exponent, or P-256,
 * P-384, P-521 as a named curve? -1 with a reason. */
int key_check(EVP_PKEY *, struct reason *);

/* The same as key_spki for the key in a certificate or request, as it is written there. */
int key_spki_of(const X509_PUBKEY *, unsigned char out[32], struct reason *);
/* Is it written in the one form that the key has, so that equal keys have equal SHA-256? -1 with a
 * reason. */
int key_check_form(const X509_PUBKEY *, struct reason *);
/* Does a signature made so have SHA-256 or better, by RSA or ECDSA? -1 with a reason. */
int key_check_signature(const X509_ALGOR *, struct reason *);

#endif
