/* SPDX-License-Identifier: ISC */
/* disk: what the disk can do, with nothing else around it; and a directory of very many names.
 *
 * usage: disk group directory number	write files, one syncfs, rename them, one fsync of the directory
 *        disk fsync directory number	write files with an fsync each
 *        disk names directory number	empty files with the names of requests
 *        disk empty directory		removes them all
 * The first three print the seconds that they took. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES 1100		/* of a certificate with an RSA-2048 key, roughly */

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(111);
}

static void write_file(int dir, const char *name, int sync)
{
	static const char data[FILE_BYTES];
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, sizeof data) != (ssize_t)sizeof data || (sync && fsync(fd) != 0) ||
	    close(fd) != 0)
		die(name);
}

/* DEVICE+YYYYMMDDThhmmssZ+SPKI.csr, the key a number with zeros in front. */
static void request_name(char out[256], long i)
{
	snprintf(out, 256, "SEP%012lX+20260101T000000Z+%064lx.csr", i, i);
}

static void group(int dir, long number)
{
	char name[32], place[256];

	for (long i = 0; i < number; i++) {
		snprintf(name, sizeof name, "%lx", i);
		write_file(dir, name, 0);
	}
	if (syncfs(dir) != 0)
		die("syncfs");
	for (long i = 0; i < number; i++) {
		snprintf(name, sizeof name, "%lx", i);
		request_name(place, i);
		if (renameat(dir, name, dir, place) != 0)
			die(name);
	}
	if (fsync(dir) != 0)
		die("fsync");
}

static void each(int dir, long number)
{
	char place[256];

	for (long i = 0; i < number; i++) {
		request_name(place, i);
		write_file(dir, place, 1);
	}
}

static void names(int dir, long number)
{
	char place[256];
	int fd;

	for (long i = 0; i < number; i++) {
		request_name(place, i);
		if ((fd = openat(dir, place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
			die(place);
		close(fd);
	}
}

static void empty(int dir)
{
	DIR *d = fdopendir(dup(dir));
	struct dirent *e;

	if (d == NULL)
		die("opendir");
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && unlinkat(dir, e->d_name, 0) != 0)
			die(e->d_name);
	closedir(d);
}

int main(int argc, char *argv[])
{
	struct timespec start, end;
	long number = argc > 3 ? atol(argv[3]) : 0;
	int dir;

	if (argc < 3 || (dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fprintf(stderr, "usage: disk group|fsync|names|empty directory [number]\n");
		return 100;
	}
	if (strcmp(argv[1], "empty") == 0) {
		empty(dir);
		return 0;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (strcmp(argv[1], "group") == 0)
		group(dir, number);
	else if (strcmp(argv[1], "fsync") == 0)
		each(dir, number);
	else
		names(dir, number);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.6f\n",
	    (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	return 0;
}
