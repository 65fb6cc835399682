/* SPDX-License-Identifier: ISC */
/* phone-set: gives phones an operation, and says how they authenticate. A new operation is a new order with
 * a time of its own. It makes no phones, and writes nothing about what became of an order: that is the
 * server's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auth_string.h"
#include "base/fileio.h"
#include "cli/confine.h"
#include "cli/confirm.h"
#include "cli/devices.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "site/phone.h"
#include "site/phone_filter.h"
#include "site/phone_lock.h"
#include "site/phonebook.h"
#include "site/settings.h"
#include "spool/journal.h"
#include "spool/spool.h"

const char program[] = "phone-set";
const char purpose[] = "order operations for phones, and set how phones authenticate";
const char synopsis[] =
    "[-0hnV] [-f file] [-P seconds] [-s spool] [--again] [--auth mode]\n"
    "    [--complete-by time] [--description text] [--ec bits] [--generate[=digits]] [--keep-string] [--key-order order]\n"
    "    [--operation operation] [--rsa bits] [--string digits] [--string-file file]\n"
    "    [--template name] [--where condition] [--yes] all | device ...";

struct setting {
	struct spool *spool;
	struct phone_lock lock;	/* from the reading of a record until the new one is there */
	struct index index;	/* what they have in the spool; empty when no order is given */
	struct settings settings;
	struct phone_change change, under;	/* by options; by the template */
	const char *file;	/* with the names, or NULL */
	const char *generate, *string_file;
	bool again;		/* also where a string may have been handed out */
	size_t digits;		/* of a string that is made for each; 0: none is */
	struct option_texts where;
	struct phone_filter filter;	/* what they say */
	struct index lscs;	/* what the filter looks at; empty when it looks at nothing */
	bool dry_run, yes;
	struct phonebook_name *list;	/* those that are meant */
	size_t n;
	struct buf items;	/* struct phonebook_item: those that change */
	bool same;		/* one has all that it shall have */
	int status;
	struct progress progress;
	size_t done, refused;
};

/* The first line of a file, which is an authentication string. */
static const char *read_string(const char *path)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	static char *line;
	size_t room = 0;

	if (in == NULL)
		status_die_path(path, "cannot open");
	if (fileio_line(in, 0, &line, &room) == NULL) {
		if (ferror(in))
			status_die_path(path, "cannot read");
		status_die(STATUS_USAGE, path, "holds no authentication string");
	}
	if (in != stdin)
		fclose(in);
	line[strcspn(line, "\r")] = '\0';
	return line;
}

/* Is there something to set, for phones whose names are arguments or come from a file, and does no option exclude
 * another? */
static void check_options(struct setting *set, bool names)
{
	const char *const *value = set->change.value;
	int strings = (value[PHONE_F_STRING] != NULL) + (set->generate != NULL) + (set->string_file != NULL);
	bool any = strings > 0;

	for (int f = 0; f < PHONE_F_CHANGES; f++)
		any |= value[f] != NULL;
	if (!any)
		status_usage("nothing to set");
	if (strings > 1)
		status_usage("--generate, --string and --string-file exclude each other");
	if (set->again && set->generate == NULL)
		status_usage("--again wants --generate");
	if (set->change.keep_string && strings > 0)
		status_usage("--keep-string excludes a new string");
	/* Names come down a pipe, but nobody shall wait for a keyboard. */
	names = names || set->where.n > 0;
	if (!names && set->file == NULL && isatty(STDIN_FILENO))
		status_usage("wants device names, \"all\", or --where");
	if (!names && set->file == NULL)
		set->file = "-";
	if (set->string_file != NULL && set->file != NULL && strcmp(set->string_file, "-") == 0 &&
	    strcmp(set->file, "-") == 0)
		status_usage("stdin cannot have both the string and the names");
}

/* The new authentication string, or how many digits one is made of. */
static void take_string(struct setting *set)
{
	char *end;

	if (set->generate != NULL && *set->generate != '\0') {
		set->digits = strtoul(set->generate, &end, 10);
		if (*end != '\0' || set->digits < AUTH_STRING_MIN || set->digits > AUTH_STRING_MAX)
			status_usage("--generate wants a number from %d to %d", AUTH_STRING_MIN, AUTH_STRING_MAX);
	}
	if (set->string_file != NULL)
		set->change.value[PHONE_F_STRING] = read_string(set->string_file);
}

