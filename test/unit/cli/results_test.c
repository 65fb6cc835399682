/* SPDX-License-Identifier: ISC */
/* Answers that are kept in memory, and those that go into a file. Prints TAP. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/results.h"
#include "cli/status.h"
#include "../fault.h"
#include "../tap.h"

const char program[] = "results_test", synopsis[] = "";

FAULT(void *, malloc, (size_t size), (size), NULL)
FAULT(void *, realloc, (void *p, size_t size), (p, size), NULL)
FAULT(off_t, lseek, (int fd, off_t to, int whence), (fd, to, whence), -1)
FAULT(ssize_t, read, (int fd, void *p, size_t len), (fd, p, len), -1)

/* Half of it, when it fails: a disk that became full. */
ssize_t __real_write(int, const void *, size_t);
ssize_t __wrap_write(int, const void *, size_t);
ssize_t __wrap_write(int fd, const void *p, size_t len)
{
	if (!fault_now())
		return __real_write(fd, p, len);
	__real_write(fd, p, len / 2);
	errno = fault_error;
	return -1;
}

static int scratch(void)
{
	int fd = memfd_create("scratch", MFD_CLOEXEC);

	must(fd >= 0, "a file");
	return fd;
}

static off_t size_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_size : 0;
}

/* Some have none. */
static void reason_of(unsigned n, char reason[REASON_MAX])
{
	*reason = '\0';
	if (n % 3 != 0)
		snprintf(reason, REASON_MAX, "reason %u", n);
}

/* The nth answer says so everywhere. */
static int add(struct results *as, unsigned n)
{
	char object[300], reason[REASON_MAX];

	memset(object, 'o', sizeof object);
	snprintf(object + 280, 20, "%u", n);
	reason_of(n, reason);
	return results_add(as, n % 2 == 0 ? "even" : "odd", n, object, reason, "%u\tfacts", n);
}

static int add_all(struct results *as, unsigned from, unsigned to)
{
	for (unsigned n = from; n < to; n++)
		if (add(as, n) != 0)
			return -1;
	return 0;
}

/* How many come back, in order and right; less when that failed. */
static unsigned right(struct results *as)
{
	struct answer a;
	unsigned n = 0;
	int got;

	while ((got = results_next(as, &a)) > 0) {
		char facts[32], reason[REASON_MAX];

		snprintf(facts, sizeof facts, "%u\tfacts", n);
		reason_of(n, reason);
		if (strcmp(a.word, n % 2 == 0 ? "even" : "odd") != 0 || a.item != n ||
		    strlen(a.object) < 280 || strtoul(a.object + 280, NULL, 10) != n ||
		    strcmp(a.facts, facts) != 0 || strcmp(a.reason, reason) != 0)
			return 0;
		n++;
	}
	return got == 0 ? n : 0;
}

static void test_order(void)
{
	static const unsigned many[] = {0, 1, 100, 190, 210, 1000, 20000};
	struct results as;

	for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
		int fd = scratch();
		off_t size;

		results_open(&as, fd);
		must(add_all(&as, 0, many[i]) == 0, "room for answers");
		size = size_of(fd);
		ok(right(&as) == many[i] && as.n == many[i], "%u answers, %jd bytes of them in the file", many[i],
		    (intmax_t)size);
		ok(many[i] < 200 ? size == 0 : size > 0, "a few are in memory, most in the file");
		ok(as.last.cap <= 256 * 1024, "and no more than that in memory");
		results_close(&as);
		ok(fcntl(fd, F_GETFD) == -1, "it closes the file");
		results_open(&as, -1);
		must(add_all(&as, 0, many[i]) == 0, "room for answers");
		ok(right(&as) == many[i], "and without a file");
		results_close(&as);
	}
}

/* Forgotten wherever they were, and others come instead. */
static void test_drop(void)
{
	bool good = true;

	for (unsigned keep = 0; keep < 1000; keep += 37) {
		struct results as;
		struct results_end end;

		results_open(&as, scratch());
		must(add_all(&as, 0, keep) == 0, "room for answers");
		end = results_end(&as);
		must(add_all(&as, 5000, 5900) == 0, "room for answers");
		results_drop(&as, end);
		good = good && as.n == keep;
		must(add_all(&as, keep, 1200) == 0, "room for answers");
		good = good && right(&as) == 1200;
		results_close(&as);
	}
	ok(good, "what is dropped does not come back");
}

static void test_texts(void)
{
	char longest[3000];
	struct results as;
	struct answer a;

	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	results_open(&as, -1);
	must(results_add(&as, "word", RESULTS_NO_ITEM, longest, longest, "%s", longest) == 0, "room");
	ok(results_next(&as, &a) == 1 && a.item == RESULTS_NO_ITEM && strlen(a.object) == RESULTS_TEXT_MAX - 1 &&
	    strlen(a.facts) == RESULTS_TEXT_MAX - 1 && strlen(a.reason) == REASON_MAX - 1, "long texts are cut");
	results_change(&a, "other", "another reason");
	ok(strcmp(a.word, "other") == 0 && strcmp(a.reason, "another reason") == 0, "one can be changed");
	ok(results_next(&as, &a) == 0 && results_next(&as, &a) == 0, "and that was all");
	results_close(&as);
}

/* A file that is not what it was. */
static void test_file(void)
{
	int fd = scratch();
	struct results as;

	results_open(&as, fd);
	must(add_all(&as, 0, 1000) == 0 && ftruncate(fd, 100000) == 0, "a file");
	errno = 0;
	ok(right(&as) == 0 && errno == EIO, "one that was cut off");
	results_close(&as);
	fd = scratch();
	results_open(&as, fd);
	must(add_all(&as, 0, 1000) == 0 && pwrite(fd, "\xff\xff\xff\xff", 4, 0) == 4, "a file");
	errno = 0;
	ok(right(&as) == 0 && errno == EIO, "one that was changed");
	results_close(&as);
}

/* Each call fails: that is said, and what had been added before is still there. */
static void test_faults(void)
{
	bool good = true, reached = true;
	unsigned n, refused = 0;

	for (n = 1; n < 1000 && reached && good; n++) {
		struct results as;
		unsigned kept = 0;
		int result = 0;

		results_open(&as, scratch());
		fault_arm(n, ENOSPC);
		for (kept = 0; kept < 700 && result == 0; kept += result == 0)
			result = add(&as, kept);
		if (result == 0 && right(&as) != 700)
			result = -2;
		reached = fault_over();
		good = reached ? result < 0 && (errno == ENOSPC || errno == ENOMEM) : result == 0;
		/* What could not be written is in memory. */
		if (result == -1)
			good = good && right(&as) == as.n && as.n >= kept;
		refused += result < 0;
		results_close(&as);
	}
	ok(good && n > 12, "each of %u calls fails, %u are said", n - 2, refused);
}

int main(void)
{
	test_order();
	test_drop();
	test_texts();
	test_file();
	test_faults();
	return tap_done();
}
