/* SPDX-License-Identifier: ISC */
/* Certificates into the spool, as cert-import(1) has it, for it and for capf-enroll: one after the other finds its
 * request, and all that were good become visible with one commit. Whether a certificate is good was judged before. */
#ifndef IMPORT_H
#define IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "spool/spool.h"
#include "x509/facts.h"

enum import_word { IMPORT_ACCEPTED, IMPORT_STALE, IMPORT_ALREADY, IMPORT_CA, IMPORT_ELSEWHERE, IMPORT_REFUSED };
extern const char *const import_words[];

#define IMPORT_NO_ITEM UINT64_MAX

struct import;

struct import_options {
	bool dry_run;		/* nothing is changed */
	bool others;		/* what is for another site's phones is not refused */
	const struct reqid *request;	/* these are looked for, and no others; NULL: all that the spool has */
	size_t requests;
};

/* Of what was judged. */
struct import_judged {
	bool good, ca;
	struct facts facts;
	struct reason reason;	/* why not; or a remark */
};

/* What became of it. */
struct imported {
	enum import_word word;
	uint64_t item;		/* for import_settle; or IMPORT_NO_ITEM: this is the last word already */
	char device[DEVICE_MAX + 1];	/* "": none */
	struct reason why;	/* or "" */
};

/* One reading of the spool. NULL with errno. */
struct import *import_open(struct spool *, const struct import_options *);
void import_close(struct import *);

/* Takes one. -1 with errno: then nothing may be committed. */
int import_take(struct import *, const struct import_judged *, struct imported *);
/* So many were refused; of these, so many are for keys that this spool never had. */
size_t import_count(const struct import *);	/* that import_commit will make visible */
size_t import_refused(const struct import *, size_t *foreign);
/* Makes durable what was there already: the program that imported it may have died before it was. -1 with errno. */
int import_sync_known(struct import *);
/* Makes all that were accepted visible, durable when it returns. -1 with errno: some may be, see import_settle. */
int import_commit(struct import *);
/* Takes the outcome of the commit into an item's. False when it was not committed: then nothing may be said of it. */
bool import_settle(const struct import *, struct imported *);

#endif
