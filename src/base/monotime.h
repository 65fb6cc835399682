/* SPDX-License-Identifier: ISC */
/* The clock that nobody sets and that only goes forward: how long something takes, and when it is due. What is
 * judged by the time of day gets that as an argument. */
#ifndef MONOTIME_H
#define MONOTIME_H

#include <stdint.h>

/* The same moment in three units. Every process of this host counts from the same one. */
uint64_t monotime_ns(void);
long long monotime_ms(void);
double monotime_seconds(void);

#endif
