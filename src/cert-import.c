/* SPDX-License-Identifier: ISC */
/* cert-import: an archive of certificates, from anybody, into the spool. Every entry is unpacked, parsed
 * and verified before the first one is kept; a certificate goes to the request that has its key, under
 * the request's name. It takes no name from the archive, extracts nothing, believes no CA that is not in
 * capf-trust, and an archive that is damaged anywhere changes nothing. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/results.h"
#include "cli/status.h"
#include "online/transfer.h"
#include "quarantine/inspect.h"
#include "quarantine/judge_cert.h"
#include "quarantine/unpack.h"
#include "site/match.h"
#include "site/settings.h"
#include "site/trust_store.h"
#include "spool/batch.h"
#include "spool/spool.h"
#include "spool/stage.h"

const char program[] = "cert-import";
const char synopsis[] = "[-ahnoV] [-j jobs] [-P seconds] [-s spool] [file|url]";

static const char accepted[] = "accepted", stale[] = "stale", already[] = "already",
    ca[] = "ca", elsewhere[] = "elsewhere", refused[] = "refused";

struct import {
	struct batch *batch;	/* NULL: dry run */
	struct match *match;
	struct results answers;	/* said after the commit */
	bool others;		/* what is for another site's phones is not refused */
	size_t refused, foreign;	/* so many are; of these, so many may be another site's */
	bool known;		/* some are there already */
	bool held_back;		/* nothing is imported, because some are refused */
};

/* Where a certificate is known. */
#define KNOWN (1u << SPOOL_LSC | 1u << SPOOL_STALE | 1u << SPOOL_INSTALLED)

static const char *dash(const char *text)
{
	return *text != '\0' ? text : "-";
}

/* "entry, device, serial, not-after" and the reason. */
static int remember(struct import *im, const struct verdict *v, const char *word, const char *device,
    uint64_t item, const char *reason)
{
	char iso[UTC_ISO + 1] = "";

	if (v->read)
		utc_iso(v->facts.not_after, iso);
	im->refused += word == refused;
	im->known = im->known || word == already;
	return results_add(&im->answers, word, item, dash(v->entry), reason, "%s\t%s\t%s", dash(device),
	    dash(v->facts.serial), dash(iso));
}

/* One verdict: find its request, stage it, remember what to say. -1 with errno. */
static int take(struct import *im, const struct verdict *v)
{
	const char *const word_of[] = {
		[MATCH_READY] = accepted, [MATCH_STALE] = stale,
		[MATCH_ALREADY] = already, [MATCH_REFUSED] = refused,
		[MATCH_ELSEWHERE] = im->others ? elsewhere : refused,
	};
	struct reason why = v->reason;
	struct reqid reqid = {.device = ""};
	uint64_t item = RESULTS_NO_ITEM;
	enum match_result m;

	/* CAs send their own along. One with a phone's key is a phone's, with the wrong profile. */
	if (v->ca && !match_knows(im->match, v->facts.spki))
		return remember(im, v, ca, "", item, why.text);
	if (v->ca)
		reason_set(&why, "is a CA certificate");
	if (!v->good)
		return remember(im, v, refused, "", item, why.text);
	if ((m = match_find(im->match, &v->facts, &reqid, &why)) == MATCH_TROUBLE)
		return -1;
	im->foreign += m == MATCH_ELSEWHERE && !im->others;
	if (im->batch != NULL && (m == MATCH_READY || m == MATCH_STALE)) {
		item = batch_count(im->batch);
		if (batch_add(im->batch, &reqid, m == MATCH_READY ? SPOOL_LSC : SPOOL_STALE, v->facts.der,
		    v->facts.der_len) != 0)
			return -1;
	}
	return remember(im, v, word_of[m], reqid.device, item, why.text);
}

