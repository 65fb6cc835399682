/* SPDX-License-Identifier: ISC */
/* What csr-add, cert-import and trust-add take as a certificate or a request, PEM (RFC 7468) or DER, and the PEM that
 * the programs write. */
#ifndef PEM_H
#define PEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/der.h"

/* The DER of the one object of this kind that the bytes hold: DER itself, or PEM with nothing
 * before it but text and nothing behind it but white space. Everything else is refused as what it
 * is. The caller frees. NULL with a reason. */
unsigned char *pem_unwrap(const void *, size_t, enum der_kind, bool allow_false, size_t *len,
    bool *pem, struct reason *);

/* Cuts the next "-----BEGIN ... -----END ...-----" off a file; a file without any is one piece.
 * False when nothing is left. */
bool pem_next(struct bytes *file, struct bytes *one);

/* What a file is: by its outermost elements if it looks like DER, else by the label of the first PEM in it. */
enum der_kind pem_kind(struct bytes file);

/* PEM with this label, NUL-terminated; the caller frees. NULL when out of memory. */
char *pem_make(const char *label, const void *der, size_t, size_t *len);

#endif
