/* SPDX-License-Identifier: ISC */
/* Files and links that somebody has planted where a file is made, in a directory that others can write to. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/outfile.h"
#include "../tap.h"

static char path[300], temp[320], victim[300];

static bool holds(const char *name, const char *text)
{
	unsigned char *p = NULL;
	size_t len;
	bool same = fileio_slurp(AT_FDCWD, name, 100, &p, &len) == 0 && strcmp((char *)p, text) == 0;

	free(p);
	return same;
}

static void plant(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && fileio_write_all(fd, text, strlen(text)) == 0 && close(fd) == 0, name);
}

/* What is planted, by link() or symlink(), stays as it is, and nothing of ours is written. */
static void refused(const char *what, int (*make)(const char *, const char *))
{
	struct outfile o;

	for (int key = 0; key < 2; key++) {
		plant(victim, "theirs");
		unlink(temp);
		must(make(victim, temp) == 0, what);
		errno = 0;
		ok((key ? outfile_create(path, 0600, "key", 3) : outfile_open(&o, path, 0600)) == -1 && errno == EEXIST,
		    "%s where %s is made", what, key ? "a key" : "an archive");
		ok(holds(victim, "theirs") && access(path, F_OK) != 0, "nothing was written");
		unlink(path);
	}
	unlink(temp);
}

int main(void)
{
	const char *dir = tap_dir();
	struct outfile o;

	snprintf(path, sizeof path, "%s/out", dir);
	snprintf(victim, sizeof victim, "%s/victim", dir);
	snprintf(temp, sizeof temp, "%s.%ld.tmp", path, (long)getpid());
	refused("a link", symlink);
	refused("a file", link);
	ok(outfile_open(&o, path, 0600) == 0 && fileio_write_all(o.fd, "ours", 4) == 0 && outfile_commit(&o) == 0 &&
	    holds(path, "ours"), "an archive where nothing is planted");
	outfile_abort(&o);
	must(unlink(path) == 0, "away with it");
	ok(outfile_create(path, 0600, "key", 3) == 0 && holds(path, "key"), "a key");
	must(unlink(path) == 0 && symlink(victim, path) == 0, "a link");
	errno = 0;
	ok(outfile_log_open(path) == -1 && errno == ELOOP, "a link where the log is");
	unlink(path);
	unlink(victim);
	rmdir(dir);
	return tap_done();
}
