/* SPDX-License-Identifier: ISC */
/* phone-add: new phones, from names or from CSV with a header. A row that is no good is refused with a
 * line, the others go in, all at once. It changes no phone that is there unless told to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/csv.h"
#include "base/device.h"
#include "base/fileio.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "site/phone.h"
#include "site/phone_lock.h"
#include "site/phonebook.h"
#include "site/settings.h"
#include "spool/journal.h"
#include "spool/spool.h"

/* Some 100,000 rows with all columns full. */
#define MAX_CSV_BYTES (64u << 20)
#define DEVICE_COLUMN (-1)

const char program[] = "phone-add";
const char purpose[] = "add phones, by name or from CSV";
const char synopsis[] =
    "[-0huV] [-c file | -f file] [-P seconds] [-s spool] [-t template] [device ...]";

struct adding {
	struct spool *spool;
	struct phone_lock lock;		/* of those that are there already */
	struct index index;		/* what they have in the spool, read for the first order */
	bool indexed;
	struct settings settings;
	const char *template;		/* of the command line, or NULL */
	struct phone_change under;	/* what the template in under_name says */
	char under_name[DEVICE_MAX + 1];
	bool update, known;
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

/* A phone as it shall be. -1 with a reason. */
static int make(struct adding *add, const char *device, struct phone_change *change,
    struct phonebook_item *item, struct reason *why)
{
	const char **value = change->value;
	struct phone_state st;
	int found;

	if (!device_ok(device, strlen(device)))
		return reason_set(why, *device != '\0' ? "\"%.80s\" is not a device name" :
		    "has no device name", device);
	/* A new one needs no lock: it is there already, or it is not. */
	if (add->update && phone_lock_wait(&add->lock, device) != 0)
		status_die_errno(device, "cannot lock its record");
	if ((found = phonebook_load(add->spool, device, &item->phone, &st, why)) < 0)
		return -1;
	if (found && !add->update) {
		add->known = true;
		return reason_set(why, "is there already");
	}
	item->fresh = !found;
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
	return phone_apply(&item->phone, &st, change, add->spool->now,
	    value[PHONE_F_OPERATION] != NULL ? newest(add, device) : 0, add->settings.operation_expires, why);
}

static void add_one(struct adding *add, const char *device, const char *where,
    struct phone_change *change)
{
	struct phonebook_item item = {.fresh = true};
	char object[512];
	struct reason why;

