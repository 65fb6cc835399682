/* SPDX-License-Identifier: ISC */
/* The .p7b in which CAs send certificates: a SignedData of PKCS#7 (RFC 2315) or CMS (RFC 5652 5) that signs nothing and
 * carries certificates alone. Pure: no OpenSSL. */
#ifndef PKCS7_H
#define PKCS7_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/reason.h"

/* The certificates of one in DER, one element behind the other, for pkcs7_next; what they are is not looked at. -1 with
 * a reason. */
int pkcs7_certificates(struct bytes der, struct bytes *certificates, struct reason *);
/* Cuts the first off. False when nothing is left, or nothing whole. */
bool pkcs7_next(struct bytes *certificates, struct bytes *one);

#endif
