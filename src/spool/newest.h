/* SPDX-License-Identifier: ISC */
/* The two rules that decide what becomes of a request, capf-spool(5): a device has one pending request, the newest;
 * and a new request has a later time than everything that the device has. */
#ifndef NEWEST_H
#define NEWEST_H

#include <stdbool.h>
#include <time.h>

#include "spool/index.h"

/* The newest request wins. When a newer request of the device is pending, an older one in csr/ is superseded, and an
 * older certificate in lsc/ can never be installed: the phone has another key by now. True when "older" must move
 * from its directory, and where to: superseded/ or stale/. Of two from the same second the one whose key is greater
 * counts as newer. What is in another directory stays. */
bool newest_replaces(const struct reqid *newer, const struct reqid *older, enum spool_dir from, enum spool_dir *to);
/* The same for a list as spool_list makes it: is this the newest of its device? */
bool newest_in_list(const struct reqid *list, size_t n, size_t i);

/* The latest stamp of a device in an index; "" when it has nothing there. */
void newest_last(const struct index *, const char *device, char out[UTC_STAMP + 1]);
/* The stamp of a new request: now, or, if the device has had one in the same second already, or the clock was set
 * back, a second later than the last, so that the newest request is always the one that came last. It is also later
 * than its order; 0: there is no order. */
void newest_stamp(time_t now, const char *last, time_t order, char out[UTC_STAMP + 1]);

#endif
