/* SPDX-License-Identifier: ISC */
/* How every program narrows itself, once its options are read and its files open; for main() only. */
#ifndef NARROW_H
#define NARROW_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox.h"

/* Says what this kernel lacks for it, in one line; when it is required, that is the end, with 100: another try
 * finds the same kernel. options_parse calls it for --require-sandbox. */
void narrow_look(bool required);

/* Leaves these paths and no others. Ends with 111 when the kernel has it and it does not work. */
void narrow_to(enum sandbox_profile, const struct sandbox_path *, size_t);
/* The same for what lies below one open directory: a spool. A reader may read it, a writer change it. */
void narrow_below(enum sandbox_profile, int dirfd);

/* The same for a program that writes no more than this file, by outfile; NULL or "-" is stdout. */
void narrow_beside(const char *path);

#endif
