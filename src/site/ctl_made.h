/* SPDX-License-Identifier: ISC */
/* The trust lists for phones that ctl-make(1) has made with the certificate of this spool: files in ca/, capf-spool(5).
 * By them capf-init(1) knows which lists lack a new certificate. */
#ifndef CTL_MADE_H
#define CTL_MADE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/reason.h"
#include "spool/spool.h"

#define CTL_MADE_CAPF_MAX 64	/* certificates of CAPF in a list: OPTION_TEXTS_MAX */

struct ctl_made {
	char *path;		/* where the list was written, absolute */
	time_t made;
	unsigned char capf[CTL_MADE_CAPF_MAX][32];	/* SHA-256 of the certificates with the role CAPF */
	size_t n;		/* 0 also: the list was about to be written */
};

/* From now on, until the spool is closed, no other process that calls this goes on. -1 with errno. */
int ctl_made_lock(struct spool *);
/* Remembers a list, in place of what was remembered of this path, durably. -1 with a reason. */
int ctl_made_put(struct spool *, const struct ctl_made *, struct reason *);

/* Calls each for all lists, until one returns non-zero, and returns that: with NULL and a reason for a file that cannot
 * be read. -1 with a reason when they cannot be listed. */
int ctl_made_each(const struct spool *, int (*each)(void *ctx, const struct ctl_made *, const char *file,
    const struct reason *), void *ctx, struct reason *);

/* Does it have this certificate, by its SHA-256, with the role CAPF? */
bool ctl_made_has(const struct ctl_made *, const unsigned char digest[32]);

#endif
