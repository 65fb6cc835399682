/* SPDX-License-Identifier: ISC */
/* lsc-list: the certificates that are ready for delivery or installed, a line each, with their expiry.
 * It reads; it neither verifies nor changes. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "cli/table.h"
#include "site/lsc.h"
#include "spool/spool.h"
#include "x509/name.h"

const char program[] = "lsc-list";
const char purpose[] = "list certificates that are ready or installed";
const char synopsis[] =
    "[-0HhiRV] [-P seconds] [-s spool] [--color[=when]] [--details]\n"
    "                [--expires-before time] [--expires-within span] [--json] [--no-pager]";

/* The last three only with --details. */
static const struct table_column columns[] = {
	{"device", TABLE_WORD, 0}, {"state", TABLE_WORD, 0}, {"not-after", TABLE_TIME, 0}, {"serial", TABLE_TEXT, 0},
	{"key", TABLE_KEY, 1}, {"subject", TABLE_TEXT, 0}, {"issuer", TABLE_TEXT, 2}, {"sha256", TABLE_KEY, 3},
};
#define DETAILS 3

struct view {
	struct table table;
	bool details;
	time_t now, before;
};

/* Subject, issuer and the SHA-256 of the whole, as further columns. -1 without memory. */
static int put_details(struct table *t, const struct cert *c)
{
	char *(*const text)(const X509_NAME *) = table_wants_utf8(t) ? name_utf8 : name_line;
	char *subject = text(X509_get_subject_name(c->x509)), *issuer = text(X509_get_issuer_name(c->x509));
	bool good = subject != NULL && issuer != NULL;

	if (good) {
		table_raw(t, subject);
		table_raw(t, issuer);
		table_key(t, c->digest, sizeof c->digest);
	}
	free(subject);
	free(issuer);
	return good ? 0 : -1;
}

static int show(struct spool *s, enum spool_dir d, const struct reqid *reqid, struct view *view)
{
	struct table *t = &view->table;
	struct reason why;
	struct cert *c = lsc_read(s, d, reqid, &why);
	int status;

	if (c == NULL) {
		if (errno == ENOENT)
			return STATUS_OK;
		status = errno == 0 ? STATUS_REFUSED : STATUS_TROUBLE;
		status_warn(reqid->device, "its certificate in %s/: %s", spool_dir_name(d), why.text);
		return status;
	}
	if (c->not_after < view->before) {
		table_word(t, reqid->device, TABLE_PLAIN);
		table_word(t, d == SPOOL_LSC ? "ready" : "installed", d == SPOOL_LSC ? TABLE_WAITING : TABLE_GOOD);
		table_time(t, c->not_after, c->not_after < view->now ? TABLE_BAD : TABLE_PLAIN);
		table_raw(t, c->serial);
		table_key(t, reqid->spki, REQID_SPKI);
		if (view->details && put_details(t, c) != 0)
			status_die(STATUS_TROUBLE, reqid->device, "out of memory");
		table_row(t);
	}
	cert_free(c);
	return STATUS_OK;
}

static int show_all(struct spool *s, enum spool_dir d, struct view *view)
{
	int status = STATUS_OK;
	struct progress progress;
	struct reqid *list;
	size_t n;

	if (spool_list(s, d, &list, &n) != 0) {
		status_warn_errno(spool_dir_name(d), "cannot list");
		return STATUS_TROUBLE;
	}
	progress_start(&progress, "certificates", n);
	table_progress(&view->table, &progress);
	for (size_t i = 0; i < n; i++) {
		status = status_worst(status, show(s, d, &list[i], view));
		progress_show(&progress, i + 1);
	}
	progress_end(&progress);
	table_progress(&view->table, NULL);
	free(list);
	return status;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	struct view view = {.before = 253402300800};
	struct table_options how = {.header = false};
	bool ready = false, installed = false;
	time_t now = time(NULL), span = -1;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &how.null, "print only the device names, each ended by NUL"),
		OPT_FLAG('H', "header", &how.header, "print the names of the columns first"),
		OPT_FLAG('i', "installed", &installed, "only installed certificates"),
		OPT_CLOCK(&now),
		OPT_FLAG('R', "ready", &ready,
		    "only certificates that are ready for their phone; with -i both"),
		OPT_SPOOL(&path),
		TABLE_OPTIONS(&how),
		OPT_FLAG(0, "details", &view.details, "print subject, issuer and SHA-256 as further columns"),
		OPT_TIME(0, "expires-before", &view.before,
		    "only certificates that expire before this time"),
		OPT_SPAN(0, "expires-within", &span,
		    "only certificates that expire within this time, or have expired"),
		{0},
	};
	int arg = options_parse(argc, argv, options), status = STATUS_OK;
	struct spool *s;

	if (arg != argc)
		status_usage("takes no arguments");
	if (span >= 0 && now + span < view.before)
		view.before = now + span;
	s = open_spool(path, now);
	view.now = now;
	table_open(&view.table, columns, sizeof columns / sizeof *columns - (view.details ? 0 : DETAILS), &how);
	confine_below(SANDBOX_READER, s->root, NULL, 0);
	if (ready || !installed)
		status = status_worst(status, show_all(s, SPOOL_LSC, &view));
	if (installed || !ready)
		status = status_worst(status, show_all(s, SPOOL_INSTALLED, &view));
	table_close(&view.table);
	spool_close(s);
	return status_flush(status);
}
