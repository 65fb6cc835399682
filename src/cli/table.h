/* SPDX-License-Identifier: ISC */
/* The lists that programs print, in one of four ways: on a terminal aligned, for eyes; elsewhere a record a line, with
 * tabs between the columns; with --json an object a line; with --null the first column alone. capf(7) describes them.
 * However long a list is, no more of it is kept in memory than the first few hundred rows. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/bytes.h"
#include "process/pager.h"

struct progress;

enum table_kind {
	TABLE_WORD,	/* short, and never cut: names of devices, states */
	TABLE_TEXT,	/* gets what room is left, and is cut when that is too little */
	TABLE_NUMBER,	/* aligned to the right */
	TABLE_TIME,
	TABLE_KEY,	/* the hash of a key or a certificate: its beginning is enough for eyes */
};

struct table_column {
	const char *name;	/* in JSON with '_' for '-' */
	enum table_kind kind;
	unsigned spare;		/* 0: always shown; else left out on a terminal that is too narrow, the largest first */
};

/* What a state means, for its colour. */
enum table_tone { TABLE_PLAIN, TABLE_GOOD, TABLE_BAD, TABLE_WAITING };

struct table_options {
	bool header, null, json, no_pager;
	const char *color;
};

/* Their lines for the options of a program. --header and --null are the program's own. */
#define TABLE_OPTIONS(o) \
	OPT_MAYBE(0, "color", "WHEN", &(o)->color, "colour states: always, never, or on a terminal that has colours (auto)"), \
	OPT_FLAG(0, "json", &(o)->json, "print an object a line"), \
	OPT_FLAG(0, "no-pager", &(o)->no_pager, "show a long list on a terminal without a pager")

enum table_way { TABLE_TABS, TABLE_NULL, TABLE_JSON, TABLE_TERMINAL };

struct table_cell {
	char *text;		/* NULL: there is nothing */
	size_t width;
	enum table_tone tone;
};

#define TABLE_COLUMNS_MAX 16

struct table {
	const struct table_column *column;
	size_t n;
	enum table_way way;
	bool header, color, utf8;
	size_t at;		/* the column of the next cell */
	/* On a terminal. */
	unsigned columns, lines;
	struct table_cell *cell;	/* of rows that are held, until the widths are known; then of one */
	size_t rows, most;
	size_t width[TABLE_COLUMNS_MAX];
	bool shown[TABLE_COLUMNS_MAX];
	struct pager pager;
	int out;		/* stdout, while the pager is in its place; or -1 */

	bool begun;		/* something was printed */
	struct progress *progress;	/* or NULL */
};

/* Before the sandbox is entered, since a pager runs outside; the columns must stay. Ends the program for wrong options.
 * n is TABLE_COLUMNS_MAX at most. */
void table_open(struct table *, const struct table_column *, size_t n, const struct table_options *);
/* For eyes and JSON a text shall be UTF-8; false: it will be escaped anyway. */
bool table_wants_utf8(const struct table *);

/* What shows how far the reading is, which ends when the table begins: lines of both would mix. */
void table_progress(struct table *, struct progress *);

/* The cells of a row, in order. */
void table_word(struct table *, const char *, enum table_tone);	/* printable ASCII of our own */
void table_text(struct table *, const char *);	/* any bytes; NULL: there is none */
void table_raw(struct table *, const char *);	/* the same, and in a pipe not escaped */
void table_number(struct table *, uint64_t);
void table_time(struct table *, time_t, enum table_tone);
void table_key(struct table *, const unsigned char *, size_t);
void table_none(struct table *);
/* The end of a row. Ends the program when the user has left the pager. */
void table_row(struct table *);

/* The rest. Waits until the user has left the pager. status_flush tells whether all was written. */
void table_close(struct table *);

#endif
