/* SPDX-License-Identifier: ISC */
/* The columns of phone-add(1)'s tables: headings and cells as our programs, the vendor's and spreadsheets write them. */
#ifndef COLUMNS_H
#define COLUMNS_H

#include "site/phone.h"

/* What a column is, beside a field that phone-set changes (0 and more). */
enum column {
	COLUMN_OTHER = -1,	/* none of ours: a field of the site's */
	COLUMN_DEVICE = -2,
	COLUMN_MAC = -3,	/* the device is SEP and this */
	COLUMN_STATUS = -4,	/* what phone-report says became of the operation */
	COLUMN_REPORT = -5,	/* something else that only phone-report says */
	COLUMN_LEAST = -5,
};

enum column_dates { COLUMN_DATES_ISO, COLUMN_DATES_DMY, COLUMN_DATES_MDY };
extern const char *const column_dates[];	/* iso, dmy, mdy, NULL */

#define COLUMN_CELL_MAX 80	/* a date; the compiler thinks of larger numbers than take_number reads */

/* Which column has this heading, in any case and with blanks, hyphens or underscores between the words: a phone_field,
 * or one of the above. */
int column_find(const char *heading);
/* The cell of a column as phone_apply takes it: the cell itself, a constant, or out. NULL with a reason. */
const char *column_value(enum phone_field, const char *cell, enum column_dates, char out[COLUMN_CELL_MAX],
    struct reason *);

#endif
