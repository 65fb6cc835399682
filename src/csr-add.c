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

#include "answers.h"
#include "archive.h"
#include "batch.h"
#include "blob.h"
#include "bytes.h"
#include "conf.h"
#include "csr.h"
#include "enter.h"
#include "fileio.h"
#include "index.h"
#include "manifest.h"
#include "options.h"
#include "spool.h"
#include "status.h"
#include "when.h"

const char program[] = "csr-add";
const char synopsis[] = "[-hV] [-P seconds] [-s spool] [file ...]";

/* A file that is no archive may hold many requests in PEM; 10,000 of them have 12 MB. */
#define MAX_FILE ((size_t)256 << 20)

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
	struct archive_limits limits;
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
static int add(struct adding *ad, const char *object, const struct csr *csr)
{
	char key[2 * STEM_SPKI + 1], *pem;
	struct stem stem = {.kind = STEM_CSR};
	size_t len, item = ANSWERS_NO_ITEM;
	const char *word;
	int result = 0;

	strcpy(stem.device, csr->device);
	memcpy(stem.spki, csr->spki, sizeof stem.spki);
	bytes_hex(stem.spki, sizeof stem.spki, key);
	if ((word = known(ad, &stem)) != NULL) {
		ad->known = true;
	} else {
		stamp(ad, &stem);
		if ((pem = csr_pem(csr, &len)) == NULL)
			return -1;
		item = batch_count(ad->batch);
		word = added;
		result = batch_add(ad->batch, &stem, SPOOL_CSR, pem, len);
		free(pem);
		if (result != 0 || index_put(&ad->index, &stem, SPOOL_CSR) != 0)
			return -1;
	}
	return answers_add(&ad->answers, word, item, "", "%s\t%s\t%s", object, csr->device, key);
}

/* One thing that should be a request. -1 with errno. */
static int consider(struct adding *ad, const char *name, struct bytes data)
{
	char object[1024];
	struct reason why;
	struct csr *csr = csr_parse(data.p, data.len, NULL, &why);
	int result;

	status_escape(name, object, sizeof object);
	result = csr != NULL ? add(ad, object, csr) :
	    answers_add(&ad->answers, refused, ANSWERS_NO_ITEM, why.text, "%s\t-\t-", object);
	csr_free(csr);
	progress_show(&ad->progress, ad->answers.n);
	return result;
}

/* All of an archive, or nothing of a damaged one. An exit status. */
static int add_archive(struct adding *ad, const char *name, int fd, struct bytes head)
{
	size_t answers = ad->answers.n, items = batch_count(ad->batch), entries = ad->index.n;
	struct archive_reader *r = archive_open(fd, head.p, head.len, false, &ad->limits);
	enum archive_result kind = ARCHIVE_END;
	struct archive_item e;
	struct reason why;
	int result = r != NULL ? 0 : -1;

	while (result == 0 && (kind = archive_next(r, &e, &why)) != ARCHIVE_END && kind != ARCHIVE_DAMAGED) {
		char object[1024];

		/* What csr-dump --manifest put beside the requests. */
		if (strcmp(e.name, MANIFEST_SUMS) == 0 || strcmp(e.name, MANIFEST_SIGNATURE) == 0)
			continue;
		if (kind == ARCHIVE_TROUBLE)
			result = -1;
		else if (kind == ARCHIVE_ITEM)
			result = consider(ad, e.name, (struct bytes){e.data, e.len});
		else
			result = answers_add(&ad->answers, refused, ANSWERS_NO_ITEM, why.text, "%s\t-\t-",
			    status_escape(e.name, object, sizeof object));
	}
	if (result != 0)
		status_warn_errno(name, "cannot take its requests");
	if (r != NULL)
		archive_close(r);
	if (kind != ARCHIVE_DAMAGED)
		return result == 0 ? STATUS_OK : STATUS_TROUBLE;
	answers_drop(&ad->answers, answers);
	batch_drop(ad->batch, items);
	index_drop(&ad->index, entries);
	status_warn(name, "%s; nothing was taken from it", why.text);
	return STATUS_REFUSED;
}

