/* SPDX-License-Identifier: ISC */
/* spool-check: every rule of capf-spool(5), a line for each finding. It changes nothing without --repair,
 * and with it only finishes what was begun: it invents nothing and throws no certificate away. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/device.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "cli/table.h"
#include "site/asked.h"
#include "site/capf_identity.h"
#include "site/ctl_made.h"
#include "site/phone.h"
#include "site/phonebook.h"
#include "site/settings.h"
#include "site/trust_store.h"
#include "site/unknown_devices.h"
#include "spool/create.h"
#include "spool/newest.h"
#include "spool/recover.h"
#include "spool/spool.h"
#include "spool/trace_files.h"
#include "x509/cert.h"
#include "x509/csr.h"

const char program[] = "spool-check";
const char purpose[] = "check a spool, and finish what a crash left";
const char synopsis[] = "[-hrVv] [-P seconds] [-s spool] [--color[=when]] [--json] [--no-pager]";

static const struct table_column columns[] = {{"file", TABLE_TEXT, 0}, {"finding", TABLE_TEXT, 0}};

struct checking {
	struct spool *spool;
	EVP_PKEY **capf;	/* who vouches for .ra requests, and who did; NULL when unknown */
	enum spool_dir trust;	/* the store at hand */
	bool verbose;
	int status;
	struct table_options how;
	struct table table;
	struct progress progress;
	size_t seen;		/* files of the six directories, and phones */
};

static void show(struct checking *ck, const char *file, const char *unfinished, const char *what)
{
	char text[1024];

	snprintf(text, sizeof text, "%s%s", unfinished, what);
	table_text(&ck->table, file);
	table_text(&ck->table, text);
	table_row(&ck->table);
}

static void find(struct checking *ck, const char *file, const char *what)
{
	show(ck, file, "", what);
	ck->status = status_worst(ck->status, STATUS_REFUSED);
}

/* What was found is shown before the program ends with trouble. */
static _Noreturn void die(struct checking *ck, const char *object, const struct reason *why)
{
	table_close(&ck->table);
	status_die(STATUS_TROUBLE, object, "%s", why->text);
}

/* A file that cannot be read is not known to be bad. */
static void blame(struct checking *ck, const char *file, const struct reason *why)
{
	if (!why->trouble) {
		find(ck, file, why->text);
		return;
	}
	status_warn(file, "%s", why->text);
	ck->status = STATUS_TROUBLE;
}

/* An unfinished change is legal, so a cron job need not report it. */
static void tell(void *ctx, enum recover_finding finding, const char *file, const char *what)
{
	struct checking *ck = ctx;

	if (finding == RECOVER_ILLEGAL)
		find(ck, file, what);
	else if (ck->verbose)
		show(ck, file, "unfinished: ", what);
}

/* Does a request or certificate hold what its name says? -1 with a reason. */
static int check_content(const struct checking *ck, const struct reqid *reqid, const unsigned char *data,
    size_t len, struct reason *why)
{
	struct csr *csr = NULL;
	struct cert *cert = NULL;
	bool key, device;

	if (reqid->kind == REQID_DER) {
		if ((cert = cert_parse(data, len, why)) == NULL)
			return -1;
		key = memcmp(cert->spki, reqid->spki, REQID_SPKI) == 0;
		device = device_named_by(reqid->device, cert->cn);
	} else {
		if ((csr = csr_parse(data, len, ck->capf, why)) == NULL)
			return -1;
		key = memcmp(csr->spki, reqid->spki, REQID_SPKI) == 0;
		device = strcmp(csr->device, reqid->device) == 0;
	}
	cert_free(cert);
	csr_free(csr);
	if (!key)
		return reason_set(why, "it has another key than its name says");
	return device ? 0 : reason_set(why, "it is for another device than its name says");
}

