/* SPDX-License-Identifier: ISC */
/* Lines that several processes append to one file, and one that was cut off. */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fileio.h"
#include "../tap.h"

#define WRITERS 4
#define LINES 10000
#define LEN 400

static char path[300];

static void append(char letter, int lines)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char line[LEN];
	size_t done;

	must(fd >= 0, path);
	memset(line, letter, sizeof line);
	line[LEN - 1] = '\n';
	for (int i = 0; i < lines; i++)
		must(fileio_append_lines(fd, fd, line, sizeof line, &done) == 0 && done == sizeof line, path);
	close(fd);
}

/* Lines that are whole, each of one letter; others counts what is not. */
static int count(int *others)
{
	FILE *in = fopen(path, "r");
	char *line = NULL, all[LEN];
	size_t cap = 0;
	ssize_t n;
	int whole = 0;

	must(in != NULL, path);
	for (*others = 0; (n = getline(&line, &cap, in)) > 0;) {
		memset(all, line[0], LEN - 1);
		all[LEN - 1] = '\n';
		if (n == LEN && memcmp(line, all, LEN) == 0)
			whole++;
		else
			++*others;
	}
	free(line);
	fclose(in);
	return whole;
}

int main(void)
{
	const char *dir = tap_dir();
	int status, fd, others, ended = 0;
	pid_t child;

	snprintf(path, sizeof path, "%s/lines", dir);
	for (int i = 0; i < WRITERS; i++) {
		must((child = fork()) >= 0, "fork");
		if (child == 0) {
			append((char)('a' + i), LINES);
			_exit(0);
		}
	}
	for (int i = 0; i < WRITERS; i++)
		ended += wait(&status) > 0 && status == 0;
	ok(ended == WRITERS, "all writers ended well");
	ok(count(&others) == WRITERS * LINES && others == 0, "what several append at once is there in whole lines");
	must(unlink(path) == 0, path);

	append('a', 1);
	must((fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)) >= 0 && fileio_write_all(fd, "bbb", 3) == 0 &&
	    close(fd) == 0, path);
	append('c', 2);
	ok(count(&others) == 3 && others == 1, "a line that was cut off is ended, once");
	unlink(path);
	rmdir(dir);
	return tap_done();
}
