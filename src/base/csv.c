/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/csv.h"

void csv_open(struct csv *c, char *text, size_t len)
{
	static const char bom[] = "\xef\xbb\xbf";

	*c = (struct csv){.p = text, .end = text + len, .next = 1};
	*c->end = '\0';
	/* Spreadsheets put this in front of UTF-8. */
	if (strncmp(text, bom, strlen(bom)) == 0)
		c->p += strlen(bom);
}

/* Goes on behind the end of this line. */
static void skip_line(struct csv *c)
{
	char *lf = memchr(c->p, '\n', (size_t)(c->end - c->p));

	c->p = lf != NULL ? lf + 1 : c->end;
	c->next += lf != NULL;
}

/* A quoted cell without its quotes, each pair of quotes in it as one. NULL when it has no end. */
static char *unquote(struct csv *c)
{
	char *start = ++c->p, *to = start;

	for (; *c->p != '\0'; c->p++) {
		if (*c->p == '"' && c->p[1] != '"') {
			c->p++;
			/* The NUL falls on the quote, or before it. */
			*to = '\0';
			return start;
		}
		c->p += *c->p == '"';
		c->next += *c->p == '\n';
		*to++ = *c->p;
	}
	return NULL;
}

/* The next cell; what ended it, '\n' or ',' or NUL for the end of the text, in *stop. */
static char *take_cell(struct csv *c, char *stop, struct reason *why)
{
	char *start = c->p, *end;

	if (*c->p == '"') {
		if ((start = unquote(c)) == NULL)
			return reason_set(why, c->p < c->end ? "has a NUL byte" :
			    "a quoted cell has no end"), NULL;
		end = c->p;
	} else {
		end = c->p += strcspn(c->p, ",\"\n");
	}
	if (c->p < c->end && *c->p == '\r' && c->p[1] == '\n')
		c->p++;
	else if (*c->p == '\n' && end > start && end[-1] == '\r')
		end--;
	if (c->p < c->end && *c->p != ',' && *c->p != '\n')
		return reason_set(why, *c->p == '\0' ? "has a NUL byte" :
		    "a quote, or something behind one, where none may be"), NULL;
	*stop = *c->p;
	*end = '\0';
	c->p += c->p < c->end;
	return start;
}

int csv_row(struct csv *c, struct reason *why)
{
	char stop = '\0';

	while (*c->p == '\n' || (*c->p == '\r' && c->p[1] == '\n'))
		skip_line(c);
	c->line = c->next;
	c->n = 0;
	if (c->p == c->end)
		return 0;
	do {
		char *cell = take_cell(c, &stop, why);

		if (cell != NULL && c->n == CSV_CELLS_MAX) {
			cell = NULL;
			reason_set(why, "has more than %d cells", CSV_CELLS_MAX);
		}
		if (cell == NULL) {
			if (stop == '\n')
				c->next++;
			else
				skip_line(c);
			return -1;
		}
		c->cell[c->n++] = cell;
	} while (stop == ',');
	c->next += stop == '\n';
	return 1;
}

void csv_put(struct buf *out, const char *cell, bool last)
{
	/* An empty cell has no first character, and strchr would find its NUL. */
	bool formula = *cell != '\0' && strchr("=+-@\t\r", *cell) != NULL;
	size_t len = strlen(cell);
	bool quote = strpbrk(cell, ",\"\r\n\t") != NULL || cell[0] == ' ' ||
	    (len > 0 && cell[len - 1] == ' ');

	if (quote)
		buf_put(out, "\"", 1);
	if (formula)
		buf_put(out, "'", 1);
	for (const char *p = cell; *p != '\0'; p++) {
		if (*p == '"')
			buf_put(out, "\"", 1);
		buf_put(out, p, 1);
	}
	if (quote)
		buf_put(out, "\"", 1);
	if (last)
		buf_put(out, "\r\n", 2);
	else
		buf_put(out, ",", 1);
}
