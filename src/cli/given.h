/* SPDX-License-Identifier: ISC */
/* How every program takes the names of devices that it is given; for main() only. */
#ifndef GIVEN_H
#define GIVEN_H

#include "cli/names.h"

/* Those of the command line, and of a file when path is not NULL, as names_read has it; or a message and
 * the end. */
void given_names(struct names *, int argc, char *const argv[], const char *path, bool zero);
/* Says this of each name that nobody has asked for. Returns status, or the worse of it. */
int given_unused(const struct names *, const char *what, int status);

#endif
