/* SPDX-License-Identifier: ISC */
/* csr-add: requests made elsewhere, PEM or DER, one by one or in an archive, become pending. A
 * request's own signature is checked before its names are believed, and a device has one pending
 * request: a newer key supersedes the older one. Names of files and entries mean nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archive/manifest.h"
#include "archive/untar.h"
#include "base/bytes.h"
#include "base/device.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/results.h"
#include "cli/status.h"
#include "quarantine/inspect.h"
#include "quarantine/judge_csr.h"
#include "quarantine/unpack.h"
#include "quarantine/verdict.h"
#include "site/settings.h"
#include "spool/batch.h"
#include "spool/index.h"
#include "spool/newest.h"
#include "spool/recover.h"
#include "spool/spool.h"
#include "spool/stage.h"
#include "x509/csr.h"
#include "x509/pem.h"

const char program[] = "csr-add";
const char purpose[] = "add certificate requests that were made elsewhere";
const char synopsis[] = "[-hV] [-P seconds] [-s spool] [file ...]";

/* Where a request is known, and its answer need not be waited for. */
#define KNOWN (1u << SPOOL_CSR | 1u << SPOOL_SUPERSEDED | 1u << SPOOL_LSC)

static const char added[] = "added", already[] = "already", superseded[] = "superseded",
    refused[] = "refused";

/* So many requests wait until it is known which devices they are of, and then only the names of these are read into
 * memory. With one more, those of all devices are. */
#define FEW 64

/* A verdict that waits. Its DER is a copy. */
struct held {
	const char *file;
	struct verdict v;
	unsigned char *der;
};

/* What there was when a file began, to which a damaged one is taken back. */
struct mark {
	struct results_end answers;
	size_t items, entries;
};

struct adding {
	struct spool *spool;
	struct batch *batch;
	struct index index;
	bool indexed;		/* that was read */
	struct held *held;	/* before that */
	size_t n, began;	/* how many; and when this file began */
	struct mark mark;
	struct results answers;
	struct progress_total total[4];	/* added, already, superseded, refused */
	size_t good, others;	/* entries; those that are certificates */
	bool known, unsure;	/* some are there already; but perhaps not durably */
	struct progress progress;
};

/* The word for a key of this device that the spool has already. NULL: it does not have it, or answered it. */
static const char *known(const struct adding *ad, const struct reqid *reqid)
{
	const struct index_entry *e = NULL;
	const char *word = NULL;

	while ((e = index_key(&ad->index, reqid->spki, e)) != NULL) {
		if (strcmp(e->reqid.device, reqid->device) != 0)
			continue;
		if (e->dir == SPOOL_CSR || e->dir == SPOOL_LSC)
			return already;
		if (e->dir == SPOOL_SUPERSEDED)
			word = superseded;
	}
	return word;
}

/* Stages a good request. -1 with errno. */
static int add(struct adding *ad, const char *object, const struct verdict *v)
{
	char key[2 * REQID_SPKI + 1], last[UTC_STAMP + 1], *pem;
	struct reqid reqid = {.kind = REQID_CSR};
	uint64_t item = RESULTS_NO_ITEM;
	size_t len;
	const char *word;
	int result = 0;

	/* A process that only says that it has checked it must not choose a file's name freely. */
	if (!device_ok(v->facts.cn, strlen(v->facts.cn))) {
		errno = EPROTO;
		return -1;
	}
	strcpy(reqid.device, v->facts.cn);
	memcpy(reqid.spki, v->facts.spki, sizeof reqid.spki);
	bytes_hex(reqid.spki, sizeof reqid.spki, key);
	if ((word = known(ad, &reqid)) != NULL) {
		ad->known = true;
	} else {
		newest_last(&ad->index, reqid.device, last);
		if (!newest_stamp(ad->spool->now, last, 0, reqid.stamp))
			return results_add(&ad->answers, refused, RESULTS_NO_ITEM, object, "no name in the spool can have a later "
			    "time than the device's last request; delete that and set the clock", "%s\t%s", reqid.device, key);
		if ((pem = pem_make("CERTIFICATE REQUEST", v->facts.der, v->facts.der_len, &len)) == NULL)
			return -1;
		item = batch_count(ad->batch);
		word = added;
		result = batch_add(ad->batch, &reqid, SPOOL_CSR, pem, len);
		free(pem);
		if (result != 0 || index_put(&ad->index, &reqid, SPOOL_CSR) != 0)
			return -1;
	}
	return results_add(&ad->answers, word, item, object, "", "%s\t%s", reqid.device, key);
}

/* One thing that should be a request, in a file or an entry of an archive. -1 with errno. */
static int take(struct adding *ad, const char *name, const struct verdict *v)
{
	const char *object = v->entry[0] != '\0' ? v->entry : name;

	return v->good ? add(ad, object, v) :
	    results_add(&ad->answers, refused, RESULTS_NO_ITEM, object, v->reason.text, "-\t-");
}

static struct mark mark_now(const struct adding *ad)
{
	return (struct mark){results_end(&ad->answers), batch_count(ad->batch), ad->index.n};
}

