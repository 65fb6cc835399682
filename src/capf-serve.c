/* SPDX-License-Identifier: ISC */
/* capf-serve: speaks CAPF with phones. What it knows of them, and all that it promises, is in the spool:
 * it says nothing to a phone that is not on the disk. It signs nothing itself: a process of its own does,
 * or a CA, through csr/ and lsc/. It never logs an authentication string. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "enter.h"
#include "logline.h"
#include "options.h"
#include "serve.h"
#include "status.h"

const char program[] = "capf-serve";
const char synopsis[] = "[-hV] [-P seconds] [-s spool] [-l address:port[,address:port ...]]";

static void write_line(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "%s: %s\n", program, line);
}

static void listen_all(struct server *s, const char *list)
{
	char *copy = strdup(list), *rest = copy, *one;
	struct reason why;

	if (copy == NULL)
		status_die_errno(NULL, "cannot start");
	while ((one = strsep(&rest, ",")) != NULL)
		if (serve_listen(s, one, &why) != 0)
			status_die(STATUS_USAGE, NULL, "%s", why.text);
	free(copy);
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *listen_at = NULL;
	const struct log log = {write_line, NULL};
	time_t start = time(NULL), now = start;
	const struct option_spec options[] = {
		{'l', "listen", OPTION_TEXT, &listen_at, 0, 0},
		{'P', "clock", OPTION_CLOCK, &now, 0, 0},
		{'s', "spool", OPTION_TEXT, &path, 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options), status = STATUS_OK;
	struct server *server;
	struct reason why;
	struct spool *s;

	if (arg < argc)
		status_usage("takes no arguments");
	/* A line at a time, even into a file. */
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	s = enter_to_write(path, now);
	if ((server = serve_new(s, &log, now - start, &why)) == NULL)
		status_die(STATUS_USAGE, path, "%s", why.text);
	if (listen_at != NULL)
		listen_all(server, listen_at);
	else if (serve_listen_default(server, &why) != 0)
		status_die(STATUS_USAGE, NULL, "%s", why.text);
	if (serve_run(server, &why) != 0) {
		status_warn(NULL, "%s", why.text);
		status = STATUS_TROUBLE;
	}
	serve_free(server);
	spool_close(s);
	return status_flush(status);
}
