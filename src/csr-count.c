/* SPDX-License-Identifier: ISC */
/* csr-count: how many requests wait in the spool. One reading of one directory; opens no request, and
 * takes no name for a request that is not one. */
#include <stdio.h>

#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "spool/spool.h"

const char program[] = "csr-count";
const char purpose[] = "count the requests that wait";
const char synopsis[] = "[-hV] [-s spool]";

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	const struct option_spec options[] = {
		OPT_SPOOL(&path),
		{0},
	};
	struct spool *s;
	size_t n;
	int arg;

	arg = options_parse(argc, argv, options);
	if (arg != argc)
		status_usage("takes no arguments");
	s = open_spool(path, 0);
	confine_below(SANDBOX_READER, s->root, NULL, 0);
	if (spool_count(s, SPOOL_CSR, &n) != 0)
		status_die_errno(path, "cannot count");
	printf("%zu\n", n);
	spool_close(s);
	return status_flush(STATUS_OK);
}