/* The whole archive, read to its end. An exit status. */
static int read_archive(struct import *im, struct inspect *in, const char *name)
{
	struct progress progress;
	enum inspect_result result;
	struct reason why;
	struct verdict v;
	int status = STATUS_OK;

	progress_start(&progress, "certificates");
	while (status == STATUS_OK && (result = inspect_next(in, &v, &why)) != INSPECT_END) {
		if (result == INSPECT_DAMAGED || result == INSPECT_DIED) {
			status_warn(v.entry[0] != '\0' ? v.entry : name, "%s; nothing was imported", why.text);
			status = STATUS_REFUSED;
		} else if (result == INSPECT_TROUBLE) {
			status_warn_errno(name, "cannot read");
			status = STATUS_TROUBLE;
		} else if (take(im, &v) != 0) {
			status_warn_errno(v.entry, "cannot store; nothing was imported");
			status = STATUS_TROUBLE;
		}
		progress_show(&progress, im->answers.n);
	}
	progress_end(&progress);
	return status;
}

/* Takes the outcome of the commit into a result. False when it was not committed: then nothing may be said of it. */
static bool settle(struct answer *a, enum batch_fate fate)
{
	switch (fate) {
	case BATCH_NONE:
		return false;
	case BATCH_NEW:
		break;
	case BATCH_SAME:
		results_change(a, already, "");
		break;
	case BATCH_LATE:
		results_change(a, stale, "");
		break;
	case BATCH_OTHER:
		results_change(a, refused, "another certificate for this request was imported just now");
		break;
	case BATCH_GONE:
		results_change(a, refused, "its request was deleted just now");
		break;
	}
	return true;
}

/* --all-or-nothing, and something was refused: the good ones are not imported either. */
static void hold_back(struct answer *a)
{
	if (strcmp(a->word, accepted) == 0 || strcmp(a->word, stale) == 0)
		results_change(a, refused, "another entry was refused, and it is all or nothing");
}

/* The answers, when everything they say is on the disk. An exit status. */
static int report(struct import *im)
{
	int status = STATUS_OK, got;
	struct answer a;

	while ((got = results_next(&im->answers, &a)) > 0) {
		if (im->held_back)
			hold_back(&a);
		else if (a.item != RESULTS_NO_ITEM && !settle(&a, batch_fate(im->batch, (size_t)a.item)))
			continue;
		results_print(&a);
		if (strcmp(a.word, refused) == 0)
			status = STATUS_REFUSED;
	}
	if (got == 0)
		return status;
	status_warn_errno(spool_dir_name(SPOOL_TMP), "cannot read back the results");
	return STATUS_TROUBLE;
}

/* When nothing else was wrong: what to do about certificates that may be for another site. */
static void hint(const struct import *im, const char *name)
{
	if (im->refused > 0 && im->refused == im->foreign)
		status_warn(name, "all that was refused is for keys that this spool never had: "
		    "if it is another site's, add --others");
}

struct wishes {
	bool all, dry_run, others;
};

/* Takes the scratch file, where there is one. */
static int import(struct spool *s, struct inspect *in, const char *name, const struct wishes *wish, int scratch)
{
	struct import im = {.match = match_open(s), .others = wish->others};
	int status = STATUS_TROUBLE;

	results_open(&im.answers, scratch);
	if (im.match == NULL || (!wish->dry_run && (im.batch = batch_open(s)) == NULL))
		status_warn_errno(s->path, "cannot import");
	else
		status = read_archive(&im, in, name);
	/* A program that imported the same may have died before that was durable. */
	if (status == STATUS_OK && im.known && !wish->dry_run && spool_sync_all(s, KNOWN) != 0) {
		status_warn_errno(s->path, "cannot import");
		status = STATUS_TROUBLE;
	}
	if (status == STATUS_OK) {
		im.held_back = wish->all && im.refused > 0;
		if (!im.held_back && im.batch != NULL && batch_commit(im.batch) != 0) {
			status_warn_errno(s->path, "cannot import everything");
			status = STATUS_TROUBLE;
		}
		status = status_worst(status, report(&im));
		hint(&im, name);
	}
	results_close(&im.answers);
	batch_close(im.batch);
	match_close(im.match);
	return status;
}

