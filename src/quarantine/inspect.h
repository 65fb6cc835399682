/* SPDX-License-Identifier: ISC */
/* Reads an archive for cert-import, csr-add and csr-sign: one process unpacks it, and workers on all cores judge each
 * entry. The process that calls this parses nothing of the archive. It takes names from the one, verdicts from the
 * others, and checks their form and their order. */
#ifndef INSPECT_H
#define INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/untar.h"
#include "base/bytes.h"
#include "base/reason.h"
#include "quarantine/unpack.h"
#include "quarantine/verdict.h"

enum inspect_admission {
	INSPECT_JUDGE,		/* hand the entry to a worker */
	INSPECT_SKIP,		/* pass over it */
	INSPECT_REFUSE,		/* refuse it, the reason says why: when that is trouble, it ends all */
	INSPECT_ABORT,		/* refuse the archive, the reason says why; likewise. For one, or several that are apart */
};

struct inspect_task {
	/* Here, when the next of several files begins; may be NULL. */
	void (*begin)(void *ctx);
	/* Here, before an entry goes to a worker; may be NULL. Must not parse. */
	enum inspect_admission (*admit)(void *ctx, const struct untar_item *, struct reason *);
	/* Once in each worker, before anything is read; may be NULL. Says itself what is wrong; -1 ends.
	 * Then the worker is confined to SANDBOX_COMPUTE, unless outside is set and init does that itself. */
	int (*init)(void *ctx);
	bool outside;
	/* In a worker: fills the verdict on an entry, with the DER of what it found or made in der. One that is not
	 * good because of trouble ends all with that. */
	void (*judge)(void *ctx, struct bytes data, struct verdict *, struct buf *der);
	void *ctx;
	/* What admit leaves here goes with its entry, and a worker finds it here when it judges; may be NULL. */
	uint8_t *mark;
};

struct inspect;

/* Starts so many workers (0: as workers_start has it) on what comes from there, and stops that at the end; NULL
 * is passed on. What the task points to must stay until inspect_close. NULL with errno. */
struct inspect *inspect_open(struct unpack *, const struct inspect_task *, size_t workers);

enum inspect_result {
	INSPECT_END,		/* all verdicts given, and every archive as a whole is sound */
	INSPECT_VERDICT,		/* one entry, in the archive's order; valid until the next call */
	INSPECT_FILE,		/* the next of several files begins */
	INSPECT_UNREADABLE,	/* it cannot be opened or read: the reason says which, errno why */
	INSPECT_DAMAGED,		/* the archive is refused, the reason says why; the next file follows */
	INSPECT_DIED,		/* what was read made a process die, the reason says how, and the verdict's entry
				 * which it was, where that is known; nothing follows */
	INSPECT_TROUBLE,		/* errno says why; nothing follows */
};

enum inspect_result inspect_next(struct inspect *, struct verdict *, struct reason *);
void inspect_close(struct inspect *);

#endif
