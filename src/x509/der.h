/* SPDX-License-Identifier: ISC */
/* What a file or an archive's entry is before anybody parses it in earnest: PEM or DER, and of
 * what. */
#ifndef DER_H
#define DER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/reason.h"

enum der_kind {
	DER_UNKNOWN,
	DER_CERT,
	DER_REQUEST,
	DER_PRIVATE_KEY,
	DER_PUBLIC_KEY,
	DER_CRL,
	DER_PKCS7,
	DER_PKCS12,
};

/* From the outermost elements of what should be DER. */
enum der_kind der_kind_of(const void *, size_t);

/* Is this one element of DER and nothing else: definite and shortest lengths, shortest integers,
 * sets in order, all the way down? What is inside an OCTET STRING or BIT STRING is not looked at. A
 * FALSE is refused unless allowed: in a certificate it is always a default, which DER leaves
 * out. */
bool der_exact(const void *, size_t, bool allow_false);

/* The DER of the one object of this kind that the bytes hold: DER itself, or PEM with nothing
 * before it but text and nothing behind it but white space. Everything else is refused as what it
 * is. The caller frees. NULL with a reason. */
unsigned char *pem_unwrap(const void *, size_t, enum der_kind, bool allow_false, size_t *len,
    bool *pem, struct reason *);

/* Cuts the next "-----BEGIN ... -----END ...-----" off a file; a file without any is one piece.
 * False when nothing is left. */
bool pem_next(struct bytes *file, struct bytes *one);

/* PEM with this label, NUL-terminated; the caller frees. NULL when out of memory. */
char *pem_make(const char *label, const void *der, size_t, size_t *len);

#endif
