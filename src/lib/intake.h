/* SPDX-License-Identifier: ISC */
/* An archive, unpacked, and each entry judged on all cores: bytes in, verdicts out. Needs a descriptor
 * and memory, no file and no spool. */
#ifndef INTAKE_H
#define INTAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "archive.h"
#include "bytes.h"
#include "reason.h"
#include "verdict.h"

enum intake_admission {
	INTAKE_JUDGE,		/* hand the entry to a worker */
	INTAKE_SKIP,		/* it is none of the workers' business */
	INTAKE_REFUSE,		/* refuse it, the reason says why */
	INTAKE_ABORT,		/* refuse the archive, the reason says why */
};

struct intake_task {
	bool flat;		/* as for archive_open */
	/* Here, before an entry goes to a worker; may be NULL. */
	enum intake_admission (*admit)(void *ctx, const struct archive_item *, struct reason *);
	/* Once in each worker; may be NULL. Says itself what is wrong; -1 ends. */
	int (*init)(void *ctx);
	/* In a worker: fills the verdict on an entry, with the DER of what it found or made in der. */
	void (*judge)(void *ctx, struct bytes data, struct verdict *, struct buf *der);
	void *ctx;
};

struct intake;

/* Starts on the archive behind fd with so many workers (0: as pool_start has it). What the task points to
 * must stay until intake_close. NULL with errno. */
struct intake *intake_open(int fd, const struct archive_limits *, const struct intake_task *,
    size_t workers);

enum intake_result {
	INTAKE_END,		/* all verdicts given, and the archive as a whole is sound */
	INTAKE_VERDICT,		/* one entry, in the archive's order; valid until the next call */
	INTAKE_DAMAGED,		/* the archive is refused, the reason says why */
	INTAKE_TROUBLE,		/* errno says why */
};

enum intake_result intake_next(struct intake *, struct verdict *, struct reason *);
void intake_close(struct intake *);

#endif
