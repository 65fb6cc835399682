/* SPDX-License-Identifier: ISC */
/* What a server knows of the spool: it hears of each file once, reads no directory that has not changed, and forgets
 * what no phone can ask for. */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/create.h"
#include "spool/recover.h"
#include "spool/spool_watch.h"
#include "../tap.h"

static struct spool *spool;
static unsigned told, told_dirs;

static void count(void *ctx, const struct reqid *reqid, enum spool_dir d)
{
	(void)ctx;
	(void)reqid;
	told++;
	told_dirs |= 1u << d;
}

static struct reqid reqid_of(const char *device, unsigned key)
{
	struct reqid r = {.kind = REQID_CSR};

	strcpy(r.device, device);
	snprintf(r.stamp, sizeof r.stamp, "20261121T%06uZ", key);
	memset(r.spki, (int)key, sizeof r.spki);
	return r;
}

static void put(enum spool_dir d, const struct reqid *reqid)
{
	char name[REQID_NAME_MAX + 1];
	int fd;

	reqid_name(reqid, spool_holds_requests(d) ? REQID_CSR : REQID_DER, name);
	must((fd = openat(spool->dir[d], name, O_WRONLY | O_CREAT | O_EXCL, 0600)) >= 0 && close(fd) == 0, "a file");
}

static void wipe(void)
{
	char name[REQID_NAME_MAX + 1];
	struct reqid *list;
	size_t n;

	for (int d = 0; d < SPOOL_STATES; d++) {
		must(spool_list(spool, (enum spool_dir)d, &list, &n) == 0, "a list");
		for (size_t i = 0; i < n; i++) {
			reqid_name(&list[i], (enum reqid_kind)list[i].kind, name);
			spool_remove(spool, (enum spool_dir)d, name);
		}
		free(list);
	}
}

/* Nobody has changed these directories for so many seconds. */
static void rest(time_t seconds)
{
	struct timespec then[2];

	clock_gettime(CLOCK_REALTIME, &then[0]);
	then[0].tv_sec -= seconds;
	then[1] = then[0];
	must(futimens(spool->dir[SPOOL_CSR], then) == 0 && futimens(spool->dir[SPOOL_LSC], then) == 0, "another time");
}

static struct spool_watch *open_watch(void)
{
	struct spool_watch *h = spool_watch_open(spool);

	must(h != NULL, "a watch");
	told = told_dirs = 0;
	return h;
}

static unsigned entries(struct spool_watch *h, const char *device)
{
	struct catalog_entry e;
	uint32_t at = 0;
	unsigned n = 0;

	while (spool_watch_known(h, device, &at, &e))
		n++;
	return n;
}

static void test_events(void)
{
	struct reqid a = reqid_of("SEP1", 1), b = reqid_of("SEP2", 2);
	struct spool_watch *h;
	struct index ix;

	put(SPOOL_CSR, &a);
	h = open_watch();
	must(spool_watch_fd(h) >= 0, "inotify");
	put(SPOOL_CSR, &b);
	put(SPOOL_LSC, &a);
	ok(spool_watch_news(h, count, NULL) == 0 && told == 2 && told_dirs == (1u << SPOOL_CSR | 1u << SPOOL_LSC),
	    "what comes is told");
	ok(spool_watch_news(h, count, NULL) == 0 && told == 2, "once");
	put(SPOOL_LSC, &b);
	must(index_load(&ix, spool, 0) == 0, "memory");
	ok(spool_watch_refresh(h) == 0 && told == 2 && spool_watch_index(h, "SEP2", &ix) == 0 && ix.n == 2,
	    "what came is known before it is told");
	ok(spool_watch_read(h, SIZE_MAX, count, NULL) == 0 && told == 3, "and is told then");
	index_free(&ix);
	spool_watch_close(h);
	wipe();
}

static void test_due(void)
{
	struct reqid a = reqid_of("SEP1", 1), b;
	struct spool_watch *h;
	unsigned slices = 0;
	int result;

	for (unsigned key = 1; key < 20; key++) {
		b = reqid_of("SEP3", key);
		put(SPOOL_CSR, &b);
	}
	rest(60);
	h = open_watch();
	ok(!spool_watch_due(h), "directories that have not changed since they were read are not read again");
	put(SPOOL_LSC, &a);
	ok(spool_watch_due(h), "one that has is");
	rest(50);
	ok(spool_watch_due(h), "also when that was a while ago");
	while ((result = spool_watch_read(h, 3, count, NULL)) == 1)
		slices++;
	ok(result == 0 && slices >= 7, "three names at a time");
	ok(told == 1 && told_dirs == 1u << SPOOL_LSC, "and what is new there is told");
	ok(!spool_watch_due(h), "then all is known");
	rest(0);
	ok(spool_watch_due(h), "a directory that has changed this very moment is read");
	must(spool_watch_poll(h, count, NULL) == 0, "reading");
	ok(spool_watch_due(h), "and once more, for what may have come in that moment");
	ok(told == 1, "nothing is told twice");
	spool_watch_close(h);
	wipe();
}

