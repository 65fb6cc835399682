/* SPDX-License-Identifier: ISC */
/* What a program will say of each item, kept until the commit has shown what became of it. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include <stddef.h>

#define ANSWERS_NO_ITEM ((size_t)-1)

struct answer {
	const char *word;	/* "accepted", "refused": not copied */
	size_t item;		/* its number in the batch, or ANSWERS_NO_ITEM */
	char *facts;		/* columns, tab-separated */
	const char *reason;	/* "": none */
	char *owned;		/* behind reason when it is a copy */
};

struct answers {
	struct answer *answer;
	size_t n, cap;
};

/* Adds one; facts by a format, its texts already escaped; the reason is escaped and copied. -1 when out
 * of memory. */
int answers_add(struct answers *, const char *word, size_t item, const char *reason,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Says something else of one; both texts are constants. */
void answers_change(struct answer *, const char *word, const char *reason);
/* Forgets all but the first n. */
void answers_drop(struct answers *, size_t n);
/* "word facts reason" on stdout. */
void answers_print(const struct answer *);

#endif