/* The archive from a file, stdin or a server. A server's comes as a whole, before anything is read. */
static int open_archive(const char *name, const struct settings *settings)
{
	const struct transfer_limits limits = {(long)settings->transfer_timeout, (long)settings->transfer_min_speed,
	    (long)settings->transfer_stall};
	struct reason why;
	int fd;

	if (!transfer_is_url(name)) {
		if ((fd = fileio_open_input(name)) < 0)
			status_die_path(name, "cannot open");
	} else if ((fd = transfer_fetch(name, settings->import_max_total_bytes, &limits, &why)) < 0) {
		status_die(STATUS_TROUBLE, transfer_public(name), "cannot fetch: %s", why.text);
	}
	return fd;
}

/* The CAs that certificates may come from; the caller frees. */
static struct trust *load_trust(const struct spool *s)
{
	struct reason why;
	struct trust *trust = trust_store_load(s, SPOOL_TRUST_CAPF, &why);

	if (trust == NULL)
		status_die(status_of_input(why.trouble), "capf-trust", "%s", why.text);
	if (trust_count(trust) == 0)
		status_die(STATUS_USAGE, "capf-trust", "is empty: add the CA with trust-add");
	return trust;
}

static struct unpack_task task_of(const struct settings *settings)
{
	return (struct unpack_task){.certificates = true, .most = settings->import_max_entry_bytes, .limits = {
		.entries = settings->import_max_entries,
		.entry_bytes = settings->import_max_entry_bytes,
		.total_bytes = settings->import_max_total_bytes,
		.ratio = settings->import_max_ratio,
	}};
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *name = "-";
	struct wishes wish = {.all = false};
	char *shown;	/* the name, without a password */
	struct judge_cert rules;
	struct unpack_task from;
	const struct inspect_task task = {.judge = judge_cert, .ctx = &rules};
	struct inspect *in;
	struct trust *trust;
	struct reason why;
	struct settings settings;
	struct spool *s;
	time_t now = time(NULL);
	long jobs = 0;
	const struct option_spec options[] = {
		{'a', "all-or-nothing", OPTION_FLAG, &wish.all, 0, 0},
		{'j', "jobs", OPTION_NUMBER, &jobs, 1, 256},
		{'n', "dry-run", OPTION_FLAG, &wish.dry_run, 0, 0},
		{'o', "others", OPTION_FLAG, &wish.others, 0, 0},
		{'P', "clock", OPTION_CLOCK, &now, 0, 0},
		{'s', "spool", OPTION_TEXT, &path, 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options), scratch, status;

	if (argc - arg > 1)
		status_usage("takes one archive");
	if (arg < argc)
		name = argv[arg];
	if (strcmp(name, "-") == 0 && isatty(STDIN_FILENO))
		status_usage("wants an archive, from a file or on stdin");
	s = wish.dry_run ? open_spool(path, now) : open_spool_to_write(path, now);
	if (settings_load(&settings, s->root, &why) != 0)
		status_die(status_of_input(why.trouble), SPOOL_CONF, "%s", why.text);
	trust = load_trust(s);
	rules = (struct judge_cert){trust, now};
	from = task_of(&settings);
	/* A server may attack while the archive is fetched. */
	if (transfer_is_url(name))
		confine_online(SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DIRS, s->root, true);
	from.fd = open_archive(name, &settings);
	/* A dry run can do without, on a disk that is full or cannot be written. */
	if ((scratch = stage_scratch(s)) < 0 && !wish.dry_run)
		status_die_errno(path, "cannot import");
	if ((shown = transfer_public(name)) == NULL)
		status_die_errno(NULL, "cannot start");
	if ((in = inspect_open(unpack_start(&from), &task, (size_t)jobs)) == NULL)
		status_die_errno(NULL, "cannot start the workers");
	close(from.fd);
	confine_below(wish.dry_run ? SANDBOX_READER : SANDBOX_WRITER, s->root, NULL, 0);
	status = import(s, in, shown, &wish, scratch);
	free(shown);
	inspect_close(in);
	trust_free(trust);
	spool_close(s);
	return status_flush(status);
}
