/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/child.h"
#include "process/pager.h"

/* Is the first word of a command a program in PATH? A word that the shell has to look at first is taken for one. */
static bool is_there(const char *command)
{
	size_t len = strcspn(command, " \t"), dir;
	const char *path = getenv("PATH");
	char file[PATH_MAX];

	if (strcspn(command, "=$`'\"\\*?[;&|<>()~#") < len)
		return true;
	if (memchr(command, '/', len) != NULL)
		path = ".";
	for (; path != NULL && *path != '\0'; path += dir + (path[dir] == ':')) {
		dir = strcspn(path, ":");
		if (memchr(command, '/', len) != NULL)
			snprintf(file, sizeof file, "%.*s", (int)len, command);
		else
			snprintf(file, sizeof file, "%.*s/%.*s", (int)dir, path, (int)len, command);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

/* The waiting process. Returns only when nothing came, or the shell is missing. */
static int wait_and_show(void *ctx)
{
	const char *command = *(const char **)ctx;
	struct pollfd in = {STDIN_FILENO, POLLIN, 0};

	while (poll(&in, 1, -1) < 0 && errno == EINTR)
		;
	if ((in.revents & POLLIN) == 0)
		return 0;
	/* Ours ignores it; a pager may rely on it. */
	signal(SIGPIPE, SIG_DFL);
	/* Show colours, and leave when it fits after all. A user's own choice stays. */
	setenv("LESS", "FRX", 0);
	setenv("LV", "-c", 0);
	if (command == NULL)
		execlp("less", "less", "-FRX", (char *)NULL);
	else
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	return 127;
}

bool pager_start(struct pager *p, const char *command)
{
	*p = (struct pager){.pid = 0, .fd = -1};
	if (command != NULL)
		command += strspn(command, " \t");
	if (command != NULL && (*command == '\0' || strcmp(command, "cat") == 0))
		return false;
	if (!is_there(command != NULL ? command : "less"))
		return false;
	if ((p->fd = child_reader(wait_and_show, &command, &p->pid)) >= 0)
		return true;
	p->pid = 0;
	return false;
}

void pager_end(struct pager *p)
{
	if (p->pid > 0)
		child_end(p->pid, p->fd);
	*p = (struct pager){.pid = 0, .fd = -1};
}
