/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "base/monotime.h"

uint64_t monotime_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

long long monotime_ms(void)
{
	return (long long)(monotime_ns() / 1000000);
}

double monotime_seconds(void)
{
	return (double)monotime_ns() / 1e9;
}
