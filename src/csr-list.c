/* SPDX-License-Identifier: ISC */
/* csr-list: the requests that wait, a line each, by device. Everything it shows stands in the names of
 * the files, so it opens none of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "spool/spool.h"

const char program[] = "csr-list";
const char purpose[] = "list the requests that wait";
const char synopsis[] =
    "[-0HhV] [-P seconds] [-s spool] [--older-than span] [--since time]";

static void show(const struct reqid *reqid, bool names_only)
{
	char iso[UTC_ISO + 1], key[2 * REQID_SPKI + 1];
	time_t t;

	if (names_only) {
		fwrite(reqid->device, 1, strlen(reqid->device) + 1, stdout);
		return;
	}
	utc_iso(utc_from_stamp(reqid->stamp, &t) ? t : 0, iso);
	bytes_hex(reqid->spki, REQID_SPKI, key);
	printf("%s\t%s\t%s\t%s\n", reqid->device, iso, key, reqid->kind == REQID_RA ? "ra" : "own");
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	time_t now = time(NULL), span = -1, since = 0;
	char first[UTC_STAMP + 1], last[UTC_STAMP + 1];
	bool null = false, header = false;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &null, "print only the device names, each ended by NUL"),
		OPT_FLAG('H', "header", &header, "print the names of the columns first"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_SPAN(0, "older-than", &span, "only requests that came at least this long ago"),
		OPT_TIME(0, "since", &since, "only requests that came at this time or later"),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	struct reqid *list;
	struct spool *s;
	size_t n;

	if (arg != argc)
		status_usage("takes no arguments");
	utc_stamp(since, first);
	utc_stamp(span >= 0 ? now - span : UTC_LAST, last);
	s = open_spool(path, now);
	confine_below(SANDBOX_READER, s->root, NULL, 0);
	if (spool_list(s, SPOOL_CSR, &list, &n) != 0)
		status_die_errno(path, "cannot list");
	if (header && !null)
		puts("device\trequested\tkey\tproof");
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].stamp, first) >= 0 && strcmp(list[i].stamp, last) <= 0)
			show(&list[i], null);
	free(list);
	spool_close(s);
	return status_flush(STATUS_OK);
}
