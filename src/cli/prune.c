/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/progress.h"
#include "cli/prune.h"
#include "spool/journal.h"

/* Removes one file. 1 when it is gone by our hand, 0 when somebody was quicker, -1 with errno. */
static int prune(struct spool *s, enum spool_dir d, const char *file)
{
	if (spool_remove(s, d, file) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

int prune_dir(struct spool *s, enum spool_dir d, struct devices *names, bool dry_run,
    void (*tell)(const struct reqid *, const char *path))
{
	const struct spool_wanted wanted = {devices_named, names};
	char file[REQID_NAME_MAX + 1], path[REQID_NAME_MAX + 16];
	size_t n, gone = 0;
	int failed = 0, result;
	struct progress progress;
	struct reqid *list;

	if (spool_list_for(s, d, &wanted, &list, &n) != 0)
		return -1;
	progress_start(&progress, "files", 0);
	for (size_t i = 0; i < n; i++) {
		progress_part(&progress, i, n);
		progress_show(&progress, gone);
		if (!devices_want(names, list[i].device))
			continue;
		reqid_name(&list[i], (enum reqid_kind)list[i].kind, file);
		if ((result = dry_run ? 1 : prune(s, d, file)) > 0)
			list[gone++] = list[i];
		else if (result < 0)
			failed = errno;
	}
	progress_end(&progress);
	/* Said only when a power cut cannot bring it back. */
	if (!dry_run && spool_sync(s, d) != 0) {
		failed = errno;
		gone = 0;
	}
	for (size_t i = 0; i < gone; i++) {
		reqid_name(&list[i], (enum reqid_kind)list[i].kind, file);
		snprintf(path, sizeof path, "%s/%s", spool_dir_name(d), file);
		tell(&list[i], path);
		if (!dry_run)
			journal_add(s, "deleted", &list[i]);
	}
	free(list);
	errno = failed;
	return failed == 0 ? 0 : -1;
}
