/* SPDX-License-Identifier: ISC */
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

#include "base/escape.h"
#include "base/utf8.h"
#include "cli/status.h"
#include "cli/terminal.h"

#define MARKS_MAX 3	/* marks above and below one letter; more of them reach into other lines */

static unsigned from_environment(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);
	unsigned long n = text != NULL ? strtoul(text, NULL, 10) : 0;

	return n > 0 && n < 10000 ? (unsigned)n : otherwise;
}

void terminal_size(int fd, unsigned *columns, unsigned *lines)
{
	struct winsize size = {0};

	if (ioctl(fd, TIOCGWINSZ, &size) != 0)
		size = (struct winsize){0};
	*columns = size.ws_col > 0 ? size.ws_col : from_environment("COLUMNS", 80);
	*lines = size.ws_row > 0 ? size.ws_row : from_environment("LINES", 24);
}

bool terminal_is_able(void)
{
	const char *term = getenv("TERM");

	return term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

bool terminal_is_utf8(void)
{
	/* Nothing else of the locale: numbers and messages stay as they are. */
	return setlocale(LC_CTYPE, "") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

bool terminal_color(const char *when, bool is_terminal)
{
	const char *no = getenv("NO_COLOR");

	if (when != NULL && (*when == '\0' || strcmp(when, "always") == 0))
		return true;
	if (when != NULL && strcmp(when, "never") == 0)
		return false;
	if (when != NULL && strcmp(when, "auto") != 0)
		status_usage("--color wants always, auto or never");
	return is_terminal && (no == NULL || *no == '\0') && terminal_is_able();
}

int terminal_width(uint32_t c)
{
	if (c < 0x80)
		return c >= ' ' && c < 0x7f ? 1 : -1;
	return utf8_is_plain(c) ? wcwidth((wchar_t)c) : -1;
}

size_t terminal_put(struct buf *out, const char *text, bool utf8)
{
	size_t columns = 0, marks = MARKS_MAX, n;
	char escaped[ESCAPE_LEN];
	uint32_t c;
	int width;

	for (; *text != '\0'; text += n) {
		n = utf8_get(text, &c);
		width = n == 0 || (c >= 0x80 && !utf8) ? -1 : terminal_width(c);
		/* A mark belongs to the letter before it, so there has to be one. */
		marks = width == 0 ? marks + 1 : width > 0 ? 0 : MARKS_MAX;
		if (width >= 0 && marks <= MARKS_MAX) {
			buf_put(out, text, n);
			columns += (size_t)width;
			continue;
		}
		n = n == 0 ? 1 : n;
		for (size_t i = 0; i < n; i++) {
			buf_put(out, escaped, escape_put((unsigned char)text[i], escaped));
			columns += ESCAPE_LEN;
		}
		marks = MARKS_MAX;
	}
	return columns;
}

size_t terminal_cut(const char *text, size_t *columns)
{
	size_t room = *columns, bytes = 0, n;
	uint32_t c;
	int width;

	*columns = 0;
	while ((n = utf8_get(text + bytes, &c)) > 0) {
		width = terminal_width(c);
		if (*columns + (size_t)width > room)
			break;
		*columns += (size_t)width;
		bytes += n;
	}
	return bytes;
}
