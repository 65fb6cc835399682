/* SPDX-License-Identifier: ISC */
/* cert-import: an archive of certificates, from anybody, into the spool. Every entry is unpacked, parsed
 * and verified before the first one is kept; a certificate goes to the request that has its key, under
 * the request's name. It takes no name from the archive, extracts nothing, believes no CA that is not in
 * capf-trust, and an archive that is damaged anywhere changes nothing. */
#include <errno.h>
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
#include "site/import.h"
#include "site/settings.h"
#include "site/trust_store.h"
#include "spool/spool.h"
#include "spool/stage.h"

const char program[] = "cert-import";
const char purpose[] = "take signed certificates into the spool";
const char synopsis[] = "[-ahnoV] [-j jobs] [-P seconds] [-s spool] [file|url]";

struct importing {
	struct import *import;
	struct results answers;	/* said after the commit */
	int archive;		/* its file, or -1 */
	struct spool *spool;
	struct progress_total total[IMPORT_REFUSED + 1];	/* for each word */
	size_t good, others;	/* entries; those that are requests */
	bool held_back;		/* nothing is imported, because some are refused */
};

static const char *dash(const char *text)
{
	return *text != '\0' ? text : "-";
}

/* One verdict: finds its request, remembers "entry, device, serial, not-after" and the reason. -1 with errno. */
static int take(struct importing *im, const struct verdict *v)
{
	const struct import_judged judged = {v->good, v->ca, v->facts, v->reason};
	char iso[UTC_ISO + 1] = "";
	struct imported out;

	im->good += v->good;
	im->others += v->other;
	if (import_take(im->import, &judged, &out) != 0)
		return -1;
	if (v->read)
		utc_iso(v->facts.not_after, iso);
	return results_add(&im->answers, import_words[out.word], out.item, dash(v->entry), out.why.text, "%s\t%s\t%s",
	    dash(out.device), dash(v->facts.serial), dash(iso));
}

/* The whole archive, read to its end. An exit status. */
static int read_archive(struct importing *im, struct inspect *in, const char *name)
{
	struct progress progress;
	enum inspect_result result;
	struct reason why;
	struct verdict v;
	int status = STATUS_OK;

	progress_start(&progress, "certificates", 0);
	progress_of_file(&progress, im->archive);
	while (status == STATUS_OK && (result = inspect_next(in, &v, &why)) != INSPECT_END) {
		if (result == INSPECT_DAMAGED || result == INSPECT_DIED) {
			status_warn(v.entry[0] != '\0' ? v.entry : name, "%s; nothing was imported", why.text);
			status = STATUS_REFUSED;
		} else if (result == INSPECT_TROUBLE) {
			/* A directory, for one, which opens like a file. */
			status = status_of(errno);
			status_warn_errno(name, "cannot read");
		} else if (take(im, &v) != 0) {
			status_warn_errno(v.entry, "cannot store; nothing was imported");
			status = STATUS_TROUBLE;
		}
		progress_show(&progress, im->answers.n);
	}
	progress_end(&progress);
	return status;
}

/* Takes the outcome of the commit into an answer. False when it was not committed: then nothing may be said of it. */
static bool settle(const struct importing *im, struct answer *a)
{
	struct imported out = {.item = a->item};

	/* --all-or-nothing, and something was refused: the good ones are not imported either. */
	if (im->held_back) {
		if (strcmp(a->word, import_words[IMPORT_ACCEPTED]) == 0 || strcmp(a->word, import_words[IMPORT_STALE]) == 0)
			results_change(a, import_words[IMPORT_REFUSED], "another entry was refused, and it is all or nothing");
		return true;
	}
	while (strcmp(import_words[out.word], a->word) != 0)
		out.word++;
	reason_set(&out.why, "%s", a->reason);
	if (!import_settle(im->import, &out))
		return false;
	results_change(a, import_words[out.word], out.why.text);
	return true;
}

