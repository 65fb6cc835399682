/* SPDX-License-Identifier: ISC */
/* The headers of a tar, in blocks as they come; each that looks like a header gets the right checksum. What is read
 * keeps within its bounds, and what is refused has a reason. */
#include "archive/tar_header.h"
#include "fuzz.h"

static void fix_checksum(unsigned char *h)
{
	unsigned sum = 0;

	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < TAR_HEADER_BLOCK; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
	law(tar_header_is(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	struct tar_header t = {0};

	for (; in.len > 0; in.p += in.len < TAR_HEADER_BLOCK ? in.len : TAR_HEADER_BLOCK,
	    in.len -= in.len < TAR_HEADER_BLOCK ? in.len : TAR_HEADER_BLOCK) {
		unsigned char block[TAR_HEADER_BLOCK] = {0};
		struct reason r = {.text = ""};
		enum tar_header_result got;
		bool inside = t.body_left > 0 || t.more_map;

		memcpy(block, in.p, in.len < sizeof block ? in.len : sizeof block);
		if (!inside && !bytes_all_zero((struct bytes){block, sizeof block}))
			fix_checksum(block);
		got = tar_header_next(&t, block, &r);
		law((got == TAR_HEADER_BAD) == (r.text[0] != '\0'));
		law(t.body_left <= TAR_HEADER_MAX && t.body_len <= TAR_HEADER_MAX && t.body_got <= TAR_HEADER_MAX);
		law(got != TAR_HEADER_ZERO || !inside);
		if (got == TAR_HEADER_BAD)
			break;
		if (got != TAR_HEADER_ENTRY)
			continue;
		law(t.size < (uint64_t)1 << 36 && t.body_left == 0 && !t.more_map);
		law(t.size == 0 || t.type < '1' || t.type > '6');
		law(strlen(t.path) < sizeof t.path);
	}
	return 0;
}
