/* SPDX-License-Identifier: ISC */
/* lsc-list: the certificates that are ready for delivery or installed, a line each, with their expiry.
 * It reads; it neither verifies nor changes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "site/lsc.h"
#include "spool/spool.h"
#include "x509/name.h"

const char program[] = "lsc-list";
const char purpose[] = "list certificates that are ready or installed";
const char synopsis[] =
    "[-0HhiRV] [-P seconds] [-s spool] [--details] [--expires-before time]\n"
    "                [--expires-within span]";

struct view {
	bool null, details;
	time_t before;
};

/* Subject, issuer and the SHA-256 of the whole, as further columns. -1 without memory. */
static int put_details(const struct cert *c)
{
	char *subject = name_line(X509_get_subject_name(c->x509)), *issuer = name_line(X509_get_issuer_name(c->x509));
	char hex[2 * sizeof c->digest + 1];
	bool good = subject != NULL && issuer != NULL;

	bytes_hex(c->digest, sizeof c->digest, hex);
	if (good)
		printf("\t%s\t%s\t%s", subject, issuer, hex);
	free(subject);
	free(issuer);
	return good ? 0 : -1;
}

static int show(struct spool *s, enum spool_dir d, const struct reqid *reqid, const struct view *view)
{
	char iso[UTC_ISO + 1], key[2 * REQID_SPKI + 1];
	struct reason why;
	struct cert *c = lsc_read(s, d, reqid, &why);
	int status;

	if (c == NULL) {
		if (errno == ENOENT)
			return STATUS_OK;
		status = errno == 0 ? STATUS_REFUSED : STATUS_TROUBLE;
		status_warn(reqid->device, "its certificate in %s/: %s", spool_dir_name(d), why.text);
		return status;
	}
	if (c->not_after < view->before && view->null) {
		fwrite(reqid->device, 1, strlen(reqid->device) + 1, stdout);
	} else if (c->not_after < view->before) {
		utc_iso(c->not_after, iso);
		bytes_hex(reqid->spki, REQID_SPKI, key);
		printf("%s\t%s\t%s\t%s\t%s", reqid->device, d == SPOOL_LSC ? "ready" : "installed", iso,
		    c->serial, key);
		if (view->details && put_details(c) != 0)
			status_die(STATUS_TROUBLE, reqid->device, "out of memory");
		putchar('\n');
	}
	cert_free(c);
	return STATUS_OK;
}

static int show_all(struct spool *s, enum spool_dir d, const struct view *view)
{
	int status = STATUS_OK;
	struct reqid *list;
	size_t n;

	if (spool_list(s, d, &list, &n) != 0) {
		status_warn_errno(spool_dir_name(d), "cannot list");
		return STATUS_TROUBLE;
	}
	for (size_t i = 0; i < n; i++)
		status = status_worst(status, show(s, d, &list[i], view));
	free(list);
	return status;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	struct view view = {.before = 253402300800};
	bool header = false, ready = false, installed = false;
	time_t now = time(NULL), span = -1;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &view.null, "print only the device names, each ended by NUL"),
		OPT_FLAG('H', "header", &header, "print the names of the columns first"),
		OPT_FLAG('i', "installed", &installed, "only installed certificates"),
		OPT_CLOCK(&now),
		OPT_FLAG('R', "ready", &ready,
		    "only certificates that are ready for their phone; with -i both"),
		OPT_SPOOL(&path),
		OPT_FLAG(0, "details", &view.details, "print subject, issuer and SHA-256 as further columns"),
		OPT_TIME(0, "expires-before", &view.before,
		    "only certificates that expire before this time"),
		OPT_SPAN(0, "expires-within", &span,
		    "only certificates that expire within this time, or have expired"),
		{0},
	};
	int arg = options_parse(argc, argv, options), status = STATUS_OK;
	struct spool *s;

	if (arg != argc)
		status_usage("takes no arguments");
	if (span >= 0 && now + span < view.before)
		view.before = now + span;
	s = open_spool(path, now);
	confine_below(SANDBOX_READER, s->root, NULL, 0);
	if (header && !view.null)
		printf("device\tstate\tnot-after\tserial\tkey%s\n", view.details ? "\tsubject\tissuer\tsha256" : "");
	if (ready || !installed)
		status = status_worst(status, show_all(s, SPOOL_LSC, &view));
	if (installed || !ready)
		status = status_worst(status, show_all(s, SPOOL_INSTALLED, &view));
	spool_close(s);
	return status_flush(status);
}
