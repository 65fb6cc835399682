/* SPDX-License-Identifier: ISC */
/* The program that shows a long list page by page: the only one that capfkit starts. It runs outside the sandbox, so it
 * is prepared before that is entered, when nobody knows yet whether the list will be long. */
#ifndef PAGER_H
#define PAGER_H

#include <stdbool.h>
#include <sys/types.h>

struct pager {
	pid_t pid;	/* 0: there is none */
	int fd;		/* what it shows is written here */
};

/* Starts a process that becomes the pager as soon as something is written to it, and ends when nothing ever is. The
 * command is for the shell, as $PAGER has it, NULL for less(1). False when it is "", "cat", or a program that is not
 * there. */
bool pager_start(struct pager *, const char *command);
/* Closes it, and waits until the user has left the pager. Harmless when there is none. */
void pager_end(struct pager *);

#endif
