/* SPDX-License-Identifier: ISC */
/* stale-lsc: certificates that can never be installed, because the phone made a newer key first or
 * refused them: list, view, delete. It deletes nothing without names, or "all". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/devices.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/prune.h"
#include "cli/status.h"
#include "cli/table.h"
#include "site/lsc.h"
#include "spool/journal.h"
#include "spool/spool.h"
#include "x509/name.h"

const char program[] = "stale-lsc";
const char purpose[] = "list or delete certificates that can never be installed";
const char synopsis[] = "[-0HhnV] [-f file] [-P seconds] [-s spool] [--color[=when]] [--json]\n"
			"                 [--no-pager] list | view | delete [all | device ...]";

static const struct table_column columns[] = {
	{"device", TABLE_WORD, 0}, {"requested", TABLE_TIME, 0}, {"key", TABLE_KEY, 0},
};

struct stale {
	struct spool *spool;
	struct table table;	/* of list */
};

static int list_one(struct stale *st, const struct reqid *reqid)
{
	time_t t;

	table_word(&st->table, reqid->device, TABLE_PLAIN);
	table_time(&st->table, utc_from_stamp(reqid->stamp, &t) ? t : 0, TABLE_PLAIN);
	table_key(&st->table, reqid->spki, REQID_SPKI);
	table_row(&st->table);
	return STATUS_OK;
}

static int view_one(struct stale *st, const struct reqid *reqid)
{
	char iso[UTC_ISO + 1], hex[2 * REQID_SPKI + 1], escaped[1024], *subject = NULL, *issuer = NULL;
	struct reason why;
	struct cert *c = lsc_read(st->spool, SPOOL_STALE, reqid, &why);
	time_t t;
	int status;

	status = c == NULL && errno != 0 ? STATUS_TROUBLE : STATUS_REFUSED;
	if (c == NULL && errno == ENOENT)
		return STATUS_OK;
	if (c != NULL && ((subject = name_line(X509_get_subject_name(c->x509))) == NULL ||
	    (issuer = name_line(X509_get_issuer_name(c->x509))) == NULL)) {
		reason_memory(&why);
		status = STATUS_TROUBLE;
	}
	if (issuer == NULL) {
		free(subject);
		cert_free(c);
		status_warn(reqid->device, "its stale certificate: %s", why.text);
		return status;
	}
	utc_iso(utc_from_stamp(reqid->stamp, &t) ? t : 0, iso);
	printf("device:     %s\nrequested:  %s\n", reqid->device, iso);
	printf("subject:    %s\n", status_escape(subject, escaped, sizeof escaped));
	printf("issuer:     %s\n", status_escape(issuer, escaped, sizeof escaped));
	utc_iso(c->not_before, iso);
	printf("serial:     %s\nnot before: %s\n", c->serial, iso);
	utc_iso(c->not_after, iso);
	bytes_hex(reqid->spki, REQID_SPKI, hex);
	printf("not after:  %s\nkey:        %s\n", iso, hex);
	bytes_hex(c->digest, sizeof c->digest, hex);
	printf("sha256:     %s\n\n", hex);
	free(subject);
	free(issuer);
	cert_free(c);
	return STATUS_OK;
}

/* Calls one for every stale certificate that is named; without names, for all. */
static int each(struct stale *st, struct devices *names, int (*one)(struct stale *, const struct reqid *))
{
	int status = STATUS_OK;
	struct reqid *list;
	size_t n;

	if (spool_list(st->spool, SPOOL_STALE, &list, &n) != 0) {
		status_warn_errno("stale", "cannot list");
		return STATUS_TROUBLE;
	}
	for (size_t i = 0; i < n; i++) {
		if (devices_want(names, list[i].device))
			status = status_worst(status, one(st, &list[i]));
	}
	free(list);
	return status;
}

static void tell(const struct reqid *reqid, const char *path)
{
	printf("%s\t%s\n", reqid->device, path);
}

static int delete(struct spool *s, struct devices *names, bool dry_run)
{
	if (prune_dir(s, SPOOL_STALE, names, dry_run, tell) != 0 || journal_flush(s) != 0) {
		status_warn_errno("stale", "cannot delete");
		return STATUS_TROUBLE;
	}
	return STATUS_OK;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *file = NULL, *verb;
	struct table_options how = {.header = false};
	bool null = false, dry_run = false;
	time_t now = time(NULL);
	struct devices names;
	struct stale st;
	struct spool *s;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &null, "names in the file end with NUL, not newline"),
		OPT_TEXT('f', "file", "FILE", &file,
		    "read device names from this file too; - is stdin"),
		OPT_FLAG('H', "header", &how.header, "with list, print the names of the columns first"),
		OPT_FLAG('n', "dry-run", &dry_run,
		    "with delete, say what would be deleted, and delete nothing"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		TABLE_OPTIONS(&how),
		{0},
	};
	int arg = options_parse(argc, argv, options), status;

	if (arg == argc)
		status_usage("wants list, view or delete");
	verb = argv[arg++];
	if (strcmp(verb, "list") != 0 && strcmp(verb, "view") != 0 && strcmp(verb, "delete") != 0)
		status_usage("wants list, view or delete, not %s", verb);
	if (*verb == 'd' && arg == argc && file == NULL)
		status_usage("delete wants device names, or \"all\"");
	devices_from_args(&names, argc - arg, argv + arg, file, null);
	if (how.json && *verb != 'l')
		status_usage("--json is for list");
	st.spool = s = *verb == 'd' && !dry_run ? open_spool_to_write(path, now) : open_spool(path, now);
	if (*verb == 'l')
		table_open(&st.table, columns, sizeof columns / sizeof *columns, &how);
	confine_below(*verb == 'd' && !dry_run ? SANDBOX_WRITER : SANDBOX_READER, s->root, NULL, 0);
	devices_settle(&names, s);
	status = *verb == 'd' ? delete(s, &names, dry_run) : each(&st, &names, *verb == 'l' ? list_one : view_one);
	if (*verb == 'l')
		table_close(&st.table);
	status = devices_warn_unused(&names, "has no stale certificate", status);
	devices_free(&names);
	spool_close(s);
	return status_flush(status);
}
