/* SPDX-License-Identifier: ISC */
/* trust-del: CAs out of a trust store, by fingerprint or by the beginning of one. It takes away nothing
 * when the beginning fits more than one. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "site/trust_store.h"
#include "spool/journal.h"
#include "spool/spool.h"

const char program[] = "trust-del";
const char purpose[] = "remove CAs from a trust store";
const char synopsis[] = "[-hnV] [-P seconds] [-s spool] capf|callmanager fingerprint ...";

#define LEAST_DIGITS 8		/* of a fingerprint: with fewer a slip of the hand fits something */

struct search {
	const char *beginning;
	size_t found;
	char file[256];
};

static int look(void *ctx, const char *file)
{
	struct search *w = ctx;

	if (strncmp(file, w->beginning, strlen(w->beginning)) == 0) {
		w->found++;
		snprintf(w->file, sizeof w->file, "%s", file);
	}
	return 0;
}

/* Lower case without colons, whoever printed it. False when it is too long, or too short, or not hex. */
static bool normal(const char *text, char out[2 * 32 + 1])
{
	size_t n = 0;

	for (; *text != '\0' && n < 2 * 32; text++)
		if (*text != ':')
			out[n++] = (char)tolower((unsigned char)*text);
	out[n] = '\0';
	return *text == '\0' && n >= LEAST_DIGITS && strspn(out, "0123456789abcdef") == n;
}

static int delete(struct spool *s, enum spool_dir d, const char *fingerprint, bool dry_run)
{
	char beginning[2 * 32 + 1];
	struct search w = {.beginning = beginning};

	if (!normal(fingerprint, beginning)) {
		status_warn(fingerprint, "not a fingerprint: at least %d digits of those that trust-list shows",
		    LEAST_DIGITS);
		return STATUS_USAGE;
	}
	if (spool_each(s, d, look, &w) != 0) {
		status_warn_errno(spool_dir_name(d), "cannot list");
		return STATUS_TROUBLE;
	}
	if (w.found != 1) {
		status_warn(fingerprint, w.found == 0 ? "not in this store" : "fits more than one certificate");
		return STATUS_REFUSED;
	}
	if (!dry_run && (spool_remove(s, d, w.file) != 0 || spool_sync(s, d) != 0)) {
		status_warn_errno(w.file, "cannot delete");
		return STATUS_TROUBLE;
	}
	printf("%s/%s\n", spool_dir_name(d), w.file);
	if (!dry_run)
		journal_add_text(s, "untrusted", w.file);
	return STATUS_OK;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	bool dry_run = false;
	time_t now = time(NULL);
	const struct option_spec options[] = {
		OPT_FLAG('n', "dry-run", &dry_run, "say what would be removed, and remove nothing"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		{0},
	};
	int arg = options_parse(argc, argv, options), status = STATUS_OK;
	enum spool_dir dir;
	struct spool *s;

	if (argc - arg < 2)
		status_usage("wants a store, and fingerprints");
	if (!trust_store_named(argv[arg], &dir))
		status_usage("the stores are capf and callmanager");
	s = dry_run ? open_spool(path, now) : open_spool_to_change(path, now);
	confine_below(dry_run ? SANDBOX_READER : SANDBOX_WRITER, s->root, NULL, 0);
	while (++arg < argc)
		status = status_worst(status, delete(s, dir, argv[arg], dry_run));
	status = open_spool_flush(s, status);
	spool_close(s);
	return status_flush(status);
}
