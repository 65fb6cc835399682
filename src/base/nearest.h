/* SPDX-License-Identifier: ISC */
/* The word that somebody probably meant, for messages about one that there is not. */
#ifndef NEAREST_H
#define NEAREST_H

#include <stddef.h>

/* Starts without a word. */
struct nearest {
	const char *word;	/* the best so far, or NULL: none is near */
	size_t distance;
};

/* Compares what was written with a word that there is. Near is: one letter in five wrong, missing, too many, or in the
 * place of its neighbour, at least one and at most three; case and the sort of hyphen do not count. */
void nearest_try(struct nearest *, const char *written, const char *word);

#endif
