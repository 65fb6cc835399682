/* SPDX-License-Identifier: ISC */
/* usage: sloppy SPOOL good|inplace|nosync|nodirsync|leak
 * Puts one file into csr/ as a program of ours would, or with a fault that the walk must find. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "";
	const char *temp = strcmp(how, "inplace") == 0 ? "csr/f" : "tmp/f";
	int fd, dir;

	if (argc < 3 || chdir(argv[1]) != 0 || (dir = open("csr", O_RDONLY | O_DIRECTORY)) < 0)
		return 100;
	if ((fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC, 0600)) < 0 || write(fd, "whole\n", 6) != 6)
		goto trouble;
	if (strcmp(how, "nosync") != 0 && fsync(fd) != 0)
		goto trouble;
	if (strcmp(how, "leak") == 0 && link("tmp/f", "tmp/g") != 0 && access("tmp/g", F_OK) != 0)
		goto trouble;
	if (temp[0] == 't' && rename(temp, "csr/f") != 0)
		goto trouble;
	if (strcmp(how, "nodirsync") != 0 && fsync(dir) != 0)
		goto trouble;
	return 0;

trouble:
	return write(2, "trouble\n", 8) == 8 ? 111 : 1;
}
