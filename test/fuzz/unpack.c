/* SPDX-License-Identifier: ISC */
/* What an unpacking process tells its parent: each piece and its bytes are one to one, and a piece that is
 * cut off is none. */
#include "fuzz.h"
#include "quarantine/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct bytes in = {own, size}, before = in, cut;
	struct unpacked u, part;
	struct buf b = {0};

	while (unpack_decode(&in, &u)) {
		size_t len = before.len - in.len;

		law(in.p == before.p + len);
		law(u.kind <= UNPACK_END && u.error >= 0);
		law(ends(u.name, sizeof u.name) && ends(u.reason.text, sizeof u.reason.text));
		law(u.data.len == 0 || (u.data.p >= before.p && u.data.p + u.data.len == in.p));
		b.len = 0;
		unpack_encode(&u, &b);
		law(!b.failed && same((struct bytes){b.p, b.len}, (struct bytes){before.p, len}));
		cut = (struct bytes){before.p, len - 1};
		law(!unpack_decode(&cut, &part) && cut.p == before.p && cut.len == len - 1);
		before = in;
	}
	/* What could not be read is still all there. */
	law(in.p == before.p && in.len == before.len);
	buf_free(&b);
	free(own);
	return 0;
}
