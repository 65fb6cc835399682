/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/open_spool.h"
#include "cli/status.h"
#include "spool/create.h"
#include "spool/journal.h"
#include "spool/recover.h"
#include "spool/stage.h"

struct spool *open_spool(const char *path, time_t now)
{
	struct spool *s = spool_open(path, program, now);
	enum spool_dir missing;
	int saved = errno;

	if (s != NULL)
		return s;
	if (create_missing(path, &missing) > 0)
		status_die(STATUS_USAGE, path, "the spool lacks %s/; spool-check --repair makes it",
		    spool_dir_name(missing));
	errno = saved;
	open_spool_failed(path);
}

void open_spool_failed(const char *path)
{
	struct stat st;
	int saved = errno;

	if (saved == ENOENT && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		status_die(STATUS_USAGE, path, "not a spool (no " SPOOL_CONF "); -s or CAPF_SPOOL says which it is");
	if (saved == ENOENT)
		status_die(STATUS_USAGE, path, "there is no such directory; capf-init makes a spool");
	errno = saved;
	status_die_path(path, "cannot open the spool");
}

void open_spool_as_owner(const char *path)
{
	const struct passwd *owner;
	struct stat st;

	/* A path that does not exist is reported when it is opened. */
	if (stat(path, &st) != 0 || st.st_uid == geteuid())
		return;
	if ((owner = getpwuid(st.st_uid)) != NULL)
		status_die(STATUS_USAGE, path, "belongs to %s, who alone may change it", owner->pw_name);
	status_die(STATUS_USAGE, path, "belongs to user %lu, who alone may change it",
	    (unsigned long)st.st_uid);
}

struct spool *open_spool_to_write(const char *path, time_t now)
{
	struct spool *s = open_spool(path, now);

	open_spool_as_owner(path);
	if (recover_finish(s, NULL) != 0)
		status_die_errno(path, "cannot finish what an earlier run left");
	return s;
}

struct spool *open_spool_to_change(const char *path, time_t now)
{
	struct spool *s = open_spool(path, now);
	size_t swept;

	open_spool_as_owner(path);
	if (stage_sweep(s, &swept) != 0)
		status_die_errno(path, "cannot remove what an earlier run left");
	return s;
}

int open_spool_flush(struct spool *s, int status)
{
	if (journal_flush(s) == 0)
		return status;
	status_warn_errno(SPOOL_JOURNAL, "cannot write");
	return STATUS_TROUBLE;
}
