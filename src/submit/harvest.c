/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/tgz.h"
#include "base/device.h"
#include "submit/harvest.h"

struct harvest_item {
	char device[DEVICE_MAX + 1];
	size_t len;
	unsigned char *der;
};

int harvest_add(struct harvest *h, const char *device, struct bytes der)
{
	size_t more = h->cap > 0 ? 2 * h->cap : 64;
	struct harvest_item *item;

	if (h->n == h->cap) {
		if ((item = reallocarray(h->item, more, sizeof *item)) == NULL)
			return -1;
		h->item = item;
		h->cap = more;
	}
	item = &h->item[h->n];
	snprintf(item->device, sizeof item->device, "%s", device);
	item->len = der.len;
	if ((item->der = malloc(der.len)) == NULL)
		return -1;
	memcpy(item->der, der.p, der.len);
	h->n++;
	return 0;
}

static int by_device(const void *a, const void *b)
{
	return strcmp(((const struct harvest_item *)a)->device, ((const struct harvest_item *)b)->device);
}

/* Its name in the archive; of its device so many came before. */
static void name_of(const struct harvest_item *item, size_t before, char *out, size_t size)
{
	if (before == 0)
		snprintf(out, size, "%s.der", item->device);
	else
		snprintf(out, size, "%s+%zu.der", item->device, before + 1);
}

int harvest_write(struct harvest *h, int fd, int level, time_t t)
{
	struct tgz *w = tgz_open(fd, level);
	char entry[DEVICE_MAX + 32];
	bool good = w != NULL;
	size_t before = 0;

	if (h->n > 0)
		qsort(h->item, h->n, sizeof *h->item, by_device);
	for (size_t i = 0; good && i < h->n; i++) {
		before = i > 0 && by_device(&h->item[i], &h->item[i - 1]) == 0 ? before + 1 : 0;
		name_of(&h->item[i], before, entry, sizeof entry);
		good = tgz_put(w, entry, t, h->item[i].der, h->item[i].len) == 0;
	}
	good = good && tgz_finish(w) == 0;
	tgz_free(w);
	return good ? 0 : -1;
}

void harvest_free(struct harvest *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->item[i].der);
	free(h->item);
	*h = (struct harvest){.item = NULL};
}
