/* SPDX-License-Identifier: ISC */
/* The two rules of capf-spool(5) on requests: the newest wins, and a new one is later than the last. */
#include <string.h>

#include "spool/newest.h"
#include "../tap.h"

#define A "SEP001122334455"
#define B "SEP001122334456"
#define NOW ((time_t)1795224649)	/* 20261121T013049Z */

static struct reqid request(const char *device, const char *stamp, unsigned char key)
{
	struct reqid r = {.kind = REQID_CSR};

	strcpy(r.device, device);
	strcpy(r.stamp, stamp);
	memset(r.spki, key, sizeof r.spki);
	return r;
}

static void test_replaces(void)
{
	const struct reqid old = request(A, "20261121T011049Z", 7), new = request(A, "20261121T011050Z", 3);
	const struct reqid same = request(A, "20261121T011049Z", 8), other = request(B, "20261121T011050Z", 3);
	enum spool_dir to = SPOOL_TMP;

	ok(newest_replaces(&new, &old, SPOOL_CSR, &to) && to == SPOOL_SUPERSEDED,
	    "an older request is superseded");
	ok(newest_replaces(&new, &old, SPOOL_LSC, &to) && to == SPOOL_STALE, "an older certificate becomes stale");
	for (int d = 0; d < SPOOL_DIRS; d++)
		if (d != SPOOL_CSR && d != SPOOL_LSC)
			ok(!newest_replaces(&new, &old, (enum spool_dir)d, &to), "what is in %s/ stays",
			    spool_dir_name((enum spool_dir)d));
	ok(!newest_replaces(&old, &new, SPOOL_CSR, &to) && !newest_replaces(&old, &new, SPOOL_LSC, &to),
	    "an older request replaces nothing");
	ok(!newest_replaces(&new, &new, SPOOL_CSR, &to) && !newest_replaces(&new, &new, SPOOL_LSC, &to),
	    "nor does a request itself, or its own certificate");
	ok(!newest_replaces(&other, &old, SPOOL_CSR, &to), "nor that of another device");
	ok(newest_replaces(&same, &old, SPOOL_CSR, &to) && !newest_replaces(&old, &same, SPOOL_CSR, &to),
	    "of two from the same second the greater key is newer");
}

static void test_retires(void)
{
	const struct reqid old = request(A, "20261121T011049Z", 7), new = request(A, "20261121T011050Z", 3);
	char before[UTC_STAMP + 1];

	newest_kept_since(0, 0, before);
	ok(newest_retires(&new, &old, before), "an older certificate goes, whatever the clock says");
	ok(!newest_retires(&old, &new, before) && !newest_retires(&new, &new, before), "a newer one and itself do not");
	newest_kept_since(NOW, 86400, before);
	ok(strcmp(before, "20261120T013049Z") == 0 && !newest_retires(&new, &old, before), "within keep-installed it stays");
	newest_kept_since(NOW + 86400, 86400, before);
	ok(newest_retires(&new, &old, before), "and afterwards goes");
}

static void test_list(void)
{
	const struct reqid list[] = {
		request(A, "20261121T011049Z", 7), request(A, "20261121T011049Z", 8),
		request(A, "20261121T011050Z", 3), request(B, "20261121T011049Z", 3),
	};

	ok(!newest_in_list(list, 4, 0) && !newest_in_list(list, 4, 1) && newest_in_list(list, 4, 2) &&
	    newest_in_list(list, 4, 3), "of a sorted list, the last of each device is its newest");
}

static void test_last(void)
{
	static const char *const stamp[] = {"20261121T011049Z", "20261121T011050Z", "20261120T235959Z"};
	char last[UTC_STAMP + 1];
	struct index ix;
	struct reqid r;

	must(index_load(&ix, NULL, 0) == 0, "an index");
	newest_last(&ix, A, last);
	ok(*last == '\0', "a device that has nothing has no last stamp");
	for (size_t i = 0; i < sizeof stamp / sizeof *stamp; i++) {
		r = request(A, stamp[i], (unsigned char)i);
		must(index_put(&ix, &r, i == 1 ? SPOOL_DONE : SPOOL_CSR) == 0, "an entry");
	}
	r = request(B, "20270101T000000Z", 9);
	must(index_put(&ix, &r, SPOOL_CSR) == 0, "an entry");
	r = request(A, "20269921T011050Z", 9);
	must(index_put(&ix, &r, SPOOL_CSR) == 0, "an entry");
	newest_last(&ix, A, last);
	ok(strcmp(last, "20261121T011050Z") == 0, "the latest of the device, wherever it is; a stamp that is no time "
	    "does not count");
	index_free(&ix);
}

static void stamped(const char *last, time_t order, const char *want, const char *what)
{
	char out[UTC_STAMP + 1];

	newest_stamp(NOW, last, order, out);
	ok(strcmp(out, want) == 0, "%s: %s", what, out);
}

static void test_stamp(void)
{
	char now[UTC_STAMP + 1], next[UTC_STAMP + 1], later[UTC_STAMP + 1], before[UTC_STAMP + 1];

	utc_stamp(NOW, now);
	utc_stamp(NOW + 1, next);
	utc_stamp(NOW + 101, later);
	utc_stamp(NOW - 100, before);
	stamped("", 0, now, "the first request of a device is from now");
	stamped(before, NOW - 50, now, "so is one after earlier ones");
	stamped(now, 0, next, "a second one in the same second is a second later");
	stamped("20261121T235959Z", 0, "20261122T000000Z", "when the clock was set back, a second after the last");
	stamped("", NOW, next, "a request is later than its order, in the same second");
	stamped(before, NOW + 100, later, "and when the clock was set back after the order");
	stamped(later, NOW + 50, "20261121T013231Z", "the later of the two counts");
	stamped("20269921T011050Z", 0, now, "a stamp that is no time does not count");
}

int main(void)
{
	test_replaces();
	test_retires();
	test_list();
	test_last();
	test_stamp();
	return tap_done();
}
