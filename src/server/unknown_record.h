/* SPDX-License-Identifier: ISC */
/* In the records process: devices without a record that connected, kept in memory and now and then written to the
 * spool, together with what the processes of other workers and servers wrote there. */
#ifndef UNKNOWN_RECORD_H
#define UNKNOWN_RECORD_H

#include "site/phone_lock.h"
#include "site/unknown_devices.h"

struct unknown_record {
	struct unknown_devices seen;	/* since it was written last */
	struct phone_lock lock;		/* of its own: that of the records is dropped at each commit */
	long long due;			/* when to write, of monotime_ms(); 0: there is nothing */
};

void unknown_record_init(struct unknown_record *, const struct spool *);
void unknown_record_free(struct unknown_record *);
/* One connected from this address. */
void unknown_record_knock(struct unknown_record *, const struct spool *, const char *device, const char *address);
/* How many milliseconds until it is due, for poll(2); -1: never. */
int unknown_record_wait(const struct unknown_record *);
/* Writes when it is due, or at the end at once. Trouble is no reason to stop: it tries again later. */
void unknown_record_write(struct unknown_record *, struct spool *, bool now);

#endif
