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
#include "site/lsc.h"
#include "spool/journal.h"
#include "spool/spool.h"
#include "x509/name.h"

const char program[] = "stale-lsc";
const char purpose[] = "certificates that can never be installed";
const char synopsis[] = "[-0HhnV] [-f file] [-P seconds] [-s spool] list | view | delete\n"
			"                 [all | device ...]";

static int list_one(struct spool *s, const struct reqid *reqid)
{
	char iso[UTC_ISO + 1], key[2 * REQID_SPKI + 1];
	time_t t;

	(void)s;
	utc_iso(utc_from_stamp(reqid->stamp, &t) ? t : 0, iso);
	bytes_hex(reqid->spki, REQID_SPKI, key);
	printf("%s\t%s\t%s\n", reqid->device, iso, key);
	return STATUS_OK;
}

static int view_one(struct spool *s, const struct reqid *reqid)
{
	char iso[UTC_ISO + 1], hex[2 * REQID_SPKI + 1], escaped[1024], *subject = NULL, *issuer = NULL;
	struct reason why;
	struct cert *c = lsc_read(s, SPOOL_STALE, reqid, &why);
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
static int each(struct spool *s, struct devices *names, int (*one)(struct spool *, const struct reqid *))
{
	int status = STATUS_OK;
	struct reqid *list;
	size_t n;

	if (spool_list(s, SPOOL_STALE, &list, &n) != 0) {
		status_warn_errno("stale", "cannot list");
		return STATUS_TROUBLE;
	}
	for (size_t i = 0; i < n; i++) {
		if (devices_want(names, list[i].device))
			status = status_worst(status, one(s, &list[i]));
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
	bool null = false, dry_run = false, header = false;
	time_t now = time(NULL);
	struct devices names;
	struct spool *s;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &null, "names in the file end with NUL, not newline"),
		OPT_TEXT('f', "file", "FILE", &file,
		    "read device names from this file too; - is stdin"),
		OPT_FLAG('H', "header", &header, "with list, print the names of the columns first"),
		OPT_FLAG('n', "dry-run", &dry_run,
		    "with delete, say what would be deleted, and delete nothing"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
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
	s = *verb == 'd' && !dry_run ? open_spool_to_write(path, now) : open_spool(path, now);
	confine_below(*verb == 'd' && !dry_run ? SANDBOX_WRITER : SANDBOX_READER, s->root, NULL, 0);
	if (header && *verb == 'l')
		puts("device\trequested\tkey");
	status = *verb == 'd' ? delete(s, &names, dry_run) : each(s, &names, *verb == 'l' ? list_one : view_one);
	status = devices_warn_unused(&names, "has no stale certificate", status);
	devices_free(&names);
	spool_close(s);
	return status_flush(status);
}
