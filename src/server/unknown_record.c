/* SPDX-License-Identifier: ISC */
#include "base/monotime.h"
#include "server/unknown_record.h"
#include "site/phonebook.h"
#include "spool/stage.h"

#define EVERY_MS 5000	/* between two writings: what a power failure may lose, and phones come again */

void unknown_record_init(struct unknown_record *r, const struct spool *s)
{
	*r = (struct unknown_record){.due = 0};
	phone_lock_init(&r->lock, s);
}

void unknown_record_free(struct unknown_record *r)
{
	phone_lock_close(&r->lock);
	unknown_devices_free(&r->seen);
}

void unknown_record_knock(struct unknown_record *r, const struct spool *s, const char *device, const char *address)
{
	if (unknown_devices_add(&r->seen, device, address, 1, s->now, s->now) && r->due == 0)
		r->due = monotime_ms() + EVERY_MS;
}

int unknown_record_wait(const struct unknown_record *r)
{
	long long left = r->due - monotime_ms();

	return r->due == 0 ? -1 : left > 0 ? (int)left : 0;
}

/* Takes out who has a record by now, and who has not been here for long. */
static void forget(struct unknown_devices *u, const struct spool *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < u->n; i++)
		if (u->p[i].last + UNKNOWN_DEVICES_KEEP >= s->now && !phonebook_has(s, u->p[i].device))
			u->p[kept++] = u->p[i];
	u->n = kept;
}

/* The lock is held. -1 when it could not be written. */
static int merge(struct unknown_record *r, struct spool *s)
{
	struct unknown_devices all = {0};
	struct buf text = {0};
	struct reason why;
	int result = -1;

	/* What cannot be parsed is worth less than what comes now. What cannot be read may be good. */
	if (unknown_devices_load(s, &all, &why) != 0 && why.trouble) {
		unknown_devices_free(&all);
		return -1;
	}
	for (size_t i = 0; i < r->seen.n; i++) {
		const struct unknown_device *d = &r->seen.p[i];

		unknown_devices_add(&all, d->device, d->address, d->count, d->first, d->last);
	}
	forget(&all, s);
	unknown_devices_trim(&all);
	unknown_devices_format(&all, &text);
	if (!text.failed)
		result = stage_put(s, SPOOL_PHONE, SPOOL_UNKNOWN, text.p != NULL ? (const void *)text.p : "", text.len, true);
	buf_free(&text);
	unknown_devices_free(&all);
	return result;
}

void unknown_record_write(struct unknown_record *r, struct spool *s, bool now)
{
	bool written = false;

	if (r->due == 0 || (!now && monotime_ms() < r->due))
		return;
	/* A place in the lock file that no device has. */
	if (phone_lock_try(&r->lock, SPOOL_UNKNOWN) == 1)
		written = merge(r, s) == 0;
	phone_lock_drop(&r->lock);
	if (written)
		r->seen.n = 0;
	r->due = written ? 0 : monotime_ms() + EVERY_MS;
}
