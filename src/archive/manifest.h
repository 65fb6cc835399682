/* SPDX-License-Identifier: ISC */
/* SHA256SUMS and its CMS signature (RFC 5652), which csr-dump --manifest puts in front of the requests and csr-sign
 * --ra checks: they make an archive safe over FTP. */
#ifndef MANIFEST_H
#define MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"
#include "x509/cert.h"
#include "x509/key.h"

#define MANIFEST_SUMS "SHA256SUMS"
#define MANIFEST_SIGNATURE "SHA256SUMS.p7s"
#define MANIFEST_MAX_BYTES (64 << 20)	/* 600,000 names of the usual length */

/* Is this the name of the list or of its signature? */
bool manifest_is_part(const char *name);

struct manifest;

/* Writing: names and contents in, the text of SHA256SUMS ("hex  name" lines) out. */
struct manifest *manifest_new(void);
int manifest_add(struct manifest *, const char *name, const void *, size_t);
const char *manifest_text(struct manifest *, size_t *len);
void manifest_free(struct manifest *);

/* Detached CMS, DER, over the text; the signer's certificate inside. *out is the caller's to
 * free. */
int manifest_sign(const char *text, size_t len, const struct cert *, EVP_PKEY *,
    unsigned char **out, size_t *out_len, struct reason *);

/* Reading: the text is taken only when the signature is by exactly this certificate's key. NULL
 * with a reason. */
struct manifest *manifest_verify(const void *text, size_t len, const void *sig, size_t sig_len,
    const struct cert *signer, struct reason *);
/* The same for a text whose signature was verified elsewhere. */
struct manifest *manifest_read(const void *text, size_t len, struct reason *);
/* Is this entry listed, with this content, and seen for the first time? -1 with a reason. */
int manifest_check(struct manifest *, const char *name, const void *, size_t, struct reason *);
/* After the last entry: the first listed name that no entry had, or NULL. */
const char *manifest_missing(const struct manifest *);

#endif
