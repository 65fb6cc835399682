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

/* Where outfile writes this file; "-" and NULL are stdout. How many places. */
static size_t beside(const char *path, char copy[PATH_MAX], char real[PATH_MAX], struct sandbox_path allowed[2])
{
	size_t n = 0;

	if (path == NULL || strcmp(path, "-") == 0)
		return 0;
	if (strlen(path) >= PATH_MAX)
		status_die(STATUS_USAGE, path, "too long");
	strcpy(copy, path);
	allowed[n++] = (struct sandbox_path){AT_FDCWD, dirname(copy), SANDBOX_READ | SANDBOX_WRITE};
	/* A symbolic link stays, and its target is replaced, where that is. */
	if (realpath(path, real) != NULL)
		allowed[n++] = (struct sandbox_path){AT_FDCWD, dirname(real), SANDBOX_READ | SANDBOX_WRITE};
	return n;
}

void confine_beside(const char *path, int dirfd)
{
	struct sandbox_path allowed[3];
	char copy[PATH_MAX], real[PATH_MAX];
	size_t n = beside(path, copy, real, allowed);

	if (dirfd >= 0)
		allowed[n++] = (struct sandbox_path){dirfd, NULL, SANDBOX_READ};
	confine_to(SANDBOX_WRITER, allowed, n);
}

void confine_below_and_beside(int dirfd, const char *path)
{
	struct sandbox_path allowed[3];
	char copy[PATH_MAX], real[PATH_MAX];
	size_t n = beside(path, copy, real, allowed);

	if (dirfd >= 0)
		allowed[n++] = (struct sandbox_path){dirfd, NULL, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DIRS};
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

void confine_asking(const char *output, const struct sandbox_path *more, size_t n)
{
	static const char *const system[] = {"/etc", "/usr", "/run", "/lib", "/lib64"};
	const size_t systems = sizeof system / sizeof system[0];
	struct sandbox_path *path = calloc(systems + 3 + n, sizeof *path);
	char copy[PATH_MAX], real[PATH_MAX];
	size_t paths = 0;

	if (path == NULL)
		status_die_errno(NULL, "cannot start");
	while (paths < systems) {
		path[paths] = (struct sandbox_path){AT_FDCWD, system[paths], SANDBOX_READ};
		paths++;
	}
	path[paths++] = (struct sandbox_path){AT_FDCWD, "/dev/null", SANDBOX_READ | SANDBOX_WRITE};
	paths += beside(output, copy, real, path + paths);
	memcpy(path + paths, more, n * sizeof *more);
	enter(&(struct sandbox){.profile = SANDBOX_CLIENT, .forks = true, .path = path, .paths = paths + n});
	free(path);
}

void confine_with_token(int dirfd)
{
	const struct sandbox_path allowed[] = {
		{AT_FDCWD, "/", SANDBOX_READ | SANDBOX_WRITE},
		{dirfd, NULL, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DIRS},
	};

	confine_to(SANDBOX_CLIENT, allowed, dirfd >= 0 ? 2 : 1);
}
