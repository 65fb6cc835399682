/* SPDX-License-Identifier: ISC */
/* lacking: runs a program on a kernel that lacks some of what a sandbox is made of, or seems to.
 *
 * usage: lacking landlock|seccomp|both command [argument ...] */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	if (argc < 3 || f == NULL)
		return 100;
	if ((strcmp(argv[1], "seccomp") != 0 &&
	    seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0) != 0) ||
	    (strcmp(argv[1], "landlock") != 0 &&
	    seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0) != 0) ||
	    seccomp_load(f) != 0)
		return 111;
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 111;
}
