/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/bytes.h"
#include "base/monotime.h"
#include "capf/capfmsg.h"
#include "capf/session.h"
#include "net/address.h"
#include "server/connection.h"
#include "server/flood.h"
#include "server/outbox.h"

#define RECORDS_A_TURN 4	/* then it is another phone's turn */
#define OUTSIDE_SECONDS 60
#define FAREWELL_SECONDS 5	/* for our last words, and for the phone to hang up */
#define BAD_FAREWELL_SECONDS 1	/* the same when it was refused */
#define DEAF_MOST 65536		/* what a phone may have sent before it heard them */
#define MAX_MESSAGE (CAPFMSG_HEADER + CAPFMSG_BODY_MAX)
#define NOTES_MOST 16		/* lines of the log about what a phone said that is odd */
#define PEER_MAX 56

enum stage {
	SHAKING,		/* TLS handshake */
	TALKING,
	PARTING,		/* the session is over; what is left is sent */
	LINGERING,		/* all was sent; the phone hangs up */
	DEAD
};

struct connection {
	struct connection_home *home;
	LIST_ENTRY(connection) entry;
	enum stage stage;
	int fd;
	short interest;
	uint64_t number;
	struct sockaddr_storage *peer;
	struct tls *tls;
	struct session *session;
	struct client *visit;
	struct trace *trace;	/* or NULL */
	long long began;	/* monotime_ms() */
	bool proved;		/* the phone was authenticated */
	bool failed, late;	/* the session was ended; because its time was over */
	size_t unheard;		/* bytes that came after our last words */
	enum tls_result reader;	/* what TLS waits for, before it can go on with reading */
	struct flood sent;	/* by the phone */
	unsigned notes;
	bool halfway;		/* the stall timer runs */
	struct event io, timer, stall;
	struct buf in;		/* a message that is not whole yet */
	struct outbox out;
};

unsigned connection_from(const struct connection_home *home, const struct sockaddr_storage *peer)
{
	const struct connection *l;
	unsigned n = 0;

	LIST_FOREACH(l, &home->live, entry)
		n += address_same_host(l->peer, peer);
	return n;
}

static void say(const struct connection *l, const char *event, const char *key, const char *value)
{
	char number[24], peer[PEER_MAX];

	snprintf(number, sizeof number, "%llu", (unsigned long long)l->number);
	address_text(l->peer, peer, sizeof peer);
	log_say(l->home->log, event, "conn", number, "peer", peer, "device",
	    l->session != NULL ? session_device(l->session) : NULL, key, value, NULL);
	trace_say(l->trace, event, key, value);
}

/* A session may be traced from now on, or not any more. */
static void follow(struct connection *l)
{
	struct connection_home *home = l->home;

	l->trace = trace_follow(l->trace, &home->traces, home->settings, &(struct trace_session){.number = l->number,
	    .peer = l->peer, .tls = tls_version(l->tls), .device = session_device(l->session), .began = l->began,
	    .known = l->proved});
}

static void die(struct connection *l)
{
	if (l->stage == DEAD)
		return;
	event_del(&l->io);
	event_del(&l->timer);
	event_del(&l->stall);
	l->stage = DEAD;
	LIST_REMOVE(l, entry);
	LIST_INSERT_HEAD(&l->home->dead, l, entry);
}

static void set_timer(struct connection *l, time_t seconds)
{
	struct timeval tv = {.tv_sec = seconds};

	event_del(&l->timer);
	if (seconds > 0)
		event_add(&l->timer, &tv);
}

static void on_io(evutil_socket_t fd, short what, void *ctx);

/* What is not going to be read is not waited for: a socket stays readable until somebody reads. TLS may have to
 * write before it can read on, and the other way round. */
static short wanted(const struct connection *l)
{
	short what = 0;

	if (l->stage == LINGERING)
		return EV_READ;
	if (l->reader == TLS_WANT_WRITE || l->out.waits == TLS_WANT_WRITE)
		what |= EV_WRITE;
	if (l->out.waits == TLS_WANT_READ || (l->stage != PARTING && l->reader != TLS_WANT_WRITE &&
	    l->in.len <= MAX_MESSAGE))
		what |= EV_READ;
	return what;
}

/* Something has begun and has to come to its end: a message of the phone, or one of ours that it does not take. A
 * phone that is silent between two messages is no such thing. */
static bool is_halfway(const struct connection *l)
{
	return l->stage == TALKING && (l->reader == TLS_WANT_WRITE || l->out.waits != TLS_DONE ||
	    (l->in.len > 0 && !client_held(l->visit)) || tls_halfway(l->tls));
}