/* Forgets the verdicts that wait but for the first n. */
static void drop_held(struct adding *ad, size_t n)
{
	while (ad->n > n)
		free(ad->held[--ad->n].der);
}

static bool is_held(void *ctx, const char *device)
{
	const struct adding *ad = ctx;

	for (size_t i = 0; i < ad->n; i++)
		if (ad->held[i].v.good && strcmp(ad->held[i].v.facts.cn, device) == 0)
			return true;
	return false;
}

/* What the spool has of the devices, once nothing is left half done there. -1 with errno. */
static int load(struct adding *ad, const struct spool_wanted *wanted)
{
	size_t steps = 1;

	/* A step moves what the index has. Another program may leave something meanwhile, but not for ever. */
	for (int tries = 0; tries < 100 && steps > 0; tries++) {
		index_free(&ad->index);
		if (index_load_for(&ad->index, ad->spool, (1u << SPOOL_STATES) - 1, wanted) != 0 ||
		    recover_finish_these(ad->spool, &ad->index, &steps) != 0)
			return -1;
	}
	return 0;
}

/* Takes what waits. -1 with errno. */
static int take_held(struct adding *ad, const struct spool_wanted *wanted)
{
	if (load(ad, wanted) != 0)
		return -1;
	ad->indexed = true;
	for (size_t i = 0; i < ad->n; i++) {
		if (i == ad->began)
			ad->mark = mark_now(ad);
		if (take(ad, ad->held[i].file, &ad->held[i].v) != 0)
			return -1;
	}
	if (ad->began == ad->n)
		ad->mark = mark_now(ad);
	drop_held(ad, 0);
	return 0;
}

/* Keeps a copy of a verdict. -1 with errno. */
static int hold(struct adding *ad, const char *name, const struct verdict *v)
{
	struct held *h = &ad->held[ad->n];

	*h = (struct held){name, *v, NULL};
	if (v->good) {
		if ((h->der = malloc(v->facts.der_len > 0 ? v->facts.der_len : 1)) == NULL)
			return -1;
		memcpy(h->der, v->facts.der, v->facts.der_len);
		h->v.facts.der = h->der;
	}
	ad->n++;
	return 0;
}

/* Takes one now, or when enough is known. -1 with errno. */
static int take_next(struct adding *ad, const char *name, const struct verdict *v)
{
	progress_show(&ad->progress, ad->answers.n + ad->n);
	ad->good += v->good;
	ad->others += v->other;
	if (!ad->indexed && ad->n < FEW)
		return hold(ad, name, v);
	if (!ad->indexed && take_held(ad, NULL) != 0)
		return -1;
	return take(ad, name, v);
}

/* Forgets what was taken since this file began. */
static void take_back(struct adding *ad)
{
	if (!ad->indexed) {
		drop_held(ad, ad->began);
		return;
	}
	results_drop(&ad->answers, ad->mark.answers);
	batch_drop(ad->batch, ad->mark.items);
	index_drop(&ad->index, ad->mark.entries);
}

/* All files: of an archive that is damaged anywhere, nothing is taken. An exit status. */
static int add_all(struct adding *ad, struct inspect *in, const char *const *name, size_t files)
{
	const struct spool_wanted those = {is_held, ad};
	enum inspect_result result;
	size_t file = 0;
	const char *object;
	struct reason why;
	int status = STATUS_OK;
	struct verdict v;

	while (status != STATUS_TROUBLE && (result = inspect_next(in, &v, &why)) != INSPECT_END) {
		switch (result) {
		case INSPECT_FILE:
			ad->began = ad->n;
			if (ad->indexed)
				ad->mark = mark_now(ad);
			progress_part(&ad->progress, file++, files);
			continue;
		case INSPECT_VERDICT:
			if (take_next(ad, name[file - 1], &v) == 0)
				continue;
			break;
		case INSPECT_UNREADABLE:
			status = status_worst(status, status_of_one(errno));
			status_warn_errno(name[file - 1], "%s", why.text);
			continue;
		case INSPECT_DIED:
			/* In the midst of which file, nobody knows for certain. */
			drop_held(ad, 0);
			results_drop(&ad->answers, (struct results_end){0});
			batch_drop(ad->batch, 0);
			object = v.entry[0] != '\0' ? v.entry : files == 1 ? name[0] : NULL;
			status_warn(object, "%s%s; nothing was taken",
			    object != NULL ? "" : "one of the files ", why.text);
			return STATUS_REFUSED;
		case INSPECT_DAMAGED:
			take_back(ad);
			status_warn(name[file - 1], "%s; nothing was taken from it", why.text);
			status = status_worst(status, STATUS_REFUSED);
			continue;
		default:
			break;
		}
		status_warn_errno(name[file > 0 ? file - 1 : 0], "cannot take its requests");
		status = STATUS_TROUBLE;
	}
	if (status != STATUS_TROUBLE && !ad->indexed && ad->n > 0 && take_held(ad, &those) != 0) {
		status_warn_errno(name[file - 1], "cannot take its requests");
		status = STATUS_TROUBLE;
	}
	/* Nothing was taken, but what was refused is said. */
	for (size_t i = 0; i < ad->n && !ad->indexed; i++)
		if (!ad->held[i].v.good && take(ad, ad->held[i].file, &ad->held[i].v) != 0)
			break;
	return status;
}