	progress_show(&add->progress, ++add->seen);
	if (make(add, device, change, &item, &why) == 0) {
		buf_put(&add->items, &item, sizeof item);
	} else {
		snprintf(object, sizeof object, "%s%s%s", where != NULL ? where : "",
		    where != NULL && device_ok(device, strlen(device)) ? ": " : "",
		    device_ok(device, strlen(device)) ? device : "");
		refuse(add, *object != '\0' ? object : NULL, &why);
	}
	explicit_bzero(&item, sizeof item);
}

static void add_name(struct adding *add, const char *device)
{
	struct phone_change nothing = {.keep_string = false};

	add_one(add, device, NULL, &nothing);
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
		if (*line != '\0')
			buf_put(&all, line, strlen(line) + 1);
	}
	if (ferror(in))
		status_die_errno(path, "cannot read");
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

/* Which field each column is. */
static void read_header(struct csv *csv, const char *path, int *column)
{
	bool seen[PHONE_FIELDS + 1] = {false};
	struct reason why;
	int result = csv_row(csv, &why);

	if (result <= 0)
		status_die(STATUS_USAGE, path, "%s", result == 0 ? "has no header" : why.text);
	for (size_t i = 0; i < csv->n; i++) {
		bool device = strcmp(csv->cell[i], "device") == 0;

		column[i] = device ? DEVICE_COLUMN : phone_field(csv->cell[i]);
		if (!device && (column[i] < 0 || column[i] >= PHONE_F_CHANGES))
			status_die(STATUS_USAGE, path, "there is no column \"%.40s\"", csv->cell[i]);
		if (seen[column[i] + 1])
			status_die(STATUS_USAGE, path, "the column %s comes twice", csv->cell[i]);
		seen[column[i] + 1] = true;
	}
	if (!seen[DEVICE_COLUMN + 1])
		status_die(STATUS_USAGE, path, "there is no column device");
}

static void add_row(struct adding *add, const struct csv *csv, const int *column, const char *where)
{
	struct phone_change change = {.keep_string = false};
	const char *device = "";

	/* An empty cell says nothing. */
	for (size_t i = 0; i < csv->n; i++) {
		if (column[i] == DEVICE_COLUMN)
			device = csv->cell[i];
		else if (*csv->cell[i] != '\0')
			change.value[column[i]] = csv->cell[i];
	}
	add_one(add, device, where, &change);
}

static void add_csv(struct adding *add, const char *path)
{
	int column[CSV_CELLS_MAX], fd = fileio_open_input(path), result;
	unsigned char *text;
	char where[256];
	struct reason why;
	struct csv csv;
	size_t len, columns;

	if (fd < 0)
		status_die_path(path, "cannot open");
	if (fileio_read_all(fd, MAX_CSV_BYTES, &text, &len) != 0)
		status_die_errno(path, "cannot read");
	close(fd);
	csv_open(&csv, (char *)text, len);
	read_header(&csv, path, column);
	columns = csv.n;
	while ((result = csv_row(&csv, &why)) != 0) {
		snprintf(where, sizeof where, "%.200s:%zu", strcmp(path, "-") == 0 ? "stdin" : path, csv.line);
		if (result > 0 && csv.n != columns)
			result = reason_set(&why, "has %zu cells, the header %zu", csv.n, columns);
		if (result > 0)
			add_row(add, &csv, column, where);
		else
			refuse(add, where, &why);
	}
	explicit_bzero(text, len);
	free(text);
}

static void commit(struct adding *add)
{
	struct phonebook_item *item = (struct phonebook_item *)(void *)add->items.p;
	size_t n = add->items.len / sizeof *item;

	if (add->items.failed)
		status_die(STATUS_TROUBLE, NULL, "out of memory");
	progress_start(&add->progress, "phones", n);
	progress_of_spool(&add->progress, add->spool, 1);
	/* A program that added the same phone may have died before that was durable. */
	if (phonebook_save(add->spool, item, n) != 0 ||
	    (n == 0 && add->known && spool_sync(add->spool, SPOOL_PHONE) != 0))
		status_die_errno(spool_dir_name(SPOOL_PHONE), "cannot write");
	progress_end(&add->progress);
	phone_lock_drop(&add->lock);
	for (size_t i = 0; i < n; i++) {
		const char *device = item[i].phone.device;

		if (item[i].error != 0) {
			refuse(add, device, item[i].fresh ? &(struct reason){.text = "is there already"} :
			    &(struct reason){.text = "comes twice"});
			continue;
		}
		journal_add_text(add->spool, item[i].fresh ? "added" : "changed", device);
		*(item[i].fresh ? &add->added : &add->changed) += 1;
	}
	add->status = open_spool_flush(add->spool, add->status);
	if (n > 0)
		explicit_bzero(item, n * sizeof *item);
	buf_free(&add->items);
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *csv = NULL, *file = NULL, *from;
	struct adding add = {.status = STATUS_OK};
	time_t now = time(NULL);
	bool null = false;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &null,
		    "names in the file or on stdin end with NUL, not newline"),
		OPT_TEXT('c', "csv", "FILE", &csv, "read CSV from this file; - is stdin"),
		OPT_TEXT('f', "file", "FILE", &file,
		    "read device names from this file too; - is stdin"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_TEXT('t', "template", "NAME", &add.template,
		    "begin with this template of capf.conf"),
		OPT_FLAG('u', "update", &add.update,
		    "change phones that exist; empty cells change nothing"),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	struct reason why;

	if (csv != NULL && (file != NULL || arg != argc))
		status_usage("takes names or CSV, not both");
	/* Names come down a pipe, but nobody shall wait for a keyboard. */
	if (arg == argc && csv == NULL && file == NULL && isatty(STDIN_FILENO))
		status_usage("wants device names, or --csv");
	if (arg == argc && csv == NULL && file == NULL)
		file = "-";
	add.spool = open_spool_to_write(path, now);
	from = csv != NULL ? csv : file;
	confine_below(SANDBOX_WRITER, add.spool->root, &from, from != NULL);
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
		add_csv(&add, csv);
	progress_end(&add.progress);
	commit(&add);
	progress_totals((struct progress_total[]){{add.added, "added"}, {add.changed, "changed"}, {add.refused, "refused"}}, 3);
	phone_change_free(&add.under);
	index_free(&add.index);
	phone_lock_close(&add.lock);
	spool_close(add.spool);
	return status_flush(add.status);
}
