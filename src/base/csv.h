/* SPDX-License-Identifier: ISC */
/* Comma-separated values, RFC 4180, and the same with semicolons or tabs: what phone-add --csv reads, and what
 * phone-report writes with commas. A cell that it writes is never a formula to a spreadsheet. */
#ifndef CSV_H
#define CSV_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/reason.h"

#define CSV_CELLS_MAX 64	/* several times what any of our tables has */

struct csv {
	char *p, *end;		/* what is left of the text */
	char separator;		/* of cells */
	size_t line, next;	/* where the row at hand began, and where the next one begins */
	char *cell[CSV_CELLS_MAX];
	size_t n;
};

/* Reads from text[0..len), which is changed, must stay, and has room for a NUL behind it. */
void csv_open(struct csv *, char *text, size_t len);
/* Before the first row: takes what separates cells, a comma, a semicolon or a tab, from a line "sep=;", or from the
 * first row, where the one that is there most often counts. Without it cells are separated by commas. */
void csv_detect(struct csv *);
/* The next row that is not empty, in cell[0..n). 1; 0 at the end; -1 with a reason for a bad row, after
 * which the next may be read. Lines end with LF or CRLF. */
int csv_row(struct csv *, struct reason *);

/* Appends a cell, quoted where it must be, and a comma, or CRLF behind the last one. A cell that begins
 * like a formula gets an apostrophe in front. */
void csv_put(struct buf *, const char *cell, bool last);
/* The same for text: what a spreadsheet would take for a number or a date and write in another way, such as 0123 or
 * 1-2, gets the apostrophe as well. */
void csv_put_text(struct buf *, const char *cell, bool last);
/* A cell that was read, without the apostrophe that these two put in front. */
const char *csv_plain(const char *cell);

#endif