/* Says what became of each request that was committed. An exit status. */
static int report(struct adding *ad)
{
	int status = STATUS_OK, got;
	struct answer a;

	while ((got = results_next(&ad->answers, &a)) > 0) {
		bool is_refused = strcmp(a.word, refused) == 0;
		enum batch_fate fate = BATCH_NEW;

		if (a.item != RESULTS_NO_ITEM)
			fate = batch_fate(ad->batch, (size_t)a.item);
		if (fate == BATCH_NONE || (a.item == RESULTS_NO_ITEM && !is_refused && ad->unsure))
			continue;
		if (fate == BATCH_SAME)
			results_change(&a, already, "");
		else if (fate == BATCH_LATE)
			results_change(&a, superseded, "");
		results_print(&a);
		for (size_t i = 0; i < sizeof ad->total / sizeof *ad->total; i++)
			ad->total[i].n += strcmp(a.word, ad->total[i].word) == 0;
		if (is_refused)
			status = STATUS_REFUSED;
	}
	if (got == 0)
		return status;
	status_warn_errno(spool_dir_name(SPOOL_TMP), "cannot read back the results");
	return STATUS_TROUBLE;
}

int main(int argc, char *argv[])
{
	static const char *const standard_input[] = {"-"};
	const char *path = spool_default();
	const char *const *name;
	struct adding ad = {.total = {{0, added}, {0, already}, {0, superseded}, {0, refused}}};
	struct unpack_task from = {.limits = untar_limits_default, .most = CSR_MAX_BYTES};
	const struct inspect_task task = {.admit = judge_csr_admit, .judge = judge_csr};
	time_t now = time(NULL);
	const struct option_spec options[] = {
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		{0},
	};
	int arg = options_parse(argc, argv, options), scratch, status, archive;
	struct inspect *in;
	struct reason why;
	struct settings settings;
	bool mistaken;

	if (arg == argc && isatty(STDIN_FILENO))
		status_usage("wants requests, from files or on stdin");
	ad.spool = open_spool_to_change(path, now);
	if (settings_load(&settings, ad.spool->root, &why) != 0)
		status_die(status_of_input(why.trouble), SPOOL_CONF, "%s", why.text);
	from.file = arg < argc ? (const char *const *)argv + arg : standard_input;
	from.files = arg < argc ? (size_t)(argc - arg) : 1;
	/* One that we open ourselves can be watched. */
	name = from.file;
	if (from.files == 1 && (archive = progress_archive(name[0])) >= 0) {
		from.fd = archive;
		from.file = standard_input;
	}
	from.limits.entries = settings.import_max_entries;
	from.limits.entry_bytes = MANIFEST_MAX_BYTES;	/* csr_parse knows how large a request is */
	from.limits.total_bytes = settings.import_max_total_bytes;
	from.limits.ratio = settings.import_max_ratio;
	if ((ad.held = calloc(FEW, sizeof *ad.held)) == NULL ||
	    (scratch = stage_scratch(ad.spool)) < 0 || (ad.batch = batch_open(ad.spool)) == NULL ||
	    (in = inspect_open(unpack_start(&from), &task, 0)) == NULL) {
		batch_close(ad.batch);
		status_die_errno(path, "cannot add requests");
	}
	confine_below(SANDBOX_WRITER, ad.spool->root, NULL, 0);
	results_open(&ad.answers, scratch);
	progress_start(&ad.progress, "requests", 0);
	progress_of_file(&ad.progress, from.files == 1 ? from.fd : -1);
	status = add_all(&ad, in, name, from.files);
	progress_end(&ad.progress);
	progress_start(&ad.progress, "requests stored", batch_count(ad.batch));
	progress_of_spool(&ad.progress, ad.spool, 2);
	/* A program that added the same may have died before that was durable. */
	ad.unsure = ad.known && (status == STATUS_TROUBLE || spool_sync_all(ad.spool, KNOWN) != 0);
	if (status != STATUS_TROUBLE && (ad.unsure || batch_commit(ad.batch) != 0)) {
		status_warn_errno(path, "cannot add everything");
		status = STATUS_TROUBLE;
	}
	progress_end(&ad.progress);
	/* Nothing is known for certain of an archive that is damaged. */
	mistaken = status == STATUS_OK && ad.good == 0 && ad.others > 0;
	status = status_worst(status, report(&ad));
	progress_totals(ad.total, sizeof ad.total / sizeof *ad.total);
	if (mistaken)
		status_warn(from.files == 1 ? name[0] : NULL, "what was refused are certificates; csr-add wants "
		    "requests, and cert-import takes certificates");
	inspect_close(in);
	results_close(&ad.answers);
	batch_close(ad.batch);
	index_free(&ad.index);
	drop_held(&ad, 0);
	free(ad.held);
	spool_close(ad.spool);
	return status_flush(status);
}
