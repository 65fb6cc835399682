/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/records_link.h"
#include "server/registry_inside.h"
#include "spool/turn.h"

struct records_link {
	int fd;
	bool broken, pending, late;
	size_t files;
	unsigned char packet[RECORDS_PACKET_MAX];
	struct buf out;
};

struct records_link *records_open(int fd)
{
	struct records_link *l = calloc(1, sizeof *l);

	if (l == NULL)
		close(fd);
	else
		l->fd = fd;
	return l;
}

int records_fd(const struct records_link *l)
{
	return l->fd;
}

void records_ended(struct records_link *l)
{
	l->broken = true;
}

bool records_broken(const struct records_link *l)
{
	return l->broken;
}

bool records_pending(const struct records_link *l)
{
	return l->pending;
}

size_t records_files(const struct records_link *l)
{
	return l->files;
}

bool records_late(const struct records_link *l)
{
	return l->late;
}

/* -1 with errno. */
static int say(struct records_link *l, const struct records_request *q)
{
	ssize_t n;

	l->out.len = 0;
	records_request_put(q, &l->out);
	if (l->out.failed) {
		buf_free(&l->out);
		errno = ENOMEM;
		return -1;
	}
	do
		n = send(l->fd, l->out.p, l->out.len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	/* The string of a phone. */
	explicit_bzero(l->out.p, l->out.len);
	l->broken = l->broken || n < 0;
	return n < 0 ? -1 : 0;
}

void records_close(struct records_link *l)
{
	if (l == NULL)
		return;
	/* Its answer says that it is done, whatever it says else. */
	if (!l->broken && say(l, &(struct records_request){.type = RECORDS_END}) == 0)
		while (recv(l->fd, l->packet, sizeof l->packet, 0) < 0 && errno == EINTR)
			;
	close(l->fd);
	buf_free(&l->out);
	free(l);
}

/* What it says goes to the log. -1 with errno when it says nothing. */
static int hear(struct registry *o, struct records_reply *r)
{
	struct records_link *l = o->records;
	ssize_t n;

	do
		n = recv(l->fd, l->packet, sizeof l->packet, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0 || !records_reply_get((struct bytes){l->packet, (size_t)n}, r)) {
		l->broken = true;
		errno = n < 0 ? errno : EPIPE;
		return -1;
	}
	l->pending = r->pending;
	l->late = r->late;
	l->files = r->files;
	o->spool->torn = o->spool->torn || r->torn;
	if (*r->what != '\0')
		registry_complain(o, *r->device != '\0' ? r->device : NULL, r->what, r->because);
	return 0;
}

static int ask(struct registry *o, const struct records_request *q, struct records_reply *r)
{
	if (say(o->records, q) == 0 && hear(o, r) == 0)
		return 0;
	*r = (struct records_reply){.result = -2, .error = errno};
	return reason_trouble(&r->why, "cannot ask the records process: %s", strerror(errno));
}

static void name(struct records_request *q, const char *device)
{
	snprintf(q->device, sizeof q->device, "%s", device);
}

int records_look(struct registry *o, const char *device, struct phone *p, struct phone_state *st, struct reason *why)
{
	struct records_request q = {.type = RECORDS_LOOK};
	struct records_reply r;

	name(&q, device);
	if (ask(o, &q, &r) != 0 || !bytes_get_copy(&r.body, p, sizeof *p) || !bytes_get_copy(&r.body, st, sizeof *st)) {
		*why = r.why;
		why->trouble = true;
		return -1;
	}
	*why = r.why;
	return r.result;
}

int records_guess(struct client *v, struct bytes password, struct reason *why)
{
	struct records_request q = {.type = RECORDS_GUESS, .number = v->number, .order = v->phone->order,
	    .version = v->version, .password = password};
	struct records_reply r;

	name(&q, v->phone->device);
	ask(v->orders, &q, &r);
	*why = r.why;
	if (r.result == 0) {
		v->guess = GUESS_COUNTED;
		registry_hold(v);
	}
	return r.result;
}

bool records_change(struct client *v, const struct outcome_change *change)
{
	struct records_request q = {.type = RECORDS_CHANGE, .order = v->phone->order, .version = v->version,
	    .change = *change};
	struct records_reply r;

	name(&q, v->phone->device);
	snprintf(q.why, sizeof q.why, "%s", change->why);
	if (ask(v->orders, &q, &r) != 0)
		turn_fail(v->orders->group);
	return registry_hold(v);
}

void records_note(struct registry *o, const char *device, unsigned version, const char *why)
{
	struct records_request q = {.type = RECORDS_NOTE, .version = version};
	struct records_reply r;

	name(&q, device);
	snprintf(q.why, sizeof q.why, "%s", why);
	ask(o, &q, &r);
}

void records_unknown(struct registry *o, const char *device, const char *address)
{
	struct records_request q = {.type = RECORDS_UNKNOWN};
	struct records_reply r;

	name(&q, device);
	snprintf(q.why, sizeof q.why, "%s", address);
	ask(o, &q, &r);
}

void records_retry(struct registry *o)
{
	struct records_reply r;

	if (o->records->late)
		ask(o, &(struct records_request){.type = RECORDS_RETRY}, &r);
}

int records_begin_stage(struct registry *o, size_t files)
{
	return say(o->records, &(struct records_request){.type = RECORDS_STAGE, .number = files});
}

int records_staged(struct registry *o)
{
	struct records_reply r;

	if (hear(o, &r) != 0)
		return -1;
	errno = r.error;
	return r.result;
}

int records_publish(struct registry *o, void (*each)(void *ctx, uint64_t number, enum records_guess), void *ctx)
{
	struct records_reply r;
	uint64_t number;
	uint8_t what;

	ask(o, &(struct records_request){.type = RECORDS_PUBLISH}, &r);
	while (r.result == 0 && bytes_get_u64(&r.body, &number) && bytes_get_u8(&r.body, &what))
		each(ctx, number, (enum records_guess)what);
	errno = r.error;
	return r.result == 0 ? 0 : -1;
}

void records_abandon(struct registry *o)
{
	struct records_reply r;

	ask(o, &(struct records_request){.type = RECORDS_ABANDON}, &r);
}
