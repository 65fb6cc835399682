/* SPDX-License-Identifier: ISC */
/* measure: runs a command and adds a line to a file: seconds on the clock, seconds of processors, KiB of
 * memory of the largest process. The exit status is the command's.
 *
 * usage: measure file command [argument ...] */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char *argv[])
{
	struct timespec start, end;
	struct rusage used;
	int status;
	pid_t pid;
	FILE *out;

	if (argc < 3) {
		fprintf(stderr, "usage: measure file command [argument ...]\n");
		return 100;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	if ((pid = fork()) == 0) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(111);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) < 0) {
		perror("measure");
		return 111;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	if ((out = fopen(argv[1], "a")) == NULL) {
		perror(argv[1]);
		return 111;
	}
	fprintf(out, "%.6f %.6f %ld\n",
	    (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9,
	    seconds(used.ru_utime) + seconds(used.ru_stime), used.ru_maxrss);
	if (fclose(out) != 0)
		return 111;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 111;
}
