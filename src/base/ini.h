/* SPDX-License-Identifier: ISC */
/* "name = value" lines with comments, as in capf.conf(5) and the files of phone/: the only file that knows libinih. */
#ifndef BASE_INI_H
#define BASE_INI_H

#include "base/reason.h"

#define INI_LINE_MAX 198	/* bytes without the newline: libinih would cut a longer line in two */

/* Calls take for each line of a text, until one returns non-zero with a reason. 0; -1 with a reason that names the
 * line: take's, or that it is not "name = value", is too long, or begins a [section]. */
int ini_lines(const char *text,
    int (*take)(void *ctx, const char *name, const char *value, struct reason *), void *ctx,
    struct reason *);

#endif
