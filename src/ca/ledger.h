/* SPDX-License-Identifier: ISC */
/* The log of csr-sign --log and its archive: each certificate goes into the log, the log onto the disk, and only then
 * the certificate into the archive. */
#ifndef LEDGER_H
#define LEDGER_H

#include <stddef.h>
#include <time.h>

#include "archive/tgz.h"
#include "quarantine/verdict.h"

struct ledger;

/* Without a log when its descriptor is -1. Both stay the caller's. NULL with errno. */
struct ledger *ledger_open(struct tgz *, int log, time_t now);
void ledger_close(struct ledger *);

enum ledger_result {
	LEDGER_OK,
	LEDGER_TWICE,		/* the device has one in this archive already, which it would hide */
	LEDGER_NO_LOG,		/* errno says why; nothing that was held back goes out */
	LEDGER_NO_ARCHIVE,	/* the same */
};

/* Takes a good verdict, whose cn is the device. Certificates are held back until there are enough for one
 * write of the log. */
enum ledger_result ledger_put(struct ledger *, const struct verdict *);
/* Lets out what is held back. */
enum ledger_result ledger_flush(struct ledger *);
/* How many were taken. */
size_t ledger_count(const struct ledger *);

#endif
