/* SPDX-License-Identifier: ISC */
/* The clock that nobody sets and that only goes forward: how long something takes, and when it is due. What is
 * judged by the time of day gets that as an argument. */
#ifndef TICKS_H
#define TICKS_H

#include <stdint.h>

/* The same moment in three units. Every process of this host counts from the same one. */
uint64_t ticks_ns(void);
long long ticks_ms(void);
double ticks_seconds(void);

#endif
