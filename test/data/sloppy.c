/* SPDX-License-Identifier: ISC */
/* usage: sloppy SPOOL good|inplace|nosync|nodirsync|leak|ignore|retry|early
 * Puts one file into csr/ as a program of ours would, or with a fault that the walk must find. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "";
	const char *temp = strcmp(how, "inplace") == 0 ? "csr/f" : "tmp/f";
	int fd, dir;
	ssize_t n;

	if (argc < 3 || chdir(argv[1]) != 0 || argc > 3)
		return 100;
	if ((dir = open("csr", O_RDONLY | O_DIRECTORY)) < 0)
		goto trouble;
	if ((fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC, 0600)) < 0)
		goto trouble;
	for (const char *p = "whole\n"; *p != '\0'; p += n)
		if ((n = write(fd, p, strlen(p))) < 0) {
			if (strcmp(how, "ignore") != 0)
				goto trouble;
			break;
		}
	if (strcmp(how, "nosync") != 0 && fsync(fd) != 0 && (strcmp(how, "retry") != 0 || fsync(fd) != 0))
		goto trouble;
	if (strcmp(how, "leak") == 0 && link("tmp/f", "tmp/g") != 0 && access("tmp/g", F_OK) != 0)
		goto trouble;
	if (temp[0] == 't' && rename(temp, "csr/f") != 0)
		goto trouble;
	if (strcmp(how, "early") == 0 && (puts("added f") < 0 || fflush(stdout) != 0))
		goto trouble;
	if (strcmp(how, "nodirsync") != 0 && fsync(dir) != 0)
		goto trouble;
	return 0;

trouble:
	return write(2, "trouble\n", 8) == 8 ? 111 : 1;
}
