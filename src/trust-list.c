/* SPDX-License-Identifier: ISC */
/* trust-list: what is in the trust stores, a line each. It shows; it judges nothing. */
#include <stdlib.h>
#include <time.h>

#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "cli/table.h"
#include "site/trust_store.h"
#include "spool/spool.h"
#include "x509/name.h"

const char program[] = "trust-list";
const char purpose[] = "list the CAs in the trust stores";
const char synopsis[] = "[-HhV] [-s spool] [--color[=when]] [--json] [--no-pager] [capf|callmanager]";

static const struct table_column columns[] = {
	{"store", TABLE_WORD, 0}, {"description", TABLE_TEXT, 0}, {"subject", TABLE_TEXT, 0}, {"serial", TABLE_TEXT, 1},
	{"not-after", TABLE_TIME, 0}, {"sha256", TABLE_KEY, 0},
};

struct listing {
	enum spool_dir dir;
	int status;
	struct table table;
	time_t now;
};

static int show(void *ctx, const char *file, const char *description, const struct cert *c,
    const struct reason *why)
{
	struct listing *l = ctx;
	char *subject = c == NULL ? NULL : (table_wants_utf8(&l->table) ? name_utf8 : name_line)(X509_get_subject_name(c->x509));
	struct reason cause = *why;

	if (c != NULL && subject == NULL)
		reason_memory(&cause);
	if (subject == NULL) {
		status_warn(file, "%s", cause.text);
		l->status = status_worst(l->status, status_of_item(cause.trouble));
		return 0;
	}
	table_word(&l->table, l->dir == SPOOL_TRUST_CAPF ? "capf" : "callmanager", TABLE_PLAIN);
	table_text(&l->table, description);
	table_text(&l->table, subject);
	table_raw(&l->table, c->serial);
	table_time(&l->table, c->not_after, c->not_after < l->now ? TABLE_BAD : TABLE_PLAIN);
	table_key(&l->table, c->digest, sizeof c->digest);
	table_row(&l->table);
	free(subject);
	return 0;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	struct table_options how = {.header = false};
	const struct option_spec options[] = {
		OPT_FLAG('H', "header", &how.header, "print the names of the columns first"),
		OPT_SPOOL(&path),
		TABLE_OPTIONS(&how),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	enum spool_dir stores[] = {SPOOL_TRUST_CAPF, SPOOL_TRUST_CALLMANAGER};
	size_t n = 2;
	struct listing l = {.status = STATUS_OK, .now = time(NULL)};
	struct reason why;
	struct spool *s;

	if (argc - arg > 1)
		status_usage("takes one store");
	if (arg < argc && (n = 1, !trust_store_named(argv[arg], &stores[0])))
		status_usage("the stores are capf and callmanager");
	s = open_spool(path, 0);
	table_open(&l.table, columns, sizeof columns / sizeof *columns, &how);
	confine_below(SANDBOX_READER, s->root, NULL, 0);
	for (size_t i = 0; i < n; i++) {
		l.dir = stores[i];
		if (trust_store_each(s, l.dir, show, &l, &why) != 0) {
			table_close(&l.table);
			status_die(STATUS_TROUBLE, path, "%s", why.text);
		}
	}
	table_close(&l.table);
	spool_close(s);
	return status_flush(l.status);
}
