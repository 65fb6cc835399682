/* SPDX-License-Identifier: ISC */
/* phone-del: records of phones gone, with what became of their orders. Requests and certificates stay:
 * those are csr-delete's and stale-lsc's. Without names, or "all", it does nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/confine.h"
#include "cli/devices.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "site/phone_lock.h"
#include "site/phonebook.h"
#include "spool/journal.h"
#include "spool/spool.h"

const char program[] = "phone-del";
const char purpose[] = "delete the records of phones";
const char synopsis[] = "[-0hnV] [-f file] [-P seconds] [-s spool] all | device ...";

/* Deletes those that are named from a list, which afterwards has the deleted ones. */
static int delete(struct spool *s, struct devices *names, bool dry_run, struct phonebook_name *list, size_t *n)
{
	int status = STATUS_OK, result;
	struct phone_lock lock;
	struct progress progress;
	size_t gone = 0;

	progress_start(&progress, "phones", 0);
	phone_lock_init(&lock, s);
	for (size_t i = 0; i < *n; i++) {
		progress_part(&progress, i, *n);
		progress_show(&progress, gone);
		if (!devices_want(names, list[i].device))
			continue;
		/* A program that is changing it at this moment would bring it back. */
		if (!dry_run && phone_lock_wait(&lock, list[i].device) != 0)
			status_die_errno(list[i].device, "cannot lock its record");
		if ((result = dry_run ? 1 : phonebook_remove(s, list[i].device)) > 0)
			list[gone++] = list[i];
		else if (result < 0) {
			status_warn_errno(list[i].device, "cannot delete");
			status = STATUS_TROUBLE;
		}
		phone_lock_drop(&lock);
	}
	phone_lock_close(&lock);
	progress_end(&progress);
	*n = gone;
	/* Said only when a power cut cannot bring it back. */
	if (!dry_run && spool_sync(s, SPOOL_PHONE) != 0)
		status_die_errno(spool_dir_name(SPOOL_PHONE), "cannot delete");
	return status;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *file = NULL;
	bool null = false, dry_run = false;
	time_t now = time(NULL);
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &null, "names in the file end with NUL, not newline"),
		OPT_TEXT('f', "file", "FILE", &file,
		    "read device names from this file too; - is stdin"),
		OPT_FLAG('n', "dry-run", &dry_run, "say what would be deleted, and delete nothing"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		{0},
	};
	int arg = options_parse(argc, argv, options), status;
	struct phonebook_name *list;
	size_t n;
	struct devices names;
	struct spool *s;

	if (arg == argc && file == NULL)
		status_usage("wants device names, or \"all\"");
	devices_from_args(&names, argc - arg, argv + arg, file, null);
	s = dry_run ? open_spool(path, now) : open_spool_to_write(path, now);
	confine_below(dry_run ? SANDBOX_READER : SANDBOX_WRITER, s->root, NULL, 0);
	devices_settle(&names, s);
	if (phonebook_list(s, &list, &n) != 0)
		status_die_errno(spool_dir_name(SPOOL_PHONE), "cannot list");
	status = delete(s, &names, dry_run, list, &n);
	for (size_t i = 0; i < n; i++) {
		puts(list[i].device);
		if (!dry_run)
			journal_add_text(s, "deleted", list[i].device);
	}
	status = open_spool_flush(s, status);
	status = devices_warn_unused(&names, "there is no such phone", status);
	free(list);
	devices_free(&names);
	spool_close(s);
	return status_flush(status);
}
