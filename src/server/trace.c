/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/monotime.h"
#include "base/utc.h"
#include "net/address.h"
#include "server/trace.h"
#include "server/trace_packet.h"
#include "server/trace_text.h"
#include "spool/trace_files.h"

#define PEER_MAX 56
#define TOLD_MS 60000		/* between two lines of the log about losses */
#define HELD_MOST 8192		/* of a session whose phone is not authenticated */
#define RESERVE 4096		/* of a full session, for how it ends */
#define TAIL_MOST 2048		/* of that */
#define CHUNK (TRACE_CHUNK_MAX - 1536)	/* a first line comes before it */

struct trace {
	struct trace_link *link;
	uint64_t number;
	char peer[PEER_MAX], device[DEVICE_MAX + 1], state[16];
	long long began, last;	/* monotime_ms(): the connection, and the message before */
	bool known;		/* the phone was authenticated, so what is here may go */
	bool elements, full, missing, minor;
	unsigned generation;	/* of the link when its file was begun; 0: it has none */
	size_t sent;		/* bytes of that file */
	size_t tail;		/* and since it was full */
	struct buf text;
};

void trace_link_take(struct trace_link *k, int fd)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = fd;
	k->generation += fd >= 0;
}

/* A line of the log without its first word, which is "event=". Long before the bound how it ends is left room. */
static void put_line(void *ctx, const char *line)
{
	struct trace *t = ctx;
	size_t most = t->known ? TRACE_FILE_MAX - RESERVE : HELD_MOST - RESERVE / 2;
	long long now = monotime_ms() - t->began;
	char head[48];
	int n;

	if (t->sent + t->text.len > most && !t->full) {
		t->full = true;
		buf_put(&t->text, "    the rest is left out\n", strlen("    the rest is left out\n"));
	}
	if (t->full && (t->minor || t->tail + strlen(line) > TAIL_MOST))
		return;
	t->tail += t->full ? strlen(line) : 0;
	n = snprintf(head, sizeof head, "%lld.%03lld +%lld.%03lld ", now / 1000, now % 1000, (now - t->last) / 1000,
	    (now - t->last) % 1000);
	buf_put(&t->text, head, (size_t)n);
	line += strncmp(line, "event=", 6) == 0 ? 6 : 0;
	buf_put(&t->text, line, strlen(line));
	buf_put(&t->text, "\n", 1);
}

/* What log_say takes. */
#define SAY(t, ...) log_say(&(const struct log){put_line, (t)}, __VA_ARGS__)

static void lost(struct trace *t)
{
	struct trace_link *k = t->link;
	long long now = monotime_ms();

	t->missing = true;
	if (k->told == 0 || now - k->told >= TOLD_MS)
		log_say(k->log, "error", "what", "traces are missing", "why", strerror(errno), NULL);
	k->told = now;
}