/* Takes values from the template where the options have none. */
static void merge_template(struct setting *set)
{
	const char **value = set->change.value;
	struct reason why;
	int n = phone_template(set->spool->root, value[PHONE_F_TEMPLATE], &set->under, set->spool->now,
	    &why);

	if (n < 0)
		status_die(status_of_input(why.trouble), SPOOL_CONF, "%s", why.text);
	if (n == 0)
		status_die(STATUS_USAGE, value[PHONE_F_TEMPLATE], "there is no such template in " SPOOL_CONF);
	for (int f = 0; f < PHONE_F_CHANGES; f++)
		if (value[f] == NULL)
			value[f] = set->under.value[f];
}

/* Takes values from capf.conf where the options have none. */
static void take_settings(struct setting *set)
{
	struct reason why;

	if (settings_load(&set->settings, set->spool->root, &why) != 0)
		status_die(status_of_input(why.trouble), SPOOL_CONF, "%s", why.text);
	if (set->generate != NULL && set->digits == 0)
		set->digits = set->settings.string_digits;
	if (set->change.value[PHONE_F_TEMPLATE] != NULL)
		merge_template(set);
	if (set->change.keep_string && set->change.value[PHONE_F_OPERATION] == NULL)
		status_usage("--keep-string wants an operation");
}

static void refuse(struct setting *set, const char *device, const struct reason *why)
{
	status_warn(device, "%s", why->text);
	set->status = status_worst(set->status, status_of_item(why->trouble));
	set->refused++;
}

/* Is it one that --where wants? A phone whose certificate cannot be read is refused. */
static bool wanted(struct setting *set, const struct phone *p, const struct phone_state *st)
{
	struct reason why;
	int result = phone_filter_match(&set->filter, set->spool, &set->lscs, p, st, NULL, &why);

	if (result < 0)
		refuse(set, p->device, &why);
	return result > 0;
}

/* Gives a phone its new values; one that has them is not written again. */
static void change_one(struct setting *set, struct phonebook_item *item, const struct phone_state *st)
{
	struct phone before = item->phone;
	struct phone_change change = set->change;
	char digits[AUTH_STRING_MAX + 1] = "";
	struct reason why;

	if (set->digits > 0 && !set->again && phone_string_waits(&item->phone, st, set->spool->now)) {
		reason_set(&why, PHONE_STRING_WAITS);
		refuse(set, before.device, &why);
		explicit_bzero(&before, sizeof before);
		return;
	}
	if (set->digits > 0) {
		if (phone_generate(digits, set->digits) != 0)
			status_die_errno(NULL, "cannot get random numbers");
		change.value[PHONE_F_STRING] = digits;
	}
	if (phone_apply(&item->phone, st, &change, set->spool->now, phonebook_newest(&set->index, before.device),
	    set->settings.operation_expires, &why) != 0) {
		refuse(set, before.device, &why);
	} else if (phone_same(&before, &item->phone)) {
		set->same = true;
	} else {
		item->order = item->phone.order != before.order;
		buf_put(&set->items, item, sizeof *item);
	}
	explicit_bzero(digits, sizeof digits);
	explicit_bzero(&before, sizeof before);
}

/* Is there a record of this phone? A phone that has none, or one that cannot be read, is refused. */
static bool load(struct setting *set, const struct phonebook_name *name, struct phone *p, struct phone_state *st)
{
	struct reason why;
	int found = phonebook_load_listed(set->spool, name, p, st, &why);

	if (found == 0)
		reason_set(&why, "there is no such phone");
	if (found <= 0)
		refuse(set, name->device, &why);
	return found > 0;
}

static void set_one(struct setting *set, const struct phonebook_name *name)
{
	struct phonebook_item item = {.fresh = false};
	struct phone_state st;

	if (!set->dry_run && phone_lock_wait(&set->lock, name->device) != 0)
		status_die_errno(name->device, "cannot lock its record");
	if (load(set, name, &item.phone, &st) && (!phone_filter_reads(&set->filter) || wanted(set, &item.phone, &st)))
		change_one(set, &item, &st);
	explicit_bzero(&item, sizeof item);
}

/* Those of the list that --where wants, before anything is locked. */
static void filter(struct setting *set)
{
	struct phone_state st;
	struct phone p;
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		if (phone_filter_name(&set->filter, set->list[i].device) &&
		    (!phone_filter_reads(&set->filter) ||
		    (load(set, &set->list[i], &p, &st) && wanted(set, &p, &st))))
			set->list[n++] = set->list[i];
	explicit_bzero(&p, sizeof p);
	set->n = n;
}

