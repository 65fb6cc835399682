/* SPDX-License-Identifier: ISC */
/* csr-delete: requests gone, whatever became of them, with the certificates that are ready and not yet
 * installed. What a phone has installed, and what is stale, it does not touch. Without names, or "all",
 * it does nothing. */
#include <stdio.h>
#include <time.h>

#include "cli/confine.h"
#include "cli/devices.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/prune.h"
#include "cli/status.h"
#include "spool/spool.h"

const char program[] = "csr-delete";
const char purpose[] = "delete requests, and the certificates that are ready for them";
const char synopsis[] = "[-0hnV] [-f file] [-P seconds] [-s spool] all | device ...";

static void tell(const struct reqid *reqid, const char *path)
{
	printf("%s\t%s\n", reqid->device, path);
}

int main(int argc, char *argv[])
{
	/* Requests before certificates: a cert-import that runs beside us finds its request gone and
	 * takes its certificate back, or was quicker, and then we find the certificate. done/ comes
	 * last, since it is where the request of a ready certificate is. */
	static const enum spool_dir order[] = {SPOOL_CSR, SPOOL_SUPERSEDED, SPOOL_LSC, SPOOL_DONE};
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
	int arg = options_parse(argc, argv, options), status = STATUS_OK;
	struct devices names;
	struct spool *s;

	if (arg == argc && file == NULL)
		status_usage("wants device names, or \"all\"");
	devices_from_args(&names, argc - arg, argv + arg, file, null);
	/* What an earlier program left half done of a device goes with what the device has. */
	s = dry_run ? open_spool(path, now) : names.all ? open_spool_to_write(path, now) : open_spool_to_change(path, now);
	confine_below(dry_run ? SANDBOX_READER : SANDBOX_WRITER, s->root, NULL, 0);
	devices_settle(&names, s);
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
		if (prune_dir(s, order[i], &names, dry_run, tell) != 0) {
			status_warn_errno(spool_dir_name(order[i]), "cannot delete");
			status = STATUS_TROUBLE;
		}
	}
	status = open_spool_flush(s, status);
	status = devices_warn_unused(&names, "has nothing to delete", status);
	devices_free(&names);
	spool_close(s);
	return status_flush(status);
}
