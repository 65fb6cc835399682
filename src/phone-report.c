/* SPDX-License-Identifier: ISC */
/* phone-report: everything that is known of the phones as CSV, for spreadsheets, or the sheet that field staff carry
 * to phones. It reads and changes nothing, and leaves authentication strings out unless asked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/csv.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "site/asked.h"
#include "site/lsc.h"
#include "site/phone.h"
#include "site/phonebook.h"
#include "site/sheet.h"
#include "spool/spool.h"

const char program[] = "phone-report";
const char purpose[] = "print all that is known of phones, as CSV";
const char synopsis[] =
    "[-hV] [-P seconds] [-s spool] [--bom] [--columns list | --sheet[=form]]\n"
    "    [--show-string]";

#define COLUMNS_MAX 128		/* with the fields of the site's */

enum column { C_DEVICE, C_DESCRIPTION, C_TEMPLATE, C_OPERATION, C_STATUS, C_REASON, C_WHEN, C_SCHEDULED, C_COMPLETE_BY,
	C_ATTEMPTS, C_WRONG_STRINGS, C_AUTH, C_KEY_ORDER, C_RSA, C_EC, C_VERSION, C_LSC, C_EXPIRES, C_STALE, C_STRING,
	C_COLUMNS, C_OTHER = C_COLUMNS };

static const char *const column_names[C_COLUMNS] = {"device", "description", "template", "operation", "status", "reason",
    "when", "scheduled", "complete-by", "attempts", "wrong-strings", "auth", "key-order", "rsa", "ec", "version", "lsc",
    "expires", "stale", "string"};

/* A column of the report: one of the above, or a field of the site's. */
struct wanted {
	enum column column;
	char other[PHONE_FIELD_MAX + 1];
};

#define SHEET_HEADER "device,description,string,what to press\r\n"
enum sheet { NO_SHEET, SHEET_CSV, SHEET_HTML };

struct report {
	struct spool *spool;
	struct index index;
	struct wanted wanted[COLUMNS_MAX];
	size_t n;			/* of these */
	bool bom;
	enum sheet sheet;
	struct buf row;
};

/* All of a phone that a row shows. */
struct entry {
	struct phone p;
	struct phone_state st;
	struct phone_view look;
	struct phonebook_view lsc;
	time_t expires;
	char said[PHONE_SAID_MAX + ASKED_SAID_MAX + 1];
};

/* Writes the row that is in the buffer. */
static void flush(struct report *r)
{
	if (r->row.failed)
		status_die(STATUS_TROUBLE, NULL, "out of memory");
	fwrite(r->row.p, 1, r->row.len, stdout);
	r->row.len = 0;
}

static void put_number(struct report *r, unsigned n, bool last)
{
	char text[12];

	snprintf(text, sizeof text, "%u", n);
	csv_put(&r->row, text, last);
}

/* Empty for 0. */
static void put_time(struct report *r, time_t t, bool last)
{
	char iso[UTC_ISO + 1] = "";

	if (t != 0)
		utc_iso(t, iso);
	csv_put(&r->row, iso, last);
}

static void put_other(struct report *r, const struct phone *p, const char *name, bool last)
{
	char each[PHONE_FIELD_MAX + 1], value[PHONE_TEXT_MAX + 1];
	size_t at = 0;

	while (phone_other_next(p, &at, each, value))
		if (strcmp(each, name) == 0) {
			csv_put_text(&r->row, value, last);
			return;
		}
	csv_put(&r->row, "", last);
}

static void put_cell(struct report *r, const struct entry *f, const struct wanted *w, bool last)
{
	const struct phone *p = &f->p;

	switch (w->column) {
	case C_DEVICE:
		csv_put_text(&r->row, p->device, last);
		break;
	case C_DESCRIPTION:
		csv_put_text(&r->row, p->description, last);
		break;
	case C_TEMPLATE:
		csv_put_text(&r->row, p->template, last);
		break;
	case C_OPERATION:
		csv_put(&r->row, phone_operations[p->operation], last);
		break;
	case C_STATUS:
		csv_put(&r->row, phone_statuses[f->look.status], last);
		break;
	case C_REASON:
		csv_put_text(&r->row, f->said, last);
		break;
	case C_WHEN:
		put_time(r, f->look.when, last);
		break;
	case C_SCHEDULED:
		put_time(r, p->scheduled, last);
		break;
	case C_COMPLETE_BY:
		put_time(r, p->complete_by, last);
		break;
	case C_ATTEMPTS:
		put_number(r, f->st.attempts, last);
		break;
	case C_WRONG_STRINGS:
		put_number(r, f->st.wrong_strings, last);
		break;
	case C_AUTH:
		csv_put(&r->row, phone_auths[p->auth], last);
		break;
	case C_KEY_ORDER:
		csv_put(&r->row, phone_key_orders[p->key_order], last);
		break;
	case C_RSA:
		put_number(r, p->rsa, last);
		break;
	case C_EC:
		put_number(r, p->ec, last);
		break;
	case C_VERSION:
		put_number(r, f->st.version, last);
		break;
	case C_LSC:
		csv_put(&r->row, phonebook_lscs[f->lsc.lsc], last);
		break;
	case C_EXPIRES:
		put_time(r, f->expires, last);
		break;
	case C_STALE:
		csv_put(&r->row, f->lsc.stale ? "yes" : "no", last);
		break;
	case C_STRING:
		csv_put_text(&r->row, phone_string(p, &f->st), last);
		break;
	case C_OTHER:
		put_other(r, p, w->other, last);
		break;
	}
}

