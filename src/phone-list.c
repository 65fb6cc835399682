/* SPDX-License-Identifier: ISC */
/* phone-list: the phones, a line each, with their operation, what became of it, and their certificate.
 * It reads and changes nothing, and keeps authentication strings to itself unless asked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "cli/table.h"
#include "site/asked.h"
#include "site/lsc.h"
#include "site/phone.h"
#include "site/phone_filter.h"
#include "site/phonebook.h"
#include "site/unknown_devices.h"
#include "spool/spool.h"

const char program[] = "phone-list";
const char purpose[] = "list phones, their operations and their certificates";
const char synopsis[] =
    "[-0HhV] [-P seconds] [-s spool] [--auth mode] [--color[=when]] [--description pattern]\n"
    "    [--issuer pattern] [--json] [--key key] [--key-order order] [--lsc status]\n"
    "    [--lsc-expires-before time] [--name pattern] [--no-pager] [--operation operation]\n"
    "    [--show-string] [--stale] [--status status] [--string digits] [--where condition]\n"
    "       phone-list [-0H] [-P seconds] [-s spool] [--name pattern] --unknown";

/* The last only with --show-string. */
static const struct table_column columns[] = {
	{"device", TABLE_WORD, 0}, {"operation", TABLE_WORD, 0}, {"status", TABLE_WORD, 0}, {"auth", TABLE_WORD, 3},
	{"lsc", TABLE_WORD, 1}, {"expires", TABLE_TIME, 2}, {"description", TABLE_TEXT, 0}, {"when", TABLE_TIME, 4},
	{"reason", TABLE_TEXT, 0}, {"string", TABLE_WORD, 0},
};
static const struct table_column unknown_columns[] = {
	{"device", TABLE_WORD, 0}, {"count", TABLE_NUMBER, 0}, {"first", TABLE_TIME, 1}, {"last", TABLE_TIME, 0},
	{"address", TABLE_WORD, 2},
};
static const size_t columns_always = sizeof columns / sizeof *columns - 1;

#define SAID_MAX (PHONE_SAID_MAX + ASKED_SAID_MAX)

struct view {
	struct spool *spool;
	struct index index;
	struct phone_filter filter;
	bool show_string;
	struct table_options how;
	struct table table;
};

static enum table_tone status_tone(enum phone_status status)
{
	return status == PHONE_SUCCESSFUL ? TABLE_GOOD : status == PHONE_FAILED ? TABLE_BAD :
	    status == PHONE_PENDING ? TABLE_WAITING : TABLE_PLAIN;
}

/* An empty text is none. */
static void put_text(struct table *t, const char *text)
{
	table_text(t, *text != '\0' ? text : NULL);
}

static void print(struct view *v, const struct phone *p, const struct phone_view *look,
    const struct phonebook_view *lsc, const char *said, const char *string, time_t expires)
{
	struct table *t = &v->table;

	table_word(t, p->device, TABLE_PLAIN);
	table_word(t, phone_operations[p->operation], TABLE_PLAIN);
	table_word(t, phone_statuses[look->status], status_tone(look->status));
	table_word(t, phone_auths[p->auth], TABLE_PLAIN);
	table_word(t, phonebook_lscs[lsc->lsc], TABLE_PLAIN);
	if (lsc->cert != NULL)
		table_time(t, expires, expires < v->spool->now ? TABLE_BAD : TABLE_PLAIN);
	else
		table_none(t);
	put_text(t, p->description);
	if (look->when != 0)
		table_time(t, look->when, TABLE_PLAIN);
	else
		table_none(t);
	put_text(t, said);
	if (v->show_string)
		table_word(t, *string != '\0' ? string : NULL, TABLE_PLAIN);
	table_row(t);
}

static int show(struct view *v, const struct phonebook_name *name)
{
	const char *device = name->device;
	char said[SAID_MAX + 1];
	struct phonebook_view lsc;
	struct phone_view look;
	struct phone_state st, note = {.status = PHONE_PENDING};
	struct phone p;
	struct reason why;
	struct cert *cert;
	time_t expires = 0;
	int found = phonebook_load(v->spool, device, &p, &st, &why), status = STATUS_OK;
	bool known;

	if (found < 0)
		status_warn(device, "its record: %s", why.text);
	if (found <= 0)
		return found < 0 ? status_of_item(why.trouble) : STATUS_OK;
	phone_look(&p, &st, v->spool->now, &look);
	if (name->note && phonebook_note(v->spool, device, &note, &why) < 0) {
		status_warn(device, "%s", why.text);
		status = status_of_item(why.trouble);
	}
	phone_say(&p, &note, &look, said);
	phonebook_look(&v->index, device, &lsc);
	if ((found = phone_filter_match(&v->filter, v->spool, &v->index, &p, &st, &cert, &why)) < 0) {
		status_warn(device, "%s", why.text);
		status = status_worst(status, status_of_item(why.trouble));
	}
	known = cert != NULL;
	if (known)
		expires = cert->not_after;
	cert_free(cert);
	if (found <= 0)
		return status;
	if (look.status == PHONE_PENDING && lsc.request != NULL)
		asked_say(v->spool, lsc.request->reqid.spki, said, sizeof said);
	if (lsc.cert != NULL && !known && !v->how.null && lsc_not_after(v->spool, lsc.cert->dir,
	    &lsc.cert->reqid, &expires, &why) != 0) {
		lsc.cert = NULL;
		/* The server was quicker, and it is in another directory by now. */
		if (errno != ENOENT) {
			status_warn(device, "its certificate: %s", why.text);
			status = status_worst(status, status_of_item(why.trouble));
		}
	}
	print(v, &p, &look, &lsc, said, phone_string(&p, &st), expires);
	return status;
}

