/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/ini.h"
#include "base/utc.h"
#include "site/asked.h"
#include "spool/create.h"

#define SUFFIX ".asked"
#define CERTIFICATE ".der"
#define NAME_MAX_BYTES (2 * REQID_SPKI + sizeof SUFFIX)
#define FILE_MAX 4096
#define LOCK_LOOKS 50		/* each after 20 ms: a second */

const char *const asked_states[] = {"sent", "pending", "refused", "lost", "later", "unfit", "issued", NULL};

enum field { DEVICE, CA, STATE, TICKET, FIRST, LAST, NEXT, TRIES, REASON, FIELDS };
static const char *const field_names[FIELDS] = {
	"device", "ca", "state", "ticket", "first", "last", "next", "tries", "reason",
};

static void name_of(const unsigned char *spki, const char *suffix, char out[NAME_MAX_BYTES])
{
	bytes_hex(spki, REQID_SPKI, out);
	strcat(out, suffix);
}

int asked_lock(struct spool *s)
{
	const struct timespec pause = {0, 20000000};
	int fd;

	if (create_online(s) != 0)
		return -1;
	fd = openat(s->dir[SPOOL_ONLINE], SPOOL_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	/* One that was killed has it until its processes have ended too. */
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_LOOKS)
			return fileio_give_up(fd);
		nanosleep(&pause, NULL);
	}
	return fd;
}

static int set_text(const char *name, const char *value, char *out, size_t size, struct reason *why)
{
	size_t len = strlen(value);

	if (len >= size)
		return reason_set(why, "%s is too long", name);
	memcpy(out, value, len + 1);
	return 0;
}

static int take_state(struct asked *a, const char *value, struct reason *why)
{
	for (unsigned i = 0; i < ASKED_STATES; i++)
		if (strcmp(value, asked_states[i]) == 0) {
			a->state = (enum asked_state)i;
			return 0;
		}
	return reason_set(why, "state cannot be \"%.40s\"", value);
}

static int take_tries(struct asked *a, const char *value, struct reason *why)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 || n > UINT_MAX)
		return reason_set(why, "tries wants a number");
	a->tries = (unsigned)n;
	return 0;
}

struct taking {
	struct asked *asked;
	unsigned seen;		/* 1 << field */
};

static int take(void *ctx, const char *name, const char *value, struct reason *why)
{
	struct taking *t = ctx;
	struct asked *a = t->asked;
	time_t *const time[] = {[FIRST] = &a->first, [LAST] = &a->last, [NEXT] = &a->next};
	unsigned field = 0;

	while (field < FIELDS && strcmp(name, field_names[field]) != 0)
		field++;
	if (field == FIELDS)
		return reason_set(why, "there is no field %.40s", name);
	if ((t->seen & 1u << field) != 0)
		return reason_set(why, "%s is there twice", name);
	t->seen |= 1u << field;
	switch ((enum field)field) {
	case DEVICE:
		return device_ok(value, strlen(value)) ? set_text(name, value, a->device, sizeof a->device, why) :
		    reason_set(why, "an invalid device name");
	case CA:
		return set_text(name, value, a->ca, sizeof a->ca, why);
	case TICKET:
		return set_text(name, value, a->ticket, sizeof a->ticket, why);
	case REASON:
		return set_text(name, value, a->reason, sizeof a->reason, why);
	case STATE:
		return take_state(a, value, why);
	case TRIES:
		return take_tries(a, value, why);
	default:
		return utc_parse(value, time[field]) ? 0 : reason_set(why, "%s wants a time", name);
	}
}

