/* SPDX-License-Identifier: ISC */
/* Archives, unpacked by one process, and each entry judged by others on all cores: bytes in, verdicts out.
 * This process stands between them, parses nothing of it, and believes none of them more than it must:
 * names come from the one, verdicts from the others, in an order and to a form that are held here. */
#ifndef INTAKE_H
#define INTAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/archive.h"
#include "base/bytes.h"
#include "base/reason.h"
#include "quarantine/unpack.h"
#include "quarantine/verdict.h"

enum intake_admission {
	INTAKE_JUDGE,		/* hand the entry to a worker */
	INTAKE_SKIP,		/* it is none of the workers' business */
	INTAKE_REFUSE,		/* refuse it, the reason says why: when that is trouble, it ends all */
	INTAKE_ABORT,		/* refuse the archive, the reason says why; likewise */
};

struct intake_task {
	/* Here, before an entry goes to a worker; may be NULL. Must not parse. */
	enum intake_admission (*admit)(void *ctx, const struct archive_item *, struct reason *);
	/* Once in each worker, before anything is read; may be NULL. Says itself what is wrong; -1 ends.
	 * After it the worker is narrowed to computing, unless it needs outside and does that itself. */
	int (*init)(void *ctx);
	bool outside;
	/* In a worker: fills the verdict on an entry, with the DER of what it found or made in der. One that is not
	 * good because of trouble ends all with that. */
	void (*judge)(void *ctx, struct bytes data, struct verdict *, struct buf *der);
	void *ctx;
};

struct intake;

/* Starts so many workers (0: as pool_start has it) on what comes from there, and stops that at the end; NULL
 * is passed on. What the task points to must stay until intake_close. NULL with errno. */
struct intake *intake_open(struct unpack *, const struct intake_task *, size_t workers);

enum intake_result {
	INTAKE_END,		/* all verdicts given, and every archive as a whole is sound */
	INTAKE_VERDICT,		/* one entry, in the archive's order; valid until the next call */
	INTAKE_FILE,		/* the next of several files begins */
	INTAKE_UNREADABLE,	/* it cannot be opened or read: the reason says which, errno why */
	INTAKE_DAMAGED,		/* the archive is refused, the reason says why; the next file follows */
	INTAKE_DIED,		/* what was read made a process die, the reason says how, and the verdict's entry
				 * which it was, where that is known; nothing follows */
	INTAKE_TROUBLE,		/* errno says why; nothing follows */
};

enum intake_result intake_next(struct intake *, struct verdict *, struct reason *);
void intake_close(struct intake *);

#endif
