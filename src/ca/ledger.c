/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/device.h"
#include "base/outfile.h"
#include "base/utc.h"
#include "ca/ledger.h"

#define GROUP 256		/* certificates for one fdatasync of the log */

struct ledger {
	struct tgz *archive;
	int log;
	time_t now;
	struct {
		char entry[DEVICE_MAX + sizeof ".der"];
		unsigned char *der;
		size_t len;
	} held[GROUP];
	size_t n, count;
	struct buf lines;	/* of the log, for those that are held */
	void *devices;		/* tsearch: those that have a certificate in this archive */
};

struct ledger *ledger_open(struct tgz *archive, int log, time_t now)
{
	struct ledger *l = calloc(1, sizeof *l);

	if (l != NULL) {
		l->archive = archive;
		l->log = log;
		l->now = now;
	}
	return l;
}

/* Drops the certificates that are held back. */
static void drop(struct ledger *l)
{
	while (l->n > 0)
		free(l->held[--l->n].der);
	l->lines.len = 0;
}

void ledger_close(struct ledger *l)
{
	if (l == NULL)
		return;
	drop(l);
	buf_free(&l->lines);
	tdestroy(l->devices, free);
	free(l);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* 1 for a device that is new, 0 for one that we know, -1 when out of memory. */
static int remember(struct ledger *l, const char *device)
{
	char *copy = strdup(device), **found;

	if (copy == NULL || (found = tsearch(copy, &l->devices, compare)) == NULL) {
		free(copy);
		return -1;
	}
	if (*found == copy)
		return 1;
	free(copy);
	return 0;
}

/* time, serial, device, not-after, key */
static void add_line(struct ledger *l, const struct verdict *v)
{
	char at[UTC_ISO + 1], end[UTC_ISO + 1], key[2 * sizeof v->facts.spki + 1], line[512];
	int n;

	utc_iso(l->now, at);
	utc_iso(v->facts.not_after, end);
	bytes_hex(v->facts.spki, sizeof v->facts.spki, key);
	n = snprintf(line, sizeof line, "%s\t%s\t%s\t%s\t%s\n", at, v->facts.serial, v->facts.cn, end, key);
	buf_put(&l->lines, line, (size_t)n);
}

enum ledger_result ledger_put(struct ledger *l, const struct verdict *v)
{
	int first = remember(l, v->facts.cn);

	if (first == 0)
		return LEDGER_TWICE;
	snprintf(l->held[l->n].entry, sizeof l->held[l->n].entry, "%.*s.der", DEVICE_MAX, v->facts.cn);
	if (first < 0 || (l->held[l->n].der = malloc(v->facts.der_len)) == NULL)
		return LEDGER_NO_ARCHIVE;
	memcpy(l->held[l->n].der, v->facts.der, v->facts.der_len);
	l->held[l->n].len = v->facts.der_len;
	add_line(l, v);
	l->count++;
	return ++l->n == GROUP ? ledger_flush(l) : LEDGER_OK;
}

enum ledger_result ledger_flush(struct ledger *l)
{
	enum ledger_result result = LEDGER_OK;

	if (l->lines.failed)
		errno = ENOMEM;
	if (l->log >= 0 &&
	    (l->lines.failed || outfile_log_append(l->log, l->lines.p, l->lines.len) != 0))
		result = LEDGER_NO_LOG;
	for (size_t i = 0; i < l->n && result == LEDGER_OK; i++)
		if (tgz_put(l->archive, l->held[i].entry, l->now, l->held[i].der, l->held[i].len) != 0)
			result = LEDGER_NO_ARCHIVE;
	drop(l);
	return result;
}

size_t ledger_count(const struct ledger *l)
{
	return l->count;
}
