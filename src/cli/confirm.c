/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/fileio.h"
#include "cli/confirm.h"
#include "cli/status.h"

/* One line of stdin. */
static bool said_yes(void)
{
	char *line = NULL;
	size_t room = 0;
	bool yes = fileio_line(stdin, 0, &line, &room) != NULL &&
	    (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0);

	free(line);
	return yes;
}

void confirm(bool yes, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	if (yes)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		status_die(STATUS_USAGE, NULL, "%s; say --yes if that is meant, or -n to see which", what);
	fprintf(stderr, "%s: %s. Go on? [y/N] ", program, what);
	if (!said_yes())
		status_die(STATUS_REFUSED, NULL, "nothing was changed");
}
