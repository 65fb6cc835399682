/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/hash.h"
#include "base/utc.h"
#include "site/unknown_devices.h"

#define CAP (UNKNOWN_DEVICES_MAX + UNKNOWN_DEVICES_SLACK)

/* The address as inet_ntop writes it, or "?"; and what counts as one place: whoever has an IPv6 network has as many
 * addresses in it as he likes. */
static uint64_t place_of(const char *address, char out[UNKNOWN_ADDRESS_MAX + 1])
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char text[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	char place[UNKNOWN_ADDRESS_MAX + 1];

	strcpy(out, "?");
	if (inet_pton(AF_INET, address, bytes) == 1)
		inet_ntop(AF_INET, bytes, out, UNKNOWN_ADDRESS_MAX + 1);
	else if (inet_pton(AF_INET6, address, bytes) == 1 && memcmp(bytes, mapped, sizeof mapped) == 0)
		inet_ntop(AF_INET, bytes + sizeof mapped, out, UNKNOWN_ADDRESS_MAX + 1);
	else if (inet_pton(AF_INET6, address, bytes) == 1) {
		inet_ntop(AF_INET6, bytes, text, sizeof text);
		strcpy(out, text);
		memset(bytes + 8, 0, 8);
		inet_ntop(AF_INET6, bytes, place, sizeof place);
		return hash_name(place, 0);
	}
	return hash_name(out, 0);
}

static struct unknown_device *find(const struct unknown_devices *u, const char *device, uint64_t hash)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->p[i].hash == hash && strcmp(u->p[i].device, device) == 0)
			return &u->p[i];
	return NULL;
}

bool unknown_devices_add(struct unknown_devices *u, const char *device, const char *address, unsigned long count,
    time_t first, time_t last)
{
	uint64_t hash = hash_name(device, 0);
	struct unknown_device *d;

	if (u->p == NULL && (u->p = calloc(CAP, sizeof *u->p)) == NULL)
		return false;
	if ((d = find(u, device, hash)) == NULL) {
		if (u->n == CAP)
			unknown_devices_trim(u);
		d = &u->p[u->n++];
		*d = (struct unknown_device){.hash = hash, .first = first, .last = last};
		snprintf(d->device, sizeof d->device, "%s", device);
		d->place = place_of(address, d->address);
	} else if (first < d->first) {
		/* Another process saw it earlier: so it was there first. */
		d->place = place_of(address, d->address);
	}
	d->first = first < d->first ? first : d->first;
	d->last = last > d->last ? last : d->last;
	d->count = count < UNKNOWN_COUNT_MAX - d->count ? d->count + count : UNKNOWN_COUNT_MAX;
	return true;
}

/* Of two of a place, which one stays longer. */
static int compare_worth(const struct unknown_device *a, const struct unknown_device *b)
{
	if ((a->count > 1) != (b->count > 1))
		return a->count > 1 ? -1 : 1;
	return a->last != b->last ? (a->last > b->last ? -1 : 1) : strcmp(a->device, b->device);
}

static int by_place(const void *a, const void *b)
{
	const struct unknown_device *x = a, *y = b;

	return x->place != y->place ? (x->place < y->place ? -1 : 1) : compare_worth(x, y);
}

static int by_rank(const void *a, const void *b)
{
	const struct unknown_device *x = a, *y = b;

	return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1) : compare_worth(x, y);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct unknown_device *)a)->device, ((const struct unknown_device *)b)->device);
}

void unknown_devices_trim(struct unknown_devices *u)
{
	if (u->n <= UNKNOWN_DEVICES_MAX)
		return;
	qsort(u->p, u->n, sizeof *u->p, by_place);
	for (size_t i = 0; i < u->n; i++)
		u->p[i].rank = i > 0 && u->p[i - 1].place == u->p[i].place ? u->p[i - 1].rank + 1 : 0;
	qsort(u->p, u->n, sizeof *u->p, by_rank);
	u->n = UNKNOWN_DEVICES_MAX;
}

