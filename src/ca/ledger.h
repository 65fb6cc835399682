/* SPDX-License-Identifier: ISC */
/* The log of csr-sign --log and its archives: each certificate goes into the log, the log onto the disk, and only then
 * the certificate into an archive. */
#ifndef LEDGER_H
#define LEDGER_H

#include <stddef.h>
#include <time.h>

#include "quarantine/verdict.h"

struct ledger;

/* Without a log when its descriptor, which stays the caller's, is -1. The level is that of tgz_open. NULL with errno. */
struct ledger *ledger_open(int log, time_t now, int level);
/* An archive that was not ended leaves nothing behind. */
void ledger_close(struct ledger *);

enum ledger_result {
	LEDGER_OK,
	LEDGER_TWICE,		/* the same archive of requests has one for this device already */
	LEDGER_NO_LOG,		/* errno says why; nothing that was held back goes out */
	LEDGER_NO_ARCHIVE,	/* the same */
};

/* Begins an archive of certificates at path, by outfile; one that was not ended is dropped. -1 with errno. */
int ledger_begin(struct ledger *, const char *path);
/* From now on the certificates are for another archive of requests. */
void ledger_next(struct ledger *);
/* Takes a good verdict, whose cn is the device. Certificates are held back until there are enough for one
 * write of the log. One that has the device and the key of an earlier archive of requests is left out, since the
 * first answers both; one with another key is called DEVICE+N.der, N being the number of its archive. */
enum ledger_result ledger_put(struct ledger *, const struct verdict *);
/* Lets out what is held back, and gives the archive its name. */
enum ledger_result ledger_end(struct ledger *);
/* Takes the archive away. */
void ledger_drop(struct ledger *);
/* How many certificates this archive has. */
size_t ledger_count(const struct ledger *);

#endif
