/* SPDX-License-Identifier: ISC */
/* phone-add: new phones, from names or from CSV with a header. A row that is no good is refused with a
 * line, the others go in, all at once. It changes no phone that is there unless told to. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/device.h"
#include "base/fileio.h"
#include "base/text_encoding.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "cli/csv_file.h"
#include "site/columns.h"
#include "site/phone.h"
#include "site/phone_lock.h"
#include "site/phonebook.h"
#include "site/settings.h"
#include "spool/journal.h"
#include "spool/spool.h"

#define GENERATE "generate"	/* in the column string */

const char program[] = "phone-add";
const char purpose[] = "add phones, by name or from CSV";
const char synopsis[] =
    "[-0hnuV] [-c file | -f file] [-P seconds] [-s spool] [-t template] [--again] [--any-name]\n"
    "    [--dates order] [--encoding name] [--ignore-unknown] [device ...]";

/* What a row says beside the fields that a phone_change has. */
struct row {
	const char *where;		/* "file:7"; NULL for a name that is no row */
	size_t line;
	const char *status;		/* of its operation, as phone-report wrote it, or NULL */
	const struct csv *csv;
	const struct heading *heading;
};

struct heading {
	int column;			/* of column_find */
	char other[PHONE_FIELD_MAX + 1];	/* the field, with COLUMN_OTHER; "": ignored */
};

/* A device that a row of the table has given. */
struct seen {
	char device[DEVICE_MAX + 1];
	size_t line;
};

struct adding {
	struct spool *spool;
	struct phone_lock lock;		/* of those that are there already */
	struct index index;		/* what they have in the spool, read for the first order */
	bool indexed;
	struct settings settings;
	const char *template;		/* of the command line, or NULL */
	struct phone_change under;	/* what the template in under_name says */
	char under_name[DEVICE_MAX + 1];
	bool update, dry_run, any_name, again, ignore_unknown;
	bool known;			/* of one all is there already */
	enum column_dates dates;
	void *rows;			/* struct seen, for tsearch */
	struct buf items;		/* struct phonebook_item */
	int status;
	struct progress progress;
	size_t seen, added, changed, refused;
};

/* object is the device, or where a row was read. */
static void refuse(struct adding *add, const char *object, const struct reason *why)
{
	status_warn(object, "%s", why->text);
	add->status = status_worst(add->status, status_of_item(why->trouble));
	add->refused++;
}

/* The values of a template, kept from one row to the next. The default one need not exist. */
static int find_template(struct adding *add, const char *name, struct reason *why)
{
	bool optional = name == NULL;
	int n;

	name = optional ? "default" : name;
	if (strcmp(name, add->under_name) == 0)
		return 0;
	phone_change_free(&add->under);
	add->under_name[0] = '\0';
	if (strlen(name) > DEVICE_MAX || strchr(name, '.') != NULL ||
	    (n = phone_template(add->spool->root, name, &add->under, add->spool->now, why)) == 0)
		n = optional ? 0 : reason_set(why, "there is no template \"%.40s\"", name);
	if (n < 0)
		return -1;
	strcpy(add->under_name, name);
	return 0;
}

/* A device that was deleted may have left certificates. */
static time_t newest(struct adding *add, const char *device)
{
	if (!add->indexed && index_load(&add->index, add->spool, PHONEBOOK_ORDERED) != 0)
		status_die_errno(add->spool->path, "cannot list");
	add->indexed = true;
	return phonebook_newest(&add->index, device);
}

/* The name as the record has it: tidied, unless there is a record that is called just so. */
static int find_name(struct adding *add, const char *typed, char device[DEVICE_MAX + 1], struct reason *why)
{
	if (device_ok(typed, strlen(typed)) && phonebook_has(add->spool, typed)) {
		strcpy(device, typed);
		return 0;
	}
	if (device_typed(typed, add->any_name, device, why) == 0)
		return 0;
	*device = '\0';
	return -1;
}

