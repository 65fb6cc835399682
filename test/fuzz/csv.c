/* SPDX-License-Identifier: ISC */
/* Tables: rows that are read, written and read again are the same, also as text, and lines are counted rightly. The first
 * byte says whether the separator is looked for. */
#include "base/csv.h"
#include "fuzz.h"

/* What csv_put makes of a cell: an apostrophe before what a spreadsheet would compute. */
static bool same_cell(const char *was, const char *is)
{
	bool formula = *was != '\0' && strchr("=+-@\t\r", *was) != NULL;

	return formula ? *is == '\'' && strcmp(was, is + 1) == 0 : strcmp(was, is) == 0;
}

/* As text a cell comes back exactly. */
static void text_round_trip(const char *cell)
{
	struct buf b = {0};
	struct csv again;
	struct reason why;

	csv_put_text(&b, "header", false);
	csv_put_text(&b, cell, true);
	buf_put_u8(&b, 0);
	law(!b.failed);
	csv_open(&again, (char *)b.p, b.len - 1);
	law(csv_row(&again, &why) == 1 && again.n == 2 && strcmp(csv_plain(again.cell[1]), cell) == 0);
	buf_free(&b);
}

static void round_trip(const struct csv *row)
{
	struct buf b = {0};
	struct csv again;
	struct reason why;

	/* A header in front, or a first cell could pass for a byte order mark. */
	csv_put(&b, "header", true);
	for (size_t i = 0; i < row->n; i++)
		csv_put(&b, row->cell[i], i + 1 == row->n);
	buf_put_u8(&b, 0);
	law(!b.failed);
	csv_open(&again, (char *)b.p, b.len - 1);
	law(csv_row(&again, &why) == 1 && again.n == 1);
	/* One empty cell is an empty line. */
	if (row->n == 1 && *row->cell[0] == '\0') {
		law(csv_row(&again, &why) == 0);
	} else {
		law(csv_row(&again, &why) == 1 && again.n == row->n);
		for (size_t i = 0; i < row->n; i++)
			law(same_cell(row->cell[i], again.cell[i]));
		law(csv_row(&again, &why) == 0);
	}
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t lines = 1, rows = 0, line = 0;
	bool detect = size > 0 && *data == 0xff;
	char *text;
	struct csv csv;
	int result;

	data += detect;
	size -= detect;
	law((text = malloc(size + 1)) != NULL);
	if (size > 0)
		memcpy(text, data, size);
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	csv_open(&csv, text, size);
	if (detect)
		csv_detect(&csv);
	law(strchr(",;\t", csv.separator) != NULL);
	for (;;) {
		struct reason why = {.text = ""};

		if ((result = csv_row(&csv, &why)) == 0)
			break;
		law(++rows <= size && csv.line > line && csv.line <= lines);
		line = csv.line;
		law((result < 0) == (why.text[0] != '\0'));
		if (result < 0)
			continue;
		law(csv.n > 0 && csv.n <= CSV_CELLS_MAX);
		for (size_t i = 0; i < csv.n; i++)
			law(csv.cell[i] >= text &&
			    csv.cell[i] + strlen(csv.cell[i]) <= text + size);
		for (size_t i = 0; i < csv.n; i++)
			text_round_trip(csv.cell[i]);
		round_trip(&csv);
	}
	law(csv.next == lines);
	free(text);
	return 0;
}
