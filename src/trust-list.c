/* SPDX-License-Identifier: ISC */
/* trust-list: what is in the trust stores, a line each. It shows; it judges nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "site/trust_store.h"
#include "spool/spool.h"
#include "x509/name.h"

const char program[] = "trust-list";
const char purpose[] = "list the CAs in the trust stores";
const char synopsis[] = "[-HhV] [-s spool] [capf|callmanager]";

struct listing {
	enum spool_dir dir;
	int status;
};

/* store, description, subject, serial, expiry, fingerprint */
static int show(void *ctx, const char *file, const char *description, const struct cert *c,
    const struct reason *why)
{
	struct listing *l = ctx;
	char escaped[1024], said[1024], iso[UTC_ISO + 1], hex[2 * sizeof c->digest + 1];
	char *subject = c != NULL ? name_line(X509_get_subject_name(c->x509)) : NULL;
	struct reason cause = *why;

	if (c != NULL && subject == NULL)
		reason_memory(&cause);
	if (subject == NULL) {
		status_warn(file, "%s", cause.text);
		l->status = status_worst(l->status, status_of_item(cause.trouble));
		return 0;
	}
	utc_iso(c->not_after, iso);
	bytes_hex(c->digest, sizeof c->digest, hex);
	printf("%s\t%s\t%s\t%s\t%s\t%s\n", l->dir == SPOOL_TRUST_CAPF ? "capf" : "callmanager",
	    status_escape(description, said, sizeof said), status_escape(subject, escaped, sizeof escaped),
	    c->serial, iso, hex);
	free(subject);
	return 0;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	bool header = false;
	const struct option_spec options[] = {
		OPT_FLAG('H', "header", &header, "print the names of the columns first"),
		OPT_SPOOL(&path),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	enum spool_dir stores[] = {SPOOL_TRUST_CAPF, SPOOL_TRUST_CALLMANAGER};
	size_t n = 2;
	struct listing l = {.status = STATUS_OK};
	struct reason why;
	struct spool *s;

	if (argc - arg > 1)
		status_usage("takes one store");
	if (arg < argc && (n = 1, !trust_store_named(argv[arg], &stores[0])))
		status_usage("the stores are capf and callmanager");
	s = open_spool(path, 0);
	confine_below(SANDBOX_READER, s->root, NULL, 0);
	if (header)
		puts("store\tdescription\tsubject\tserial\tnot-after\tsha256");
	for (size_t i = 0; i < n; i++) {
		l.dir = stores[i];
		if (trust_store_each(s, l.dir, show, &l, &why) != 0)
			status_die(STATUS_TROUBLE, path, "%s", why.text);
	}
	spool_close(s);
	return status_flush(l.status);
}