/* The phone does not wait: what cannot be sent now is lost. -1 when it was. */
static int send_text(struct trace *t, enum trace_packet_type type, struct bytes text)
{
	struct trace_packet p = {.type = type, .number = type == TRACE_STRANGER ? 0 : t->number, .text = text};
	struct buf out = {0};
	ssize_t n = -1;

	if (type != TRACE_STRANGER)
		memcpy(p.device, t->device, sizeof p.device);
	trace_packet_put(&p, &out);
	errno = ENOMEM;
	if (!out.failed)
		do
			n = send(t->link->fd, out.p, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		while (n < 0 && errno == EINTR);
	if (n < 0)
		lost(t);
	buf_free(&out);
	return n < 0 ? -1 : 0;
}

struct first_line {
	struct buf *out;
};

static void put_first(void *ctx, const char *line)
{
	struct buf *out = ((struct first_line *)ctx)->out;

	line += strncmp(line, "event=", 6) == 0 ? 6 : 0;
	buf_put(out, line, strlen(line));
	buf_put(out, "\n", 1);
}

/* What every file, or block, begins with. */
static void begin_text(const struct trace *t, struct buf *out)
{
	struct first_line first = {out};
	char number[24], worker[16], at[UTC_ISO + 1];

	snprintf(number, sizeof number, "%llu", (unsigned long long)t->number);
	snprintf(worker, sizeof worker, "%u", t->link->worker);
	utc_iso(time(NULL) + t->link->clock - (monotime_ms() - t->began) / 1000, at);
	log_say(&(const struct log){put_first, &first}, "session", "conn", number, "worker", worker, "peer", t->peer,
	    "device", t->device, "began", at, NULL);
}

/* As many whole lines as fit into a packet. */
static size_t chunk_of(struct bytes text)
{
	size_t len = text.len < CHUNK ? text.len : CHUNK;

	while (len > 0 && text.p[len - 1] != '\n')
		len--;
	return len;
}

/* Sends what there is, to the file that this session has, or to a new one. */
static void flush(struct trace *t, bool over)
{
	struct bytes rest = {t->text.p, t->text.len}, part;

	while (rest.len > 0 && t->link->fd >= 0 && (part = (struct bytes){rest.p, chunk_of(rest)}).len > 0) {
		bool anew = t->generation != t->link->generation;
		struct buf out = {0};

		if (anew)
			begin_text(t, &out);
		if (t->missing)
			buf_put(&out, "    lines are missing\n", strlen("    lines are missing\n"));
		buf_put(&out, part.p, part.len);
		rest.p += part.len;
		rest.len -= part.len;
		if (!out.failed && send_text(t, anew ? TRACE_BEGIN : over && rest.len == 0 ? TRACE_END : TRACE_MORE,
		    (struct bytes){out.p, out.len}) == 0) {
			t->generation = t->link->generation;
			t->missing = false;
			t->sent += out.len;
		}
		buf_free(&out);
	}
	buf_free(&t->text);
}

static struct trace *begin(struct trace_link *k, const struct trace_session *s)
{
	struct trace *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->link = k;
	t->number = s->number;
	t->began = s->began;
	t->last = monotime_ms() - s->began;
	t->known = s->known;
	address_text(s->peer, t->peer, sizeof t->peer);
	snprintf(t->device, sizeof t->device, "%s", s->device);
	SAY(t, "connected", "tls", s->tls, NULL);
	return t;
}

/* "" is a device that has not said its name. */
static bool wanted(const struct trace_link *k, const struct settings *c, const char *device)
{
	return c->trace != SETTINGS_TRACE_OFF && k->fd >= 0 && (*device == '\0' || settings_trace_device(c, device));
}

struct trace *trace_follow(struct trace *t, struct trace_link *k, const struct settings *c,
    const struct trace_session *s)
{
	if (!wanted(k, c, s->device)) {
		trace_free(t);
		return NULL;
	}
	if (t == NULL)
		t = begin(k, s);
	if (t != NULL)
		t->elements = c->trace == SETTINGS_TRACE_MESSAGES;
	return t;
}

void trace_free(struct trace *t)
{
	if (t == NULL)
		return;
	buf_free(&t->text);
	free(t);
}

void trace_end(struct trace *t, const char *state, bool named)
{
	struct buf out = {0};

	if (t == NULL)
		return;
	t->minor = false;
	SAY(t, "end", "state", *t->state != '\0' ? t->state : state, NULL);
	if (t->known)
		flush(t, true);
	else if (t->link->fd >= 0 && (*t->device != '\0' || !named)) {
		begin_text(t, &out);
		buf_put(&out, t->text.p, t->text.len);
		buf_put(&out, "\n", 1);
		if (!out.failed && !t->text.failed)
			send_text(t, TRACE_STRANGER, (struct bytes){out.p, out.len});
		buf_free(&out);
	}
	trace_free(t);
}

static void message(struct trace *t, const char *way, struct bytes b)
{
	char name[TRACE_NAME_MAX];

	trace_text_name(b, name);
	t->minor = true;
	SAY(t, way, "message", name, NULL);
	t->last = monotime_ms() - t->began;
	if (t->elements && !t->full &&
	    t->sent + t->text.len + TRACE_TEXT_MAX <= (t->known ? TRACE_FILE_MAX : 2 * HELD_MOST) - RESERVE)
		trace_text(b, &t->text);
	t->minor = false;
}

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

static void order(struct trace *t, const struct order *o)
{
	static const char *const words[] = {"unknown-device", "nothing", "refused", "install", "troubleshoot",
	    "delete"};

	SAY(t, "order", "operation", words[o->operation], "why",
	    o->operation == SESSION_REJECT ? o->why.text : NULL, NULL);
}

void trace_event(struct trace *t, const struct session_event *e)
{
	if (t == NULL)
		return;
	switch (e->type) {
	case SESSION_MESSAGE:
		message(t, "received", e->bytes);
		break;
	case SESSION_ORDER:
		order(t, e->order);
		break;
	case SESSION_AUTH_OK:
		SAY(t, "authenticated", NULL);
		t->known = true;
		t->full = false;
		t->tail = 0;
		break;
	case SESSION_AUTH_BAD:
		SAY(t, "not-authenticated", "why", e->why, "final", yes_no(e->final), NULL);
		break;
	case SESSION_CERTIFICATE:
		SAY(t, "certificate", NULL);
		break;
	case SESSION_REFUSED:
		SAY(t, "refused", "why", e->why, "final", yes_no(e->final), NULL);
		break;
	case SESSION_TIMEOUT:
		SAY(t, "timeout", NULL);
		break;
	case SESSION_CLOSED:
		SAY(t, "hung-up", NULL);
		break;
	case SESSION_START:
	case SESSION_TO_SIGN:
	case SESSION_TAKEN:
		break;
	}
}

void trace_action(struct trace *t, const struct session_action *a)
{
	if (t == NULL)
		return;
	switch (a->type) {
	case SESSION_SEND:
		message(t, "sent", a->bytes);
		break;
	case SESSION_INSTALLED:
		SAY(t, "installed", NULL);
		break;
	case SESSION_STORE_FAILED:
		SAY(t, "not-stored", "why", a->why.text, "final", yes_no(a->final), NULL);
		break;
	case SESSION_FETCH_DONE:
		SAY(t, "fetched", NULL);
		break;
	case SESSION_DELETED:
		SAY(t, "deleted", NULL);
		break;
	case SESSION_FAILED:
		SAY(t, "failed", "failure", session_failure_name(a->failure), "why", a->why.text, "final",
		    yes_no(a->final), NULL);
		break;
	case SESSION_NOTE:
		SAY(t, "note", "text", a->why.text, NULL);
		break;
	case SESSION_CLOSE:
	case SESSION_TIMER:
	case SESSION_LOOK_UP:
	case SESSION_AUTHENTICATE:
	case SESSION_PREPARE:
	case SESSION_CERTIFY:
	case SESSION_AWAIT:
	case SESSION_FETCHED:
		break;
	}
}

void trace_state(struct trace *t, const char *state, const char *device)
{
	if (t == NULL)
		return;
	snprintf(t->device, sizeof t->device, "%s", device);
	/* The last one says nothing. */
	if (strcmp(state, "over") != 0 && strcmp(state, t->state) != 0) {
		snprintf(t->state, sizeof t->state, "%s", state);
		SAY(t, "state", "name", state, NULL);
	}
	if (t->known)
		flush(t, false);
}

void trace_say(struct trace *t, const char *event, const char *key, const char *value)
{
	if (t != NULL)
		SAY(t, event, key, value, NULL);
}