/* Is it the time that the phone has already? */
static bool same_time(const char *cell, time_t t)
{
	char iso[UTC_ISO + 1] = "";

	if (t != 0)
		utc_iso(t, iso);
	return strcmp(cell, iso) == 0;
}

/* A row of a report is an order only when it says something new: not what the phone has to do already, and for a new
 * phone not what another server was done with. */
static bool is_news(const struct row *row, const char *operation, const struct phone *p, bool found)
{
	if (row->status == NULL)
		return true;
	return strcmp(operation, phone_operations[p->operation]) != 0 && (found ||
	    (strcmp(row->status, phone_statuses[PHONE_SUCCESSFUL]) != 0 &&
	    strcmp(row->status, phone_statuses[PHONE_FAILED]) != 0));
}

/* A string of its own, in digits, which are not printed before it is stored. */
static int generate(struct adding *add, struct phonebook_item *item, const struct phone_state *st, char *digits,
    struct reason *why)
{
	if (!add->again && phone_string_waits(&item->phone, st, add->spool->now))
		return reason_set(why, PHONE_STRING_WAITS);
	if (phone_generate(digits, add->settings.string_digits) != 0)
		status_die_errno(NULL, "cannot get random numbers");
	item->generated = true;
	return 0;
}

/* The fields of the site's. */
static int put_others(const struct row *row, struct phone *p, struct reason *why)
{
	for (size_t i = 0; row->csv != NULL && i < row->csv->n; i++)
		if (row->heading[i].column == COLUMN_OTHER && *row->heading[i].other != '\0' &&
		    *row->csv->cell[i] != '\0' &&
		    phone_other_set(p, row->heading[i].other, csv_plain(row->csv->cell[i]), why) != 0)
			return -1;
	return 0;
}

/* A phone as it shall be. -1 with a reason. */
static int make(struct adding *add, const char *device, const struct row *row, struct phone_change *change,
    struct phonebook_item *item, struct reason *why)
{
	const char **value = change->value;
	char digits[AUTH_STRING_MAX + 1];
	bool generates = value[PHONE_F_STRING] != NULL && strcasecmp(value[PHONE_F_STRING], GENERATE) == 0;
	struct phone_state st;
	struct phone before;
	int found, result;

	/* A new one needs no lock: it is there already, or it is not. */
	if (add->update && !add->dry_run && phone_lock_wait(&add->lock, device) != 0)
		status_die_errno(device, "cannot lock its record");
	if ((found = phonebook_load(add->spool, device, &item->phone, &st, why)) < 0)
		return -1;
	if (found && !add->update) {
		add->known = true;
		return reason_set(why, "is there already");
	}
	item->fresh = !found;
	before = item->phone;
	/* The deadline of an order that is there already may be over, and is no deadline for another one. */
	if (row->status != NULL && found && value[PHONE_F_COMPLETE_BY] != NULL &&
	    same_time(value[PHONE_F_COMPLETE_BY], item->phone.complete_by))
		value[PHONE_F_COMPLETE_BY] = NULL;
	if (value[PHONE_F_OPERATION] != NULL && !is_news(row, value[PHONE_F_OPERATION], &item->phone, found == 1)) {
		value[PHONE_F_OPERATION] = NULL;
		if (!found)
			value[PHONE_F_COMPLETE_BY] = NULL;
	}
	if (generates && generate(add, item, &st, digits, why) != 0)
		return -1;
	if (generates)
		value[PHONE_F_STRING] = digits;
	if (value[PHONE_F_TEMPLATE] == NULL)
		value[PHONE_F_TEMPLATE] = add->template;
	/* The default is for new phones; a template that is named is for all. */
	if (!found || value[PHONE_F_TEMPLATE] != NULL) {
		if (find_template(add, value[PHONE_F_TEMPLATE], why) != 0)
			return -1;
		for (int f = 0; f < PHONE_F_CHANGES; f++)
			if (value[f] == NULL)
				value[f] = add->under.value[f];
	}
	result = phone_apply(&item->phone, &st, change, add->spool->now,
	    value[PHONE_F_OPERATION] != NULL ? newest(add, device) : 0, add->settings.operation_expires, why);
	if (result == 0)
		result = put_others(row, &item->phone, why);
	item->same = result == 0 && found && phone_same(&before, &item->phone);
	explicit_bzero(digits, sizeof digits);
	explicit_bzero(&before, sizeof before);
	/* A program that wrote it may have died before that was durable. */
	add->known |= item->same;
	return result;
}

