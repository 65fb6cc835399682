/* SPDX-License-Identifier: ISC */
/* The folder of traces: names, bounds, and who may add to which file. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/create.h"
#include "spool/trace_files.h"
#include "../tap.h"

#define NOW ((time_t)1795224649)	/* 20261121T013049Z */
#define MIB (1 << 20)

static char block[TRACE_FILE_MAX];

static size_t files(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	size_t n = 0;

	must(d != NULL, "list the folder");
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static bool has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int begin(struct trace_files *t, const char *device, uint64_t number, time_t now, size_t len)
{
	return trace_files_begin(t, &(struct trace_key){1, number, device}, now, block, len);
}

static void test_names(void)
{
	static const char *const bad[] = {"SEP1+20261121T013049Z.txt", "SEP1+20261121T013049Z.1.der", "SEP1.1.txt",
	    "+20261121T013049Z.1.txt", "../x+20261121T013049Z.1.txt", "SEP1+20261321T013049Z.1.txt",
	    "SEP1+20261121T013049Z.1234.txt", "SEP1+20261121T013049Z", "SEP1+", "strangers.txt"};
	char stamp[UTC_STAMP + 1];

	ok(trace_file_parse("SEP1+20261121T013049Z.1.txt", stamp) && strcmp(stamp, "20261121T013049Z") == 0, "a name");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(!trace_file_parse(bad[i], stamp), "no name: %s", bad[i]);
}

static void test_sessions(struct spool *s)
{
	struct trace_files *t = trace_files_open(s, MIB);
	const struct trace_key other = {2, 7, "SEP1"}, mine = {1, 7, "SEP1"}, device = {1, 7, "SEP2"};
	int dir = trace_files_fd(t);
	struct stat st;

	ok(begin(t, "SEP1", 7, NOW, 10) == 0 && has(dir, "SEP1+20261121T013049Z.1.txt"), "a session has a file");
	ok(begin(t, "SEP1", 8, NOW, 10) == 0 && has(dir, "SEP1+20261121T013049Z.2.txt"), "another in that second, too");
	ok(trace_files_add(t, &mine, block, 20) == 0 && fstatat(dir, "SEP1+20261121T013049Z.1.txt", &st, 0) == 0 &&
	    st.st_size == 30 && (st.st_mode & 0777) == 0600, "it is added to");
	ok(trace_files_add(t, &other, block, 1) == -1 && errno == ENOENT, "not by another writer");
	ok(trace_files_add(t, &device, block, 1) == -1 && errno == ENOENT, "not for another device");
	ok(trace_files_add(t, &mine, block, TRACE_FILE_MAX - 30) == -1 && errno == EFBIG, "not beyond its bound");
	ok(begin(t, "../SEP1", 9, NOW, 1) == -1 && begin(t, "", 9, NOW, 1) == -1, "what is no device has no file");
	trace_files_end(t, &mine);
	ok(trace_files_add(t, &mine, block, 1) == -1, "nothing is added when it is over");
	trace_files_end_all(t, 1);
	ok(trace_files_add(t, &(struct trace_key){1, 8, "SEP1"}, block, 1) == -1, "nor when all of a writer's are");
	unlinkat(dir, "SEP3+20261121T013049Z.1.txt", 0);
	ok(symlinkat("/etc/passwd", dir, "SEP3+20261121T013049Z.1.txt") == 0 && begin(t, "SEP3", 1, NOW, 1) == 0 &&
	    has(dir, "SEP3+20261121T013049Z.2.txt"), "a link is not followed");
	unlinkat(dir, "SEP3+20261121T013049Z.1.txt", 0);
	trace_files_close(t);
}

static void test_bounds(struct spool *s)
{
	struct trace_files *t = trace_files_open(s, MIB);
	int dir = trace_files_fd(t);
	char name[32];
	bool good = true;

	for (int i = 0; i < 15; i++)
		good = begin(t, "SEP1", 100 + (unsigned)i, NOW + i, 10) == 0 && good;
	ok(good && !has(dir, "SEP1+20261121T013053Z.1.txt") && has(dir, "SEP1+20261121T013054Z.1.txt") &&
	    has(dir, "SEP1+20261121T013103Z.1.txt"), "a device has its ten newest");
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "SEPX%d", i);
		good = begin(t, name, 1, NOW, 4097) == 0 && good;
	}
	ok(good && files(dir) == 128 && has(dir, "SEPX299+20261121T013049Z.1.txt") &&
	    !has(dir, "SEPX171+20261121T013049Z.1.txt"), "all together have so many bytes, in blocks; the oldest go");
	ok(trace_files_add(t, &(struct trace_key){1, 1, "SEPX180"}, block, 1) == 0 &&
	    begin(t, "SEPY", 1, NOW, 1) == 0 && has(dir, "SEPX180+20261121T013049Z.1.txt"), "those that are in use stay");
	for (int i = 0; i < 200; i++)
		good = trace_files_stranger(t, block, 16000) == 0 && good;
	ok(good && has(dir, "strangers.txt") && has(dir, "strangers.old.txt") && has(dir, "SEPX180+20261121T013049Z.1.txt"),
	    "strangers take nobody's place");
	trace_files_close(t);
	t = trace_files_open(s, MIB / 2);
	ok(files(trace_files_fd(t)) < 70, "what was left counts the next time");
	trace_files_limit(t, 0);
	ok(files(trace_files_fd(t)) == 2, "a lower bound takes away");
	trace_files_close(t);
}

static void test_age(struct spool *s)
{
	struct trace_files *t = trace_files_open(s, MIB);
	size_t n = 0;

	ok(begin(t, "SEP1", 1, NOW, 1) == 0 && begin(t, "SEP1", 2, NOW + 100, 1) == 0 &&
	    trace_files_expire(s, NOW + 50, &n) == 0 && n == 1 &&
	    has(trace_files_fd(t), "SEP1+20261121T013229Z.1.txt"), "by age");
	ok(trace_files_add(t, &(struct trace_key){1, 1, "SEP1"}, block, 1) == -1 && errno == ENOENT,
	    "one that was taken away does not come back");
	trace_files_close(t);
}

int main(void)
{
	char path[] = "/tmp/trace_files_test.XXXXXX", command[64];
	struct spool *s;
	size_t n = 0;

	memset(block, 'x', sizeof block);
	if (mkdtemp(path) == NULL || (s = create_spool(path, "test", NOW)) == NULL)
		return 1;
	test_names();
	ok(trace_files_expire(s, NOW, &n) == 0 && n == 0 && faccessat(s->root, TRACE_FILES_DIR, F_OK, 0) != 0,
	    "without traces there is no folder");
	test_sessions(s);
	test_bounds(s);
	test_age(s);
	spool_close(s);
	snprintf(command, sizeof command, "rm -rf %s", path);
	return system(command) == 0 ? tap_done() : 1;
}
