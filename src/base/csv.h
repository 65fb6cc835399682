/* SPDX-License-Identifier: ISC */
/* Comma-separated values, RFC 4180: what phone-add --csv reads, and what phone-report writes. A cell that it writes is
 * never a formula to a spreadsheet. */
#ifndef CSV_H
#define CSV_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/reason.h"

#define CSV_CELLS_MAX 64	/* several times what any of our tables has */

struct csv {
	char *p, *end;		/* what is left of the text */
	size_t line, next;	/* where the row at hand began, and where the next one begins */
	char *cell[CSV_CELLS_MAX];
	size_t n;
};

/* Reads from text[0..len), which is changed, must stay, and has room for a NUL behind it. */
void csv_open(struct csv *, char *text, size_t len);
/* The next row that is not empty, in cell[0..n). 1; 0 at the end; -1 with a reason for a bad row, after
 * which the next may be read. Lines end with LF or CRLF. */
int csv_row(struct csv *, struct reason *);

/* Appends a cell, quoted where it must be, and a comma, or CRLF behind the last one. A cell that begins
 * like a formula gets an apostrophe in front. */
void csv_put(struct buf *, const char *cell, bool last);

#endif
