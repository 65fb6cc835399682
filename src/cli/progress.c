/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <unistd.h>

#include "base/monotime.h"
#include "cli/progress.h"
#include "cli/status.h"

void progress_start(struct progress *p, const char *what)
{
	p->what = what;
	p->tty = isatty(STDERR_FILENO);
	p->last = p->tty ? monotime_ms() : 0;
}

void progress_show(struct progress *p, size_t n)
{
	long long now;

	/* The clock is asked every 64 items only. */
	if (!p->tty || n % 64 != 0 || (now = monotime_ms()) - p->last < 200)
		return;
	p->last = now;
	fprintf(stderr, "\r%s: %zu %s", program, n, p->what);
}

void progress_end(struct progress *p)
{
	if (p->tty)
		fprintf(stderr, "\r\033[K");
}
