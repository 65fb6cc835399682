/* SPDX-License-Identifier: ISC */
/* The devices that a command is for, capf(7): names among its arguments, lines of a file, or "all". */
#ifndef DEVICES_H
#define DEVICES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/device.h"
#include "base/reason.h"
#include "spool/spool.h"

struct name {
	char device[DEVICE_MAX + 1];
	char typed[DEVICE_MAX + 1];	/* what was given, when that is legal and another name; or "" */
	bool used;		/* somebody asked for it */
};

struct devices {
	struct name *name;	/* sorted, no name twice */
	size_t n;
	bool all;		/* the one argument was "all", or there was neither argument nor file */
};

/* From arguments, and from a file ("-": stdin) when path is not NULL, where each name ends with a NUL
 * when zero, else with a newline, or a tab and further columns. -1 with a reason, which is about
 * "object". */
int devices_read(struct devices *, int argc, char *const argv[], const char *path, bool zero,
    const char **object, struct reason *);
void devices_free(struct devices *);
/* Names become the form in which phones say them, device_tidy. But a device that the spool has under just the name that was
 * given is that one: to be called when the spool is open (without one, NULL, there is none), before anything else is asked. Ends the program when the spool cannot be read. */
void devices_settle(struct devices *, const struct spool *);

/* Is this device meant? Remembers which names were asked for. */
bool devices_want(struct devices *, const char *device);
/* The same without remembering; ctx is the struct devices. For struct spool_wanted. */
bool devices_named(void *ctx, const char *device);
/* The next name that nobody asked for, from *i on; NULL when there is none. */
const char *devices_unused(const struct devices *, size_t *i);

/* devices_read for main(): ends with a message when it fails. */
void devices_from_args(struct devices *, int argc, char *const argv[], const char *path, bool zero);
/* Warns about each name that nobody asked for: "program: NAME: what". Returns status, or the worse of it. */
int devices_warn_unused(const struct devices *, const char *what, int status);

#endif
