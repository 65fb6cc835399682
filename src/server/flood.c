/* SPDX-License-Identifier: ISC */
#include "capf/capfmsg.h"
#include "server/flood.h"

#define BYTES_MOST (8 * (CAPFMSG_HEADER + CAPFMSG_BODY_MAX))
#define BYTES_A_SECOND 256

void flood_begin(struct flood *f, long long now)
{
	*f = (struct flood){.counted = now};
}

bool flood_count(struct flood *f, size_t len, long long now)
{
	size_t forgiven = (size_t)(now - f->counted) * BYTES_A_SECOND / 1000;

	/* Less than a byte's time is kept for the next time. */
	if (forgiven > 0)
		f->counted = now;
	f->bytes -= forgiven < f->bytes ? forgiven : f->bytes;
	f->bytes += len;
	return f->bytes > BYTES_MOST;
}
