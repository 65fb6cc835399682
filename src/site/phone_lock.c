/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "base/hash.h"
#include "site/phone_lock.h"

#define MANY 1000	/* the kernel walks along all locks of a file for each new one */
#define TURNSTILE 0	/* the byte of the one that may wait: two would wait for each other */

void phone_lock_init(struct phone_lock *l, const struct spool *s)
{
	*l = (struct phone_lock){.spool = s, .fd = -1};
}

void phone_lock_close(struct phone_lock *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->any = l->alone = false;
	l->waited = 0;
}

/* Two phones with one place only wait for each other. */
static off_t place_of(const char *device)
{
	return (off_t)(hash_name(device, 0) % (INT64_MAX - 1) + 1);
}

/* 1, 0, or -1 with errno. */
static int set(struct phone_lock *l, short type, off_t start, off_t len, bool wait)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	int result;

	if (l->fd < 0)
		l->fd = openat(l->spool->dir[SPOOL_PHONE], SPOOL_LOCK,
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (l->fd < 0)
		return -1;
	do
		result = fcntl(l->fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range);
	while (result != 0 && errno == EINTR);
	if (result == 0)
		return 1;
	if (errno == EAGAIN || errno == EACCES)
		return 0;
	return errno == ENOLCK || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ? 1 : -1;
}

int phone_lock_try(struct phone_lock *l, const char *device)
{
	int result = set(l, F_WRLCK, place_of(device), 1, false);

	l->any = l->any || result == 1;
	return result;
}

/* Waits until this is the one program that may wait. */
static int become_alone(struct phone_lock *l)
{
	if (!l->alone && set(l, F_WRLCK, TURNSTILE, 1, true) != 1)
		return -1;
	l->alone = l->any = true;
	return 0;
}

int phone_lock_many(struct phone_lock *l, size_t n)
{
	if (n < MANY)
		return 0;
	if (become_alone(l) != 0 || set(l, F_WRLCK, TURNSTILE + 1, 0, true) != 1)
		return -1;
	l->waited = MANY;
	return 1;
}

int phone_lock_wait(struct phone_lock *l, const char *device)
{
	if (become_alone(l) != 0)
		return -1;
	if (l->waited == MANY)
		return 0;
	/* From here on one lock over all phones is quicker. */
	if (++l->waited == MANY)
		return set(l, F_WRLCK, TURNSTILE + 1, 0, true) == 1 ? 0 : -1;
	return set(l, F_WRLCK, place_of(device), 1, true) == 1 ? 0 : -1;
}

void phone_lock_drop(struct phone_lock *l)
{
	if (l->any)
		set(l, F_UNLCK, 0, 0, false);
	l->any = l->alone = false;
	l->waited = 0;
}
