/* SPDX-License-Identifier: ISC */
/* Finds the CA that csr-submit and capf-enroll ask: by its name in capf.conf, with what options say besides. */
#ifndef NAMED_CA_H
#define NAMED_CA_H

#include "base/reason.h"
#include "online/online_settings.h"
#include "spool/spool.h"

/* The settings of the CA of this name, or, without one, of online-ca, or of the only one that there is; then these
 * "field=value". -1 with a reason. */
int named_ca(const struct spool *, const char *name, const char *const *set, size_t n, struct online_settings *,
    struct reason *);

#endif
