/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "server/outbox.h"

void outbox_put(struct outbox *o, struct bytes message)
{
	buf_put_sized(&o->messages, message.p, message.len);
}

bool outbox_failed(const struct outbox *o)
{
	return o->messages.failed;
}

bool outbox_empty(const struct outbox *o)
{
	return o->messages.len == 0;
}

enum tls_result outbox_send(struct outbox *o, struct tls *tls, bool *some)
{
	enum tls_result result = TLS_DONE;
	struct reason why;

	*some = false;
	while (o->messages.len > 0 && result == TLS_DONE) {
		struct bytes rest = {o->messages.p, o->messages.len}, one;

		result = bytes_get_sized(&rest, &one.p, &one.len) ? tls_write(tls, one.p, one.len, &why) : TLS_FAILED;
		if (result != TLS_DONE)
			break;
		memmove(o->messages.p, rest.p, rest.len);
		o->messages.len = rest.len;
		*some = true;
	}
	o->waits = result == TLS_WANT_READ || result == TLS_WANT_WRITE ? result : TLS_DONE;
	if (o->waits == TLS_DONE)
		buf_free(&o->messages);
	return result;
}

void outbox_free(struct outbox *o)
{
	buf_free(&o->messages);
}
