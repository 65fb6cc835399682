/* SPDX-License-Identifier: ISC */
/* A directory outside the spool that a program keeps in step with something, such as the one of lsc-export: a file in
 * it is replaced under a temporary name, so that nobody sees half of one, and only when it says something else. */
#ifndef OUTDIR_H
#define OUTDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Opens a directory that is there, and locks it where its file system can. -1 with errno: EWOULDBLOCK when another
 * program has it locked. */
int outdir_open(const char *path);
/* Removes the temporary files that killed runs left. Only after outdir_open locked the directory nobody else's are
 * among them; where it could not be locked, nothing is removed. -1 with errno. */
int outdir_sweep(int dir);

/* Does this file say something else, or is it not there? 1, 0, or -1 with errno: EINVAL when something that is no plain
 * file, a link for example, has the name. */
int outdir_differs(int dir, const char *name, const void *data, size_t len);
/* Replaces or makes it. The name is durable after outdir_sync. -1 with errno. */
int outdir_put(int dir, const char *name, mode_t mode, const void *data, size_t len);
int outdir_remove(int dir, const char *name);
int outdir_sync(int dir);

/* Calls each with the name of every file that does not begin with a dot, until one returns non-zero, and returns that.
 * -1 with errno when it cannot be listed. */
int outdir_each(int dir, int (*each)(void *ctx, const char *name), void *ctx);

#endif
