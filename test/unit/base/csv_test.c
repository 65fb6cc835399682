/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/csv.h"
#include "../tap.h"

/* Rows as "[a|b][c]", with "!" for a bad one, and "@N" before a row that does not begin on line N. */
static const char *rest(struct csv *c)
{
	static char out[4096];
	struct reason why;
	int result;

	out[0] = '\0';
	while ((result = csv_row(c, &why)) != 0) {
		if (result < 0) {
			strcat(out, "!");
			continue;
		}
		strcat(out, "[");
		for (size_t i = 0; i < c->n; i++) {
			strcat(out, c->cell[i]);
			strcat(out, i + 1 < c->n ? "|" : "");
		}
		strcat(out, "]");
	}
	return out;
}

static const char *rows(const char *text, size_t len)
{
	char *copy = malloc(len + 1);
	const char *out;
	struct csv c;

	must(copy != NULL, "memory");
	memcpy(copy, text, len);
	csv_open(&c, copy, len);
	out = rest(&c);
	free(copy);
	return out;
}

static void reads(const char *text, const char *wanted)
{
	ok(strcmp(rows(text, strlen(text)), wanted) == 0, "row %d", tap_count);
}

static void writes(const char *cell, const char *wanted)
{
	struct buf b = {0};

	csv_put(&b, cell, true);
	ok(b.len == strlen(wanted) && memcmp(b.p, wanted, b.len) == 0, "cell %d", tap_count);
	buf_free(&b);
}

/* What text is written as, in one cell; it is read back as it was. */
static void text_as(const char *cell, const char *wanted)
{
	struct buf b = {0};

	csv_put_text(&b, cell, true);
	ok(b.len == strlen(wanted) + 2 && memcmp(b.p, wanted, b.len - 2) == 0 && strcmp(csv_plain(wanted), cell) == 0,
	    "text %s", cell);
	buf_free(&b);
}

/* The separator that is found, and the rows. */
static void separates(const char *text, char separator, const char *wanted)
{
	char *copy = strdup(text);
	struct csv c;

	must(copy != NULL, "memory");
	csv_open(&c, copy, strlen(text));
	csv_detect(&c);
	ok(c.separator == separator, "separated by %d", separator);
	ok(strcmp(rest(&c), wanted) == 0, "row %d", tap_count);
	free(copy);
}

int main(void)
{
	char text[] = "a\r\n\r\n\"x\ny\",2\r\nbad\"\r\nlast", many[4 * CSV_CELLS_MAX];
	struct reason why;
	struct csv c;

	reads("", "");
	reads("\n\r\n\n", "");
	reads("a,b\nc,d\n", "[a|b][c|d]");
	reads("a,b\r\nc,d", "[a|b][c|d]");
	reads("a,,\n,\n", "[a||][|]");
	reads("\xef\xbb\xbf" "a\n", "[a]");
	reads("\"a,b\",\"c\"\"d\",\"\"\r\ne\n", "[a,b|c\"d|][e]");
	reads("\"a\nb\"\nc\n", "[a\nb][c]");
	reads("a\"b,c\nd\n", "![d]");
	reads("\"a\"b,c\nd\n", "![d]");
	reads("a\n\"b,c\nd\n", "[a]!");
	reads("\"", "!");
	reads("\"\"\"", "!");
	reads("\"\"\"\"", "[\"]");
	reads("a\rb\n", "[a\rb]");
	reads("\"a\"\r", "!");
	ok(strcmp(rows("a\0b\nc\n", 6), "![c]") == 0, "a NUL");
	ok(strcmp(rows("\"a\0b\",c\nd", 9), "![d]") == 0, "a NUL in quotes");
	memset(many, ',', sizeof many);
	many[sizeof many - 3] = '\n';
	many[sizeof many - 2] = 'x';
	many[sizeof many - 1] = '\n';
	ok(strcmp(rows(many, sizeof many), "![x]") == 0, "too many cells");

	csv_open(&c, text, sizeof text - 1);
	ok(csv_row(&c, &why) == 1 && c.line == 1, "line 1");
	ok(csv_row(&c, &why) == 1 && c.line == 3, "an empty line counts");
	ok(csv_row(&c, &why) == -1 && c.line == 5, "lines in quotes count");
	ok(csv_row(&c, &why) == 1 && c.line == 6 && strcmp(c.cell[0], "last") == 0, "a bad row counts");
	ok(csv_row(&c, &why) == 0 && csv_row(&c, &why) == 0, "the end stays the end");

	writes("", "\r\n");
	writes("a b", "a b\r\n");
	writes("a,b", "\"a,b\"\r\n");
	writes("a\"b", "\"a\"\"b\"\r\n");
	writes("a\nb", "\"a\nb\"\r\n");
	writes(" a", "\" a\"\r\n");
	writes("=1+1", "'=1+1\r\n");
	writes("+1", "'+1\r\n");
	writes("-1", "'-1\r\n");
	writes("@A1", "'@A1\r\n");
	writes("\t=1", "\"'\t=1\"\r\n");
	writes("\r=1", "\"'\r=1\"\r\n");
	writes("=\"a\",b", "\"'=\"\"a\"\",b\"\r\n");
	writes("0123", "0123\r\n");

	text_as("0123", "'0123");
	text_as("0", "0");
	text_as("12345678901", "12345678901");
	text_as("123456789012", "'123456789012");
	text_as("1-2", "'1-2");
	text_as("12:30", "'12:30");
	text_as("1E5", "'1E5");
	text_as("1.10", "'1.10");
	text_as("'0123", "''0123");
	text_as("''=1", "'''=1");
	text_as("'quoted'", "'quoted'");
	text_as("4th floor", "4th floor");
	text_as("=1", "'=1");
	text_as("'", "'");
	text_as("", "");

	separates("a;b\n1;2,3\n", ';', "[a|b][1|2,3]");
	separates("a\tb\n\"1\t\"\t2;\n", '\t', "[a|b][1\t|2;]");
	separates("a,b;c,d\n", ',', "[a|b;c|d]");
	separates("\"a;b;c\",d\n", ',', "[a;b;c|d]");
	separates("a\nb;c\n", ',', "[a][b;c]");
	separates("sep=;\r\na,b;c,d\n", ';', "[a,b|c,d]");
	separates("\xef\xbb\xbfSEP=\t\na,b\tc\n", '\t', "[a,b|c]");
	separates("sep=|\na;b\n", ',', "[sep=|][a;b]");
	separates("sep=;", ';', "[sep=|]");
	separates("", ',', "");
	return tap_done();
}
