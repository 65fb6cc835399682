/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "site/import.h"
#include "site/match.h"
#include "spool/batch.h"

const char *const import_words[] = {"accepted", "stale", "already", "ca", "elsewhere", "refused", NULL};

struct import {
	struct spool *spool;
	struct batch *batch;	/* NULL: dry run */
	struct match *match;
	bool others;
	size_t refused, foreign;
	bool known;		/* some are there already */
};

/* Where a certificate is known. */
#define KNOWN (1u << SPOOL_LSC | 1u << SPOOL_STALE | 1u << SPOOL_INSTALLED)

struct import *import_open(struct spool *s, const struct import_options *o)
{
	struct import *im = calloc(1, sizeof *im);

	if (im == NULL)
		return NULL;
	im->spool = s;
	im->others = o->others;
	if ((im->match = o->request != NULL ? match_open_for(s, o->request, o->requests) :
	    match_open(s)) != NULL && (o->dry_run || (im->batch = batch_open(s)) != NULL))
		return im;
	import_close(im);
	return NULL;
}

void import_close(struct import *im)
{
	if (im == NULL)
		return;
	batch_close(im->batch);
	match_close(im->match);
	free(im);
}

size_t import_refused(const struct import *im, size_t *foreign)
{
	*foreign = im->foreign;
	return im->refused;
}

static int say(struct import *im, struct imported *out, enum import_word word)
{
	out->word = word;
	im->refused += word == IMPORT_REFUSED;
	im->known = im->known || word == IMPORT_ALREADY;
	return 0;
}

int import_take(struct import *im, const struct import_judged *j, struct imported *out)
{
	const enum import_word word_of[] = {
		[MATCH_READY] = IMPORT_ACCEPTED, [MATCH_STALE] = IMPORT_STALE,
		[MATCH_ALREADY] = IMPORT_ALREADY, [MATCH_REFUSED] = IMPORT_REFUSED,
		[MATCH_ELSEWHERE] = im->others ? IMPORT_ELSEWHERE : IMPORT_REFUSED,
	};
	struct reqid reqid = {.device = ""};
	enum match_result m;

	*out = (struct imported){.item = IMPORT_NO_ITEM, .why = j->reason};
	/* CAs send their own along. One with a phone's key is a phone's, with the wrong profile. */
	if (j->ca && !match_knows(im->match, j->facts.spki))
		return say(im, out, IMPORT_CA);
	if (j->ca)
		reason_set(&out->why, "is a CA certificate");
	if (!j->good)
		return say(im, out, IMPORT_REFUSED);
	if ((m = match_find(im->match, &j->facts, &reqid, &out->why)) == MATCH_TROUBLE)
		return -1;
	im->foreign += m == MATCH_ELSEWHERE && !im->others;
	strcpy(out->device, reqid.device);
	if (im->batch != NULL && (m == MATCH_READY || m == MATCH_STALE)) {
		out->item = batch_count(im->batch);
		if (batch_add(im->batch, &reqid, m == MATCH_READY ? SPOOL_LSC : SPOOL_STALE, j->facts.der,
		    j->facts.der_len) != 0)
			return -1;
	}
	return say(im, out, word_of[m]);
}

size_t import_count(const struct import *im)
{
	return im->batch != NULL ? batch_count(im->batch) : 0;
}

int import_commit(struct import *im)
{
	return im->batch != NULL ? batch_commit(im->batch) : 0;
}

int import_sync_known(struct import *im)
{
	return im->known && im->batch != NULL ? spool_sync_all(im->spool, KNOWN) : 0;
}

static void change(struct imported *out, enum import_word word, const char *why)
{
	out->word = word;
	reason_set(&out->why, "%s", why);
}

bool import_settle(const struct import *im, struct imported *out)
{
	if (out->item == IMPORT_NO_ITEM)
		return true;
	switch (batch_fate(im->batch, (size_t)out->item)) {
	case BATCH_NONE:
		return false;
	case BATCH_NEW:
		break;
	case BATCH_SAME:
		change(out, IMPORT_ALREADY, "");
		break;
	case BATCH_LATE:
		change(out, IMPORT_STALE, "");
		break;
	case BATCH_OTHER:
		change(out, IMPORT_REFUSED, "another certificate for this request was imported just now");
		break;
	case BATCH_GONE:
		change(out, IMPORT_REFUSED, "its request was deleted just now");
		break;
	}
	return true;
}
