/* SPDX-License-Identifier: ISC */
/* usage: careless HOW SPOOL
 * Allocates twice, and deals with the second failure well or badly: what test/oom/walk must notice. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char *volatile one = malloc(100), *volatile two;
	char path[4096];

	if (argc != 3 || one == NULL) {
		fputs("careless: out of memory\n", stderr);
		return 111;
	}
	two = malloc(100);
	if (two == NULL && strcmp(argv[1], "wrong") == 0)
		return 0;
	if (two == NULL && strcmp(argv[1], "silent") == 0)
		return 111;
	if (two == NULL && strcmp(argv[1], "blame") == 0) {
		fputs("careless: is no good\n", stderr);
		return 100;
	}
	if (two == NULL && strcmp(argv[1], "litter") == 0) {
		snprintf(path, sizeof path, "%s/csr/litter", argv[2]);
		close(open(path, O_WRONLY | O_CREAT, 0600));
	}
	if (two == NULL && strcmp(argv[1], "crash") != 0) {
		fputs("careless: out of memory\n", stderr);
		return 111;
	}
	strcpy(two, "done");
	puts(two);
	free(one);
	free(two);
	return 0;
}
