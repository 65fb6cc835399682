/* SPDX-License-Identifier: ISC */
/* csr-list: the requests that wait, a line each, by device, or in any order. Everything it shows stands in the names of the
 * files, so it opens none of them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "cli/table.h"
#include "spool/spool.h"

const char program[] = "csr-list";
const char purpose[] = "list the requests that wait";
const char synopsis[] =
    "[-0HhV] [-P seconds] [-s spool] [--color[=when]] [--json] [--no-pager]\n"
    "                [--older-than span] [--since time] [--unsorted]";

static const struct table_column columns[] = {
	{"device", TABLE_WORD, 0}, {"requested", TABLE_TIME, 0}, {"key", TABLE_KEY, 0}, {"proof", TABLE_WORD, 0},
};

static void show(struct table *table, const struct reqid *reqid)
{
	time_t t;

	table_word(table, reqid->device, TABLE_PLAIN);
	table_time(table, utc_from_stamp(reqid->stamp, &t) ? t : 0, TABLE_PLAIN);
	table_key(table, reqid->spki, REQID_SPKI);
	table_word(table, reqid->kind == REQID_RA ? "ra" : "own", TABLE_PLAIN);
	table_row(table);
}

/* What is asked for, and where it goes. */
struct listing {
	char first[UTC_STAMP + 1], last[UTC_STAMP + 1];
	struct table table;
};

static void show_wanted(struct listing *l, const struct reqid *reqid)
{
	if (strcmp(reqid->stamp, l->first) >= 0 && strcmp(reqid->stamp, l->last) <= 0)
		show(&l->table, reqid);
}

/* As the directory has them, so that none is kept in memory. */
static int show_next(void *ctx, const char *name)
{
	struct reqid reqid;

	if (reqid_parse(name, &reqid) && reqid.kind != REQID_DER)
		show_wanted(ctx, &reqid);
	return 0;
}

static int show_sorted(const struct spool *s, struct listing *l)
{
	struct reqid *list;
	size_t n;

	if (spool_list(s, SPOOL_CSR, &list, &n) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		show_wanted(l, &list[i]);
	free(list);
	return 0;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	time_t now = time(NULL), span = -1, since = 0;
	struct table_options how = {.header = false};
	bool unsorted = false;
	struct listing l;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &how.null, "print only the device names, each ended by NUL"),
		OPT_FLAG('H', "header", &how.header, "print the names of the columns first"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		TABLE_OPTIONS(&how),
		OPT_SPAN(0, "older-than", &span, "only requests that came at least this long ago"),
		OPT_TIME(0, "since", &since, "only requests that came at this time or later"),
		OPT_FLAG(0, "unsorted", &unsorted, "in any order, in the same memory for any number"),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	struct spool *s;

	if (arg != argc)
		status_usage("takes no arguments");
	utc_stamp(since, l.first);
	utc_stamp(span >= 0 ? now - span : UTC_LAST, l.last);
	s = open_spool(path, now);
	table_open(&l.table, columns, sizeof columns / sizeof *columns, &how);
	confine_below(SANDBOX_READER, s->root, NULL, 0);
	if ((unsorted ? spool_each(s, SPOOL_CSR, show_next, &l) : show_sorted(s, &l)) != 0)
		status_die_errno(path, "cannot list");
	table_close(&l.table);
	spool_close(s);
	return status_flush(STATUS_OK);
}