/* To be called at the end of whatever happened to it. */
static void watch(struct connection *l)
{
	struct timeval limit = {.tv_sec = l->home->settings->message_timeout + FAREWELL_SECONDS};
	short interest = l->stage == DEAD ? 0 : wanted(l);

	if (l->stage == DEAD)
		return;
	if (l->halfway != is_halfway(l)) {
		l->halfway = !l->halfway;
		event_del(&l->stall);
		if (l->halfway && event_add(&l->stall, &limit) != 0)
			die(l);
	}
	if (l->interest == interest || l->stage == DEAD)
		return;
	event_del(&l->io);
	event_assign(&l->io, l->home->base, l->fd, (short)(interest | EV_PERSIST), on_io, l);
	if (interest != 0 && event_add(&l->io, NULL) != 0)
		die(l);
	l->interest = interest;
}

/* A whole message came or went: the next one has its own time. */
static void got_on(struct connection *l)
{
	event_del(&l->stall);
	l->halfway = false;
}

/* Our last words are sent. Closing now could make the phone's system throw them away, if the phone has sent
 * something that we did not read. Who was too slow has had his time. */
static void linger(struct connection *l)
{
	tls_close(l->tls);
	l->tls = NULL;
	buf_free(&l->in);
	outbox_free(&l->out);
	l->stage = LINGERING;
	if (l->late || shutdown(l->fd, SHUT_WR) != 0)
		die(l);
}

/* Sends what there is, unless something has to reach the disk before. */
static void flush(struct connection *l)
{
	enum tls_result result;
	bool some;

	if ((l->stage != TALKING && l->stage != PARTING) || client_held(l->visit))
		return;
	result = outbox_send(&l->out, l->tls, &some);
	if (some)
		got_on(l);
	/* When the phone is gone the session hears of it from the next reading. */
	if (l->stage == PARTING && result == TLS_DONE)
		linger(l);
	else if (l->stage == PARTING && l->out.waits == TLS_DONE)
		die(l);
}

static time_t seconds_of(const struct settings *c, enum session_timer timer)
{
	switch (timer) {
	case SESSION_TIMER_MESSAGE:
		return c->message_timeout;
	case SESSION_TIMER_KEY:
		return c->key_timeout;
	case SESSION_TIMER_OUTSIDE:
		return OUTSIDE_SECONDS;
	case SESSION_TIMER_KEEPALIVE:
		return c->keepalive;
	case SESSION_TIMER_NONE:
		break;
	}
	return 0;
}

/* True when there is an answer at once. */
static bool act(struct connection *l, const struct session_action *a, struct session_event *answer)
{
	switch (a->type) {
	case SESSION_SEND:
		outbox_put(&l->out, a->bytes);
		return false;
	case SESSION_TIMER:
		set_timer(l, seconds_of(l->home->settings, a->timer));
		return false;
	case SESSION_CLOSE:
		l->stage = PARTING;
		set_timer(l, l->failed ? BAD_FAREWELL_SECONDS : FAREWELL_SECONDS);
		return false;
	case SESSION_NOTE:
		return ++l->notes <= NOTES_MOST && client_do(l->visit, a, answer);
	case SESSION_FAILED:
		l->failed = true;
		return client_do(l->visit, a, answer);
	default:
		return client_do(l->visit, a, answer);
	}
}

/* An event, and all that follows from it at once. */
static void run(struct connection *l, const struct session_event *first)
{
	struct session_event event = *first, answer;
	struct session_actions actions;
	bool answered = true;

	while (answered && l->stage == TALKING) {
		follow(l);
		trace_event(l->trace, &event);
		l->proved = l->proved || event.type == SESSION_AUTH_OK;
		session_step(l->session, &event, &actions);
		answered = false;
		for (size_t i = 0; i < actions.count && l->stage != DEAD; i++) {
			trace_action(l->trace, &actions.list[i]);
			answered = act(l, &actions.list[i], &answer) || answered;
		}
		trace_state(l->trace, session_state(l->session), session_device(l->session));
		event = answer;
	}
	if (outbox_failed(&l->out))
		die(l);
	flush(l);
}

