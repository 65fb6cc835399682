/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/confine.h"
#include "cli/status.h"

void confine_look(bool required)
{
	struct reason missing;

	sandbox_missing(&missing);
	if (missing.text[0] == '\0')
		return;
	if (required)
		status_die(STATUS_USAGE, "sandbox", "this kernel lacks %s", missing.text);
	status_warn("sandbox", "this kernel lacks %s; going on without", missing.text);
}

static void enter(const struct sandbox *sb)
{
	if (sandbox_enter(sb) != 0)
		status_die_errno("sandbox", "cannot confine this process");
}

void confine_to(enum sandbox_profile profile, const struct sandbox_path *path, size_t n)
{
	enter(&(struct sandbox){.profile = profile, .path = path, .paths = n});
}

void confine_below(enum sandbox_profile profile, int dirfd, const char *const *file, size_t n)
{
	struct sandbox_path *path = calloc(n + 1, sizeof *path);

	if (path == NULL)
		status_die_errno(NULL, "cannot start");
	/* Directories: a batch has one of its own in tmp/. */
	path[0] = (struct sandbox_path){dirfd, NULL,
	    profile == SANDBOX_READER ? SANDBOX_READ : SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DIRS};
	for (size_t i = 0; i < n; i++)
		path[i + 1] = (struct sandbox_path){AT_FDCWD, file[i], SANDBOX_READ};
	confine_to(profile, path, n + 1);
	free(path);
}

void confine_beside(const char *path, int dirfd)
{
	struct sandbox_path allowed[3];
	char copy[PATH_MAX], real[PATH_MAX];
	size_t n = 0;

	if (path != NULL && strcmp(path, "-") != 0) {
		if (strlen(path) >= sizeof copy)
			status_die(STATUS_USAGE, path, "too long");
		strcpy(copy, path);
		allowed[n++] = (struct sandbox_path){AT_FDCWD, dirname(copy), SANDBOX_READ | SANDBOX_WRITE};
		/* A symbolic link stays, and its target is replaced, where that is. */
		if (realpath(path, real) != NULL)
			allowed[n++] = (struct sandbox_path){AT_FDCWD, dirname(real), SANDBOX_READ | SANDBOX_WRITE};
	}
	if (dirfd >= 0)
		allowed[n++] = (struct sandbox_path){dirfd, NULL, SANDBOX_READ};
	confine_to(SANDBOX_WRITER, allowed, n);
}

void confine_online(unsigned rights, int dirfd, bool more)
{
	const struct sandbox_path allowed[] = {
		{dirfd, NULL, rights},
		{AT_FDCWD, "/etc", SANDBOX_READ}, {AT_FDCWD, "/usr", SANDBOX_READ},
		{AT_FDCWD, "/run", SANDBOX_READ}, {AT_FDCWD, "/lib", SANDBOX_READ},
		{AT_FDCWD, "/lib64", SANDBOX_READ}, {AT_FDCWD, "/dev/null", SANDBOX_READ | SANDBOX_WRITE},
	};

	enter(&(struct sandbox){.profile = SANDBOX_CLIENT, .forks = more, .path = allowed,
	    .paths = sizeof allowed / sizeof *allowed});
}

void confine_with_token(void)
{
	static const struct sandbox_path all = {AT_FDCWD, "/", SANDBOX_READ | SANDBOX_WRITE};

	confine_to(SANDBOX_CLIENT, &all, 1);
}
