/* SPDX-License-Identifier: ISC */
/* trust-add: CAs into a trust store, from PEM, bundles and DER. It refuses what is no CA, and a name that
 * belongs to CAPF unless it is this spool's own, or was; it warns of what will make trouble later. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <openssl/x509v3.h>

#include "base/fileio.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "site/capf_identity.h"
#include "site/trust_store.h"
#include "spool/journal.h"
#include "spool/spool.h"
#include "x509/trust.h"

const char program[] = "trust-add";
const char purpose[] = "add CAs to a trust store";
const char synopsis[] = "[-hV] [-D description] [-P seconds] [-s spool] capf|callmanager file ...";

#define MAX_BUNDLE (16 << 20)	/* the roots of a whole Debian have 220 KiB */

struct adding {
	struct spool *spool;
	enum spool_dir dir;
	const char *description;	/* NULL: the subject's CN */
	const char *file;
	size_t seen;
	int status;
	struct progress progress;
	size_t all;		/* certificates, of all files */
};

/* The roots of the phones' manufacturer that administrators are told to take out of
 * callmanager-trust: with them there, any phone of that make counts as one of ours. */
static bool is_mic_root(const char *cn)
{
	static const char *const roots[] = {
		"CAP-RTP-001", "CAP-RTP-002", "Cisco Manufacturing CA", "Cisco Root CA 2048",
		"Cisco_Manufacturing_CA", "Cisco_Root_CA_2048",
	};

	for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
		if (strcmp(cn, roots[i]) == 0)
			return true;
	return false;
}

static void warn_of(const struct adding *ad, const struct cert *c, const char *object)
{
	uint32_t flags = X509_get_extension_flags(c->x509);
	bool no_usage = (flags & EXFLAG_KUSAGE) == 0, soft = (flags & EXFLAG_BCONS_CRITICAL) == 0;
	char iso[UTC_ISO + 1];

	if (no_usage || soft)
		status_warn(object, "note: %s%s%s; that is no fault in a CA that you add yourself",
		    no_usage ? "it has no keyUsage" : "", no_usage && soft ? ", and " : "",
		    soft ? "its basicConstraints are not critical" : "");
	if (c->not_after < ad->spool->now) {
		utc_iso(c->not_after, iso);
		status_warn(object, "warning: expired on %s", iso);
	}
	if (ad->dir == SPOOL_TRUST_CALLMANAGER && is_mic_root(c->cn))
		status_warn(object, "warning: a root of the phones' manufacturer; with it in "
		    "callmanager-trust every phone of that make is trusted");
}

/* Refuses what is no CA, and a certificate of another CAPF. -1 with a reason. */
static int refuse(const struct adding *ad, const struct cert *c, struct reason *why)
{
	int own;

	if (c == NULL || cert_check_ca(c, why) != 0)
		return -1;
	if (strstr(c->cn, "CAPF-") == NULL || (own = capf_identity_is(ad->spool, c, why)) > 0)
		return 0;
	if (own == 0)
		return reason_set(why, "its CN contains CAPF-, which is for this spool's own certificate");
	return -1;
}

/* One certificate of a file; goes on after a bad one. */
static int add(void *ctx, size_t number, const struct cert *c, const struct reason *bad)
{
	struct adding *ad = ctx;
	struct reason why = *bad;
	char object[512], hex[2 * sizeof c->digest + 1];
	int result;

	snprintf(object, sizeof object, number > 1 ? "%s, certificate %zu" : "%s", ad->file, number);
	ad->seen++;
	progress_show(&ad->progress, ++ad->all);
	if (refuse(ad, c, &why) != 0) {
		status_warn(object, "%s", why.text);
		ad->status = status_worst(ad->status, status_of_item(why.trouble));
		return 0;
	}
	result = trust_store_add(ad->spool, ad->dir, c, ad->description != NULL ? ad->description : c->cn);
	if (result < 0) {
		status_warn_errno(object, "cannot add");
		ad->status = STATUS_TROUBLE;
		return 1;
	}
	warn_of(ad, c, object);
	/* It was there already, and keeps its description. */
	if (result > 0)
		return 0;
	bytes_hex(c->digest, sizeof c->digest, hex);
	journal_add_text(ad->spool, spool_dir_name(ad->dir), hex);
	return 0;
}

static int add_file(struct adding *ad)
{
	int fd = fileio_open_input(ad->file), status;
	unsigned char *data;
	size_t len;

	if (fd < 0 || fileio_read_all(fd, MAX_BUNDLE, &data, &len) != 0) {
		status = status_of_one(errno);
		status_warn_errno(ad->file, "cannot read");
		if (fd >= 0)
			close(fd);
		return status;
	}
	close(fd);
	ad->seen = 0;
	ad->status = STATUS_OK;
	trust_each(data, len, add, ad);
	free(data);
	if (ad->seen == 0) {
		status_warn(ad->file, "holds no certificate");
		return STATUS_REFUSED;
	}
	return ad->status;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	time_t now = time(NULL);
	struct adding ad = {.description = NULL};
	const struct option_spec options[] = {
		OPT_TEXT('D', "description", "TEXT", &ad.description,
		    "what trust-list shows for the certificates; by default the CN of each"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		{0},
	};
	int arg = options_parse(argc, argv, options), status = STATUS_OK;

	if (argc - arg < 2)
		status_usage("wants a store, and files");
	if (!trust_store_named(argv[arg], &ad.dir))
		status_usage("the stores are capf and callmanager");
	if (ad.description != NULL && strpbrk(ad.description, "\n\t") != NULL)
		status_usage("a description is one line without tabs");
	ad.spool = open_spool_to_change(path, now);
	confine_below(SANDBOX_WRITER, ad.spool->root, (const char *const *)argv + arg + 1,
	    (size_t)(argc - arg - 1));
	progress_start(&ad.progress, "certificates", 0);
	for (int first = arg + 1; ++arg < argc;) {
		ad.file = argv[arg];
		progress_part(&ad.progress, (uint64_t)(arg - first), (uint64_t)(argc - first));
		status = status_worst(status, add_file(&ad));
	}
	progress_end(&ad.progress);
	if (journal_flush(ad.spool) != 0)
		status_die_errno(SPOOL_JOURNAL, "cannot write");
	spool_close(ad.spool);
	return status_flush(status);
}
