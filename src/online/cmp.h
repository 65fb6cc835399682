/* SPDX-License-Identifier: ISC */
/* CAs that speak CMP, RFC 4210: p10cr for requests with their own signature, ir for those that CAPF vouches for. */
#ifndef CMP_H
#define CMP_H

#include "online/online_ca.h"

extern const struct online_kind cmp_kind;

#endif
