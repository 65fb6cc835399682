/* SPDX-License-Identifier: ISC */
/* Every way in which the files of one (device, key) can lie in the spool, sixty-four of them, alone
 * and beside a newer request of the device: what is legal, what is unfinished, and where recover_finish
 * takes it. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/create.h"
#include "spool/index.h"
#include "spool/recover.h"
#include "spool/spool.h"
#include "../tap.h"
#include "spool/stage.h"

#define BIT(d) (1u << (d))
#define CERTS (BIT(SPOOL_LSC) | BIT(SPOOL_STALE) | BIT(SPOOL_INSTALLED))
#define REQUESTS (BIT(SPOOL_CSR) | BIT(SPOOL_SUPERSEDED) | BIT(SPOOL_DONE))

static const char letter[] = "CULTID";	/* csr, superseded, lsc, stale, installed, done */

static struct reqid reqid_of(const char *stamp, unsigned char key)
{
	struct reqid s = {.device = "SEP001122334455"};

	strcpy(s.stamp, stamp);
	memset(s.spki, key, sizeof s.spki);
	return s;
}

static void put(struct spool *s, enum spool_dir d, const struct reqid *reqid)
{
	bool cert = (BIT(d) & CERTS) != 0;
	char name[REQID_NAME_MAX + 1];

	reqid_name(reqid, cert ? REQID_DER : REQID_CSR, name);
	must(stage_put(s, d, name, "x", 1, false) == 0, "a file in the spool");
}

static unsigned where(const struct spool *s, const struct reqid *reqid)
{
	unsigned dirs = 0;

	for (int d = 0; d < SPOOL_STATES; d++)
		if (spool_has(s, (enum spool_dir)d, reqid, REQID_CSR) == 1 ||
		    spool_has(s, (enum spool_dir)d, reqid, REQID_DER) == 1)
			dirs |= BIT(d);
	return dirs;
}

static void wipe(struct spool *s)
{
	for (int d = 0; d < SPOOL_STATES; d++) {
		char name[REQID_NAME_MAX + 1];
		struct reqid *list;
		size_t n;

		must(spool_list(s, (enum spool_dir)d, &list, &n) == 0, "a list");
		for (size_t i = 0; i < n; i++) {
			reqid_name(&list[i], (enum reqid_kind)list[i].kind, name);
			spool_remove(s, (enum spool_dir)d, name);
		}
		free(list);
	}
}

struct tally {
	size_t unfinished, illegal;
};

static void count(void *ctx, enum recover_finding f, const char *file, const char *what)
{
	struct tally *t = ctx;

	(void)file;
	(void)what;
	if (f == RECOVER_ILLEGAL)
		t->illegal++;
	else
		t->unfinished++;
}

static struct tally check(struct spool *s)
{
	struct tally t = {0, 0};

	must(recover_check(s, count, &t) == 0, "recover_check");
	return t;
}

/* Which sets of places nothing leaves behind: the same request twice, or stale and installed at once. */
static bool legal(unsigned dirs)
{
	unsigned requests = dirs & REQUESTS;

	if ((requests & (requests - 1)) != 0)
		return false;
	return (dirs & (BIT(SPOOL_STALE) | BIT(SPOOL_INSTALLED))) != (BIT(SPOOL_STALE) | BIT(SPOOL_INSTALLED));
}

/* Where a legal set ends when nothing is left to do. */
static unsigned settled(unsigned dirs, bool outrun)
{
	bool certificate = (dirs & CERTS) != 0;

	if ((dirs & BIT(SPOOL_LSC)) != 0 && (dirs & (BIT(SPOOL_STALE) | BIT(SPOOL_INSTALLED))) != 0)
		dirs &= ~BIT(SPOOL_LSC);
	if ((dirs & BIT(SPOOL_LSC)) != 0 && (outrun || (dirs & BIT(SPOOL_SUPERSEDED)) != 0))
		dirs = (dirs & ~BIT(SPOOL_LSC)) | BIT(SPOOL_STALE);
	if (certificate && (dirs & (BIT(SPOOL_CSR) | BIT(SPOOL_SUPERSEDED))) != 0)
		dirs = (dirs & ~(BIT(SPOOL_CSR) | BIT(SPOOL_SUPERSEDED))) | BIT(SPOOL_DONE);
	if (outrun && (dirs & BIT(SPOOL_CSR)) != 0)
		dirs = (dirs & ~BIT(SPOOL_CSR)) | BIT(SPOOL_SUPERSEDED);
	return dirs;
}

static void one(struct spool *s, unsigned dirs, bool outrun)
{
	struct reqid old = reqid_of("20260101T000000Z", 1), newer = reqid_of("20260101T000001Z", 2);
	char name[SPOOL_STATES + 1] = "";
	struct tally before, after;
	unsigned end;
	size_t steps;

	wipe(s);
	for (int d = 0; d < SPOOL_STATES; d++) {
		if ((dirs & BIT(d)) != 0) {
			put(s, (enum spool_dir)d, &old);
			strncat(name, &letter[d], 1);
		}
	}
	if (outrun)
		put(s, SPOOL_CSR, &newer);
	before = check(s);
	must(recover_finish(s, &steps) == 0, "state_finish");
	end = where(s, &old);
	after = check(s);
	ok((before.illegal == 0) == legal(dirs), "%s%s is %s", name, outrun ? " and a newer" : "",
	    legal(dirs) ? "legal" : "illegal");
	if (!legal(dirs))
		return;
	ok((before.unfinished == 0) == (steps == 0), "what is unfinished is finished, and nothing else");
	ok(end == settled(dirs, outrun), "it ends where it should");
	ok(after.unfinished == 0 && after.illegal == 0, "and nothing is left to do");
	ok(((dirs & CERTS) == 0) == ((end & CERTS) == 0) && ((dirs & REQUESTS) == 0) == ((end & REQUESTS) == 0),
	    "no certificate and no request is lost");
	must(recover_finish(s, &steps) == 0, "state_finish");
	ok(steps == 0 && where(s, &old) == end, "twice is once");
	ok(!outrun || where(s, &newer) == BIT(SPOOL_CSR), "the newer request waits");
}

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char sub[512];

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
		if (unlink(sub) != 0)
			remove_tree(sub);
	}
	if (d != NULL)
		closedir(d);
	rmdir(path);
}

int main(void)
{
	const char *dir = tap_dir();
	struct spool *s;

	must((s = create_spool(dir, "recover_test", 0)) != NULL, "a spool");
	for (unsigned dirs = 0; dirs < BIT(SPOOL_STATES); dirs++) {
		one(s, dirs, false);
		one(s, dirs, true);
	}
	spool_close(s);
	remove_tree(dir);
	return tap_done();
}