/* Hands over each whole message of what has come. */
static void take_messages(struct connection *l)
{
	size_t at = 0;
	int len;

	while (l->stage == TALKING && !client_held(l->visit)) {
		struct session_event e = {.type = SESSION_MESSAGE,
		    .bytes = {l->in.p + at, l->in.len - at}};
		struct reason why;

		if (e.bytes.len == 0 || (len = capfmsg_length(e.bytes, &why)) == 0 ||
		    (len > 0 && (size_t)len > e.bytes.len))
			break;
		if (len > 0)
			e.bytes.len = (size_t)len;
		at += e.bytes.len;
		got_on(l);
		run(l, &e);
	}
	/* A dead or parting one has lost its buffer, or needs it no more. */
	if (l->stage != TALKING || at == l->in.len) {
		if (l->in.p != NULL)
			explicit_bzero(l->in.p, l->in.cap);
		buf_free(&l->in);
	} else if (at > 0) {
		memmove(l->in.p, l->in.p + at, l->in.len - at);
		l->in.len -= at;
	}
}

/* The phone is gone, or goes now: the session hears of it, and nobody is there to hear a farewell. */
static void end(struct connection *l, const char *event, const char *why)
{
	if (event != NULL)
		say(l, event, "why", why);
	run(l, &(struct session_event){.type = SESSION_CLOSED});
	die(l);
}

static void read_some(struct connection *l)
{
	unsigned char record[MAX_MESSAGE];
	enum tls_result result = TLS_DONE;
	bool flood = false;
	struct reason why;
	size_t len;

	for (int i = 0; i < RECORDS_A_TURN && l->stage == TALKING && result == TLS_DONE && !flood &&
	    l->in.len <= MAX_MESSAGE; i++) {
		result = l->reader = tls_read(l->tls, record, sizeof record, &len, &why);
		flood = result == TLS_DONE && flood_count(&l->sent, len, monotime_ms());
		if (result == TLS_DONE && !flood) {
			buf_put(&l->in, record, len);
			explicit_bzero(record, len);
			if (l->in.failed)
				die(l);
			take_messages(l);
		}
	}
	if (l->stage != TALKING)
		return;
	if (flood)
		end(l, "dropped", "it sent too much");
	else if (result == TLS_FAILED)
		end(l, "tls-error", why.text);
	else if (result == TLS_CLOSED)
		end(l, NULL, NULL);
}

/* TLS is up: now the server speaks. */
static void begin(struct connection *l)
{
	struct connection_home *home = l->home;

	l->session = session_new(++home->session);
	l->visit = client_new(home->orders, l, l->number, home->session);
	if (l->session == NULL || l->visit == NULL) {
		say(l, "error", "why", "out of memory");
		die(l);
		return;
	}
	l->stage = TALKING;
	run(l, &(struct session_event){.type = SESSION_START});
}

static void shake(struct connection *l)
{
	struct reason why;

	switch (l->reader = tls_handshake(l->tls, &why)) {
	case TLS_DONE:
		say(l, "connected", "tls", tls_version(l->tls));
		begin(l);
		break;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		break;
	default:
		say(l, "no-handshake", "why", why.text);
		die(l);
	}
}

/* What comes after our last words is thrown away. Who goes on for ever shall not keep us from the others. */
static void drain(struct connection *l)
{
	char rubbish[4096];
	ssize_t n = recv(l->fd, rubbish, sizeof rubbish, 0);

	if (n > 0)
		l->unheard += (size_t)n;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || l->unheard > DEAF_MOST)
		die(l);
}

static void on_io(evutil_socket_t fd, short what, void *ctx)
{
	struct connection *l = ctx;

	(void)fd;
	switch (l->stage) {
	case SHAKING:
		shake(l);
		break;
	case TALKING:
		if (!outbox_empty(&l->out))
			flush(l);
		if (l->stage == TALKING && ((what & EV_READ) != 0 || l->reader == TLS_WANT_WRITE))
			read_some(l);
		break;
	case PARTING:
		flush(l);
		break;
	case LINGERING:
		drain(l);
		break;
	case DEAD:
		break;
	}
	watch(l);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct connection *l = ctx;

	(void)fd;
	(void)what;
	if (l->stage == TALKING) {
		l->late = true;
		run(l, &(struct session_event){.type = SESSION_TIMEOUT});
	} else {
		if (l->stage == SHAKING)
			say(l, "no-handshake", "why", tls_heard(l->tls) ? "it took too long" :
			    "it took too long: the other side said nothing");
		die(l);
	}
	watch(l);
}

static void on_stall(evutil_socket_t fd, short what, void *ctx)
{
	struct connection *l = ctx;

	(void)fd;
	(void)what;
	if (l->stage == TALKING)
		end(l, "dropped", l->reader == TLS_WANT_WRITE || l->out.waits == TLS_WANT_WRITE ?
		    "it does not read what we send" : "it did not finish a message");
}

