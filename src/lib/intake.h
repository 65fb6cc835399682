/* SPDX-License-Identifier: ISC */
/* An archive of certificates, unpacked, parsed and verified on all cores: bytes in, verdicts out.
 * Needs a descriptor and memory, no file and no spool. */
#ifndef INTAKE_H
#define INTAKE_H

#include <stddef.h>
#include <time.h>

#include "archive.h"
#include "trust.h"
#include "verdict.h"

struct intake;

/* Starts on the archive behind fd with so many workers (0: one per processor). Everything handed in
 * must stay until intake_close. NULL with errno. */
struct intake *intake_open(int fd, const struct archive_limits *, const struct trust *, time_t now,
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
