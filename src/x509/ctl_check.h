/* SPDX-License-Identifier: ISC */
/* What must hold in a phones' trust list, for ctl-show(1), and for ctl-make(1) before it writes one. */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include <stdbool.h>
#include <time.h>

#include "base/reason.h"
#include "x509/ctl.h"

#define CTL_KEY_BITS_MAX 2048	/* of RSA keys: phones take no larger ones in lists */
#define CTL_SASTS_MAX 2

/* One thing that is wrong. */
struct ctl_fault {
	size_t record;		/* from 1; 0: it is about the list */
	bool large_key;		/* an RSA key that phones refuse */
	struct reason why;
};

/* Calls say for each thing that is wrong: the signature, the signer's record, records that differ from their
 * certificates, dates, keys. 0 when nothing is, 1, or -1 with a reason when that cannot be told. */
int ctl_check(const struct ctl *, time_t now, void (*say)(void *ctx, const struct ctl_fault *), void *ctx,
    struct reason *);

/* The signer's own record, with the role SAST; NULL when there is none. */
const struct ctl_record *ctl_signer(const struct ctl *);
/* Does a phone that has the old list take the new one: does the old one have the signer's certificate as a SAST? */
bool ctl_follows(const struct ctl *old, const struct ctl *new);

#endif
