/* SPDX-License-Identifier: ISC */
/* csr-add: requests made elsewhere, PEM or DER, one by one or in an archive, become pending. A
 * request's own signature is checked before its names are believed, and a device has one pending
 * request: a newer key supersedes the older one. Names of files and entries mean nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archive/archive.h"
#include "archive/manifest.h"
#include "base/bytes.h"
#include "base/device.h"
#include "base/when.h"
#include "cli/answers.h"
#include "cli/enter.h"
#include "cli/narrow.h"
#include "cli/options.h"
#include "cli/status.h"
#include "quarantine/intake.h"
#include "quarantine/unpack.h"
#include "quarantine/verdict.h"
#include "site/conf.h"
#include "spool/batch.h"
#include "spool/index.h"
#include "spool/spool.h"
#include "x509/blob.h"
#include "x509/csr.h"

const char program[] = "csr-add";
const char synopsis[] = "[-hV] [-P seconds] [-s spool] [file ...]";

/* Where a request is known, and its answer need not be waited for. */
#define KNOWN (1u << SPOOL_CSR | 1u << SPOOL_SUPERSEDED | 1u << SPOOL_LSC)

static const char added[] = "added", already[] = "already", superseded[] = "superseded",
    refused[] = "refused";

struct adding {
	struct spool *spool;
	struct batch *batch;
	struct index index;
	struct answers answers;
	bool known, unsure;	/* some are there already; but perhaps not durably */
	struct progress progress;
};

/* A time for a new request: now, but later than whatever the device has, so that the newest is
 * the last that came even when the clock stands still or runs backwards. */
static void stamp(const struct adding *ad, struct stem *stem)
{
	const struct index_entry *e = NULL;
	char newest[WHEN_STAMP + 1] = "";
	time_t t;

	while ((e = index_device(&ad->index, stem->device, e)) != NULL)
		if (strcmp(e->stem.stamp, newest) > 0)
			strcpy(newest, e->stem.stamp);
	when_stamp(ad->spool->now, stem->stamp);
	if (strcmp(newest, stem->stamp) >= 0 && when_from_stamp(newest, &t))
		when_stamp(t + 1, stem->stamp);
}

