/* SPDX-License-Identifier: ISC */
/* A message in a trace, and what a worker sends of it: the text is printable and bounded, says the same whatever a
 * PASSWORD is, and shows no run of digits in hex that could be one. A packet that is taken can be written again as the
 * same, and has such a text. */
#include "fuzz.h"
#include "base/auth_string.h"
#include "capf/capfmsg.h"
#include "server/trace_packet.h"
#include "server/trace_text.h"

static struct buf lines_of(const unsigned char *p, size_t len)
{
	struct buf b = {0};

	trace_text((struct bytes){p, len}, &b);
	law(!b.failed && b.len <= TRACE_TEXT_MAX && (b.len == 0 || b.p[b.len - 1] == '\n'));
	for (size_t i = 0; i < b.len; i++)
		law(b.p[i] == '\n' || (b.p[i] >= ' ' && b.p[i] <= '~'));
	return b;
}

/* No four bytes in a row that are digits, in any hex=. */
static void check_hex(const struct buf *b)
{
	size_t run = 0;

	for (size_t i = 0; i + 4 < b->len; i++) {
		if (memcmp(b->p + i, "hex=", 4) != 0)
			continue;
		run = 0;
		for (size_t at = i + 4; at + 1 < b->len && strchr("0123456789abcdef", b->p[at]) != NULL; at += 2) {
			run = b->p[at] == '3' && b->p[at + 1] <= '9' ? run + 1 : 0;
			law(run < AUTH_STRING_MIN);
		}
	}
}

/* The same message with other strings: other characters, and where the elements fit, another length too. */
static bool change(const unsigned char *p, size_t len, struct buf *out, bool longer)
{
	struct bytes body = {p + CAPFMSG_HEADER, len - CAPFMSG_HEADER}, next = body, value;
	uint8_t tag;
	size_t size;

	buf_put(out, p, CAPFMSG_HEADER);
	for (; capfmsg_next(&next, &tag, &value); body = next) {
		bool secret = tag == CAPFMSG_PASSWORD, ends_well = value.len > 0 && value.p[value.len - 1] == '\0';
		/* A form of which the reason speaks stays. */
		bool more = secret && longer && ends_well && memchr(value.p, '\0', value.len) == value.p + value.len - 1;

		size = value.len + more;
		buf_put_u8(out, tag);
		buf_put_u8(out, (uint8_t)(size >> 8));
		buf_put_u8(out, (uint8_t)size);
		if (more)
			buf_put_u8(out, 'y');
		for (size_t i = 0; i < value.len; i++)
			buf_put_u8(out, secret && value.p[i] != 0 ? 'x' : value.p[i]);
	}
	buf_put(out, body.p, body.len);
	size = out->len - CAPFMSG_HEADER;
	if (longer) {
		out->p[6] = (unsigned char)(size >> 8);
		out->p[7] = (unsigned char)size;
	}
	return body.len == 0 && size <= CAPFMSG_BODY_MAX;
}

static void check_secret(const unsigned char *p, size_t len, const struct buf *said)
{
	struct buf other = {0}, text;
	bool framed = change(p, len, &other, false);

	text = lines_of(other.p, other.len);
	law(same((struct bytes){text.p, text.len}, (struct bytes){said->p, said->len}));
	buf_free(&text);
	other.len = 0;
	if (framed && change(p, len, &other, true)) {
		text = lines_of(other.p, other.len);
		law(same((struct bytes){text.p, text.len}, (struct bytes){said->p, said->len}));
		buf_free(&text);
	}
	buf_free(&other);
}

static void check_packet(struct bytes in)
{
	struct trace_packet t;
	struct buf b = {0};

	if (!trace_packet_get(in, &t))
		return;
	law(t.type < TRACE_PACKETS && ends(t.device, sizeof t.device) && t.text.len > 0 && t.text.len <= TRACE_CHUNK_MAX);
	law(t.type == TRACE_STRANGER ? *t.device == '\0' : device_ok(t.device, strlen(t.device)));
	for (size_t i = 0; i < t.text.len; i++)
		law(t.text.p[i] == '\n' || (t.text.p[i] >= ' ' && t.text.p[i] <= '~'));
	trace_packet_put(&t, &b);
	law(!b.failed && same((struct bytes){b.p, b.len}, in));
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	char name[TRACE_NAME_MAX];
	struct buf said = lines_of(own, size);
	struct reason why;

	check_hex(&said);
	trace_text_name((struct bytes){own, size}, name);
	law(ends(name, sizeof name));
	if (capfmsg_length((struct bytes){own, size}, &why) == (int)size && size >= CAPFMSG_HEADER)
		check_secret(own, size, &said);
	check_packet((struct bytes){own, size});
	buf_free(&said);
	free(own);
	return 0;
}
