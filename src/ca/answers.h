/* SPDX-License-Identifier: ISC */
/* Where csr-sign --output puts its answers: all in one archive of certificates, or in a directory one for each archive
 * of requests, under its name. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"

struct answers {
	bool each;
	char **path;		/* of each; else the first is all there is, or NULL for stdout */
	size_t n;
};

/* Does it name a directory: one that is there, or by a slash at its end? */
bool answers_wants_directory(const char *output);

/* For these archives, "-" being stdin. No two answers may have one name, and none that of an archive. -1 with a reason
 * and, in *object, what it is about. The caller frees in any case. */
int answers_name(struct answers *, const char *output, const char *const *archive, size_t n, const char **object,
    struct reason *);
void answers_free(struct answers *);

#endif
