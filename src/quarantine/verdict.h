/* SPDX-License-Identifier: ISC */
/* What a worker of cert-import, csr-add or csr-sign says of one entry of an archive, once it was read and verified.
 *
 * An entry that takes a worker over can make it lie about the entries that the worker still gets: it can call a bad
 * certificate good, or a good one bad. It can do no more. The spool's index says which request a certificate is for, by
 * its key, and how files are called; the order, the number of verdicts and the names of entries do not come from
 * the worker; its bytes are one SEQUENCE of bounded length. Whoever gets such a certificate has its private key, and
 * gains nothing that the phone's own key did not give. */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/facts.h"

#define VERDICT_ENTRY_MAX 255	/* the name of an entry */
#define VERDICT_DER_MAX 65536	/* as long as a certificate or request may be */
/* All texts and the DER, with room for the lengths. */
#define VERDICT_ENCODED_MAX (VERDICT_DER_MAX + FACTS_CN_MAX + FACTS_SERIAL_MAX + REASON_MAX + 128 + \
	VERDICT_ENTRY_MAX)

struct verdict {
	bool good;
	bool ca;		/* not good, and a CA's certificate */
	bool other;		/* not good, and a request where certificates are wanted, or the other way round */
	char entry[VERDICT_ENTRY_MAX + 1];	/* as in the archive: print it escaped */
	struct reason reason;	/* why not; or a remark, or "" */
	bool read;		/* it could be read: then there are facts */
	struct facts facts;	/* their der only when it is good */
};

void verdict_encode(const struct verdict *, struct buf *);
/* False when the bytes are not exactly one verdict that can be. der points into the bytes. */
bool verdict_decode(struct bytes, struct verdict *);

#endif
