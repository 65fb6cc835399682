/* SPDX-License-Identifier: ISC */
/* What is known of one entry of an archive once it was read and verified: plain data, so that it can come
 * from a process that may do nothing else. Pure.
 *
 * That process is believed in what only it can know, and if an entry has taken it over, it can lie about
 * the entries that it still gets: call a bad certificate good, or a good one bad. It cannot do more. Which
 * request a certificate is for comes from the spool's index, by a key that must be there; the names of
 * files come from there too; the order and number of verdicts, and the names of entries, are not its own;
 * the bytes it gives are one DER frame of bounded length. Whoever gets that certificate has the
 * private key, so it opens no door that the phone's own key did not. */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/bytes.h"
#include "base/reason.h"

#define VERDICT_ENTRY_MAX 255	/* the name of an entry */
#define VERDICT_CN_MAX 256
#define VERDICT_SERIAL_MAX 40
#define VERDICT_DER_MAX 65536	/* as long as a certificate or request may be */
/* All texts and the DER, with room for the lengths. */
#define VERDICT_ENCODED_MAX (VERDICT_DER_MAX + VERDICT_CN_MAX + VERDICT_SERIAL_MAX + REASON_MAX + 128 + \
	VERDICT_ENTRY_MAX)

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
/* False when the bytes are not exactly one verdict that can be. der points into the bytes. */
bool verdict_decode(struct bytes, struct verdict *);

#endif
