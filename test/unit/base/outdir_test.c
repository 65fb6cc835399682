/* SPDX-License-Identifier: ISC */
/* A directory that is kept in step: what changes, what stays, and who else may be at work there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/outdir.h"
#include "../tap.h"

static int dir;

static bool holds(const char *name, const char *text)
{
	unsigned char *p = NULL;
	size_t len;
	bool same = fileio_slurp(dir, name, 100, &p, &len) == 0 && strcmp((char *)p, text) == 0;

	free(p);
	return same;
}

static bool there(const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void plant(const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	must(fd >= 0 && close(fd) == 0, name);
}

static int differs(const char *name, const char *text)
{
	return outdir_differs(dir, name, text, strlen(text));
}

static int collect(void *ctx, const char *name)
{
	strcat(ctx, name);
	return strcmp(name, "stop") == 0 ? 7 : 0;
}

int main(void)
{
	const char *path = tap_dir();
	char names[200] = "", longest[300];
	int other;

	must((dir = outdir_open(path)) >= 0, "open");
	ok(differs("a", "one") == 1, "a file that is not there differs");
	ok(outdir_put(dir, "a", 0644, "one", 3) == 0 && holds("a", "one"), "it is made");
	ok(differs("a", "one") == 0 && differs("a", "two") == 1 && differs("a", "on") == 1 && differs("a", "ones") == 1,
	    "another text, a shorter and a longer one differ");
	ok(outdir_put(dir, "a", 0644, "longer", 6) == 0 && holds("a", "longer") && outdir_put(dir, "a", 0644, "", 0) == 0 &&
	    holds("a", "") && differs("a", "") == 0, "it is replaced");
	must(symlinkat("a", dir, "link") == 0 && mkdirat(dir, "dir", 0700) == 0, "plant");
	errno = 0;
	ok(differs("link", "") == -1 && errno == EINVAL, "a link is no file");
	errno = 0;
	ok(differs("dir", "") == -1 && errno == EINVAL, "nor is a directory");
	memset(longest, 'x', sizeof longest);
	longest[250] = '\0';
	errno = 0;
	ok(outdir_put(dir, longest, 0644, "", 0) == -1 && errno == ENAMETOOLONG, "a name for which no temporary one fits");
	must(unlinkat(dir, "link", 0) == 0 && unlinkat(dir, "dir", AT_REMOVEDIR) == 0, "remove");

	plant(".new-a.4711.tmp");
	plant(".new-a");
	plant(".tmp");
	plant("b.tmp");
	errno = 0;
	ok(outdir_open(path) == -1 && errno == EWOULDBLOCK, "locked while it is open");
	ok(outdir_sweep(dir) == 0 && !there(".new-a.4711.tmp"), "what a killed run left goes");
	ok(there(".new-a") && there(".tmp") && there("b.tmp") && there("a"), "and nothing else");
	close(dir);

	/* As where a file system cannot lock: the lock is somebody else's. */
	must((other = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0 && flock(other, LOCK_EX) == 0 &&
	    (dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0, "another");
	plant(".new-a.4711.tmp");
	ok(outdir_sweep(dir) == 0 && there(".new-a.4711.tmp"), "without the lock nothing is swept");
	close(other);

	ok(outdir_remove(dir, "a") == 0 && !there("a"), "a file is removed");
	ok(outdir_each(dir, collect, names) == 0 && strcmp(names, "b.tmp") == 0, "names that begin with a dot are not told");
	plant("stop");
	ok(outdir_each(dir, collect, names) == 7, "whoever is told can stop it");
	ok(outdir_sync(dir) == 0, "it is made durable");
	errno = 0;
	ok(outdir_open("/nonexistent/nowhere") == -1 && errno == ENOENT, "a directory that is not there");
	return tap_done();
}
