/* SPDX-License-Identifier: ISC */
/* What is known of one entry of an archive of certificates once it was read and verified: plain data,
 * so that it can come from a process that may do nothing else. Pure. */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "bytes.h"
#include "reason.h"

#define VERDICT_ENTRY_MAX 255	/* the name of an entry */
#define VERDICT_CN_MAX 256
#define VERDICT_SERIAL_MAX 40

struct verdict {
	bool good;
	char entry[VERDICT_ENTRY_MAX + 1];	/* as in the archive: print it escaped */
	struct reason reason;	/* why not; or a remark, or "" */
	/* From here on only when the certificate could be read. */
	bool read;
	unsigned char spki[32];		/* SHA-256 of the public key */
	unsigned char digest[32];	/* SHA-256 of the certificate */
	char cn[VERDICT_CN_MAX + 1];
	char serial[VERDICT_SERIAL_MAX + 1];
	time_t not_after;
	const unsigned char *der;	/* only when good; belongs to whoever gave it */
	size_t der_len;
};

void verdict_encode(const struct verdict *, struct buf *);
/* False when the bytes are not exactly one verdict. der points into the bytes. */
bool verdict_decode(struct bytes, struct verdict *);

#endif