static int compare_seen(const void *a, const void *b)
{
	return strcmp(((const struct seen *)a)->device, ((const struct seen *)b)->device);
}

/* Of two rows for one device the first counts. -1 with a reason, which says where that is. */
static int remember(struct adding *add, const char *device, size_t line, struct reason *why)
{
	struct seen *s = calloc(1, sizeof *s), **found = NULL;

	if (s != NULL) {
		strcpy(s->device, device);
		s->line = line;
		found = (struct seen **)tsearch(s, &add->rows, compare_seen);
	}
	if (found == NULL)
		status_die(STATUS_TROUBLE, NULL, "out of memory");
	if (*found == s)
		return 0;
	free(s);
	return reason_set(why, "comes twice: line %zu has it as well, and counts", (*found)->line);
}

static void add_one(struct adding *add, const char *typed, const struct row *row, struct phone_change *change)
{
	struct phonebook_item item = {.fresh = true};
	char object[512], device[DEVICE_MAX + 1] = "";
	struct reason why;

	progress_show(&add->progress, ++add->seen);
	if (find_name(add, typed, device, &why) == 0 &&
	    (row->where == NULL || remember(add, device, row->line, &why) == 0) &&
	    make(add, device, row, change, &item, &why) == 0) {
		buf_put(&add->items, &item, sizeof item);
	} else {
		snprintf(object, sizeof object, "%s%s%s", row->where != NULL ? row->where : "",
		    row->where != NULL && *device != '\0' ? ": " : "", device);
		refuse(add, *object != '\0' ? object : NULL, &why);
	}
	explicit_bzero(&item, sizeof item);
}

static void add_name(struct adding *add, const char *device)
{
	struct phone_change nothing = {.keep_string = false};

	add_one(add, device, &(struct row){.where = NULL}, &nothing);
}

static void add_lines(struct adding *add, const char *path, bool zero)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	struct buf all = {0};
	char *line = NULL;
	size_t room = 0;

	if (in == NULL)
		status_die_path(path, "cannot open");
	while (fileio_line(in, zero, &line, &room) != NULL) {
		/* So that a list can be piped with all its columns. */
		if (!zero)
			line[strcspn(line, "\t")] = '\0';
		if (line[strspn(line, " \t\r")] != '\0')
			buf_put(&all, line, strlen(line) + 1);
	}
	if (ferror(in))
		status_die_path(path, "cannot read");
	if (all.failed)
		status_die(STATUS_TROUBLE, NULL, "out of memory");
	/* Locks are not held while somebody types. */
	for (size_t at = 0; at < all.len; at += strlen((char *)all.p + at) + 1)
		add_name(add, (char *)all.p + at);
	buf_free(&all);
	free(line);
	if (in != stdin)
		fclose(in);
}

