/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/escape.h"
#include "base/log.h"

#define LINE_MAX_BYTES 1024

struct line {
	char text[LINE_MAX_BYTES];
	size_t n;
};

static void add(struct line *l, const char *p, size_t len)
{
	if (len < sizeof l->text - l->n) {
		memcpy(l->text + l->n, p, len);
		l->n += len;
	}
}

/* Whatever a device sent: no line ends, no terminal codes, no way to look like another key. */
static void add_value(struct line *l, const char *value)
{
	char hex[ESCAPE_LEN];
	bool quote = false;

	for (const char *p = value; *p != '\0'; p++)
		quote = quote || *p == ' ' || *p == '"' || *p == '=' || *p == '\\';
	if (quote)
		add(l, "\"", 1);
	for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~')
			add(l, hex, escape_put(*p, hex));
		else if (*p == '"' || *p == '\\')
			add(l, (const char[]){'\\', (char)*p}, 2);
		else
			add(l, (const char *)p, 1);
	}
	if (quote)
		add(l, "\"", 1);
}

void log_say(const struct log *log, const char *event, ...)
{
	struct line l = {.n = 0};
	const char *key, *value;
	va_list ap;

	add(&l, "event=", 6);
	add_value(&l, event);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		if ((value = va_arg(ap, const char *)) == NULL || *value == '\0')
			continue;
		add(&l, " ", 1);
		add(&l, key, strlen(key));
		add(&l, "=", 1);
		add_value(&l, value);
	}
	va_end(ap);
	l.text[l.n] = '\0';
	log->write(log->ctx, l.text);
}
