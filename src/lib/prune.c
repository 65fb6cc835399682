/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "prune.h"

int prune_dir(struct spool *s, enum spool_dir d, struct names *names, bool dry_run,
    void (*tell)(const struct stem *, const char *path))
{
	char file[STEM_NAME_MAX + 1], path[STEM_NAME_MAX + 16];
	int failed = 0;
	struct stem *list;
	size_t n;

	if (spool_list(s, d, &list, &n) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct name *name = names_find(names, list[i].device);

		if (!names->all && name == NULL)
			continue;
		if (name != NULL)
			name->used = true;
		stem_name(&list[i], (enum stem_kind)list[i].kind, file);
		if (!dry_run && spool_remove(s, d, file) != 0) {
			/* Somebody was quicker. */
			if (errno != ENOENT)
				failed = errno;
			continue;
		}
		snprintf(path, sizeof path, "%s/%s", spool_dir_name(d), file);
		tell(&list[i], path);
		if (!dry_run)
			spool_log(s, "deleted", &list[i]);
	}
	free(list);
	if (!dry_run && spool_sync(s, d) != 0)
		failed = errno;
	errno = failed;
	return failed == 0 ? 0 : -1;
}
