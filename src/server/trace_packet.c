/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "server/trace_packet.h"

void trace_packet_put(const struct trace_packet *t, struct buf *out)
{
	buf_put_u8(out, (uint8_t)t->type);
	buf_put_u64(out, t->number);
	buf_put_text(out, t->device);
	buf_put_sized(out, t->text.p, t->text.len);
}

static bool is_text(struct bytes b)
{
	if (b.len == 0 || b.len > TRACE_CHUNK_MAX || b.p[b.len - 1] != '\n')
		return false;
	for (size_t i = 0; i < b.len; i++)
		if (b.p[i] != '\n' && (b.p[i] < ' ' || b.p[i] > '~'))
			return false;
	return true;
}

bool trace_packet_get(struct bytes in, struct trace_packet *t)
{
	uint8_t type;

	*t = (struct trace_packet){.type = TRACE_PACKETS};
	if (!bytes_get_u8(&in, &type) || type >= TRACE_PACKETS || !bytes_get_u64(&in, &t->number) ||
	    !bytes_get_text(&in, t->device, sizeof t->device) || !bytes_get_sized(&in, &t->text.p, &t->text.len) ||
	    in.len > 0 || !is_text(t->text) ||
	    (type == TRACE_STRANGER) == device_ok(t->device, strlen(t->device)) ||
	    (type == TRACE_STRANGER && (*t->device != '\0' || t->number != 0)))
		return false;
	t->type = (enum trace_packet_type)type;
	return true;
}
