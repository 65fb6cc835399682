/* SPDX-License-Identifier: ISC */
/* trust-del: CAs out of a trust store, by fingerprint or by the beginning of one. It takes away nothing
 * when the beginning fits more than one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "options.h"
#include "spool.h"
#include "state.h"
#include "status.h"
#include "store.h"

const char program[] = "trust-del";
const char synopsis[] = "[-hnV] [-P seconds] [-s spool] capf|callmanager fingerprint ...";

#define LEAST_DIGITS 8		/* of a fingerprint: with fewer a slip of the hand fits something */

struct search {
	const char *beginning;
	size_t found;
	char file[256];
};

static int look(void *ctx, const char *file)
{
	struct search *w = ctx;

	if (strncmp(file, w->beginning, strlen(w->beginning)) == 0) {
		w->found++;
		snprintf(w->file, sizeof w->file, "%s", file);
	}
	return 0;
}

static int delete(struct spool *s, enum spool_dir d, const char *beginning, bool dry_run)
{
	struct search w = {.beginning = beginning};

	if (strlen(beginning) < LEAST_DIGITS ||
	    strspn(beginning, "0123456789abcdef") != strlen(beginning)) {
		status_warn(beginning, "not a fingerprint: at least %d digits of those that trust-list shows",
		    LEAST_DIGITS);
		return STATUS_USAGE;
	}
	if (spool_each(s, d, look, &w) != 0) {
		status_warn_errno(spool_dir_name(d), "cannot list");
		return STATUS_TROUBLE;
	}
	if (w.found != 1) {
		status_warn(beginning, w.found == 0 ? "not in this store" : "fits more than one certificate");
		return STATUS_REFUSED;
	}
	if (!dry_run && (spool_remove(s, d, w.file) != 0 || spool_sync(s, d) != 0)) {
		status_warn_errno(w.file, "cannot delete");
		return STATUS_TROUBLE;
	}
	printf("%s/%s\n", spool_dir_name(d), w.file);
	if (!dry_run)
		spool_log_text(s, "untrusted", w.file);
	return STATUS_OK;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	bool dry_run = false;
	time_t now = time(NULL);
	const struct option_spec options[] = {
		{'n', "dry-run", OPTION_FLAG, &dry_run, 0, 0},
		{'P', "clock", OPTION_CLOCK, &now, 0, 0},
		{'s', "spool", OPTION_TEXT, &path, 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options), status = STATUS_OK;
	enum spool_dir dir;
	struct spool *s;

	if (argc - arg < 2)
		status_usage("wants a store, and fingerprints");
	if (!store_named(argv[arg], &dir))
		status_usage("the stores are capf and callmanager");
	if ((s = spool_open(path, program, now)) == NULL)
		status_die_path(path, "cannot open the spool");
	if (!dry_run && state_finish(s, NULL) != 0)
		status_die_errno(path, "cannot finish what an earlier run left");
	while (++arg < argc)
		status = status_worst(status, delete(s, dir, argv[arg], dry_run));
	if (spool_log_flush(s) != 0) {
		status_warn_errno(SPOOL_JOURNAL, "cannot write");
		status = STATUS_TROUBLE;
	}
	spool_close(s);
	return status_flush(status);
}
