/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "reason.h"
#include "status.h"

int answers_add(struct answers *as, const char *word, size_t item, const char *reason,
    const char *fmt, ...)
{
	struct answer a = {.word = word, .item = item, .reason = ""};
	char escaped[4 * REASON_MAX];
	va_list ap;
	int n;

	if (as->n == as->cap) {
		size_t cap = as->cap > 0 ? as->cap * 2 : 64;
		struct answer *grown = reallocarray(as->answer, cap, sizeof *grown);

		if (grown == NULL)
			return -1;
		as->answer = grown;
		as->cap = cap;
	}
	if (*reason != '\0') {
		if ((a.owned = strdup(status_escape(reason, escaped, sizeof escaped))) == NULL)
			return -1;
		a.reason = a.owned;
	}
	va_start(ap, fmt);
	n = vasprintf(&a.facts, fmt, ap);
	va_end(ap);
	if (n < 0) {
		free(a.owned);
		return -1;
	}
	as->answer[as->n++] = a;
	return 0;
}

void answers_change(struct answer *a, const char *word, const char *reason)
{
	a->word = word;
	a->reason = reason;
}

void answers_drop(struct answers *as, size_t n)
{
	while (as->n > n) {
		as->n--;
		free(as->answer[as->n].facts);
		free(as->answer[as->n].owned);
	}
	if (n == 0) {
		free(as->answer);
		*as = (struct answers){0};
	}
}

void answers_print(const struct answer *a)
{
	printf("%s\t%s\t%s\n", a->word, a->facts, a->reason);
}