static void put_header(struct report *r)
{
	for (size_t i = 0; i < r->n; i++)
		csv_put_text(&r->row, r->wanted[i].column == C_OTHER ? r->wanted[i].other :
		    column_names[r->wanted[i].column], i + 1 == r->n);
	flush(r);
}

/* Whoever is not pending needs no visit. */
static void put_sheet(struct report *r, const struct entry *f)
{
	const char *string = f->p.auth == PHONE_BY_STRING ? phone_string(&f->p, &f->st) : "";

	if (f->look.status != PHONE_PENDING)
		return;
	if (r->sheet == SHEET_HTML) {
		sheet_row(&r->row, f->p.device, f->p.description, string, sheet_press(&f->p));
		return;
	}
	csv_put_text(&r->row, f->p.device, false);
	csv_put_text(&r->row, f->p.description, false);
	csv_put_text(&r->row, string, false);
	csv_put_text(&r->row, sheet_press(&f->p), true);
}

static int report(struct report *r, const struct phonebook_name *name)
{
	static const struct phone_state none = {.status = PHONE_PENDING};
	const char *device = name->device;
	struct entry f = {.expires = 0};
	struct phone_state note = none;
	struct reason why;
	int found = phonebook_load(r->spool, device, &f.p, &f.st, &why), status = STATUS_OK;

	if (found < 0)
		status_warn(device, "its record: %s", why.text);
	if (found <= 0)
		return found < 0 ? status_of_item(why.trouble) : STATUS_OK;
	phonebook_look(&r->index, device, &f.lsc);
	if (f.lsc.cert != NULL && lsc_not_after(r->spool, f.lsc.cert->dir, &f.lsc.cert->reqid, &f.expires,
	    &why) != 0 && errno != ENOENT) {
		status_warn(device, "its certificate: %s", why.text);
		status = status_of_item(why.trouble);
	}
	if (name->note && phonebook_note(r->spool, device, &note, &why) < 0) {
		status_warn(device, "%s", why.text);
		status = status_worst(status, status_of_item(why.trouble));
	}
	phone_look(&f.p, &f.st, r->spool->now, &f.look);
	phone_say(&f.p, &note, &f.look, f.said);
	if (f.look.status == PHONE_PENDING && f.lsc.request != NULL)
		asked_say(r->spool, f.lsc.request->reqid.spki, f.said, sizeof f.said);
	if (r->sheet != NO_SHEET)
		put_sheet(r, &f);
	/* Counts of an earlier order are of no interest. */
	if (f.p.scheduled == 0 || f.st.order != f.p.order)
		f.st = none;
	for (size_t i = 0; i < r->n; i++)
		put_cell(r, &f, &r->wanted[i], i + 1 == r->n);
	flush(r);
	explicit_bzero(&f, sizeof f);
	return status;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The fields that the phones have, sorted; the caller frees. What cannot be read now is told later. */
static size_t list_others(const struct report *r, const struct phonebook_name *list, size_t n,
    char (*names)[PHONE_FIELD_MAX + 1], size_t room)
{
	char name[PHONE_FIELD_MAX + 1], value[PHONE_TEXT_MAX + 1];
	struct phone_state st;
	struct reason why;
	struct phone p;
	size_t known = 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = 0;

		if (!list[i].settings || phonebook_load(r->spool, list[i].device, &p, &st, &why) != 1)
			continue;
		while (phone_other_next(&p, &at, name, value)) {
			if (bsearch(name, names, known, sizeof *names, compare) != NULL)
				continue;
			if (known == room)
				status_die(STATUS_USAGE, NULL, "phones have more than %zu different fields: name those "
				    "to show with --columns", room);
			strcpy(names[known++], name);
			qsort(names, known, sizeof *names, compare);
		}
	}
	explicit_bzero(&p, sizeof p);
	return known;
}