static int check_dir(struct checking *ck, enum spool_dir d)
{
	char name[REQID_NAME_MAX + 1], path[REQID_NAME_MAX + 16];
	struct reqid *list;
	size_t n, len;

	if (spool_list(ck->spool, d, &list, &n) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		unsigned char *data;
		struct reason why;

		progress_show(&ck->progress, ++ck->seen);
		reqid_name(&list[i], (enum reqid_kind)list[i].kind, name);
		snprintf(path, sizeof path, "%s/%s", spool_dir_name(d), name);
		if (spool_read(ck->spool, d, name, &data, &len) != 0) {
			/* It moved on, or recover_check has told already that it is no file. */
			if (errno != ENOENT && errno != ELOOP && errno != EINVAL && errno != EFBIG) {
				reason_errno(&why);
				blame(ck, path, &why);
			}
			continue;
		}
		if (len > 0 && check_content(ck, &list[i], data, len, &why) != 0)
			blame(ck, path, &why);
		free(data);
	}
	free(list);
	return 0;
}

static int check_trusted(void *ctx, const char *file, const char *description, const struct cert *c,
    const struct reason *why)
{
	char hex[2 * sizeof c->digest + 1], path[512];
	struct checking *ck = ctx;
	struct reason cause = *why;

	(void)description;
	snprintf(path, sizeof path, "%s/%s", spool_dir_name(ck->trust), file);
	if (c == NULL || cert_check_ca(c, &cause) != 0) {
		blame(ck, path, &cause);
		return 0;
	}
	bytes_hex(c->digest, sizeof c->digest, hex);
	if (strncmp(file, hex, strlen(hex)) != 0)
		find(ck, path, "it is another certificate than its name says");
	return 0;
}

/* CAPF's own. Its key vouches for .ra requests, and its former ones did for those that are older. */
static void check_capf(struct checking *ck)
{
	char iso[UTC_ISO + 1];
	struct cert *own = NULL;
	struct reason why;

	if (capf_identity_check(ck->spool, false, &why) != 0)
		blame(ck, "ca/" CAPF_IDENTITY_PAIR, &why);
	if (capf_identity_load(ck->spool, &own, NULL, &why) != 0) {
		/* Requests that it vouches for cannot be looked at without it. */
		if (why.trouble)
			die(ck, "ca/" CAPF_IDENTITY_PAIR, &why);
		return;
	}
	utc_iso(own->not_after, iso);
	if (own->not_after < ck->spool->now && reason_set(&why, "it expired on %s", iso))
		find(ck, "ca/" CAPF_IDENTITY_PAIR, why.text);
	cert_free(own);
	if ((ck->capf = capf_identity_vouchers(ck->spool, &why)) == NULL)
		die(ck, "ca", &why);
}

/* Records of phones, and states that are left of phones which are gone. */
static int check_phones(struct checking *ck)
{
	struct phonebook_name *list;
	size_t n;

	if (phonebook_list(ck->spool, &list, &n) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char path[PHONEBOOK_NAME_MAX + 16];
		struct phone_state st;
		struct reason why;
		struct phone p;

		progress_show(&ck->progress, ++ck->seen);
		snprintf(path, sizeof path, "%s/%s%s", spool_dir_name(SPOOL_PHONE), list[i].device,
		    list[i].settings ? "" : list[i].state ? PHONEBOOK_STATE : PHONEBOOK_NOTE);
		if (!list[i].settings)
			tell(ck, RECOVER_UNFINISHED, path, "of a phone that is gone");
		else if (phonebook_load(ck->spool, list[i].device, &p, &st, &why) < 0 ||
		    (list[i].note && phonebook_note(ck->spool, list[i].device, &st, &why) < 0))
			blame(ck, path, &why);
	}
	free(list);
	return 0;
}

/* The devices that have no record: a list of which nothing depends. */
static void check_unknown(struct checking *ck)
{
	struct unknown_devices u = {0};
	struct reason why;

	if (unknown_devices_load(ck->spool, &u, &why) != 0)
		blame(ck, "phone/" SPOOL_UNKNOWN, &why);
	unknown_devices_free(&u);
}

/* The states of phones that are gone; adds how many to *n. */
static int remove_left(struct spool *s, size_t *n)
{
	struct phonebook_name *list;
	int result = 0;
	size_t count;

	if (phonebook_list(s, &list, &count) != 0)
		return -1;
	for (size_t i = 0; i < count && result == 0; i++)
		if (!list[i].settings && (result = phonebook_remove_state(s, list[i].device)) == 0)
			++*n;
	free(list);
	return result;
}

