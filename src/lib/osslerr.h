/* SPDX-License-Identifier: ISC */
/* Our message, then OpenSSL's own reason; the error queue is empty afterwards. */
#ifndef OSSLERR_H
#define OSSLERR_H

#include "reason.h"

/* As reason_set, followed by ": " and the first reason in OpenSSL's queue, if there is one. */
int osslerr_set(struct reason *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