static void hook_event(void *ctx, const struct session_event *e)
{
	struct connection *l = ctx;

	if (l->stage == TALKING)
		run(l, e);
	watch(l);
}

static void hook_go_on(void *ctx, bool done)
{
	struct connection *l = ctx;

	if (l->stage == DEAD)
		return;
	if (!done) {
		say(l, "error", "why", "hung up, for what was done cannot be kept");
		die(l);
		return;
	}
	flush(l);
	if (l->stage == TALKING && l->in.len > 0)
		take_messages(l);
	watch(l);
}

static void hook_drop(void *ctx, const char *why)
{
	struct connection *l = ctx;

	if (l->stage == DEAD)
		return;
	say(l, "dropped", "why", why);
	die(l);
}

/* A phone that lost power or its network comes again without having hung up. What that means where it was is up to
 * the session, as if it had. */
static void hook_replaced(void *ctx)
{
	struct connection *l = ctx;

	if (l->stage == DEAD)
		return;
	say(l, "dropped", "why", "the phone connected again");
	run(l, &(struct session_event){.type = SESSION_CLOSED});
	die(l);
}

static void hook_unknown(void *ctx, const char *device, char *address, size_t size)
{
	struct connection *l = ctx;

	(void)device;
	say(l, "unknown-device", NULL, NULL);
	address_host_text(l->peer, address, size);
}

static void hook_proved(void *ctx, const char *device, uint64_t when)
{
	const struct connection_home *home = ((struct connection *)ctx)->home;

	home->proved(home->ctx, device, when);
}

const struct registry_hooks connection_hooks = {hook_event, hook_go_on, hook_drop, hook_replaced,
    hook_unknown, hook_proved};

void connection_options(const struct connection_home *home, int fd)
{
	int idle = (int)home->settings->keepalive, interval = 30, count = 4, one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void connection_free(struct connection *l)
{
	trace_free(l->trace);
	client_free(l->visit);
	session_free(l->session);
	tls_close(l->tls);
	if (l->in.p != NULL)
		explicit_bzero(l->in.p, l->in.cap);
	buf_free(&l->in);
	outbox_free(&l->out);
	close(l->fd);
	free(l->peer);
	free(l);
}

void connection_new(struct connection_home *home, int fd, const struct sockaddr_storage *peer)
{
	struct connection *l = calloc(1, sizeof *l);
	struct reason why;

	if (l == NULL || (l->peer = malloc(sizeof *peer)) == NULL) {
		free(l);
		close(fd);
		return;
	}
	*l->peer = *peer;
	l->home = home;
	l->fd = fd;
	l->number = ++home->number;
	l->out.waits = TLS_DONE;
	l->reader = TLS_WANT_READ;
	l->began = monotime_ms();
	flood_begin(&l->sent, l->began);
	if ((l->tls = tls_open(home->tls, fd, &why)) == NULL) {
		say(l, "error", "why", why.text);
		connection_free(l);
		return;
	}
	l->interest = EV_READ;
	event_assign(&l->io, home->base, fd, EV_READ | EV_PERSIST, on_io, l);
	evtimer_assign(&l->timer, home->base, on_timer, l);
	evtimer_assign(&l->stall, home->base, on_stall, l);
	if (event_add(&l->io, NULL) != 0) {
		connection_free(l);
		return;
	}
	LIST_INSERT_HEAD(&home->live, l, entry);
	home->count++;
	set_timer(l, home->settings->handshake_timeout);
}

static void say_left_out(const struct connection *l)
{
	char text[48];

	if (l->notes <= NOTES_MOST)
		return;
	snprintf(text, sizeof text, "%u more notes were left out", l->notes - NOTES_MOST);
	say(l, "note", "text", text);
}

void connection_bury(struct connection_home *home)
{
	struct connection *l;

	while ((l = LIST_FIRST(&home->dead)) != NULL) {
		LIST_REMOVE(l, entry);
		say_left_out(l);
		say(l, "closed", NULL, NULL);
		if (l->session != NULL)
			trace_end(l->trace, session_state(l->session), *home->settings->trace_devices != '\0');
		l->trace = NULL;
		connection_free(l);
		home->count--;
		home->buried++;
	}
}

void connection_end(struct connection_home *home)
{
	struct connection *l;

	while ((l = LIST_FIRST(&home->live)) != NULL)
		die(l);
	connection_bury(home);
}
