/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "base/ticks.h"

uint64_t ticks_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

long long ticks_ms(void)
{
	return (long long)(ticks_ns() / 1000000);
}

double ticks_seconds(void)
{
	return (double)ticks_ns() / 1e9;
}
