/* SPDX-License-Identifier: ISC */
/* The Test Anything Protocol for the unit tests: ok() for each claim, and "return tap_done();"
 * last. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failed;

/* Prints one line, and passes the claim on. */
__attribute__((format(printf, 2, 3), unused)) static bool ok(bool claim, const char *fmt, ...)
{
	va_list ap;

	tap_count++;
	tap_failed += !claim;
	printf("%sok %d - ", claim ? "" : "not ", tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	return claim;
}

/* For what the test itself cannot do without. */
__attribute__((unused)) static void must(bool claim, const char *what)
{
	if (!claim) {
		printf("Bail out! %s\n", what);
		exit(1);
	}
}

/* Makes a directory for this test alone, below TMPDIR or in /tmp, and returns its path. */
__attribute__((unused)) static const char *tap_dir(void)
{
	static char path[256];
	const char *under = getenv("TMPDIR");
	int n = snprintf(path, sizeof path, "%s/unit.XXXXXX", under != NULL && *under != '\0' ? under : "/tmp");

	must(n > 0 && (size_t)n < sizeof path && mkdtemp(path) != NULL, "no directory can be made below TMPDIR");
	return path;
}

__attribute__((unused)) static int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif
