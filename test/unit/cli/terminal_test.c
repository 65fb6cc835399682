/* SPDX-License-Identifier: ISC */
/* Texts as a terminal gets them, how wide they are, and where they are cut; the line of progress. Prints TAP. */
#include <locale.h>
#include <string.h>

#include "cli/progress.h"
#include "cli/status.h"
#include "cli/terminal.h"
#include "../tap.h"

const char program[] = "prog", purpose[] = "", synopsis[] = "";

static void shows(const char *text, bool utf8, const char *want, size_t width)
{
	struct buf out = {0};
	size_t got = terminal_put(&out, text, utf8);

	buf_put_u8(&out, 0);
	ok(strcmp((const char *)out.p, want) == 0 && got == width, "\"%s\" in %zu columns", want, got);
	buf_free(&out);
}

static void cuts(const char *text, size_t room, const char *want, size_t width)
{
	size_t taken = room, bytes = terminal_cut(text, &taken);

	ok(bytes == strlen(want) && strncmp(text, want, bytes) == 0 && taken == width, "%zu columns of \"%s\"", room, text);
}

static void says(size_t total, size_t n, double part, long long ms, const char *want)
{
	struct progress p = {.what = "things", .total = total};
	char line[PROGRESS_LINE];

	progress_text(&p, n, part, ms, line);
	if (!ok(strcmp(line, want) == 0, "%s", want))
		printf("# %s\n", line);
}

int main(void)
{
	must(setlocale(LC_CTYPE, "C.UTF-8") != NULL, "the locale C.UTF-8, which is a part of libc");
	shows("plain \\ text", true, "plain \\ text", 12);
	shows("B\xc3\xbcro", true, "B\xc3\xbcro", 4);
	shows("B\xc3\xbcro", false, "B\\xc3\\xbcro", 11);
	shows("\xe6\x9d\xb1\xe4\xba\xac", true, "\xe6\x9d\xb1\xe4\xba\xac", 4);
	shows("a\x1b[31m", true, "a\\x1b[31m", 9);
	shows("\xe2\x80\xaexyz", true, "\\xe2\\x80\\xaexyz", 15);
	shows("a\xff", true, "a\\xff", 5);
	shows("e\xcc\x81", true, "e\xcc\x81", 1);
	shows("\xcc\x81" "e", true, "\\xcc\\x81e", 9);
	/* Three marks, and no more of them. */
	shows("e\xcc\x81\xcc\x81\xcc\x81", true, "e\xcc\x81\xcc\x81\xcc\x81", 1);
	shows("e\xcc\x81\xcc\x81\xcc\x81\xcc\x81", true, "e\xcc\x81\xcc\x81\xcc\x81\\xcc\\x81", 9);
	shows("", true, "", 0);
	cuts("abc", 2, "ab", 2);
	cuts("abc", 5, "abc", 3);
	cuts("\xe6\x9d\xb1\xe4\xba\xac", 3, "\xe6\x9d\xb1", 2);
	cuts("e\xcc\x81x", 1, "e\xcc\x81", 1);
	cuts("abc", 0, "", 0);

	says(0, 0, -1, 0, "prog: 0 things");
	says(0, 30, -1, 2000, "prog: 30 things, 15/s");
	says(0, 3, -1, 2000, "prog: 3 things, 1.5/s");
	says(100, 25, 0.25, 10000, "prog: 25 of 100 things, 2.5/s, 30 s left");
	says(100, 100, 1, 10000, "prog: 100 of 100 things, 10/s");
	says(0, 500, 0.5, 60000, "prog: 500 things, 50 %, 8.3/s, 60 s left");
	says(0, 500, 0.25, 60000, "prog: 500 things, 25 %, 8.3/s, 3 min left");
	says(0, 500, 0.005, 60000, "prog: 500 things, 0 %, 8.3/s, 3 h 19 min left");
	says(0, 0, 0, 5000, "prog: 0 things, 0 %");
	return tap_done();
}
