/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>

#include "narrow.h"
#include "status.h"

void narrow_look(bool required)
{
	struct reason missing;

	sandbox_missing(&missing);
	if (missing.text[0] == '\0')
		return;
	if (required)
		status_die(STATUS_USAGE, "sandbox", "this kernel lacks %s", missing.text);
	status_warn("sandbox", "this kernel lacks %s; going on without", missing.text);
}

void narrow_to(enum sandbox_profile profile, const struct sandbox_path *path, size_t n)
{
	const struct sandbox sb = {.profile = profile, .path = path, .paths = n};

	if (sandbox_enter(&sb) != 0)
		status_die_errno("sandbox", "cannot narrow this process");
}

void narrow_below(enum sandbox_profile profile, int dirfd)
{
	/* Directories: a batch has one of its own in tmp/. */
	const struct sandbox_path path = {dirfd, NULL,
	    profile == SANDBOX_READER ? SANDBOX_READ : SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DIRS};

	narrow_to(profile, &path, 1);
}

void narrow_beside(const char *path)
{
	char copy[PATH_MAX];
	struct sandbox_path dir = {AT_FDCWD, copy, SANDBOX_READ | SANDBOX_WRITE};

	if (path == NULL || strcmp(path, "-") == 0 || strlen(path) >= sizeof copy) {
		narrow_to(SANDBOX_WRITER, NULL, 0);
		return;
	}
	strcpy(copy, path);
	dir.path = dirname(copy);
	narrow_to(SANDBOX_WRITER, &dir, 1);
}
