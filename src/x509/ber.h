/* SPDX-License-Identifier: ISC */
/* BER (X.690 8), in which some CAs send what they have signed, written again as der.h reads it: definite and shortest
 * lengths, strings in one piece. What is DER already stays as it is. Pure: no OpenSSL. */
#ifndef BER_H
#define BER_H

#include <stdbool.h>

#include "base/bytes.h"

/* Appends one element, which has to be all of the bytes. False when it is not: nested too deep, cut short, something
 * behind it, or larger than DER_PUT_MAX. out->failed is memory. */
bool ber_to_der(struct bytes, struct buf *out);

#endif