/* What each column is. Those that spreadsheets leave empty at the end do not count: returns how many do. */
static size_t read_header(struct adding *add, struct csv_file *t, struct heading *heading)
{
	size_t seen[PHONE_F_CHANGES - COLUMN_LEAST] = {0}, n;
	char others[512] = "";
	struct reason why;
	int result = csv_row(&t->csv, &why);

	if (result <= 0)
		status_die(STATUS_USAGE, t->name, "%s", result == 0 ? "has no header" : why.text);
	for (n = t->csv.n; n > 0 && *t->csv.cell[n - 1] == '\0'; n--)
		;
	for (size_t i = 0; i < n; i++) {
		struct heading *h = &heading[i];
		const char *name = csv_plain(t->csv.cell[i]);

		*h = (struct heading){.column = column_find(name)};
		if (h->column == COLUMN_OTHER && !add->ignore_unknown) {
			if (phone_other_name(name, h->other, &why) != 0)
				status_die(STATUS_USAGE, t->name, "%s; --ignore-unknown goes on without it", why.text);
			for (size_t k = 0; k < i; k++)
				if (strcmp(heading[k].other, h->other) == 0)
					status_die(STATUS_USAGE, t->name, "the column %s comes twice", name);
			snprintf(others + strlen(others), sizeof others - strlen(others), "%s%s",
			    *others != '\0' ? ", " : "", h->other);
		} else if (h->column != COLUMN_OTHER && h->column != COLUMN_REPORT && seen[h->column - COLUMN_LEAST]++ > 0) {
			status_die(STATUS_USAGE, t->name, "the column %s comes twice", name);
		}
	}
	if (seen[COLUMN_DEVICE - COLUMN_LEAST] + seen[COLUMN_MAC - COLUMN_LEAST] == 0)
		status_die(STATUS_USAGE, t->name, "there is no column device, Device Name or MAC Address");
	if (*others != '\0')
		status_warn(t->name, "other columns are kept as fields: %s (--ignore-unknown leaves them out)", others);
	return n;
}

/* The device of a row: its name, or without one SEP and its MAC address. */
static const char *row_device(const struct csv *csv, const struct heading *heading, size_t n,
    char out[DEVICE_MAX + 1])
{
	const char *name = "", *mac = "";
	char digits[DEVICE_MAC + 1];

	for (size_t i = 0; i < n; i++) {
		if (heading[i].column == COLUMN_DEVICE)
			name = csv_plain(csv->cell[i]);
		if (heading[i].column == COLUMN_MAC)
			mac = csv_plain(csv->cell[i]);
	}
	if (*name != '\0' || *mac == '\0')
		return name;
	if (!device_mac(mac + strspn(mac, " "), digits))
		return mac;
	snprintf(out, DEVICE_MAX + 1, "SEP%s", digits);
	return out;
}

static void add_row(struct adding *add, const struct csv *csv, const struct heading *heading, size_t n,
    const char *where)
{
	char own[DEVICE_MAX + 1], cells[PHONE_F_CHANGES][COLUMN_CELL_MAX];
	struct row row = {.where = where, .line = csv->line, .csv = csv, .heading = heading};
	struct phone_change change = {.keep_string = false};
	struct reason why;

	/* An empty cell says nothing. */
	for (size_t i = 0; i < n; i++) {
		const char *cell = csv_plain(csv->cell[i]);
		int f = heading[i].column;

		if (*cell == '\0')
			continue;
		if (f == COLUMN_STATUS)
			row.status = cell;
		else if (f >= 0 && (change.value[f] = column_value((enum phone_field)f, cell, add->dates, cells[f], &why)) == NULL) {
			refuse(add, where, &why);
			return;
		}
	}
	add_one(add, row_device(csv, heading, n, own), &row, &change);
}

/* Is there anything in a row? Spreadsheets write empty rows as commas. 0; 1 when there is; -1 with a reason. */
static int check_row(struct csv *csv, size_t columns, struct reason *why)
{
	size_t last = csv->n;

	while (last > 0 && *csv->cell[last - 1] == '\0')
		last--;
	if (last == 0)
		return 0;
	if (last > columns || csv->n < columns)
		return reason_set(why, "has %zu cells, the header %zu", csv->n, columns);
	csv->n = columns;
	return 1;
}

