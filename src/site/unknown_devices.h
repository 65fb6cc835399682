/* SPDX-License-Identifier: ISC */
/* The devices that connected and have no record: phone/.unknown, which capf-serve writes and phone-list --unknown shows.
 * capf-spool(5). Anybody can connect with any name, so the list is bounded, and a flood of names from one place
 * removes only those of the same place. */
#ifndef UNKNOWN_DEVICES_H
#define UNKNOWN_DEVICES_H

#include <stdint.h>
#include <time.h>

#include "base/bytes.h"
#include "base/device.h"
#include "base/reason.h"
#include "spool/spool.h"

#define UNKNOWN_DEVICES_MAX 2000	/* on the disk */
#define UNKNOWN_DEVICES_SLACK 500	/* more in memory, so that not every knock sorts them */
#define UNKNOWN_DEVICES_BYTES (400u << 10)	/* of the file: each line full */
#define UNKNOWN_DEVICES_KEEP (30 * 86400)	/* seconds without a knock */
#define UNKNOWN_ADDRESS_MAX 45		/* an IPv6 address as text */
#define UNKNOWN_COUNT_MAX 999999999

struct unknown_device {
	char device[DEVICE_MAX + 1];
	char address[UNKNOWN_ADDRESS_MAX + 1];	/* where it was when it came first, or "?" */
	unsigned long count;
	time_t first, last;
	uint64_t hash, place;	/* of the name; of the IPv4 address, or the IPv6 network of 64 bits */
	unsigned rank;		/* among those of its place, while they are sorted */
};

struct unknown_devices {
	struct unknown_device *p;
	size_t n;
};

/* A device connected so often, first and last at these times. False when memory is short: it is not counted. */
bool unknown_devices_add(struct unknown_devices *, const char *device, const char *address, unsigned long count,
    time_t first, time_t last);
/* Not more than UNKNOWN_DEVICES_MAX. Each place keeps one before any keeps a second one, and so on; of a place those
 * stay that came more than once, and of these the ones that came last. */
void unknown_devices_trim(struct unknown_devices *);
void unknown_devices_free(struct unknown_devices *);

/* Adds what the text of the file says. -1 with a reason. */
int unknown_devices_parse(struct unknown_devices *, const char *text, size_t len, struct reason *);
/* As the file's text, sorted by name. */
void unknown_devices_format(struct unknown_devices *, struct buf *);

/* Adds what a spool has. 0, also without such a file; -1 with a reason. */
int unknown_devices_load(const struct spool *, struct unknown_devices *, struct reason *);

#endif
