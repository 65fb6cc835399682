/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "base/csv.h"

#define EXACT_DIGITS 11		/* a spreadsheet shows, and saves, longer numbers as 1.23E+14 */

void csv_open(struct csv *c, char *text, size_t len)
{
	static const char bom[] = "\xef\xbb\xbf";

	*c = (struct csv){.p = text, .end = text + len, .separator = ',', .next = 1};
	*c->end = '\0';
	/* Spreadsheets put this in front of UTF-8. */
	if (strncmp(text, bom, strlen(bom)) == 0)
		c->p += strlen(bom);
}

void csv_detect(struct csv *c)
{
	static const char separators[] = ",;\t";
	size_t count[3] = {0}, best = 0;
	const char *found;
	bool quoted = false;

	if (strncasecmp(c->p, "sep=", 4) == 0 && c->p[4] != '\0' && (found = strchr(separators, c->p[4])) != NULL &&
	    c->p[5 + (c->p[5] == '\r')] == '\n') {
		c->separator = *found;
		c->p += 6 + (c->p[5] == '\r');
		c->next++;
		return;
	}
	for (const char *p = c->p + strspn(c->p, "\r\n"); *p != '\0' && (quoted || *p != '\n'); p++) {
		quoted ^= *p == '"';
		if (!quoted && (found = strchr(separators, *p)) != NULL)
			count[found - separators]++;
	}
	for (size_t i = 1; i < 3; i++)
		if (count[i] > count[best])
			best = i;
	c->separator = separators[best];
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

/* The next cell; what ended it, '\n' or the separator or NUL for the end of the text, in *stop. */
static char *take_cell(struct csv *c, char *stop, struct reason *why)
{
	char *start = c->p, *end;

	if (*c->p == '"') {
		if ((start = unquote(c)) == NULL)
			return reason_set(why, c->p < c->end ? "has a NUL byte" :
			    "a quoted cell has no end"), NULL;
		end = c->p;
	} else {
		const char stops[] = {c->separator, '"', '\n', '\0'};

		end = c->p += strcspn(c->p, stops);
	}
	if (c->p < c->end && *c->p == '\r' && c->p[1] == '\n')
		c->p++;
	else if (*c->p == '\n' && end > start && end[-1] == '\r')
		end--;
	if (c->p < c->end && *c->p != c->separator && *c->p != '\n')
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
	} while (stop == c->separator);
	c->next += stop == '\n';
	return 1;
}

/* Would a spreadsheet compute it? */
static bool is_formula(const char *cell)
{
	/* An empty cell has no first character, and strchr would find its NUL. */
	return *cell != '\0' && strchr("=+-@\t\r", *cell) != NULL;
}

/* Would a spreadsheet make another text of it? A number with leading zeros or too many digits, or what begins with a digit
 * and may be a date, a time or a decimal number. */
static bool is_changed(const char *cell)
{
	size_t len = strlen(cell);

	if (len == 0)
		return false;
	if (strspn(cell, "0123456789") == len)
		return len > EXACT_DIGITS || (len > 1 && cell[0] == '0');
	return strchr("0123456789.,", cell[0]) != NULL && strspn(cell, "0123456789.,:/-+eE% ") == len;
}

/* Behind the apostrophes that it begins with: so one that is put in front can be told from others. */
static const char *bare(const char *cell)
{
	return cell + strspn(cell, "'");
}

static void put(struct buf *out, const char *cell, bool guard, bool last)
{
	size_t len = strlen(cell);
	bool quote = strpbrk(cell, ",\"\r\n\t") != NULL || cell[0] == ' ' ||
	    (len > 0 && cell[len - 1] == ' ');

	if (quote)
		buf_put(out, "\"", 1);
	if (guard)
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

void csv_put(struct buf *out, const char *cell, bool last)
{
	put(out, cell, is_formula(cell), last);
}

void csv_put_text(struct buf *out, const char *cell, bool last)
{
	put(out, cell, is_formula(bare(cell)) || is_changed(bare(cell)), last);
}

const char *csv_plain(const char *cell)
{
	return *cell == '\'' && (is_formula(bare(cell)) || is_changed(bare(cell))) ? cell + 1 : cell;
}
