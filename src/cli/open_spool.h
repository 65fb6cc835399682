/* SPDX-License-Identifier: ISC */
/* Opens the spool of -s or CAPF_SPOOL, and flushes its journal at the end; for main() only. */
#ifndef OPEN_SPOOL_H
#define OPEN_SPOOL_H

#include "spool/spool.h"

/* The spool at path, or a message and the end: 100 when there is none or it lacks a directory. */
struct spool *open_spool(const char *path, time_t now);
/* After spool_open failed with errno: says why, and the end. */
_Noreturn void open_spool_failed(const char *path);
/* The same as open_spool for a program that writes: only its owner may, and first it finishes what an earlier one left. */
struct spool *open_spool_to_write(const char *path, time_t now);
/* The same for a program that asks for certain devices, or for none: what an earlier program left of requests and
 * certificates it does not look for. What dead programs left in tmp/ goes. */
struct spool *open_spool_to_change(const char *path, time_t now);
/* Lets only the owner of path go on: what root makes there the owner could not read. Anybody else gets a message
 * and the end, 100; what does not exist has no owner. */
void open_spool_as_owner(const char *path);
/* Writes the queued lines of the journal, or warns. Returns status, or the worse of it. */
int open_spool_flush(struct spool *, int status);

#endif
