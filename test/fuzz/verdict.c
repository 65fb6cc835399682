/* SPDX-License-Identifier: ISC */
/* What a child tells its parent of one entry: the bytes and the verdict are one to one. */
#include "fuzz.h"
#include "quarantine/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct verdict v, part;
	struct buf b = {0};

	if (verdict_decode((struct bytes){own, size}, &v)) {
		law(ends(v.entry, sizeof v.entry) && ends(v.reason.text, sizeof v.reason.text) &&
		    ends(v.facts.cn, sizeof v.facts.cn) && ends(v.facts.serial, sizeof v.facts.serial));
		law(!v.good || (v.read && v.facts.der_len > 0));
		law(v.facts.der_len == 0 || (v.facts.der >= own && v.facts.der + v.facts.der_len <= own + size));
		verdict_encode(&v, &b);
		law(!b.failed && same((struct bytes){b.p, b.len}, (struct bytes){own, size}));
		law(!verdict_decode((struct bytes){own, size - 1}, &part));
		buf_free(&b);
	}
	free(own);
	return 0;
}
