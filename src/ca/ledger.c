/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/tgz.h"
#include "base/bytes.h"
#include "base/device.h"
#include "base/outfile.h"
#include "base/utc.h"
#include "ca/ledger.h"

#define GROUP 256		/* certificates for one fdatasync of the log */
#define ENTRY_MAX (DEVICE_MAX + sizeof "+18446744073709551615.der")

/* A key that a device has asked for. */
struct wish {
	struct wish *next;
	unsigned char spki[32];
};

/* A device that an archive of requests has. */
struct asker {
	char device[DEVICE_MAX + 1];
	size_t source;		/* the last archive that has it */
	struct wish *wish;
};

struct ledger {
	struct outfile out;
	struct tgz *archive;	/* NULL: none is begun */
	int log, level;
	time_t now;
	struct {
		char entry[ENTRY_MAX];
		unsigned char *der;
		size_t len;
	} held[GROUP];
	size_t n, count;
	struct buf lines;	/* of the log, for those that are held */
	size_t source;		/* the archive of requests at hand; 1 is the first */
	void *askers;		/* tsearch */
};

struct ledger *ledger_open(int log, time_t now, int level)
{
	struct ledger *l = calloc(1, sizeof *l);

	if (l != NULL) {
		l->log = log;
		l->level = level;
		l->now = now;
	}
	return l;
}

/* Forgets the certificates that are held back. */
static void forget_held(struct ledger *l)
{
	while (l->n > 0)
		free(l->held[--l->n].der);
	l->lines.len = 0;
}

static void free_asker(void *p)
{
	struct asker *a = p;
	struct wish *w;

	while ((w = a->wish) != NULL) {
		a->wish = w->next;
		free(w);
	}
	free(a);
}

void ledger_drop(struct ledger *l)
{
	int saved = errno;

	if (l->archive != NULL)
		outfile_abort(&l->out);
	tgz_free(l->archive);
	l->archive = NULL;
	forget_held(l);
	tdestroy(l->askers, free_asker);
	l->askers = NULL;
	l->count = 0;
	errno = saved;
}

void ledger_close(struct ledger *l)
{
	if (l == NULL)
		return;
	ledger_drop(l);
	buf_free(&l->lines);
	free(l);
}

int ledger_begin(struct ledger *l, const char *path)
{
	ledger_drop(l);
	if (outfile_open(&l->out, path, 0644) != 0)
		return -1;
	if ((l->archive = tgz_open(l->out.fd, l->level)) != NULL)
		return 0;
	outfile_abort(&l->out);
	return -1;
}

void ledger_next(struct ledger *l)
{
	l->source++;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct asker *)a)->device, ((const struct asker *)b)->device);
}

/* The device, which may be new; NULL when out of memory. */
static struct asker *find(struct ledger *l, const char *device)
{
	struct asker *a = calloc(1, sizeof *a), **found;

	if (a == NULL)
		return NULL;
	snprintf(a->device, sizeof a->device, "%.*s", DEVICE_MAX, device);
	if ((found = tsearch(a, &l->askers, compare)) != NULL && *found == a)
		return a;
	free(a);
	return found != NULL ? *found : NULL;
}

static bool has(const struct asker *a, const unsigned char *spki)
{
	for (const struct wish *w = a->wish; w != NULL; w = w->next)
		if (memcmp(w->spki, spki, sizeof w->spki) == 0)
			return true;
	return false;
}

static int add_wish(struct asker *a, const unsigned char *spki)
{
	struct wish *w = calloc(1, sizeof *w);

	if (w == NULL)
		return -1;
	memcpy(w->spki, spki, sizeof w->spki);
	w->next = a->wish;
	a->wish = w;
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

/* Lets out what is held back. */
static enum ledger_result flush(struct ledger *l)
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
	forget_held(l);
	return result;
}

enum ledger_result ledger_put(struct ledger *l, const struct verdict *v)
{
	struct asker *a = find(l, v->facts.cn);
	bool first = a != NULL && a->wish == NULL;
	char *entry = l->held[l->n].entry;

	if (a == NULL)
		return LEDGER_NO_ARCHIVE;
	if (!first && a->source == l->source)
		return LEDGER_TWICE;
	a->source = l->source;
	if (has(a, v->facts.spki))
		return LEDGER_OK;
	/* No device has a + in its name. */
	if (first)
		snprintf(entry, ENTRY_MAX, "%s.der", a->device);
	else
		snprintf(entry, ENTRY_MAX, "%s+%zu.der", a->device, l->source);
	if (add_wish(a, v->facts.spki) != 0 || (l->held[l->n].der = malloc(v->facts.der_len)) == NULL)
		return LEDGER_NO_ARCHIVE;
	memcpy(l->held[l->n].der, v->facts.der, v->facts.der_len);
	l->held[l->n].len = v->facts.der_len;
	add_line(l, v);
	l->count++;
	return ++l->n == GROUP ? flush(l) : LEDGER_OK;
}

enum ledger_result ledger_end(struct ledger *l)
{
	enum ledger_result result = flush(l);

	if (result == LEDGER_OK && (tgz_finish(l->archive) != 0 || outfile_commit(&l->out) != 0))
		result = LEDGER_NO_ARCHIVE;
	ledger_drop(l);
	return result;
}

size_t ledger_count(const struct ledger *l)
{
	return l->count;
}