/* The answers, when everything they say is on the disk. An exit status. */
static int report(struct importing *im)
{
	int status = STATUS_OK, got;
	struct answer a;

	while ((got = results_next(&im->answers, &a)) > 0) {
		if (!settle(im, &a))
			continue;
		results_print(&a);
		for (size_t i = 0; i <= IMPORT_REFUSED; i++)
			im->total[i].n += strcmp(a.word, import_words[i]) == 0;
		if (strcmp(a.word, import_words[IMPORT_REFUSED]) == 0)
			status = STATUS_REFUSED;
	}
	if (got == 0)
		return status;
	status_warn_errno(spool_dir_name(SPOOL_TMP), "cannot read back the results");
	return STATUS_TROUBLE;
}

/* When nothing else was wrong: what to do about requests, or certificates that may be for another site. */
static void hint(const struct importing *im, const char *name)
{
	size_t foreign, refused = import_refused(im->import, &foreign);

	if (im->good == 0 && im->others > 0)
		status_warn(name, "holds certificate requests; cert-import wants the certificates that a CA made of them "
		    "(csr-sign, csr-submit), and csr-add takes requests");
	if (refused > 0 && refused == foreign)
		status_warn(name, "all that was refused is for keys that this spool never had: "
		    "if it is another site's, add --others");
}

/* Everything was read: now all of it, or nothing. An exit status. */
static int commit(struct importing *im, const char *path, bool all)
{
	size_t foreign;
	struct progress progress;
	int status = STATUS_OK;

	if (import_sync_known(im->import) != 0) {
		status_warn_errno(path, "cannot import");
		return STATUS_TROUBLE;
	}
	im->held_back = all && import_refused(im->import, &foreign) > 0;
	progress_start(&progress, "certificates stored", import_count(im->import));
	progress_of_spool(&progress, im->spool, 2);
	if (!im->held_back && import_commit(im->import) != 0) {
		status_warn_errno(path, "cannot import everything");
		status = STATUS_TROUBLE;
	}
	progress_end(&progress);
	return status_worst(status, report(im));
}

/* Takes the archive's file, and the scratch file, where there is one. */
static int import(struct spool *s, struct inspect *in, int archive, const char *name, const struct import_options *options,
    bool all, int scratch)
{
	struct importing im = {.import = import_open(s, options), .archive = archive, .spool = s};
	int status = STATUS_TROUBLE;

	for (size_t i = 0; i <= IMPORT_REFUSED; i++)
		im.total[i].word = import_words[i];
	results_open(&im.answers, scratch);
	if (im.import == NULL)
		status_warn_errno(s->path, "cannot import");
	else
		status = read_archive(&im, in, name);
	if (status == STATUS_OK) {
		status = commit(&im, s->path, all);
		hint(&im, name);
		progress_totals(im.total, IMPORT_REFUSED + 1);
	}
	results_close(&im.answers);
	import_close(im.import);
	if (archive >= 0)
		close(archive);
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
	struct import_options wish = {.dry_run = false};
	bool all = false;
	char *shown;	/* the name, without a password */
	struct judge_cert rules;
	struct unpack_task from;
	const struct inspect_task task = {.judge = judge_cert, .ctx = &rules};
	struct inspect *in;
	struct trust *trust;
	struct reason why;
	struct settings settings;
	struct spool *s;
	time_t start = time(NULL), now = start;
	long jobs = 0;
	const struct option_spec options[] = {
		OPT_FLAG('a', "all-or-nothing", &all, "store nothing when one entry is refused"),
		OPT_NUMBER('j', "jobs", "N", &jobs, 1, 256,
		    "number of processes that verify; by default one more than processors"),
		OPT_FLAG('n', "dry-run", &wish.dry_run, "do everything except change the spool"),
		OPT_FLAG('o', "others", &wish.others, "do not refuse certificates of another site"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		{0},
	};
	int arg = options_parse(argc, argv, options), scratch, status, archive;

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
	rules = (struct judge_cert){.trust = trust, .clock = now - start};
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
	/* A pipe tells nothing, and its writer shall see it when nobody reads any more. */
	archive = lseek(from.fd, 0, SEEK_CUR) >= 0 ? from.fd : -1;
	if (archive < 0)
		close(from.fd);
	confine_below(wish.dry_run ? SANDBOX_READER : SANDBOX_WRITER, s->root, NULL, 0);
	status = import(s, in, archive, shown, &wish, all, scratch);
	free(shown);
	inspect_close(in);
	trust_free(trust);
	spool_close(s);
	return status_flush(status);
}
