/* SPDX-License-Identifier: ISC */
/* What the registry tells a connection of its visit. */
#ifndef HOOKS_H
#define HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "capf/session.h"

struct registry_hooks {
	/* An answer that took its time. */
	void (*event)(void *link, const struct session_event *);
	/* What it was held for is durable; or not, and then nothing may be said to the phone. */
	void (*go_on)(void *link, bool done);
	/* It must end, for reasons of our own. */
	void (*drop)(void *link, const char *why);
	/* The phone is here once more: this connection is as good as closed by it. */
	void (*replaced)(void *link);
	/* Its device has no record: into the log with it. Gives the address that it came from, as text without a port. */
	void (*unknown)(void *link, const char *device, char *address, size_t size);
	/* Its phone proved who it is; when is a time of monotime_ns(). */
	void (*proved)(void *link, const char *device, uint64_t when);
};

#endif
