/* SPDX-License-Identifier: ISC */
/* CAs that speak SCEP, RFC 8894. The protocol signs and encrypts each message itself, so it runs over plain HTTP too;
 * then issuer-file has to say whom to believe. */
#ifndef SCEP_H
#define SCEP_H

#include "online/online_ca.h"

extern const struct online_kind scep_kind;

#endif
