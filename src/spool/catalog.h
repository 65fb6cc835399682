/* SPDX-License-Identifier: ISC */
/* The requests and certificates of the spool by device, for a server that has them in memory as long as it lives: about
 * 80 bytes for a device with one request, and 48 for each further one, where index.h takes 160 for each file. A request
 * and its certificate are one entry, with the directories in which they were seen. */
#ifndef CATALOG_H
#define CATALOG_H

#include <stdint.h>

#include "spool/reqid.h"
#include "spool/spool.h"

struct catalog;

struct catalog_entry {
	struct reqid reqid;	/* of the request; REQID_DER when only the certificate was seen */
	unsigned dirs;		/* 1 << SPOOL_... */
};

/* NULL with errno. */
struct catalog *catalog_new(void);
void catalog_free(struct catalog *);

/* It was seen in this directory. How many entries the device has; -1 when out of memory. */
int catalog_put(struct catalog *, const struct reqid *, enum spool_dir);
/* It is no longer in these; an entry without any goes, unless it is the newest of its device. */
void catalog_clear(struct catalog *, const struct reqid *, unsigned dirs);
/* Was it seen there? */
bool catalog_has(const struct catalog *, const struct reqid *, enum spool_dir);

/* The next entry of a device, of those after *at, which is 0 before the first. Between two calls the catalog may not
 * change. */
bool catalog_next(const struct catalog *, const char *device, uint32_t *at, struct catalog_entry *);
/* The same for the devices themselves. */
bool catalog_next_device(const struct catalog *, uint32_t *at, char device[DEVICE_MAX + 1]);

#endif
