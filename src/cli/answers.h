/* SPDX-License-Identifier: ISC */
/* What a program will say of each item, kept until the commit has shown what became of it. There can be as many as
 * a stranger likes, so only the last of them are kept in memory. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/reason.h"

#define ANSWERS_NO_ITEM UINT64_MAX
#define ANSWERS_TEXT_MAX 1024	/* of an object or facts: what is longer is cut */

struct answers {
	size_t n;
	int scratch;		/* the file for those that are not in memory; -1: all are */
	uint64_t spilled;	/* bytes in it */
	struct buf last;	/* those that come behind */
	/* For answers_next. */
	uint64_t read;
	unsigned char *piece;
	struct bytes unread;
};

struct answer {
	char word[16];			/* "accepted", "refused" */
	uint64_t item;			/* its number in the batch, or ANSWERS_NO_ITEM */
	char object[ANSWERS_TEXT_MAX];
	char facts[ANSWERS_TEXT_MAX];	/* more columns, tab-separated */
	char reason[REASON_MAX];	/* "": none */
};

/* Takes an open file that is empty, for as long as there are answers, or -1. */
void answers_open(struct answers *, int scratch);
void answers_close(struct answers *);

/* Adds one: object and reason are escaped when they are printed, facts are not. -1 with errno. */
int answers_add(struct answers *, const char *word, uint64_t item, const char *object, const char *reason,
    const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Where they end now; answers_drop forgets what came later. */
struct answers_end {
	size_t n;
	uint64_t bytes;
};
struct answers_end answers_end(const struct answers *);
void answers_drop(struct answers *, struct answers_end);

/* The next of them, from the first on; from then on none is added. 1; 0 at the end; -1 with errno. */
int answers_next(struct answers *, struct answer *);
/* Says something else of one. */
void answers_change(struct answer *, const char *word, const char *reason);
/* "word object facts reason" on stdout. */
void answers_print(const struct answer *);

#endif
