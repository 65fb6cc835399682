/* SPDX-License-Identifier: ISC */
/* How much a phone may send in one connection: more than the longest operation has, and for each second some more,
 * for signs of life, which may go on for weeks. */
#ifndef FLOOD_H
#define FLOOD_H

#include <stdbool.h>
#include <stddef.h>

struct flood {
	size_t bytes;		/* that it has sent, but for those that time has forgiven */
	long long counted;	/* when that was; monotime_ms() */
};

void flood_begin(struct flood *, long long now);
/* So many bytes have come. True: that is more than any phone has to say. */
bool flood_count(struct flood *, size_t len, long long now);

#endif
