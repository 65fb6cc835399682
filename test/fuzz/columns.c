/* SPDX-License-Identifier: ISC */
/* Headings and cells of tables: a heading is one of the columns, or makes a name that stays as it is; a value is text that
 * fits, and is translated once. The first line is the heading, the rest the cell. */
#include "fuzz.h"
#include "site/columns.h"

static void value(enum phone_field field, const char *cell, enum column_dates dates)
{
	char out[COLUMN_CELL_MAX], twice[COLUMN_CELL_MAX];
	struct reason why = {.text = ""};
	const char *said = column_value(field, cell, dates, out, &why), *again;

	if (said == NULL) {
		law(why.text[0] != '\0');
		return;
	}
	law(why.text[0] == '\0');
	law(said != out || (ends(out, sizeof out) && (strlen(out) == 10 || strlen(out) == 19)));
	again = column_value(field, said, dates, twice, &why);
	law(again != NULL && strcmp(again, said) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size), *cell, name[PHONE_FIELD_MAX + 1], again[PHONE_FIELD_MAX + 1];
	struct reason why = {.text = ""};
	struct phone p;
	int column;

	if (text == NULL)
		return 0;
	if ((cell = strchr(text, '\n')) != NULL)
		*cell++ = '\0';
	column = column_find(text);
	law(column >= COLUMN_LEAST && column < PHONE_F_CHANGES);
	phone_init(&p, "SEP001122334455");
	if (phone_other_name(text, name, &why) == 0) {
		law(phone_other_name(name, again, &why) == 0 && strcmp(name, again) == 0);
		law(column == COLUMN_OTHER || column_find(name) == column);
		if (cell != NULL && phone_other_set(&p, name, cell, &why) == 0) {
			struct phone back;
			struct buf b = {0};

			phone_format(&p, &b);
			buf_put_u8(&b, 0);
			law(!b.failed);
			phone_init(&back, p.device);
			law(phone_parse(&back, (char *)b.p, &why) == 0 && strcmp(back.others, p.others) == 0);
			buf_free(&b);
		}
	}
	for (int f = 0; cell != NULL && f < PHONE_F_CHANGES; f++)
		for (int d = COLUMN_DATES_ISO; d <= COLUMN_DATES_MDY; d++)
			value((enum phone_field)f, cell, (enum column_dates)d);
	free(text);
	return 0;
}
