/* SPDX-License-Identifier: ISC */
/* CAs that speak EST, RFC 7030: simpleenroll, or fullcmc where an enrolment agent vouches for the key. */
#ifndef EST_H
#define EST_H

#include "online/online_ca.h"

extern const struct online_kind est_kind;

#endif
