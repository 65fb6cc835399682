/* SPDX-License-Identifier: ISC */
/* How every program takes the names of devices that it is given; for main() only. */
#ifndef DEVICES_FROM_ARGS_H
#define DEVICES_FROM_ARGS_H

#include "cli/devices.h"

/* Those of the command line, and of a file when path is not NULL, as devices_read has it; or a message and
 * the end. */
void devices_from_args(struct devices *, int argc, char *const argv[], const char *path, bool zero);
/* Says this of each name that nobody has asked for. Returns status, or the worse of it. */
int devices_from_args_unused(const struct devices *, const char *what, int status);

#endif