/* More than the kernel keeps. */
static void test_lost(void)
{
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	struct spool_watch *h;
	struct reqid r;
	unsigned most = 0;
	int result;

	must(f != NULL && fscanf(f, "%u", &most) == 1, "the limit of inotify");
	fclose(f);
	if (most > 100000) {
		ok(true, "no event is lost: the kernel keeps too many # SKIP");
		return;
	}
	h = open_watch();
	for (unsigned i = 0; i < most + 10; i++) {
		char device[DEVICE_MAX + 1];

		snprintf(device, sizeof device, "SEP%012u", i);
		r = reqid_of(device, 1);
		put(SPOOL_LSC, &r);
	}
	must(spool_watch_news(h, count, NULL) == 0, "news");
	ok(spool_watch_lost(h) && told < most + 10, "the kernel has lost events");
	while ((result = spool_watch_read(h, 1000, count, NULL)) == 1)
		must(spool_watch_lost(h), "still lost");
	ok(result == 0 && !spool_watch_lost(h) && told == most + 10, "then the directories are read, and each file is told");
	spool_watch_close(h);
	h = open_watch();
	for (unsigned i = 0; i < most + 10; i++) {
		char device[DEVICE_MAX + 1];

		snprintf(device, sizeof device, "SEP%012u", i);
		r = reqid_of(device, 1);
		put(SPOOL_CSR, &r);
	}
	ok(spool_watch_refresh(h) == 0 && !spool_watch_lost(h) &&
	    spool_watch_key(h, r.device, r.spki, 1u << SPOOL_CSR, &r, &(enum spool_dir){0}),
	    "who must know all at once waits for that");
	spool_watch_close(h);
	wipe();
}

static void test_finish(void)
{
	struct reqid answered = reqid_of("SEP1", 1), old = reqid_of("SEP2", 2), new = reqid_of("SEP2", 3),
	    twice = reqid_of("SEP4", 4), fine = reqid_of("SEP5", 5), r;
	struct spool_watch *h;
	enum spool_dir d;
	size_t n;

	put(SPOOL_CSR, &answered);
	put(SPOOL_LSC, &answered);
	put(SPOOL_CSR, &old);
	put(SPOOL_CSR, &new);
	put(SPOOL_LSC, &twice);
	put(SPOOL_INSTALLED, &twice);
	put(SPOOL_CSR, &fine);
	h = open_watch();
	ok(spool_watch_finish(h, spool) == 0 && spool_has(spool, SPOOL_DONE, &answered, REQID_CSR) == 1 &&
	    spool_has(spool, SPOOL_SUPERSEDED, &old, REQID_CSR) == 1 && spool_has(spool, SPOOL_LSC, &twice, REQID_DER) == 0 &&
	    spool_has(spool, SPOOL_CSR, &new, REQID_CSR) == 1 && spool_has(spool, SPOOL_CSR, &fine, REQID_CSR) == 1,
	    "what a crash left is finished");
	ok(spool_watch_key(h, "SEP2", old.spki, 1u << SPOOL_SUPERSEDED, &r, &d), "and known as it is then");
	ok(recover_finish(spool, &n) == 0 && n == 0, "all of it");
	spool_watch_close(h);
	wipe();
}

static void test_forgets(void)
{
	struct spool_watch *h = open_watch();
	char stamp[UTC_STAMP + 1];
	struct reqid first = reqid_of("SEP1", 1), r;
	enum spool_dir d;

	/* It waits, whatever comes behind it. */
	put(SPOOL_SUPERSEDED, &first);
	must(spool_watch_add(h, &first, SPOOL_SUPERSEDED) == 0, "memory");
	for (unsigned key = 2; key < 60; key++) {
		r = reqid_of("SEP1", key);
		must(spool_watch_add(h, &r, SPOOL_CSR) == 0 && spool_watch_add(h, &r, SPOOL_LSC) == 0 &&
		    spool_watch_add(h, &r, SPOOL_INSTALLED) == 0, "memory");
	}
	ok(entries(h, "SEP1") <= 9, "of a phone that enrols again and again only the last keys are remembered");
	ok(spool_watch_key(h, "SEP1", first.spki, 1u << SPOOL_SUPERSEDED, &r, &d), "and those that still lie there");
	spool_watch_stamp(h, "SEP1", stamp);
	ok(strcmp(stamp, "20261121T000059Z") == 0, "and the last time");
	spool_watch_close(h);
	wipe();
}

static void test_each(void)
{
	struct reqid old = reqid_of("SEP1", 1), new = reqid_of("SEP1", 2), r;
	struct spool_watch_file f = {.at = 0};
	struct spool_watch *h;
	unsigned seen = 0, n = 0;
	enum spool_dir d;

	put(SPOOL_CSR, &new);
	put(SPOOL_LSC, &new);
	put(SPOOL_DONE, &old);
	put(SPOOL_INSTALLED, &old);
	h = open_watch();
	while (spool_watch_each(h, "SEP1", 63, &f)) {
		seen |= 1u << f.dir;
		n += (f.reqid.kind == REQID_DER) != spool_holds_requests(f.dir);
	}
	ok(n == 4 && seen == (1u << SPOOL_CSR | 1u << SPOOL_LSC | 1u << SPOOL_INSTALLED | 1u << SPOOL_DONE),
	    "each file of a device, once");
	ok(spool_watch_newest(h, "SEP1", 63, &r, &d) && d == SPOOL_LSC && reqid_compare(&r, &new) == 0,
	    "of a request and its certificate the certificate is newer");
	ok(spool_watch_newest(h, "SEP1", 1u << SPOOL_INSTALLED | 1u << SPOOL_DONE, &r, &d) && d == SPOOL_DONE &&
	    reqid_compare(&r, &old) == 0, "in the directories that are asked for");
	wipe();
	f = (struct spool_watch_file){.at = 0};
	ok(!spool_watch_each(h, "SEP1", 63, &f) && !spool_watch_newest(h, "SEP1", 63, &r, &d),
	    "what is gone is not there, though it is remembered");
	spool_watch_close(h);
}

int main(void)
{
	char path[300];

	umask(077);
	snprintf(path, sizeof path, "%s/spool", tap_dir());
	must((spool = create_spool(path, "test", 1700000000)) != NULL, "a spool");
	test_events();
	test_due();
	test_lost();
	test_finish();
	test_forgets();
	test_each();
	spool_close(spool);
	return tap_done();
}
