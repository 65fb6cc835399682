/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "site/columns.h"
#include "../tap.h"

static void finds(const char *heading, int column)
{
	ok(column_find(heading) == column, "column %s", heading);
}

/* A cell becomes this; NULL: it is refused. */
static void reads(enum phone_field field, const char *cell, enum column_dates dates, const char *wanted)
{
	char out[COLUMN_CELL_MAX];
	struct reason why = {.text = ""};
	const char *said = column_value(field, cell, dates, out, &why);

	ok(wanted == NULL ? said == NULL && why.text[0] != '\0' : said != NULL && strcmp(said, wanted) == 0, "%s, %s", cell,
	    column_dates[dates]);
}

int main(void)
{
	finds("device", COLUMN_DEVICE);
	finds("Device Name", COLUMN_DEVICE);
	finds("MAC_ADDRESS", COLUMN_MAC);
	finds("Certificate Operation *", PHONE_F_OPERATION);
	finds("key-order", PHONE_F_KEY_ORDER);
	finds("Key Size (Bits)", PHONE_F_RSA);
	finds("Operation Completes By", PHONE_F_COMPLETE_BY);
	finds("status", COLUMN_STATUS);
	finds("wrong-strings", COLUMN_REPORT);
	finds("Device Pool", COLUMN_OTHER);
	finds("", COLUMN_OTHER);
	finds("d\xc3\xa9vice", COLUMN_OTHER);

	reads(PHONE_F_OPERATION, "Install/Upgrade", COLUMN_DATES_ISO, "install");
	reads(PHONE_F_OPERATION, "No Pending Operation", COLUMN_DATES_ISO, "none");
	reads(PHONE_F_OPERATION, "instal", COLUMN_DATES_ISO, "instal");
	reads(PHONE_F_AUTH, "By Existing Certificate (Precedence to MIC)", COLUMN_DATES_ISO, "existing-mic");
	reads(PHONE_F_KEY_ORDER, "EC Preferred, RSA Backup", COLUMN_DATES_ISO, "ec-rsa");
	reads(PHONE_F_DESCRIPTION, "Install/Upgrade", COLUMN_DATES_ISO, "Install/Upgrade");

	reads(PHONE_F_COMPLETE_BY, "2026-12-31", COLUMN_DATES_DMY, "2026-12-31");
	reads(PHONE_F_COMPLETE_BY, "2026-12-31T08:00:00Z", COLUMN_DATES_DMY, "2026-12-31T08:00:00Z");
	reads(PHONE_F_COMPLETE_BY, "2026-12-31 8:05", COLUMN_DATES_ISO, "2026-12-31 08:05:00");
	reads(PHONE_F_COMPLETE_BY, "2026:12:31:23", COLUMN_DATES_ISO, "2026-12-31 23:00:00");
	reads(PHONE_F_COMPLETE_BY, "+7d", COLUMN_DATES_DMY, "+7d");
	reads(PHONE_F_COMPLETE_BY, "none", COLUMN_DATES_DMY, "none");
	reads(PHONE_F_COMPLETE_BY, "1.2.2026", COLUMN_DATES_DMY, "2026-02-01");
	reads(PHONE_F_COMPLETE_BY, "1/2/2026 13:00:59", COLUMN_DATES_MDY, "2026-01-02 13:00:59");
	reads(PHONE_F_COMPLETE_BY, "31-12-2026", COLUMN_DATES_DMY, "2026-12-31");
	reads(PHONE_F_COMPLETE_BY, "31.12.2026", COLUMN_DATES_ISO, NULL);
	reads(PHONE_F_COMPLETE_BY, "31.12.26", COLUMN_DATES_DMY, NULL);
	reads(PHONE_F_COMPLETE_BY, "31.12/2026", COLUMN_DATES_DMY, "31.12/2026");
	return tap_done();
}