/* The devices that connected and have no record. */
static int show_unknown(struct view *v)
{
	struct unknown_devices u = {0};
	struct reason why;
	int status = STATUS_OK;

	if (unknown_devices_load(v->spool, &u, &why) != 0) {
		status_warn("phone/" SPOOL_UNKNOWN, "%s", why.text);
		status = status_of_item(why.trouble);
		u.n = 0;
	}
	for (size_t i = 0; i < u.n; i++) {
		const struct unknown_device *d = &u.p[i];

		/* It may have got a record since. */
		if (!phone_filter_name(&v->filter, d->device) || phonebook_has(v->spool, d->device))
			continue;
		table_word(&v->table, d->device, TABLE_PLAIN);
		table_number(&v->table, d->count);
		table_time(&v->table, d->first, TABLE_PLAIN);
		table_time(&v->table, d->last, TABLE_PLAIN);
		table_word(&v->table, d->address, TABLE_PLAIN);
		table_row(&v->table);
	}
	unknown_devices_free(&u);
	return status;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	struct view view = {.show_string = false};
	struct phone_filter *filter = &view.filter;
	struct option_texts where = {.n = 0};
	const char *key = NULL;
	struct reason why;
	struct phonebook_name *list;
	struct progress progress;
	int status = STATUS_OK;
	time_t now = time(NULL);
	bool unknown = false;
	size_t n;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &view.how.null, "print only the device names, each ended by NUL"),
		OPT_FLAG('H', "header", &view.how.header, "print the names of the columns first"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		TABLE_OPTIONS(&view.how),
		OPT_INDEX(0, "auth", "MODE", &filter->auth, phone_auths,
		    "only phones that prove who they are like this"),
		OPT_TEXT(0, "description", "PATTERN", &filter->description,
		    "only phones whose description matches, as for --name"),
		OPT_TEXT(0, "issuer", "PATTERN", &filter->issuer,
		    "only phones whose certificate has an issuer that matches, by common or whole name"),
		OPT_TEXT(0, "key", "KEY", &key,
		    "only phones whose certificate has this key: rsa, ec, or one with its size, as rsa-2048"),
		OPT_INDEX(0, "key-order", "ORDER", &filter->key_order, phone_key_orders,
		    "only phones that are to have keys of this type"),
		OPT_INDEX(0, "lsc", "STATE", &filter->lsc, phonebook_lscs,
		    "only phones whose certificate is in this state"),
		OPT_TIME(0, "lsc-expires-before", &filter->before,
		    "only phones with a certificate that expires before this time"),
		OPT_TEXT(0, "name", "PATTERN", &filter->name,
		    "only phones whose name matches, with *, ? and [] as in a shell"),
		OPT_INDEX(0, "operation", "WHAT", &filter->operation, phone_operations,
		    "only phones with this operation"),
		OPT_FLAG(0, "show-string", &view.show_string,
		    "print the authentication string as the last column"),
		OPT_FLAG(0, "stale", &filter->stale, "only phones that have a stale certificate"),
		OPT_INDEX(0, "status", "STATUS", &filter->status, phone_statuses,
		    "only phones whose operation has this status"),
		OPT_TEXT(0, "string", "DIGITS", &filter->string,
		    "only phones with this authentication string"),
		OPT_FLAG(0, "unknown", &unknown,
		    "list the devices that connected and have no record"),
		OPT_TEXTS(0, "where", "CONDITION", &where,
		    "only phones that meet this, such as status=failed; repeat it for more conditions"),
		{0},
	};

	phone_filter_init(filter);
	if (options_parse(argc, argv, options) != argc)
		status_usage("takes no arguments");
	if (key != NULL && phone_filter_key(filter, key, &why) != 0)
		status_usage("--%s", why.text);
	if (phone_filter_add_all(filter, where.text, where.n, now, &why) != 0)
		status_usage("--where: %s", why.text);
	if (unknown && (phone_filter_reads(filter) || view.show_string))
		status_usage("--unknown takes no filter but --name: these devices have no record");
	view.spool = open_spool(path, now);
	if (unknown)
		table_open(&view.table, unknown_columns, sizeof unknown_columns / sizeof *unknown_columns, &view.how);
	else
		table_open(&view.table, columns, columns_always + view.show_string, &view.how);
	confine_below(SANDBOX_READER, view.spool->root, NULL, 0);
	if (unknown) {
		status = show_unknown(&view);
		table_close(&view.table);
		spool_close(view.spool);
		return status_flush(status);
	}
	if (phonebook_list(view.spool, &list, &n) != 0 || phonebook_index(&view.index, view.spool, list, n) != 0)
		status_die_errno(path, "cannot list");
	progress_start(&progress, "phones", n);
	table_progress(&view.table, &progress);
	for (size_t i = 0; i < n; i++) {
		if (list[i].settings && phone_filter_name(filter, list[i].device))
			status = status_worst(status, show(&view, &list[i]));
		progress_show(&progress, i + 1);
	}
	progress_end(&progress);
	table_close(&view.table);
	free(list);
	index_free(&view.index);
	spool_close(view.spool);
	return status_flush(status);
}
