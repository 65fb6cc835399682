/* SPDX-License-Identifier: ISC */
/* What field staff carry from phone to phone, phone-report --sheet: the device, its authentication string, and what to press. */
#ifndef SHEET_H
#define SHEET_H

#include "site/phone.h"

/* What has to be done at a phone with an order that is pending. */
const char *sheet_press(const struct phone *);

/* The same as a page for printing: its beginning, a row, and its end, appended as HTML. */
void sheet_begin(struct buf *, time_t now);
void sheet_row(struct buf *, const char *device, const char *description, const char *string, const char *press);
void sheet_end(struct buf *);

#endif
