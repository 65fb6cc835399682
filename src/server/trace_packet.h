/* SPDX-License-Identifier: ISC */
/* What a worker tells the process that writes traces. A worker may be in the hands of a phone, so a packet names a
 * device and a session of its own, never a file, and its text is held against a form. There are no answers. */
#ifndef TRACE_PACKET_H
#define TRACE_PACKET_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/device.h"

#define TRACE_CHUNK_MAX 16384	/* of text in one packet */
#define TRACE_PACKET_MAX (TRACE_CHUNK_MAX + 128)

enum trace_packet_type {
	TRACE_BEGIN,	/* of a phone that was authenticated: number, device, text */
	TRACE_MORE,	/* the same; of a session that has begun */
	TRACE_END,	/* the same; the last */
	TRACE_STRANGER,	/* text: all of a session whose phone was not authenticated */
	TRACE_PACKETS
};

struct trace_packet {
	enum trace_packet_type type;
	uint64_t number;	/* of the session; of a worker's sessions each has another */
	char device[DEVICE_MAX + 1];
	struct bytes text;
};

void trace_packet_put(const struct trace_packet *, struct buf *);
/* False when that is no packet, or its text is not lines of printable characters. The text stays the packet's. */
bool trace_packet_get(struct bytes, struct trace_packet *);

#endif