/* The phones of these names, or all, as far as --where wants them. */
static void select_phones(struct setting *set, const struct devices *names)
{
	size_t n = 0;

	if (names->all) {
		if (phonebook_list(set->spool, &set->list, &set->n) != 0)
			status_die_errno(spool_dir_name(SPOOL_PHONE), "cannot list");
		for (size_t i = 0; i < set->n; i++)
			if (set->list[i].settings)
				set->list[n++] = set->list[i];
		set->n = n;
	} else {
		set->n = names->n;
		if (names->n > 0 && (set->list = calloc(names->n, sizeof *set->list)) == NULL)
			status_die(STATUS_TROUBLE, NULL, "out of memory");
		for (size_t i = 0; i < names->n; i++)
			strcpy(set->list[i].device, names->name[i].device);
	}
	/* Anybody may write a state until the phone is locked. */
	for (size_t i = 0; i < set->n; i++)
		set->list[i].state = true;
	filter(set);
}

/* Of very many, which are locked at once, only those states are looked for that are there. */
static void lock_many(struct setting *set)
{
	struct phonebook_name *now;
	int many = phone_lock_many(&set->lock, set->n);
	size_t n, at = 0;

	if (many < 0)
		status_die_errno(spool_dir_name(SPOOL_PHONE), "cannot lock the records");
	if (many == 0)
		return;
	if (phonebook_list(set->spool, &now, &n) != 0)
		status_die_errno(spool_dir_name(SPOOL_PHONE), "cannot list");
	for (size_t i = 0; i < set->n; i++) {
		while (at < n && strcmp(now[at].device, set->list[i].device) < 0)
			at++;
		set->list[i].state = at < n && strcmp(now[at].device, set->list[i].device) == 0 && now[at].state;
	}
	free(now);
}

/* What happens to a phone, for the journal. */
static const char *word(const struct phonebook_item *item)
{
	return item->order ? phone_operations[item->phone.operation] : "changed";
}

/* Everything at once; what was made is said when it is safe. */
static void commit(struct setting *set)
{
	struct phonebook_item *item = (struct phonebook_item *)(void *)set->items.p;
	size_t n = set->items.len / sizeof *item;

	progress_start(&set->progress, "phones", n);
	progress_of_spool(&set->progress, set->spool, 1);
	/* A program that gave the same order may have died before that was durable. */
	if (phonebook_save(set->spool, item, n) != 0 ||
	    (n == 0 && set->same && spool_sync(set->spool, SPOOL_PHONE) != 0))
		status_die_errno(spool_dir_name(SPOOL_PHONE), "cannot write");
	progress_end(&set->progress);
	phone_lock_drop(&set->lock);
	for (size_t i = 0; i < n; i++)
		journal_add_text(set->spool, word(&item[i]), item[i].phone.device);
	set->status = open_spool_flush(set->spool, set->status);
	set->done = n;
	for (size_t i = 0; i < n && set->digits > 0; i++)
		printf("%s\t%s\n", item[i].phone.device, item[i].phone.string);
}

static void set_all(struct setting *set)
{
	struct phonebook_item *item;

	if (!set->dry_run)
		lock_many(set);
	progress_start(&set->progress, "phones read", set->n);
	for (size_t i = 0; i < set->n; i++) {
		set_one(set, &set->list[i]);
		progress_show(&set->progress, i + 1);
	}
	progress_end(&set->progress);
	if (set->items.failed)
		status_die(STATUS_TROUBLE, NULL, "out of memory");
	item = (struct phonebook_item *)(void *)set->items.p;
	if (!set->dry_run)
		commit(set);
	for (size_t i = 0; set->dry_run && i < set->items.len / sizeof *item; i++)
		printf("%s\t%s\n", item[i].phone.device, word(&item[i]));
	if (set->items.len > 0)
		explicit_bzero(item, set->items.len);
	buf_free(&set->items);
}

/* Is the order one to delete certificates? */
static bool deletes(const struct setting *set)
{
	const char *operation = set->change.value[PHONE_F_OPERATION];

	return operation != NULL && strcmp(operation, phone_operations[PHONE_DELETE]) == 0;
}

