/* SPDX-License-Identifier: ISC */
/* Preloaded into a program: the clock that nobody sets is a second further each time it is looked at, or QUICK_MS
 * milliseconds, so that what the program shows now and then it shows at times that are known. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t which, struct timespec *t)
{
	static long looks;
	const char *step = getenv("QUICK_MS");
	long ms;

	if (which != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, which, t);
	ms = looks++ * (step != NULL ? atol(step) : 1000);
	*t = (struct timespec){1000 + ms / 1000, ms % 1000 * 1000000};
	return 0;
}
