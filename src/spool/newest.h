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

/* By keep-installed of capf.conf(5), certificates in installed/ with an earlier stamp go when the device has a newer
 * one. With 0 all do, also when the clock was set back. */
void newest_kept_since(time_t now, time_t keep, char before[UTC_STAMP + 1]);
/* Does "older" go, now that "newer" is installed? Both are of one device. */
bool newest_retires(const struct reqid *newer, const struct reqid *older, const char before[UTC_STAMP + 1]);

/* The latest stamp of a device in an index; "" when it has nothing there. */
void newest_last(const struct index *, const char *device, char out[UTC_STAMP + 1]);
/* The stamp of a new request: now, or, if the device has had one in the same second already, or the clock was set
 * back, a second later than the last, so that the newest request is always the one that came last. It is also later
 * than its order; 0: there is no order. False when that would be after the last second that a name can have. */
bool newest_stamp(time_t now, const char *last, time_t order, char out[UTC_STAMP + 1]);

#endif
