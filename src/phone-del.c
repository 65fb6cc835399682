/* SPDX-License-Identifier: ISC */
/* phone-del: records of phones gone, with what became of their orders. Requests and certificates stay:
 * those are csr-delete's and stale-lsc's. Without names, --where or "all", it does nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/confine.h"
#include "cli/confirm.h"
#include "cli/devices.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "site/phone_filter.h"
#include "site/phone_lock.h"
#include "site/phonebook.h"
#include "spool/journal.h"
#include "spool/spool.h"

const char program[] = "phone-del";
const char purpose[] = "delete the records of phones";
const char synopsis[] =
    "[-0hnV] [-f file] [-P seconds] [-s spool] [--where condition] [--yes] all | device ...";

struct deleting {
	struct spool *spool;
	struct phone_lock lock;
	struct phone_filter filter;	/* what --where says */
	struct index index;	/* what the filter looks at; empty when it looks at nothing */
	struct phonebook_name *list;	/* those that are meant; afterwards those that are gone */
	size_t n;
	bool dry_run;
	int status;
};

/* Is it one that --where wants? What is left of a phone that is gone has only a name. */
static bool wanted(struct deleting *del, const char *device)
{
	struct phone_state st;
	struct reason why;
	struct phone p;
	int found;

	if (!phone_filter_name(&del->filter, device))
		return false;
	if (!phone_filter_reads(&del->filter))
		return true;
	if ((found = phonebook_load(del->spool, device, &p, &st, &why)) > 0)
		found = phone_filter_match(&del->filter, del->spool, &del->index, &p, &st, NULL, &why);
	explicit_bzero(&p, sizeof p);
	if (found < 0) {
		status_warn(device, "%s", why.text);
		del->status = status_worst(del->status, status_of_item(why.trouble));
	}
	return found > 0;
}

/* The phones of these names, or all, as far as --where wants them. */
static void select_phones(struct deleting *del, struct devices *names)
{
	size_t n = 0;

	if (phonebook_list(del->spool, &del->list, &del->n) != 0)
		status_die_errno(spool_dir_name(SPOOL_PHONE), "cannot list");
	for (size_t i = 0; i < del->n; i++)
		if (devices_want(names, del->list[i].device) && wanted(del, del->list[i].device))
			del->list[n++] = del->list[i];
	del->n = n;
}

/* Deletes one. Was it there, and what --where wants? */
static bool delete_one(struct deleting *del, const char *device)
{
	int result;

	/* A program that is changing it at this moment would bring it back. */
	if (phone_lock_wait(&del->lock, device) != 0)
		status_die_errno(device, "cannot lock its record");
	result = wanted(del, device) ? phonebook_remove(del->spool, device) : 0;
	if (result < 0) {
		status_warn_errno(device, "cannot delete");
		del->status = STATUS_TROUBLE;
	}
	phone_lock_drop(&del->lock);
	return result > 0;
}

static void delete_all(struct deleting *del)
{
	struct progress progress;
	size_t n = 0;

	progress_start(&progress, "phones", del->n);
	for (size_t i = 0; i < del->n; i++) {
		if (delete_one(del, del->list[i].device))
			del->list[n++] = del->list[i];
		progress_show(&progress, i + 1);
	}
	progress_end(&progress);
	del->n = n;
	/* Said only when a power cut cannot bring it back. */
	if (spool_sync(del->spool, SPOOL_PHONE) != 0)
		status_die_errno(spool_dir_name(SPOOL_PHONE), "cannot delete");
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *file = NULL;
	struct deleting del = {.status = STATUS_OK};
	struct option_texts where = {.n = 0};
	bool null = false, yes = false;
	time_t now = time(NULL);
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &null, "names in the file end with NUL, not newline"),
		OPT_TEXT('f', "file", "FILE", &file,
		    "read device names from this file too; - is stdin"),
		OPT_FLAG('n', "dry-run", &del.dry_run, "say what would be deleted, and delete nothing"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_TEXTS(0, "where", "CONDITION", &where,
		    "only phones that meet this, such as status=failed; repeat it for more conditions"),
		OPT_FLAG(0, "yes", &yes, "do it to all phones without asking"),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	struct reason why;
	struct devices names;

	if (arg == argc && file == NULL && where.n == 0)
		status_usage("wants device names, \"all\", or --where");
	phone_filter_init(&del.filter);
	if (phone_filter_add_all(&del.filter, where.text, where.n, now, &why) != 0)
		status_usage("--where: %s", why.text);
	devices_from_args(&names, argc - arg, argv + arg, file, null);
	del.spool = del.dry_run ? open_spool(path, now) : open_spool_to_change(path, now);
	confine_below(del.dry_run ? SANDBOX_READER : SANDBOX_WRITER, del.spool->root, NULL, 0);
	phone_lock_init(&del.lock, del.spool);
	if (index_load(&del.index, del.spool, phone_filter_reads(&del.filter) ? PHONE_FILTER_DIRS : 0) != 0)
		status_die_errno(path, "cannot list");
	devices_settle(&names, del.spool);
	select_phones(&del, &names);
	if (names.all && del.n > 0 && !del.dry_run)
		confirm(yes, "the record%s of %zu phone%s would be deleted", del.n == 1 ? "" : "s", del.n, del.n == 1 ? "" : "s");
	if (!del.dry_run)
		delete_all(&del);
	for (size_t i = 0; i < del.n; i++) {
		puts(del.list[i].device);
		if (!del.dry_run)
			journal_add_text(del.spool, "deleted", del.list[i].device);
	}
	del.status = open_spool_flush(del.spool, del.status);
	del.status = devices_warn_unused(&names, "there is no such phone", del.status);
	free(del.list);
	devices_free(&names);
	index_free(&del.index);
	phone_lock_close(&del.lock);
	spool_close(del.spool);
	return status_flush(del.status);
}
