/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "server/records_packet.h"

void records_request_put(const struct records_request *q, struct buf *out)
{
	const struct outcome_change *c = &q->change;

	buf_put_u8(out, (uint8_t)q->type);
	buf_put_u64(out, q->number);
	buf_put_text(out, q->device);
	buf_put_u64(out, (uint64_t)q->order);
	buf_put_u32(out, q->version);
	buf_put_sized(out, q->password.p, q->password.len);
	buf_put_u8(out, (uint8_t)c->status);
	buf_put_u8(out, (uint8_t)(c->attempt | c->refusal << 1 | c->sign_hangup << 2 | c->other_key << 3));
	buf_put_text(out, q->why);
}

bool records_request_get(struct bytes in, struct records_request *q)
{
	uint8_t type, status, flags;
	uint64_t order;

	*q = (struct records_request){.type = RECORDS_REQUESTS};
	if (!bytes_get_u8(&in, &type) || type >= RECORDS_REQUESTS || !bytes_get_u64(&in, &q->number) ||
	    !bytes_get_text(&in, q->device, sizeof q->device) || !bytes_get_u64(&in, &order) ||
	    !bytes_get_u32(&in, &q->version) || !bytes_get_sized(&in, &q->password.p, &q->password.len) ||
	    !bytes_get_u8(&in, &status) || !bytes_get_u8(&in, &flags) ||
	    !bytes_get_text(&in, q->why, sizeof q->why) || in.len > 0)
		return false;
	if ((type <= RECORDS_UNKNOWN) != device_ok(q->device, strlen(q->device)) ||
	    order > INT64_MAX || q->version > RECORDS_VERSION_MAX || status > PHONE_FAILED ||
	    (type == RECORDS_CHANGE && status == PHONE_IDLE) || flags > 15)
		return false;
	q->type = (enum records_request_type)type;
	q->order = (time_t)order;
	q->change = (struct outcome_change){.status = (enum phone_status)status, .attempt = (flags & 1) != 0,
	    .refusal = (flags & 2) != 0, .sign_hangup = (flags & 4) != 0, .other_key = (flags & 8) != 0, .why = q->why};
	return true;
}

void records_reply_put(const struct records_reply *r, struct buf *out)
{
	buf_put_u32(out, (uint32_t)r->result);
	buf_put_u32(out, (uint32_t)r->error);
	buf_put_u8(out, (uint8_t)(r->pending | r->late << 1 | r->torn << 2 | r->why.trouble << 3));
	buf_put_u32(out, r->files);
	buf_put_text(out, r->why.text);
	buf_put_text(out, r->device);
	buf_put_text(out, r->what);
	buf_put_text(out, r->because);
	buf_put_sized(out, r->body.p, r->body.len);
}

bool records_reply_get(struct bytes in, struct records_reply *r)
{
	uint32_t result, error;
	uint8_t flags;

	*r = (struct records_reply){.result = -1};
	if (!bytes_get_u32(&in, &result) || !bytes_get_u32(&in, &error) || !bytes_get_u8(&in, &flags) ||
	    !bytes_get_u32(&in, &r->files) || !bytes_get_text(&in, r->why.text, sizeof r->why.text) ||
	    !bytes_get_text(&in, r->device, sizeof r->device) || !bytes_get_text(&in, r->what, sizeof r->what) ||
	    !bytes_get_text(&in, r->because, sizeof r->because) ||
	    !bytes_get_sized(&in, &r->body.p, &r->body.len) || in.len > 0)
		return false;
	r->result = (int)result;
	r->error = (int)error;
	r->pending = (flags & 1) != 0;
	r->late = (flags & 2) != 0;
	r->torn = (flags & 4) != 0;
	r->why.trouble = (flags & 8) != 0;
	return true;
}