void unknown_devices_free(struct unknown_devices *u)
{
	free(u->p);
	*u = (struct unknown_devices){0};
}

/* The next word of a line, ended by a NUL in place of a tab. */
static char *word(char **line)
{
	return strsep(line, "\t");
}

static int parse_line(struct unknown_devices *u, char *line, struct reason *why)
{
	char *device = word(&line), *count = word(&line), *first = word(&line), *last = word(&line), *address = line;
	char normal[UNKNOWN_ADDRESS_MAX + 1];
	time_t begin, end;
	unsigned long n;

	if (address == NULL || !device_ok(device, strlen(device)))
		return reason_set(why, "is not a device, a number, two times and an address");
	if (strspn(count, "0123456789") != strlen(count) || *count == '\0' || *count == '0' || strlen(count) > 9)
		return reason_set(why, "%s: has no number", device);
	n = strtoul(count, NULL, 10);
	if (strlen(first) != UTC_ISO || !utc_parse(first, &begin) || strlen(last) != UTC_ISO || !utc_parse(last, &end) ||
	    begin > end)
		return reason_set(why, "%s: its times are none", device);
	place_of(address, normal);
	if (strcmp(normal, address) != 0)
		return reason_set(why, "%s: has no address", device);
	if (u->n > 0 && find(u, device, hash_name(device, 0)) != NULL)
		return reason_set(why, "%s: comes twice", device);
	if (u->n == UNKNOWN_DEVICES_MAX)
		return reason_set(why, "has more than %d devices", UNKNOWN_DEVICES_MAX);
	return unknown_devices_add(u, device, address, n, begin, end) ? 0 : reason_memory(why);
}

int unknown_devices_parse(struct unknown_devices *u, const char *text, size_t len, struct reason *why)
{
	struct unknown_devices fresh = {0};
	char line[256];
	int number = 1, result = 0;

	for (const char *p = text, *end = text + len, *lf; p < end && result == 0; p = lf + 1, number++) {
		struct reason cause;

		if ((lf = memchr(p, '\n', (size_t)(end - p))) == NULL || (size_t)(lf - p) >= sizeof line ||
		    memchr(p, '\0', (size_t)(lf - p)) != NULL) {
			result = reason_set(why, "line %d: is cut off, too long, or has a NUL byte", number);
			break;
		}
		memcpy(line, p, (size_t)(lf - p));
		line[lf - p] = '\0';
		if (parse_line(&fresh, line, &cause) != 0)
			result = reason_because(why, &cause, "line %d: %s", number, cause.text);
	}
	for (size_t i = 0; result == 0 && i < fresh.n; i++) {
		const struct unknown_device *d = &fresh.p[i];

		if (!unknown_devices_add(u, d->device, d->address, d->count, d->first, d->last))
			result = reason_memory(why);
	}
	unknown_devices_free(&fresh);
	return result;
}

void unknown_devices_format(struct unknown_devices *u, struct buf *out)
{
	char line[256], first[UTC_ISO + 1], last[UTC_ISO + 1];

	if (u->n > 0)
		qsort(u->p, u->n, sizeof *u->p, by_name);
	for (size_t i = 0; i < u->n; i++) {
		const struct unknown_device *d = &u->p[i];

		utc_iso(d->first, first);
		utc_iso(d->last, last);
		buf_put(out, line, (size_t)snprintf(line, sizeof line, "%s\t%lu\t%s\t%s\t%s\n", d->device, d->count, first,
		    last, d->address));
	}
}

int unknown_devices_load(const struct spool *s, struct unknown_devices *u, struct reason *why)
{
	unsigned char *text;
	int result;
	size_t len;

	if (fileio_slurp(s->dir[SPOOL_PHONE], SPOOL_UNKNOWN, UNKNOWN_DEVICES_BYTES, &text, &len) != 0)
		return errno == ENOENT ? 0 : errno == EFBIG ? reason_set(why, "is too large") : reason_errno(why);
	result = unknown_devices_parse(u, (const char *)text, len, why);
	free(text);
	return result;
}
