/* SPDX-License-Identifier: ISC */
/* Which names an entry of an archive may have, tar or zip. No file gets such a name; one that another program could be
 * led astray by is refused all the same. */
#ifndef ENTRY_NAME_H
#define ENTRY_NAME_H

#include <stdbool.h>

#include "base/reason.h"

#define ENTRY_NAME_MAX 255	/* what a file system takes for a name */

/* False with a reason. With flat, a name with a slash is refused. */
bool entry_name_ok(const char *, bool flat, struct reason *);

#endif
