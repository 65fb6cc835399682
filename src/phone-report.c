/* SPDX-License-Identifier: ISC */
/* phone-report: everything that is known of the phones as CSV, for spreadsheets. It reads and changes
 * nothing, and leaves authentication strings out unless asked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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
#include "spool/spool.h"

const char program[] = "phone-report";
const char purpose[] = "all that is known of phones, as CSV";
const char synopsis[] = "[-hV] [-P seconds] [-s spool] [--show-string]";

struct report {
	struct spool *spool;
	struct index index;
	bool show_string;
	struct buf row;
};

/* Writes the row that is in the buffer. */
static void flush(struct report *r)
{
	if (r->row.failed)
		status_die(STATUS_TROUBLE, NULL, "out of memory");
	fwrite(r->row.p, 1, r->row.len, stdout);
	r->row.len = 0;
}

static void put(struct report *r, const char *cell)
{
	csv_put(&r->row, cell, false);
}

static void put_number(struct report *r, unsigned n)
{
	char text[12];

	snprintf(text, sizeof text, "%u", n);
	put(r, text);
}

/* Empty for 0. */
static void put_time(struct report *r, time_t t)
{
	char iso[UTC_ISO + 1] = "";

	if (t != 0)
		utc_iso(t, iso);
	put(r, iso);
}

static void put_header(struct report *r)
{
	static const char *const names[] = {"device", "description", "template", "operation", "status",
	    "reason", "when", "scheduled", "complete-by", "attempts", "wrong-strings", "auth", "key-order",
	    "rsa", "ec", "version", "lsc", "expires"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		put(r, names[i]);
	csv_put(&r->row, "stale", !r->show_string);
	if (r->show_string)
		csv_put(&r->row, "string", true);
	flush(r);
}

static void put_order(struct report *r, const struct phone *p, const struct phone_state *st,
    const struct phone_state *note, const struct index_entry *request)
{
	static const struct phone_state none = {.status = PHONE_PENDING};
	struct phone_view look;
	char said[PHONE_SAID_MAX + ASKED_SAID_MAX + 1];

	phone_look(p, st, r->spool->now, &look);
	phone_say(p, note, &look, said);
	if (look.status == PHONE_PENDING && request != NULL)
		asked_say(r->spool, request->reqid.spki, said, sizeof said);
	/* Counts of an earlier order are of no interest. */
	if (p->scheduled == 0 || st->order != p->order)
		st = &none;
	put(r, p->device);
	put(r, p->description);
	put(r, p->template);
	put(r, phone_operations[p->operation]);
	put(r, phone_statuses[look.status]);
	put(r, said);
	put_time(r, look.when);
	put_time(r, p->scheduled);
	put_time(r, p->complete_by);
	put_number(r, st->attempts);
	put_number(r, st->wrong_strings);
	put(r, phone_auths[p->auth]);
	put(r, phone_key_orders[p->key_order]);
	put_number(r, p->rsa);
	put_number(r, p->ec);
	put_number(r, st->version);
}

static int report(struct report *r, const struct phonebook_name *name)
{
	const char *device = name->device;
	struct phonebook_view lsc;
	struct phone_state st, note = {.status = PHONE_PENDING};
	struct reason why;
	struct phone p;
	time_t expires = 0;
	int found = phonebook_load(r->spool, device, &p, &st, &why), status = STATUS_OK;

	if (found < 0)
		status_warn(device, "its record: %s", why.text);
	if (found <= 0)
		return found < 0 ? status_of_item(why.trouble) : STATUS_OK;
	phonebook_look(&r->index, device, &lsc);
	if (lsc.cert != NULL && lsc_not_after(r->spool, lsc.cert->dir, &lsc.cert->reqid, &expires,
	    &why) != 0 && errno != ENOENT) {
		status_warn(device, "its certificate: %s", why.text);
		status = status_of_item(why.trouble);
	}
	if (name->note && phonebook_note(r->spool, device, &note, &why) < 0) {
		status_warn(device, "%s", why.text);
		status = status_worst(status, status_of_item(why.trouble));
	}
	put_order(r, &p, &st, &note, lsc.request);
	put(r, phonebook_lscs[lsc.lsc]);
	put_time(r, expires);
	csv_put(&r->row, lsc.stale ? "yes" : "no", !r->show_string);
	if (r->show_string)
		csv_put(&r->row, phone_string(&p, &st), true);
	flush(r);
	return status;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	struct report r = {.show_string = false};
	struct phonebook_name *list;
	int status = STATUS_OK;
	time_t now = time(NULL);
	size_t n;
	const struct option_spec options[] = {
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_FLAG(0, "show-string", &r.show_string,
		    "print the authentication string as the last column"),
		{0},
	};

	if (options_parse(argc, argv, options) != argc)
		status_usage("takes no arguments");
	r.spool = open_spool(path, now);
	confine_below(SANDBOX_READER, r.spool->root, NULL, 0);
	if (phonebook_list(r.spool, &list, &n) != 0 || index_load(&r.index, r.spool, PHONEBOOK_DIRS) != 0)
		status_die_errno(path, "cannot list");
	put_header(&r);
	for (size_t i = 0; i < n; i++)
		if (list[i].settings)
			status = status_worst(status, report(&r, &list[i]));
	free(list);
	index_free(&r.index);
	buf_free(&r.row);
	spool_close(r.spool);
	return status_flush(status);
}
