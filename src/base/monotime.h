/* SPDX-License-Identifier: ISC */
/* The monotonic clock, for timeouts and durations: nobody sets it, and it never goes back. Dates and deadlines use the
 * system clock, which functions get as an argument. */
#ifndef MONOTIME_H
#define MONOTIME_H

#include <stdint.h>

/* The same moment in three units. Every process of this host counts from the same one. */
uint64_t monotime_ns(void);
long long monotime_ms(void);
double monotime_seconds(void);

#endif