/* What a CA was asked, and the certificate that it sent, if that is still here. */
static int check_asked(void *ctx, const struct asked *a, const char *file, const struct reason *why)
{
	struct checking *ck = ctx;
	struct reason cause = *why;
	struct cert *cert;
	unsigned char *der;
	char path[128];
	size_t len;

	snprintf(path, sizeof path, "%s/%s", spool_dir_name(SPOOL_ONLINE), file);
	if (a == NULL) {
		blame(ck, path, &cause);
		return 0;
	}
	if (asked_certificate(ck->spool, a->spki, &der, &len) != 0) {
		if (errno != ENOENT && reason_errno(&cause) != 0)
			blame(ck, path, &cause);
		return 0;
	}
	snprintf(strrchr(path, '.'), sizeof ".der", ".der");
	if ((cert = cert_parse(der, len, &cause)) == NULL)
		blame(ck, path, &cause);
	else if (memcmp(cert->spki, a->spki, sizeof cert->spki) != 0)
		find(ck, path, "it has another key than its name says");
	cert_free(cert);
	free(der);
	return 0;
}

static int tell_stray(void *ctx, const char *file)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", spool_dir_name(SPOOL_ONLINE), file);
	tell(ctx, RECOVER_UNFINISHED, path, "a certificate that nobody asked for");
	return 0;
}

struct removing {
	struct spool *spool;
	size_t n;
};

static int remove_stray(void *ctx, const char *file)
{
	struct removing *r = ctx;

	if (spool_remove(r->spool, SPOOL_ONLINE, file) != 0 && errno != ENOENT)
		return -1;
	r->n++;
	return 0;
}

/* What is remembered of a trust list. Whether it lacks CAPF's certificate is no rule of the spool. */
static int check_list(void *ctx, const struct ctl_made *m, const char *file, const struct reason *why)
{
	struct checking *ck = ctx;
	char path[64];

	snprintf(path, sizeof path, "%s/%s", spool_dir_name(SPOOL_CA), file);
	if (m == NULL)
		blame(ck, path, why);
	return 0;
}

/* How many files check_phones and check_dir will look at. */
static size_t count_files(const struct spool *s)
{
	struct phonebook_name *list;
	size_t all = 0, n;

	if (phonebook_list(s, &list, &all) == 0)
		free(list);
	for (int d = 0; d < SPOOL_STATES; d++)
		if (spool_count(s, (enum spool_dir)d, &n) == 0)
			all += n;
	return all;
}

/* Everything once. -1 with errno when it cannot look. */
static int check(struct checking *ck)
{
	struct reason why;
	struct settings settings;

	progress_start(&ck->progress, "files", count_files(ck->spool));
	table_progress(&ck->table, &ck->progress);
	if (settings_load(&settings, ck->spool->root, &why) != 0)
		blame(ck, SPOOL_CONF, &why);
	else if (phone_templates_check(ck->spool->root, ck->spool->now, &why) != 0)
		blame(ck, SPOOL_CONF, &why);
	check_capf(ck);
	if (ctl_made_each(ck->spool, check_list, ck, &why) != 0)
		blame(ck, spool_dir_name(SPOOL_CA), &why);
	for (ck->trust = SPOOL_TRUST_CAPF; ck->trust <= SPOOL_TRUST_CALLMANAGER; ck->trust++)
		if (trust_store_each(ck->spool, ck->trust, check_trusted, ck, &why) != 0)
			blame(ck, spool_dir_name(ck->trust), &why);
	check_unknown(ck);
	if (recover_check(ck->spool, tell, ck) != 0 || check_phones(ck) != 0 ||
	    asked_each(ck->spool, check_asked, ck) != 0 || asked_strays(ck->spool, tell_stray, ck) != 0)
		return -1;
	for (int d = 0; d < SPOOL_STATES; d++)
		if (check_dir(ck, (enum spool_dir)d) != 0)
			return -1;
	progress_end(&ck->progress);
	capf_identity_vouchers_free(ck->capf);
	ck->capf = NULL;
	return 0;
}