/* What the spool knows of this key of this device. NULL: nothing that matters. */
static const char *known(const struct adding *ad, const struct stem *stem)
{
	const struct index_entry *e = NULL;
	const char *word = NULL;

	while ((e = index_key(&ad->index, stem->spki, e)) != NULL) {
		if (strcmp(e->stem.device, stem->device) != 0)
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
	char key[2 * STEM_SPKI + 1], *pem;
	struct stem stem = {.kind = STEM_CSR};
	uint64_t item = ANSWERS_NO_ITEM;
	size_t len;
	const char *word;
	int result = 0;

	/* A process that only says that it has checked it must not choose a file's name freely. */
	if (!device_ok(v->cn, strlen(v->cn))) {
		errno = EPROTO;
		return -1;
	}
	strcpy(stem.device, v->cn);
	memcpy(stem.spki, v->spki, sizeof stem.spki);
	bytes_hex(stem.spki, sizeof stem.spki, key);
	if ((word = known(ad, &stem)) != NULL) {
		ad->known = true;
	} else {
		stamp(ad, &stem);
		if ((pem = blob_pem("CERTIFICATE REQUEST", v->der, v->der_len, &len)) == NULL)
			return -1;
		item = batch_count(ad->batch);
		word = added;
		result = batch_add(ad->batch, &stem, SPOOL_CSR, pem, len);
		free(pem);
		if (result != 0 || index_put(&ad->index, &stem, SPOOL_CSR) != 0)
			return -1;
	}
	return answers_add(&ad->answers, word, item, object, "", "%s\t%s", stem.device, key);
}

/* One thing that should be a request, in a file or an entry of an archive. -1 with errno. */
static int take(struct adding *ad, const char *name, const struct verdict *v)
{
	const char *object = v->entry[0] != '\0' ? v->entry : name;

	progress_show(&ad->progress, ad->answers.n);
	return v->good ? add(ad, object, v) :
	    answers_add(&ad->answers, refused, ANSWERS_NO_ITEM, object, v->reason.text, "-\t-");
}

/* What csr-dump --manifest put beside the requests is no request. */
static enum intake_admission admit(void *ctx, const struct archive_item *e, struct reason *why)
{
	(void)ctx, (void)why;
	return strcmp(e->name, MANIFEST_SUMS) == 0 || strcmp(e->name, MANIFEST_SIGNATURE) == 0 ?
	    INTAKE_SKIP : INTAKE_JUDGE;
}

/* In a worker. */
static void judge(void *ctx, struct bytes data, struct verdict *v, struct buf *der)
{
	struct csr *csr = csr_parse(data.p, data.len, NULL, &v->reason);

	(void)ctx;
	if (csr != NULL) {
		v->good = v->read = true;
		memcpy(v->spki, csr->spki, sizeof v->spki);
		memcpy(v->cn, csr->device, strlen(csr->device) + 1);
		buf_put(der, csr->der, csr->der_len);
	}
	csr_free(csr);
}

/* All files: of an archive that is damaged anywhere, nothing is taken. An exit status. */
static int add_all(struct adding *ad, struct intake *in, const char *const *name, size_t files)
{
	struct answers_end answers = {0};
	size_t items = 0, entries = 0, file = 0;
	enum intake_result result;
	const char *object;
	struct reason why;
	int status = STATUS_OK;
	struct verdict v;

	while (status != STATUS_TROUBLE && (result = intake_next(in, &v, &why)) != INTAKE_END) {
		switch (result) {
		case INTAKE_FILE:
			answers = answers_end(&ad->answers);
			items = batch_count(ad->batch);
			entries = ad->index.n;
			file++;
			continue;
		case INTAKE_VERDICT:
			if (take(ad, name[file - 1], &v) == 0)
				continue;
			break;
		case INTAKE_UNREADABLE:
			status = status_worst(status, status_of_one(errno));
			status_warn_errno(name[file - 1], "%s", why.text);
			continue;
		case INTAKE_DIED:
			/* In the midst of which file, nobody knows for certain. */
			answers_drop(&ad->answers, (struct answers_end){0});
			batch_drop(ad->batch, 0);
			object = v.entry[0] != '\0' ? v.entry : files == 1 ? name[0] : NULL;
			status_warn(object, "%s%s; nothing was taken",
			    object != NULL ? "" : "one of the files ", why.text);
			return STATUS_REFUSED;
		case INTAKE_DAMAGED:
			answers_drop(&ad->answers, answers);
			batch_drop(ad->batch, items);
			index_drop(&ad->index, entries);
			status_warn(name[file - 1], "%s; nothing was taken from it", why.text);
			status = status_worst(status, STATUS_REFUSED);
			continue;
		default:
			break;
		}
		status_warn_errno(name[file > 0 ? file - 1 : 0], "cannot take its requests");
		status = STATUS_TROUBLE;
	}
	return status;
}

/* Says what became of each request that was committed. An exit status. */
static int report(struct adding *ad)
{
	int status = STATUS_OK, got;
	struct answer a;

	while ((got = answers_next(&ad->answers, &a)) > 0) {
		bool is_refused = strcmp(a.word, refused) == 0;
		enum batch_fate fate = BATCH_NEW;

		if (a.item != ANSWERS_NO_ITEM)
			fate = batch_fate(ad->batch, (size_t)a.item);
		if (fate == BATCH_NONE || (a.item == ANSWERS_NO_ITEM && !is_refused && ad->unsure))
			continue;
		if (fate == BATCH_SAME)
			answers_change(&a, already, "");
		else if (fate == BATCH_LATE)
			answers_change(&a, superseded, "");
		answers_print(&a);
		if (is_refused)
			status = STATUS_REFUSED;
	}
	if (got == 0)
		return status;
	status_warn_errno(spool_dir_name(SPOOL_TMP), "cannot read what is to be said");
	return STATUS_TROUBLE;
}

int main(int argc, char *argv[])
{
	static const char *const standard_input[] = {"-"};
	const char *path = spool_default();
	struct adding ad = {.batch = NULL};
	struct unpack_task from = {.limits = archive_limits_default, .most = CSR_MAX_BYTES};
	const struct intake_task task = {.admit = admit, .judge = judge};
	time_t now = time(NULL);
	const struct option_spec options[] = {
		{'P', "clock", OPTION_CLOCK, &now, 0, 0},
		{'s', "spool", OPTION_TEXT, &path, 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options), scratch, status;
	struct intake *in;
	struct reason why;
	struct conf conf;

	if (arg == argc && isatty(STDIN_FILENO))
		status_usage("wants requests, from files or on stdin");
	ad.spool = enter_to_write(path, now);
	if (conf_load(&conf, ad.spool->root, &why) != 0)
		status_die(status_of_given(why.trouble), SPOOL_CONF, "%s", why.text);
	from.file = arg < argc ? (const char *const *)argv + arg : standard_input;
	from.files = arg < argc ? (size_t)(argc - arg) : 1;
	from.limits.entries = conf.import_max_entries;
	from.limits.entry_bytes = MANIFEST_MAX_BYTES;	/* csr_parse knows how large a request is */
	from.limits.total_bytes = conf.import_max_total_bytes;
	from.limits.ratio = conf.import_max_ratio;
	if (index_load(&ad.index, ad.spool, (1u << SPOOL_STATES) - 1) != 0 ||
	    (scratch = spool_scratch(ad.spool)) < 0 || (ad.batch = batch_open(ad.spool)) == NULL ||
	    (in = intake_open(unpack_start(&from), &task, 0)) == NULL)
		status_die_errno(path, "cannot add requests");
	narrow_below(SANDBOX_WRITER, ad.spool->root, NULL, 0);
	answers_open(&ad.answers, scratch);
	progress_start(&ad.progress, "requests");
	status = add_all(&ad, in, from.file, from.files);
	progress_end(&ad.progress);
	/* Who added what is there already may have died before that was durable. */
	ad.unsure = ad.known && (status == STATUS_TROUBLE || spool_sync_all(ad.spool, KNOWN) != 0);
	if (status != STATUS_TROUBLE && (ad.unsure || batch_commit(ad.batch) != 0)) {
		status_warn_errno(path, "cannot add everything");
		status = STATUS_TROUBLE;
	}
	status = status_worst(status, report(&ad));
	intake_close(in);
	answers_close(&ad.answers);
	batch_close(ad.batch);
	index_free(&ad.index);
	spool_close(ad.spool);
	return status_flush(status);
}
