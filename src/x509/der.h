/* SPDX-License-Identifier: ISC */
/* DER, X.690 10 and 11: checks that certificates and requests are written in it, tells which of them some bytes
 * are, and writes what csr-sign and capf-serve make. Pure: no OpenSSL. */
#ifndef DER_H
#define DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/reason.h"

#define DER_PUT_MAX 0xffff	/* bytes of a body; a certificate with RSA-8192 has 4 KiB */

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTF8_STRING = 0x0c,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_BMP_STRING = 0x1e,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT_0 = 0xa0,	/* constructed */
	DER_CONTEXT_3 = 0xa3,
};

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

/* Takes the next element off. False, and takes nothing, when there is none with a definite and shortest length. */
bool der_take(struct bytes *, uint8_t *tag, struct bytes *body);
/* The same, when the element must have this tag; else body stays as it was. */
bool der_expect(struct bytes *in, uint8_t want, struct bytes *body);
/* Is this one SEQUENCE and nothing else? What is inside is not looked at. */
bool der_is_sequence(struct bytes);

/* What it is, by its outermost elements. */
enum der_kind der_kind_of(const void *, size_t);

/* Is this one element of DER and nothing else: definite and shortest lengths, shortest integers,
 * sets in order, all the way down? What is inside an OCTET STRING or BIT STRING is not looked at. A
 * FALSE is refused unless allowed: in a certificate it is always a default, which DER leaves
 * out. */
bool der_exact(const void *, size_t, bool allow_false);

/* "a certificate", "a private key": for messages. */
const char *der_kind_text(enum der_kind);

/* Appends an element. One with more than DER_PUT_MAX bytes sets failed. */
void der_put(struct buf *, uint8_t tag, const void *body, size_t);
/* Makes one element of everything that was appended since the buffer had so many bytes. */
void der_wrap(struct buf *, size_t from, uint8_t tag);

#endif