/* Takes away what is too old, and adds how many files that were. A clock that is far ahead would make everything so. */
static void expire(struct checking *ck, const struct settings *settings, size_t *n)
{
	const time_t done = ck->spool->now - settings->keep_done, superseded = ck->spool->now - settings->keep_superseded,
	    trace = ck->spool->now - settings->keep_trace;
	char newest[UTC_STAMP + 1], now[UTC_STAMP + 1];
	int ahead = recover_clock_ahead(ck->spool, newest);

	if (ahead > 0) {
		utc_stamp(ck->spool->now, now);
		status_warn("clock", "it says %s, and the newest file is of %s, more than a year earlier: nothing is removed for "
		    "its age; set the clock, or remove old files by hand if it is right", now, newest);
		ck->status = status_worst(ck->status, STATUS_REFUSED);
		return;
	}
	if (ahead < 0 || recover_expire(ck->spool, SPOOL_DONE, done, n) != 0 ||
	    recover_expire(ck->spool, SPOOL_SUPERSEDED, superseded, n) != 0 ||
	    recover_expire(ck->spool, SPOOL_TRACE, trace, n) != 0 || trace_files_expire(ck->spool, trace, n) != 0 ||
	    asked_expire(ck->spool, done, superseded, n) != 0)
		status_die_errno(ck->spool->path, "cannot take old files away");
}

static void repair(struct checking *ck)
{
	struct reason why;
	struct settings settings;
	struct removing strays = {ck->spool, 0};
	struct unknown_devices unknown = {0};
	size_t finished, expired = 0;
	char kept[UTC_STAMP + 1];

	if (recover_finish(ck->spool, &finished) != 0 || remove_left(ck->spool, &finished) != 0 ||
	    asked_strays(ck->spool, remove_stray, &strays) != 0)
		status_die_errno(ck->spool->path, "cannot finish what was begun");
	/* The server would begin a new one, too. */
	if (unknown_devices_load(ck->spool, &unknown, &why) != 0 && !why.trouble &&
	    spool_remove(ck->spool, SPOOL_PHONE, SPOOL_UNKNOWN) == 0)
		finished++;
	unknown_devices_free(&unknown);
	if (settings_load(&settings, ck->spool->root, &why) != 0) {
		if (why.trouble)
			status_die(STATUS_TROUBLE, SPOOL_CONF, "%s", why.text);
	} else {
		expire(ck, &settings, &expired);
		/* Last, so that what it moves to done/ is there until the next run. */
		newest_kept_since(ck->spool->now, settings.keep_installed, kept);
		if (recover_retire(ck->spool, kept, &finished) != 0)
			status_die_errno(spool_dir_name(SPOOL_INSTALLED), "cannot move older certificates to done/");
	}
	if (capf_identity_check(ck->spool, true, &why) != 0 && why.trouble)
		status_die(STATUS_TROUBLE, "ca/" CAPF_IDENTITY_PAIR, "%s", why.text);
	/* With --json stdout has nothing but objects. */
	if (ck->verbose && ck->how.json)
		status_warn(NULL, "%zu steps finished, %zu old files taken away", finished + strays.n, expired);
	else if (ck->verbose)
		printf("%zu steps finished, %zu old files taken away\n", finished + strays.n, expired);
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	struct checking ck = {.status = STATUS_OK};
	time_t now = time(NULL);
	bool mend = false;
	enum spool_dir missing;
	const struct option_spec options[] = {
		OPT_CLOCK(&now),
		OPT_FLAG('r', "repair", &mend,
		    "finish what a crash left half done and remove what is too old, before "
		    "checking"),
		OPT_SPOOL(&path),
		OPT_FLAG('v', "verbose", &ck.verbose,
		    "show unfinished steps too, and with -r how many were finished"),
		TABLE_OPTIONS(&ck.how),
		{0},
	};

	if (options_parse(argc, argv, options) != argc)
		status_usage("takes no arguments");
	if (mend)
		open_spool_as_owner(path);
	/* Also when it lacks none: who made them may have died before they were durable. */
	if (mend && (create_missing(path, &missing) < 0 || create_mend(path) != 0))
		status_die_path(path, "cannot mend the spool");
	ck.spool = open_spool(path, now);
	table_open(&ck.table, columns, sizeof columns / sizeof *columns, &ck.how);
	confine_below(mend ? SANDBOX_WRITER : SANDBOX_READER, ck.spool->root, NULL, 0);
	if (mend)
		repair(&ck);
	if (check(&ck) != 0) {
		status_warn_errno(path, "cannot check");
		ck.status = STATUS_TROUBLE;
	}
	table_close(&ck.table);
	spool_close(ck.spool);
	return status_flush(ck.status);
}
