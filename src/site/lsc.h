/* SPDX-License-Identifier: ISC */
/* Reading the phones' certificates (LSCs) from the directories of the spool, for lsc-list(1) and others. */
#ifndef LSC_H
#define LSC_H

#include "base/reason.h"
#include "spool/spool.h"
#include "x509/cert.h"

/* A certificate in one of the states. NULL with errno when it cannot be read, ENOENT when it went
 * somewhere else meanwhile; with errno 0 and a reason when it is no certificate. */
struct cert *lsc_read(const struct spool *, enum spool_dir, const struct reqid *, struct reason *);
/* The end of its validity; -1 with a reason as above. */
int lsc_not_after(const struct spool *, enum spool_dir, const struct reqid *, time_t *, struct reason *);

#endif