static void want(struct report *r, enum column column, const char *other)
{
	if (r->n == COLUMNS_MAX)
		status_usage("--columns: there are more than %d", COLUMNS_MAX);
	r->wanted[r->n].column = column;
	snprintf(r->wanted[r->n++].other, sizeof r->wanted[0].other, "%.*s", PHONE_FIELD_MAX, other);
}

/* The columns that an option names; "" when it is no field either. */
static void want_named(struct report *r, const char *columns, char (*others)[PHONE_FIELD_MAX + 1], size_t n)
{
	char name[PHONE_FIELD_MAX + 1], heading[128];
	struct reason why;

	for (const char *p = columns;; p++) {
		size_t len = strcspn(p, ",");
		int c = 0;

		/* As phone-add makes it of a heading. */
		snprintf(heading, sizeof heading, "%.*s", (int)len, p);
		if (phone_other_name(heading, name, &why) != 0)
			*name = '\0';
		while (c < C_COLUMNS && strcmp(column_names[c], name) != 0)
			c++;
		if (c == C_COLUMNS && bsearch(name, others, n, sizeof *others, compare) == NULL)
			status_usage("--columns: there is no column \"%.*s\"", (int)(len < 40 ? len : 40), p);
		want(r, (enum column)c, c == C_COLUMNS ? name : "");
		p += len;
		if (*p == '\0')
			break;
	}
}

/* What the report shall show. */
static void choose(struct report *r, const char *columns, bool show_string, const struct phonebook_name *list, size_t n)
{
	char others[COLUMNS_MAX - C_COLUMNS][PHONE_FIELD_MAX + 1];
	size_t known = list_others(r, list, n, others, sizeof others / sizeof others[0]);

	if (columns != NULL) {
		want_named(r, columns, others, known);
		return;
	}
	for (int c = C_DEVICE; c < C_STRING; c++)
		want(r, (enum column)c, "");
	for (size_t i = 0; i < known; i++)
		want(r, C_OTHER, others[i]);
	if (show_string)
		want(r, C_STRING, "");
}

static void begin(struct report *r)
{
	if (r->bom && r->sheet != SHEET_HTML)
		buf_put(&r->row, "\xef\xbb\xbf", 3);
	if (r->sheet == SHEET_CSV)
		buf_put(&r->row, SHEET_HEADER, strlen(SHEET_HEADER));
	if (r->sheet == SHEET_HTML)
		sheet_begin(&r->row, r->spool->now);
	if (r->sheet == NO_SHEET)
		put_header(r);
	flush(r);
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *columns = NULL, *sheet = NULL;
	struct report r = {.sheet = NO_SHEET};
	bool show_string = false;
	struct phonebook_name *list;
	int status = STATUS_OK;
	time_t now = time(NULL);
	size_t n;
	const struct option_spec options[] = {
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_FLAG(0, "bom", &r.bom, "begin with a byte order mark, for Excel"),
		OPT_TEXT(0, "columns", "LIST", &columns,
		    "only these columns, with commas between; string is one of them"),
		OPT_MAYBE(0, "sheet", "FORM", &sheet,
		    "what field staff carry, with authentication strings: csv, or html for printing"),
		OPT_FLAG(0, "show-string", &show_string,
		    "print the authentication string as the last column"),
		{0},
	};

	if (options_parse(argc, argv, options) != argc)
		status_usage("takes no arguments");
	if (columns != NULL && (sheet != NULL || show_string || *columns == '\0'))
		status_usage(*columns == '\0' ? "--columns wants names of columns" :
		    "--columns excludes --sheet, and names string instead of --show-string");
	if (sheet != NULL && *sheet != '\0' && strcmp(sheet, "csv") != 0 && strcmp(sheet, "html") != 0)
		status_usage("--sheet: %s is not one of csv, html", sheet);
	if (sheet != NULL)
		r.sheet = strcmp(sheet, "html") == 0 ? SHEET_HTML : SHEET_CSV;
	if (r.bom && r.sheet == SHEET_HTML)
		status_usage("--bom is for CSV");
	r.spool = open_spool(path, now);
	confine_below(SANDBOX_READER, r.spool->root, NULL, 0);
	if (phonebook_list(r.spool, &list, &n) != 0 || phonebook_index(&r.index, r.spool, list, n) != 0)
		status_die_errno(path, "cannot list");
	if (r.sheet == NO_SHEET)
		choose(&r, columns, show_string, list, n);
	begin(&r);
	for (size_t i = 0; i < n; i++)
		if (list[i].settings)
			status = status_worst(status, report(&r, &list[i]));
	if (r.sheet == SHEET_HTML)
		sheet_end(&r.row);
	flush(&r);
	free(list);
	index_free(&r.index);
	buf_free(&r.row);
	spool_close(r.spool);
	return status_flush(status);
}