int main(int argc, char *argv[])
{
	static const char *const ec_bits[] = {"256", "384", "521", NULL};
	static const char *const rsa_bits[] = {"2048", "3072", "4096", NULL};
	const char *path = spool_default();
	struct setting set = {.status = STATUS_OK};
	const char **value = set.change.value;
	time_t now = time(NULL);
	bool null = false;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &null,
		    "names in the file or on stdin end with NUL, not newline"),
		OPT_TEXT('f', "file", "FILE", &set.file,
		    "read device names from this file too; - is stdin"),
		OPT_FLAG('n', "dry-run", &set.dry_run, "say what would be set, and change nothing"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_FLAG(0, "again", &set.again,
		    "generate a string also for phones that have one, which is void then"),
		OPT_WORD(0, "auth", "MODE", &value[PHONE_F_AUTH], phone_auths,
		    "how the phone proves who it is: by a string, not at all, or by a "
		    "certificate"),
		OPT_TEXT(0, "complete-by", "TIME", &value[PHONE_F_COMPLETE_BY],
		    "when the order fails if it is not done: such as 2026-01-31, +7d, or none"),
		OPT_TEXT(0, "description", "TEXT", &value[PHONE_F_DESCRIPTION],
		    "up to 128 bytes for people"),
		OPT_WORD(0, "ec", "BITS", &value[PHONE_F_EC], ec_bits, "size of an EC key"),
		OPT_MAYBE(0, "generate", "N", &set.generate,
		    "make an authentication string of 4 to 15 digits for each phone and print "
		    "it; by default as many as the setting string-digits"),
		OPT_FLAG(0, "keep-string", &set.change.keep_string,
		    "keep the string although wrong ones locked the last order"),
		OPT_WORD(0, "key-order", "ORDER", &value[PHONE_F_KEY_ORDER], phone_key_orders,
		    "type of the key; ec-rsa is EC, and RSA for phones that cannot"),
		OPT_WORD(0, "operation", "WHAT", &value[PHONE_F_OPERATION], phone_operations,
		    "what the phone shall do; troubleshoot fetches its certificates, none "
		    "cancels the order"),
		/* 1024 is a word that records and other programs know, and check_rsa has a better reason against it. */
		OPT_TEXT_OF(0, "rsa", "BITS", &value[PHONE_F_RSA], rsa_bits, "size of an RSA key"),
		OPT_TEXT(0, "string", "DIGITS", &value[PHONE_F_STRING],
		    "authentication string of all these phones, 4 to 15 digits; other users "
		    "see it in ps"),
		OPT_TEXT(0, "string-file", "FILE", &set.string_file,
		    "read the authentication string from this file; - is stdin"),
		OPT_TEXT(0, "template", "TEMPLATE", &value[PHONE_F_TEMPLATE],
		    "set what this template of capf.conf says and no option does"),
		OPT_TEXTS(0, "where", "CONDITION", &set.where,
		    "only phones that meet this, such as status=failed; repeat it for more conditions"),
		OPT_FLAG(0, "yes", &set.yes, "do it to all phones without asking"),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	struct reason why;
	struct devices names;

	check_options(&set, arg < argc);
	take_string(&set);
	phone_filter_init(&set.filter);
	if (phone_filter_add_all(&set.filter, set.where.text, set.where.n, now, &why) != 0)
		status_usage("--where: %s", why.text);
	if (phone_change_check(&set.change, now, &why) != 0)
		status_usage("%s", why.text);
	devices_from_args(&names, argc - arg, argv + arg, set.file, null);
	set.spool = set.dry_run ? open_spool(path, now) : open_spool_to_change(path, now);
	confine_below(set.dry_run ? SANDBOX_READER : SANDBOX_WRITER, set.spool->root, NULL, 0);
	phone_lock_init(&set.lock, set.spool);
	take_settings(&set);
	devices_settle(&names, set.spool);
	if (index_load_for(&set.index, set.spool, value[PHONE_F_OPERATION] != NULL ? PHONEBOOK_ORDERED : 0,
	    &(struct spool_wanted){devices_named, &names}) != 0 ||
	    index_load(&set.lscs, set.spool, phone_filter_reads(&set.filter) ? PHONE_FILTER_DIRS : 0) != 0)
		status_die_errno(path, "cannot list");
	select_phones(&set, &names);
	if (names.all && set.n > 0 && !set.dry_run && deletes(&set))
		confirm(set.yes, "%zu phone%s would be told to delete the certificate", set.n, set.n == 1 ? "" : "s");
	set_all(&set);
	if (!set.dry_run)
		progress_totals((struct progress_total[]){{set.done, "changed"}, {set.refused, "refused"}}, 2);
	free(set.list);
	devices_free(&names);
	phone_change_free(&set.under);
	index_free(&set.index);
	index_free(&set.lscs);
	phone_lock_close(&set.lock);
	spool_close(set.spool);
	return status_flush(set.status);
}