static void add_csv(struct adding *add, const char *path, const char *encoding)
{
	struct heading heading[CSV_CELLS_MAX];
	struct csv_file table;
	char where[256];
	struct reason why;
	size_t columns;
	int result;

	csv_file_read(&table, path, encoding);
	columns = read_header(add, &table, heading);
	while ((result = csv_row(&table.csv, &why)) != 0) {
		snprintf(where, sizeof where, "%.200s:%zu", table.name, table.csv.line);
		if (result > 0)
			result = check_row(&table.csv, columns, &why);
		if (result > 0)
			add_row(add, &table.csv, heading, columns, where);
		else if (result < 0)
			refuse(add, where, &why);
	}
	csv_file_free(&table);
}

/* What happens to a phone, for the journal. */
static const char *word(const struct phonebook_item *item)
{
	return item->fresh ? "added" : "changed";
}

/* Why a phone was not written: another one of its name came first. */
static void refuse_second(struct adding *add, const struct phonebook_item *item)
{
	refuse(add, item->phone.device, item->fresh ? &(struct reason){.text = "is there already"} :
	    &(struct reason){.text = "comes twice"});
}

/* By name, and the first one first. */
static int compare(const void *a, const void *b)
{
	const struct phonebook_item *x = *(struct phonebook_item *const *)a, *y = *(struct phonebook_item *const *)b;
	int order = strcmp(x->phone.device, y->phone.device);

	return order != 0 ? order : x < y ? -1 : 1;
}

/* Refuses all but the first of each name, and leaves only those that are to be written. */
static void settle(struct adding *add)
{
	struct phonebook_item *item = (struct phonebook_item *)(void *)add->items.p;
	size_t n = add->items.len / sizeof *item, kept = 0;
	struct phonebook_item **sorted = calloc(n + 1, sizeof *sorted);

	if (sorted == NULL || add->items.failed)
		status_die(STATUS_TROUBLE, NULL, "out of memory");
	for (size_t i = 0; i < n; i++)
		sorted[i] = &item[i];
	if (n > 0)
		qsort(sorted, n, sizeof *sorted, compare);
	for (size_t i = 1; i < n; i++)
		if (strcmp(sorted[i - 1]->phone.device, sorted[i]->phone.device) == 0)
			sorted[i]->error = EEXIST;
	free(sorted);
	for (size_t i = 0; i < n; i++) {
		if (item[i].error != 0)
			refuse_second(add, &item[i]);
		else if (!item[i].same)
			item[kept++] = item[i];
	}
	add->items.len = kept * sizeof *item;
	if (kept < n)
		explicit_bzero(item + kept, (n - kept) * sizeof *item);
}

/* What commit would do. */
static void tell(const struct adding *add)
{
	const struct phonebook_item *item = (const struct phonebook_item *)(const void *)add->items.p;

	for (size_t i = 0; i < add->items.len / sizeof *item; i++)
		printf("%s\t%s\n", item[i].phone.device, word(&item[i]));
}

