/* SPDX-License-Identifier: ISC */
/* The lines that csr-add(1) and cert-import(1) print, one for each item, kept until the commit has shown what became of
 * it. An archive can have any number, so only the last of them are kept in memory, the others in a file. */
#ifndef RESULTS_H
#define RESULTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/reason.h"

#define RESULTS_NO_ITEM UINT64_MAX
#define RESULTS_TEXT_MAX 1024	/* of an object or facts: what is longer is cut */

struct results {
	size_t n;
	int scratch;		/* the file for those that are not in memory; -1: all are */
	uint64_t spilled;	/* bytes in it */
	struct buf last;	/* those that come behind */
	/* For results_next. */
	uint64_t read;
	unsigned char *piece;
	struct bytes unread;
};

struct answer {
	char word[16];			/* "accepted", "refused" */
	uint64_t item;			/* its number in the batch, or RESULTS_NO_ITEM */
	char object[RESULTS_TEXT_MAX];
	char facts[RESULTS_TEXT_MAX];	/* more columns, tab-separated */
	char reason[REASON_MAX];	/* "": none */
};

/* Takes an open file that is empty, for as long as there are answers, or -1. */
void results_open(struct results *, int scratch);
void results_close(struct results *);

/* Adds one: object and reason are escaped when they are printed, facts are not. -1 with errno. */
int results_add(struct results *, const char *word, uint64_t item, const char *object, const char *reason,
    const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Where they end now; results_drop forgets what came later. */
struct results_end {
	size_t n;
	uint64_t bytes;
};
struct results_end results_end(const struct results *);
void results_drop(struct results *, struct results_end);

/* The next of them, from the first on; from then on none is added. 1; 0 at the end; -1 with errno. */
int results_next(struct results *, struct answer *);
/* Says something else of one. */
void results_change(struct answer *, const char *word, const char *reason);
/* "word object facts reason" on stdout. */
void results_print(const struct answer *);

#endif
