/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "submit/standing.h"

struct gathering {
	struct standing *list;
	size_t n;
	void (*tell)(const char *, const struct reason *);
};

static struct standing *of_ca(struct gathering *g, const char *ca)
{
	struct standing *grown;

	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->list[i].ca, ca) == 0)
			return &g->list[i];
	if ((grown = reallocarray(g->list, g->n + 1, sizeof *grown)) == NULL)
		return NULL;
	g->list = grown;
	g->list[g->n] = (struct standing){.oldest = 0};
	strcpy(g->list[g->n].ca, ca);
	return &g->list[g->n++];
}

static int add(void *ctx, const struct asked *a, const char *file, const struct reason *why)
{
	struct gathering *g = ctx;
	struct standing *s;

	if (a == NULL) {
		g->tell(file, why);
		return 0;
	}
	if ((s = of_ca(g, a->ca)) == NULL)
		return -1;
	s->count[a->state]++;
	if ((a->state == ASKED_SENT || a->state == ASKED_PENDING || a->state == ASKED_LATER) &&
	    (s->oldest == 0 || a->first < s->oldest))
		s->oldest = a->first;
	if (a->state == ASKED_ISSUED && a->last > s->success)
		s->success = a->last;
	if ((a->state == ASKED_REFUSED || a->state == ASKED_LOST || a->state == ASKED_LATER ||
	    a->state == ASKED_UNFIT) && a->last > s->error) {
		s->error = a->last;
		strcpy(s->reason, a->reason);
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct standing *)a)->ca, ((const struct standing *)b)->ca);
}

int standing_gather(const struct spool *s, struct standing **list, size_t *n,
    void (*tell)(const char *file, const struct reason *))
{
	struct gathering g = {.tell = tell};

	if (asked_each(s, add, &g) != 0) {
		free(g.list);
		return -1;
	}
	if (g.n > 0)
		qsort(g.list, g.n, sizeof *g.list, by_name);
	*list = g.list;
	*n = g.n;
	return 0;
}