static int add_plain(struct adding *ad, const char *name, int fd, struct bytes head)
{
	struct bytes rest = {NULL, 0}, one;
	struct buf all = {0};
	unsigned char *more;
	size_t len;
	int status = STATUS_OK;

	if (fileio_read_all(fd, MAX_FILE, &more, &len) != 0) {
		status = status_of_one(errno);
		status_warn_errno(name, "cannot read");
		return status;
	}
	buf_put(&all, head.p, head.len);
	buf_put(&all, more, len);
	free(more);
	if (all.failed) {
		errno = ENOMEM;
		status_warn_errno(name, "cannot read");
		return STATUS_TROUBLE;
	}
	rest = (struct bytes){all.p, all.len};
	if (all.len == 0 && consider(ad, name, rest) != 0)
		status = STATUS_TROUBLE;
	while (status == STATUS_OK && blob_next(&rest, &one))
		if (consider(ad, name, one) != 0)
			status = STATUS_TROUBLE;
	if (status != STATUS_OK)
		status_warn_errno(name, "cannot take its requests");
	buf_free(&all);
	return status;
}

static int add_file(struct adding *ad, const char *name)
{
	unsigned char head[512];
	int fd = fileio_open_input(name), status;
	ssize_t n;

	if (fd < 0 || (n = fileio_read_full(fd, head, sizeof head)) < 0) {
		status = status_of_one(errno);
		status_warn_errno(name, fd < 0 ? "cannot open" : "cannot read");
	} else if (archive_looks_like(head, (size_t)n)) {
		status = add_archive(ad, name, fd, (struct bytes){head, (size_t)n});
	} else {
		status = add_plain(ad, name, fd, (struct bytes){head, (size_t)n});
	}
	if (fd >= 0)
		close(fd);
	return status;
}

/* Says what became of each request that was committed. An exit status. */
static int report(struct adding *ad)
{
	int status = STATUS_OK;

	for (size_t i = 0; i < ad->answers.n; i++) {
		struct answer *a = &ad->answers.answer[i];
		enum batch_fate fate = BATCH_NEW;

		if (a->item != ANSWERS_NO_ITEM)
			fate = batch_fate(ad->batch, a->item);
		if (fate == BATCH_NONE ||
		    (a->item == ANSWERS_NO_ITEM && a->word != refused && ad->unsure))
			continue;
		if (fate == BATCH_SAME)
			answers_change(a, already, "");
		else if (fate == BATCH_LATE)
			answers_change(a, superseded, "");
		answers_print(a);
		if (a->word == refused)
			status = STATUS_REFUSED;
	}
	return status;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	struct adding ad = {.limits = archive_limits_default};
	time_t now = time(NULL);
	const struct option_spec options[] = {
		{'P', "clock", OPTION_CLOCK, &now, 0, 0},
		{'s', "spool", OPTION_TEXT, &path, 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options), status = STATUS_OK;
	struct reason why;
	struct conf conf;

	if (arg == argc && isatty(STDIN_FILENO))
		status_usage("wants requests, from files or on stdin");
	ad.spool = enter_to_write(path, now);
	if (conf_load(&conf, ad.spool->root, &why) != 0)
		status_die(status_of_given(why.trouble), SPOOL_CONF, "%s", why.text);
	ad.limits.entries = conf.import_max_entries;
	ad.limits.entry_bytes = MANIFEST_MAX_BYTES;	/* csr_parse knows how large a request is */
	ad.limits.total_bytes = conf.import_max_total_bytes;
	ad.limits.ratio = conf.import_max_ratio;
	if (index_load(&ad.index, ad.spool, (1u << SPOOL_STATES) - 1) != 0 ||
	    (ad.batch = batch_open(ad.spool)) == NULL)
		status_die_errno(path, "cannot add requests");
	progress_start(&ad.progress, "requests");
	if (arg == argc)
		status = add_file(&ad, "-");
	for (; arg < argc && status != STATUS_TROUBLE; arg++)
		status = status_worst(status, add_file(&ad, argv[arg]));
	progress_end(&ad.progress);
	/* Who added what is there already may have died before that was durable. */
	ad.unsure = ad.known && (status == STATUS_TROUBLE || spool_sync_all(ad.spool, KNOWN) != 0);
	if (status != STATUS_TROUBLE && (ad.unsure || batch_commit(ad.batch) != 0)) {
		status_warn_errno(path, "cannot add everything");
		status = STATUS_TROUBLE;
	}
	status = status_worst(status, report(&ad));
	answers_drop(&ad.answers, 0);
	batch_close(ad.batch);
	index_free(&ad.index);
	spool_close(ad.spool);
	return status_flush(status);
}
