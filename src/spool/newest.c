/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/utc.h"
#include "spool/newest.h"

bool newest_replaces(const struct reqid *newer, const struct reqid *older, enum spool_dir from, enum spool_dir *to)
{
	if ((from != SPOOL_CSR && from != SPOOL_LSC) || strcmp(newer->device, older->device) != 0 ||
	    !reqid_newer(newer, older))
		return false;
	*to = from == SPOOL_CSR ? SPOOL_SUPERSEDED : SPOOL_STALE;
	return true;
}

bool newest_in_list(const struct reqid *list, size_t n, size_t i)
{
	return i + 1 == n || strcmp(list[i].device, list[i + 1].device) != 0;
}

void newest_kept_since(time_t now, time_t keep, char before[UTC_STAMP + 1])
{
	utc_stamp(keep > 0 ? now - keep : UTC_LAST, before);
}

bool newest_retires(const struct reqid *newer, const struct reqid *older, const char before[UTC_STAMP + 1])
{
	return reqid_newer(newer, older) && memcmp(older->stamp, before, UTC_STAMP) < 0;
}

void newest_last(const struct index *ix, const char *device, char out[UTC_STAMP + 1])
{
	const struct index_entry *e = NULL;
	time_t t;

	out[0] = '\0';
	/* A name that none of our programs made may have a stamp that is no time. */
	while ((e = index_device(ix, device, e)) != NULL)
		if (strcmp(e->reqid.stamp, out) > 0 && utc_from_stamp(e->reqid.stamp, &t))
			strcpy(out, e->reqid.stamp);
}

bool newest_stamp(time_t now, const char *last, time_t order, char out[UTC_STAMP + 1])
{
	time_t t = now, latest;

	if (*last != '\0' && utc_from_stamp(last, &latest) && latest >= t)
		t = latest + 1;
	if (order >= t)
		t = order + 1;
	utc_stamp(t, out);
	return t <= UTC_LAST;
}
