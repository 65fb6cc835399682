/* SPDX-License-Identifier: ISC */
/* What a worker asks its records process, and what it is answered: the bytes and the request are one to one, and a
 * request that is taken names a device where one is wanted, and nothing that is out of its range. */
#include "fuzz.h"
#include "server/records_packet.h"

static void check_reply(struct bytes in)
{
	struct records_reply r;
	struct buf b = {0};

	if (!records_reply_get(in, &r))
		return;
	law(ends(r.why.text, sizeof r.why.text) && ends(r.device, sizeof r.device) && ends(r.what, sizeof r.what) &&
	    ends(r.because, sizeof r.because));
	law(r.body.len == 0 || (r.body.p >= in.p && r.body.p + r.body.len <= in.p + in.len));
	records_reply_put(&r, &b);
	law(!b.failed && b.len == in.len);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct bytes in = {own, size};
	struct records_request q, part;
	struct buf b = {0};

	if (records_request_get(in, &q)) {
		law(q.type < RECORDS_REQUESTS && ends(q.device, sizeof q.device) && ends(q.why, sizeof q.why));
		law(q.type > RECORDS_UNKNOWN || device_ok(q.device, strlen(q.device)));
		law(q.order >= 0 && q.version <= RECORDS_VERSION_MAX && q.change.status <= PHONE_FAILED);
		law(q.type != RECORDS_CHANGE || q.change.status != PHONE_IDLE);
		law(q.password.len == 0 || (q.password.p >= own && q.password.p + q.password.len <= own + size));
		records_request_put(&q, &b);
		law(!b.failed && same((struct bytes){b.p, b.len}, in));
		law(!records_request_get((struct bytes){own, size - 1}, &part));
		buf_free(&b);
	}
	check_reply(in);
	free(own);
	return 0;
}