/* Is its certificate there? */
static bool has_certificate(const struct spool *s, const unsigned char *spki)
{
	char name[NAME_MAX_BYTES];

	name_of(spki, CERTIFICATE, name);
	return faccessat(s->dir[SPOOL_ONLINE], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int asked_load(const struct spool *s, const unsigned char spki[REQID_SPKI], struct asked *a, struct reason *why)
{
	struct taking taking = {a, 0};
	char name[NAME_MAX_BYTES];
	unsigned char *text;
	size_t len;
	int result;

	*a = (struct asked){.state = ASKED_SENT};
	memcpy(a->spki, spki, REQID_SPKI);
	name_of(spki, SUFFIX, name);
	if (fileio_slurp(s->dir[SPOOL_ONLINE], name, FILE_MAX, &text, &len) != 0)
		return errno == ENOENT ? 0 : reason_errno_of(why, name);
	result = strlen((char *)text) != len ? reason_set(why, "has a NUL") : ini_lines((char *)text, take, &taking, why);
	free(text);
	if (result == 0 && *a->device == '\0')
		result = reason_set(why, "names no device");
	/* What was refused afterwards is kept to be looked at. */
	if (result == 0 && a->state != ASKED_REFUSED && has_certificate(s, spki)) {
		a->unsaid = a->state != ASKED_ISSUED;
		a->state = ASKED_ISSUED;
	}
	return result == 0 ? 1 : -1;
}

void asked_say(const struct spool *s, const unsigned char spki[REQID_SPKI], char *said, size_t size)
{
	static const char *const words[] = {
		[ASKED_SENT] = "is being asked", [ASKED_PENDING] = "has it, and has not decided",
		[ASKED_REFUSED] = "refused it", [ASKED_LOST] = "was asked, and its answer was lost",
		[ASKED_LATER] = "is asked again", [ASKED_UNFIT] = "was not asked", [ASKED_ISSUED] = "has issued",
	};
	size_t len = strlen(said);
	struct reason why;
	struct asked a;

	if (asked_load(s, spki, &a, &why) == 1)
		snprintf(said + len, size - len, "%sthe CA %s %s%s%s", len > 0 ? "; " : "", a.ca, words[a.state],
		    *a.reason != '\0' ? ": " : "", a.reason);
}

struct walk {
	const struct spool *spool;
	int (*each)(void *, const struct asked *, const char *, const struct reason *);
	void *ctx;
};

static int walk_one(void *ctx, const char *name)
{
	const struct walk *w = ctx;
	unsigned char spki[REQID_SPKI];
	struct reason why = {.text = ""};
	struct asked a;
	int found;

	if (strlen(name) != 2 * REQID_SPKI + strlen(SUFFIX) || strcmp(name + 2 * REQID_SPKI, SUFFIX) != 0 ||
	    !bytes_unhex(name, sizeof spki, spki))
		return 0;
	if ((found = asked_load(w->spool, spki, &a, &why)) == 0)
		return 0;
	return w->each(w->ctx, found > 0 ? &a : NULL, name, &why);
}

int asked_each(const struct spool *s, int (*each)(void *, const struct asked *, const char *, const struct reason *),
    void *ctx)
{
	struct walk w = {s, each, ctx};

	return spool_each(s, SPOOL_ONLINE, walk_one, &w);
}

static void put_line(struct buf *out, const char *name, const char *value)
{
	buf_put(out, name, strlen(name));
	buf_put(out, " = ", 3);
	buf_put(out, value, strlen(value));
	buf_put(out, "\n", 1);
}

/* On one line, without what libinih would take for a comment. */
static void put_reason(struct buf *out, const char *text)
{
	char line[ASKED_REASON_MAX + 1];
	size_t n = 0;

	text += strspn(text, " ");
	for (; *text != '\0' && n < ASKED_REASON_MAX; text++)
		line[n++] = (unsigned char)*text < ' ' ? ' ' : *text == ';' ? ',' : *text;
	while (n > 0 && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	if (n > 0)
		put_line(out, "reason", line);
}

int asked_put(struct turn *t, const struct asked *a)
{
	const time_t time[] = {[FIRST] = a->first, [LAST] = a->last, [NEXT] = a->next};
	char name[NAME_MAX_BYTES], text[UTC_ISO + 1];
	struct buf out = {0};
	int result;

	put_line(&out, "device", a->device);
	put_line(&out, "ca", a->ca);
	put_line(&out, "state", asked_states[a->state]);
	if (*a->ticket != '\0')
		put_line(&out, "ticket", a->ticket);
	for (unsigned i = FIRST; i <= NEXT; i++) {
		if (time[i] == 0)
			continue;
		utc_iso(time[i], text);
		put_line(&out, field_names[i], text);
	}
	snprintf(text, sizeof text, "%u", a->tries);
	put_line(&out, "tries", text);
	put_reason(&out, a->reason);
	name_of(a->spki, SUFFIX, name);
	if (out.failed)
		turn_fail(t);
	result = out.failed ? -1 : turn_put(t, SPOOL_ONLINE, name, out.p, out.len);
	buf_free(&out);
	return result;
}

int asked_put_certificate(struct turn *t, const struct asked *a, struct bytes der)
{
	char name[NAME_MAX_BYTES];

	name_of(a->spki, CERTIFICATE, name);
	return turn_put(t, SPOOL_ONLINE, name, der.p, der.len);
}

int asked_certificate(const struct spool *s, const unsigned char spki[REQID_SPKI], unsigned char **out, size_t *len)
{
	char name[NAME_MAX_BYTES];

	name_of(spki, CERTIFICATE, name);
	return fileio_slurp(s->dir[SPOOL_ONLINE], name, SPOOL_FILE_MAX, out, len);
}

static int remove_one(struct spool *s, const unsigned char *spki, const char *suffix)
{
	char name[NAME_MAX_BYTES];

	name_of(spki, suffix, name);
	return spool_remove(s, SPOOL_ONLINE, name) == 0 || errno == ENOENT ? 0 : -1;
}

int asked_drop_certificate(struct spool *s, const unsigned char spki[REQID_SPKI])
{
	return remove_one(s, spki, CERTIFICATE);
}

struct expiry {
	struct spool *spool;
	struct reqid *waiting;	/* requests in csr/ */
	size_t waitings;
	time_t issued, any;
	size_t *n;
};

/* Without the record its key would be asked for as if for the first time. */
static bool is_waiting(const struct expiry *x, const unsigned char *spki)
{
	for (size_t i = 0; i < x->waitings; i++)
		if (memcmp(x->waiting[i].spki, spki, REQID_SPKI) == 0)
			return true;
	return false;
}

static int expire_one(void *ctx, const struct asked *a, const char *file, const struct reason *why)
{
	const struct expiry *x = ctx;
	time_t last;

	(void)file, (void)why;
	if (a == NULL)
		return 0;
	last = a->last > a->first ? a->last : a->first;
	if (last >= (a->state == ASKED_ISSUED ? x->issued : x->any) || is_waiting(x, a->spki))
		return 0;
	/* What says that it was asked goes last: alone, the certificate would be nobody's. */
	if (remove_one(x->spool, a->spki, CERTIFICATE) != 0 || remove_one(x->spool, a->spki, SUFFIX) != 0)
		return -1;
	++*x->n;
	return 0;
}

int asked_expire(struct spool *s, time_t issued, time_t any, size_t *n)
{
	struct expiry x = {.spool = s, .issued = issued, .any = any, .n = n};
	int result;

	if (spool_list(s, SPOOL_CSR, &x.waiting, &x.waitings) != 0)
		return -1;
	result = asked_each(s, expire_one, &x);
	free(x.waiting);
	return result;
}

struct strays {
	const struct spool *spool;
	int (*each)(void *, const char *);
	void *ctx;
};

static int stray_one(void *ctx, const char *name)
{
	const struct strays *t = ctx;
	unsigned char spki[REQID_SPKI];
	char asked[NAME_MAX_BYTES];

	if (strlen(name) != 2 * REQID_SPKI + strlen(CERTIFICATE) || strcmp(name + 2 * REQID_SPKI, CERTIFICATE) != 0 ||
	    !bytes_unhex(name, sizeof spki, spki))
		return 0;
	name_of(spki, SUFFIX, asked);
	if (faccessat(t->spool->dir[SPOOL_ONLINE], asked, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == ENOENT ? t->each(t->ctx, name) : -1;
}

int asked_strays(const struct spool *s, int (*each)(void *ctx, const char *file), void *ctx)
{
	struct strays t = {s, each, ctx};

	return spool_each(s, SPOOL_ONLINE, stray_one, &t);
}