static void commit(struct adding *add)
{
	struct phonebook_item *item = (struct phonebook_item *)(void *)add->items.p;
	size_t n = add->items.len / sizeof *item;

	progress_start(&add->progress, "phones", n);
	progress_of_spool(&add->progress, add->spool, 1);
	/* A program that added the same phone may have died before that was durable. */
	if (phonebook_save(add->spool, item, n) != 0 ||
	    (n == 0 && add->known && spool_sync(add->spool, SPOOL_PHONE) != 0))
		status_die_errno(spool_dir_name(SPOOL_PHONE), "cannot write");
	progress_end(&add->progress);
	phone_lock_drop(&add->lock);
	for (size_t i = 0; i < n; i++) {
		if (item[i].error != 0) {
			refuse_second(add, &item[i]);
			continue;
		}
		journal_add_text(add->spool, word(&item[i]), item[i].phone.device);
		*(item[i].fresh ? &add->added : &add->changed) += 1;
	}
	add->status = open_spool_flush(add->spool, add->status);
	for (size_t i = 0; i < n; i++)
		if (item[i].error == 0 && item[i].generated)
			printf("%s\t%s\n", item[i].phone.device, item[i].phone.string);
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *csv = NULL, *file = NULL, *encoding = NULL, *from;
	struct adding add = {.status = STATUS_OK};
	time_t now = time(NULL);
	bool null = false;
	int dates = -1;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &null,
		    "names in the file or on stdin end with NUL, not newline"),
		OPT_TEXT('c', "csv", "FILE", &csv, "read CSV from this file; - is stdin"),
		OPT_TEXT('f', "file", "FILE", &file,
		    "read device names from this file too; - is stdin"),
		OPT_FLAG('n', "dry-run", &add.dry_run, "say what would be added, and change nothing"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_TEXT('t', "template", "TEMPLATE", &add.template,
		    "begin with this template of capf.conf"),
		OPT_FLAG('u', "update", &add.update,
		    "change phones that exist; empty cells change nothing"),
		OPT_FLAG(0, "again", &add.again,
		    "generate a string also for phones that have one, which is void then"),
		OPT_FLAG(0, "any-name", &add.any_name,
		    "take names as they are, also those that look like typing errors"),
		OPT_INDEX(0, "dates", "ORDER", &dates, column_dates,
		    "how dates in CSV are written: 2026-12-31, 31.12.2026, 12/31/2026"),
		OPT_TEXT(0, "encoding", "NAME", &encoding,
		    "how CSV is encoded: utf-8, utf-16, utf-16be or windows-1252"),
		OPT_FLAG(0, "ignore-unknown", &add.ignore_unknown,
		    "leave out other columns of CSV, instead of keeping them as fields"),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	struct reason why;

	if (csv != NULL && (file != NULL || arg != argc))
		status_usage("takes names or CSV, not both");
	if (csv == NULL && (dates >= 0 || encoding != NULL || add.ignore_unknown))
		status_usage("--dates, --encoding and --ignore-unknown are for --csv");
	add.dates = dates >= 0 ? (enum column_dates)dates : COLUMN_DATES_ISO;
	if (encoding != NULL && text_encoding_named(encoding) < 0)
		status_usage("--encoding: %s is not one of utf-8, utf-16, utf-16be, windows-1252", encoding);
	/* Names come down a pipe, but nobody shall wait for a keyboard. */
	if (arg == argc && csv == NULL && file == NULL && isatty(STDIN_FILENO))
		status_usage("wants device names, or --csv");
	if (arg == argc && csv == NULL && file == NULL)
		file = "-";
	add.spool = add.dry_run ? open_spool(path, now) : open_spool_to_change(path, now);
	from = csv != NULL ? csv : file;
	confine_below(add.dry_run ? SANDBOX_READER : SANDBOX_WRITER, add.spool->root, &from, from != NULL);
	phone_lock_init(&add.lock, add.spool);
	if (settings_load(&add.settings, add.spool->root, &why) != 0)
		status_die(status_of_input(why.trouble), SPOOL_CONF, "%s", why.text);
	if (find_template(&add, add.template, &why) != 0)
		status_die(status_of_input(why.trouble), SPOOL_CONF, "%s", why.text);
	progress_start(&add.progress, "phones read", 0);
	for (int i = arg; i < argc; i++)
		add_name(&add, argv[i]);
	if (file != NULL)
		add_lines(&add, file, null);
	if (csv != NULL)
		add_csv(&add, csv, encoding);
	progress_end(&add.progress);
	settle(&add);
	if (add.dry_run)
		tell(&add);
	else
		commit(&add);
	tdestroy(add.rows, free);
	if (!add.dry_run)
		progress_totals((struct progress_total[]){{add.added, "added"}, {add.changed, "changed"},
		    {add.refused, "refused"}}, 3);
	if (add.items.len > 0)
		explicit_bzero(add.items.p, add.items.len);
	buf_free(&add.items);
	phone_change_free(&add.under);
	index_free(&add.index);
	phone_lock_close(&add.lock);
	spool_close(add.spool);
	return status_flush(add.status);
}
