/* SPDX-License-Identifier: ISC */
/* The certificates that csr-submit has got, and the archive of them that cert-import takes. */
#ifndef HARVEST_H
#define HARVEST_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/bytes.h"

struct harvest_item;

struct harvest {
	struct harvest_item *item;
	size_t n, cap;
};

/* A certificate of a device. -1 when out of memory. */
int harvest_add(struct harvest *, const char *device, struct bytes der);
/* All of them into fd, sorted: DEVICE.der, and DEVICE+2.der for the second of a device. -1 with errno. */
int harvest_write(struct harvest *, int fd, int level, time_t);
void harvest_free(struct harvest *);

#endif
