/* SPDX-License-Identifier: ISC */
/* phone-list: the phones, a line each, with their operation, what became of it, and their certificate.
 * It reads and changes nothing, and keeps authentication strings to itself unless asked. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

const char program[] = "phone-list";
const char purpose[] = "list phones, what they shall do, and what they have";
const char synopsis[] =
    "[-0HhV] [-P seconds] [-s spool] [--lsc status] [--lsc-expires-before time]\n"
    "    [--name pattern] [--operation operation] [--show-string] [--stale] [--status status]\n"
    "    [--string digits]";

#define SAID_MAX (PHONE_SAID_MAX + ASKED_SAID_MAX)

struct view {
	struct spool *spool;
	struct index index;
	const char *name, *string;	/* NULL: any */
	int operation, status, lsc;	/* -1: any */
	time_t before;
	bool null, stale, show_string, expires;
};

static void print(const struct view *v, const struct phone *p, const struct phone_view *look,
    const struct phonebook_view *lsc, const char *said, const char *string, time_t expires)
{
	char until[UTC_ISO + 1] = "-", when[UTC_ISO + 1] = "-";
	char description[4 * PHONE_TEXT_MAX + 1], reason[4 * SAID_MAX + 1];

	if (lsc->cert != NULL)
		utc_iso(expires, until);
	if (look->when != 0)
		utc_iso(look->when, when);
	status_escape(p->description, description, sizeof description);
	status_escape(said, reason, sizeof reason);
	printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", p->device, phone_operations[p->operation],
	    phone_statuses[look->status], phone_auths[p->auth], phonebook_lscs[lsc->lsc], until,
	    *description != '\0' ? description : "-", when, *reason != '\0' ? reason : "-");
	if (v->show_string)
		printf("\t%s", *string != '\0' ? string : "-");
	putchar('\n');
}

/* The filters that need no certificate. */
static bool wanted(const struct view *v, const struct phone *p, const struct phone_view *look,
    const struct phonebook_view *lsc, const char *string)
{
	return (v->operation < 0 || v->operation == (int)p->operation) &&
	    (v->status < 0 || v->status == (int)look->status) && (v->lsc < 0 || v->lsc == (int)lsc->lsc) &&
	    (!v->stale || lsc->stale) && (v->string == NULL || strcmp(v->string, string) == 0) &&
	    (!v->expires || lsc->cert != NULL);
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
	time_t expires = 0;
	int found = phonebook_load(v->spool, device, &p, &st, &why), status = STATUS_OK;

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
	if (!wanted(v, &p, &look, &lsc, phone_string(&p, &st)))
		return status;
	if (look.status == PHONE_PENDING && lsc.request != NULL)
		asked_say(v->spool, lsc.request->reqid.spki, said, sizeof said);
	if (lsc.cert != NULL && (v->expires || !v->null) && lsc_not_after(v->spool, lsc.cert->dir,
	    &lsc.cert->reqid, &expires, &why) != 0) {
		lsc.cert = NULL;
		/* The server was quicker, and it is in another directory by now. */
		if (errno != ENOENT) {
			status_warn(device, "its certificate: %s", why.text);
			status = status_worst(status, status_of_item(why.trouble));
		}
	}
	if (v->expires && (lsc.cert == NULL || expires >= v->before))
		return status;
	if (v->null)
		fwrite(device, 1, strlen(device) + 1, stdout);
	else
		print(v, &p, &look, &lsc, said, phone_string(&p, &st), expires);
	return status;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	struct view view = {.operation = -1, .status = -1, .lsc = -1, .before = -1};
	struct phonebook_name *list;
	int status = STATUS_OK;
	time_t now = time(NULL);
	bool header = false;
	size_t n;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &view.null, "print only the device names, each ended by NUL"),
		OPT_FLAG('H', "header", &header, "print the names of the columns first"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_INDEX(0, "lsc", "STATE", &view.lsc, phonebook_lscs,
		    "only phones whose certificate is in this state"),
		OPT_TIME(0, "lsc-expires-before", &view.before,
		    "only phones with a certificate that expires before this time"),
		OPT_TEXT(0, "name", "PATTERN", &view.name,
		    "only phones whose name matches, with *, ? and [] as in a shell"),
		OPT_INDEX(0, "operation", "WHAT", &view.operation, phone_operations,
		    "only phones with this operation"),
		OPT_FLAG(0, "show-string", &view.show_string,
		    "print the authentication string as the last column"),
		OPT_FLAG(0, "stale", &view.stale, "only phones that have a stale certificate"),
		OPT_INDEX(0, "status", "STATUS", &view.status, phone_statuses,
		    "only phones whose operation has this status"),
		OPT_TEXT(0, "string", "DIGITS", &view.string,
		    "only phones with this authentication string"),
		{0},
	};

	if (options_parse(argc, argv, options) != argc)
		status_usage("takes no arguments");
	view.expires = view.before >= 0;
	view.spool = open_spool(path, now);
	confine_below(SANDBOX_READER, view.spool->root, NULL, 0);
	if (phonebook_list(view.spool, &list, &n) != 0 || index_load(&view.index, view.spool, PHONEBOOK_DIRS) != 0)
		status_die_errno(path, "cannot list");
	if (header && !view.null)
		printf("device\toperation\tstatus\tauth\tlsc\texpires\tdescription\twhen\treason%s\n",
		    view.show_string ? "\tstring" : "");
	for (size_t i = 0; i < n; i++)
		if (list[i].settings && (view.name == NULL || fnmatch(view.name, list[i].device, 0) == 0))
			status = status_worst(status, show(&view, &list[i]));
	free(list);
	index_free(&view.index);
	spool_close(view.spool);
	return status_flush(status);
}
