/* SPDX-License-Identifier: ISC */
/* A table that a spreadsheet saved as CSV: finds out how its text is encoded and what separates its cells, and says so
 * on stderr when that is not UTF-8 with commas. For main(): it ends the program when the file cannot be read. */
#ifndef CSV_FILE_H
#define CSV_FILE_H

#include "base/csv.h"

struct csv_file {
	struct csv csv;
	struct buf text;
	const char *name;	/* for messages */
};

/* Reads a file, or stdin for "-". encoding is what the user called it, or NULL. */
void csv_file_read(struct csv_file *, const char *path, const char *encoding);
/* Wipes it: there may be authentication strings in it. */
void csv_file_free(struct csv_file *);

#endif
