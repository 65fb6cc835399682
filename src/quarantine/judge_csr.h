/* SPDX-License-Identifier: ISC */
/* What csr-add and csr-submit check of a request: its form, and that it is signed with its own key, or with CAPF's. */
#ifndef JUDGE_CSR_H
#define JUDGE_CSR_H

#include "base/bytes.h"
#include "quarantine/inspect.h"
#include "quarantine/verdict.h"

/* For struct inspect_task; ctx is a list of CAPF's keys as csr_parse takes it, or NULL: then only a request's own key
 * counts. The cn of the verdict is the device. */
void judge_csr(void *ctx, struct bytes data, struct verdict *, struct buf *der);
/* Skips the manifest that csr-dump --manifest puts in front of the requests. */
enum inspect_admission judge_csr_admit(void *ctx, const struct untar_item *, struct reason *);

#endif
