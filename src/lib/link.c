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

#include "bytes.h"
#include "capfmsg.h"
#include "link.h"
#include "listen.h"
#include "session.h"

#define RECORDS_A_TURN 4	/* then it is another phone's turn */
#define OUTSIDE_SECONDS 60
#define FAREWELL_SECONDS 5	/* for our last words, and for the phone to hang up */
#define BAD_FAREWELL_SECONDS 1	/* the same when it was refused */
#define DEAF_MOST 65536		/* what a phone may have sent before it heard them */
#define MAX_MESSAGE (CAPFMSG_HEADER + CAPFMSG_BODY_MAX)
#define PEER_MAX 56

enum stage {
	SHAKING,		/* TLS handshake */
	TALKING,
	PARTING,		/* the session is over; what is left is sent */
	LINGERING,		/* all was sent; the phone hangs up */
	DEAD
};

struct link {
	struct link_home *home;
	LIST_ENTRY(link) entry;
	enum stage stage;
	int fd;
	short interest;
	uint64_t number;
	struct sockaddr_storage *peer;
	struct tls *tls;
	struct session *session;
	struct visit *visit;
	bool failed, late;	/* the session was ended; because its time was over */
	size_t unheard;		/* bytes that came after our last words */
	struct event io, timer;
	struct buf in;		/* a message that is not whole yet */
	struct buf out;		/* messages to be sent, each with its length before it */
};

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
		    &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
		    sizeof(struct in6_addr)) == 0;
	return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
	    ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
}

unsigned link_from(const struct link_home *home, const struct sockaddr_storage *peer)
{
	const struct link *l;
	unsigned n = 0;

	LIST_FOREACH(l, &home->live, entry)
		n += same_host(l->peer, peer);
	return n;
}

static void say(const struct link *l, const char *event, const char *key, const char *value)
{
	char number[24], peer[PEER_MAX];

	snprintf(number, sizeof number, "%llu", (unsigned long long)l->number);
	listen_text(l->peer, peer, sizeof peer);
	logline_say(l->home->log, event, "conn", number, "peer", peer, "device",
	    l->session != NULL ? session_device(l->session) : NULL, key, value, NULL);
}

static void die(struct link *l)
{
	if (l->stage == DEAD)
		return;
	event_del(&l->io);
	event_del(&l->timer);
	l->stage = DEAD;
	LIST_REMOVE(l, entry);
	LIST_INSERT_HEAD(&l->home->dead, l, entry);
}

static void set_timer(struct link *l, time_t seconds)
{
	struct timeval tv = {.tv_sec = seconds};

	event_del(&l->timer);
	if (seconds > 0)
		event_add(&l->timer, &tv);
}

static void on_io(evutil_socket_t fd, short what, void *ctx);

static void set_interest(struct link *l, short interest)
{
	if (l->interest == interest || l->stage == DEAD)
		return;
	event_del(&l->io);
	event_assign(&l->io, l->home->base, l->fd, (short)(interest | EV_PERSIST), on_io, l);
	if (event_add(&l->io, NULL) != 0)
		die(l);
	l->interest = interest;
}

/* Our last words are sent. Closing now could make the phone's system throw them away, if the phone has sent
 * something that we did not read. Who was too slow has had his time. */
static void linger(struct link *l)
{
	tls_close(l->tls);
	l->tls = NULL;
	buf_free(&l->in);
	buf_free(&l->out);
	l->stage = LINGERING;
	if (l->late || shutdown(l->fd, SHUT_WR) != 0)
		die(l);
	else
		set_interest(l, EV_READ);
}

/* Sends what there is, one message a record, unless something has to reach the disk before. */
static void flush(struct link *l)
{
	struct reason why;

	if ((l->stage != TALKING && l->stage != PARTING) || visit_held(l->visit))
		return;
	while (l->out.len > 0) {
		struct bytes rest = {l->out.p, l->out.len}, one;

		if (!bytes_get_blob(&rest, &one.p, &one.len)) {
			die(l);
			return;
		}
		switch (tls_write(l->tls, one.p, one.len, &why)) {
		case TLS_DONE:
			memmove(l->out.p, rest.p, rest.len);
			l->out.len = rest.len;
			break;
		case TLS_WANT_READ:
			set_interest(l, EV_READ);
			return;
		case TLS_WANT_WRITE:
			set_interest(l, EV_READ | EV_WRITE);
			return;
		default:
			/* The session hears of it from the next reading. */
			if (l->stage == PARTING)
				die(l);
			l->out.len = 0;
			return;
		}
	}
	buf_free(&l->out);
	set_interest(l, EV_READ);
	if (l->stage == PARTING)
		linger(l);
}

static time_t seconds_of(const struct conf *c, enum session_timer timer)
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
static bool act(struct link *l, const struct session_action *a, struct session_event *answer)
{
	switch (a->type) {
	case SESSION_SEND:
		buf_put_blob(&l->out, a->bytes.p, a->bytes.len);
		return false;
	case SESSION_TIMER:
		set_timer(l, seconds_of(l->home->conf, a->timer));
		return false;
	case SESSION_CLOSE:
		l->stage = PARTING;
		set_timer(l, l->failed ? BAD_FAREWELL_SECONDS : FAREWELL_SECONDS);
		return false;
	case SESSION_FAILED:
		l->failed = true;
		return visit_do(l->visit, a, answer);
	default:
		return visit_do(l->visit, a, answer);
	}
}

/* An event, and all that follows from it at once. */
static void run(struct link *l, const struct session_event *first)
{
	struct session_event event = *first, answer;
	struct session_actions actions;
	bool answered = true;

	while (answered && l->stage == TALKING) {
		session_step(l->session, &event, &actions);
		answered = false;
		for (size_t i = 0; i < actions.count && l->stage != DEAD; i++)
			answered = act(l, &actions.list[i], &answer) || answered;
		event = answer;
	}
	if (l->out.failed)
		die(l);
	flush(l);
}

/* Hands over each whole message of what has come. */
static void take_messages(struct link *l)
{
	size_t at = 0;
	int len;

	while (l->stage == TALKING && !visit_held(l->visit)) {
		struct session_event e = {.type = SESSION_MESSAGE,
		    .bytes = {l->in.p + at, l->in.len - at}};
		struct reason why;

		if (e.bytes.len == 0 || (len = capfmsg_length(e.bytes, &why)) == 0 ||
		    (len > 0 && (size_t)len > e.bytes.len))
			break;
		if (len > 0)
			e.bytes.len = (size_t)len;
		at += e.bytes.len;
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

static void read_some(struct link *l)
{
	unsigned char record[MAX_MESSAGE];
	enum tls_result result = TLS_DONE;
	struct reason why;
	size_t len;

	for (int i = 0; i < RECORDS_A_TURN && l->stage == TALKING && result == TLS_DONE &&
	    l->in.len <= MAX_MESSAGE; i++) {
		result = tls_read(l->tls, record, sizeof record, &len, &why);
		if (result == TLS_DONE) {
			buf_put(&l->in, record, len);
			explicit_bzero(record, len);
			if (l->in.failed)
				die(l);
			take_messages(l);
		}
	}
	if (l->stage != TALKING)
		return;
	if (result == TLS_CLOSED || result == TLS_FAILED) {
		if (result == TLS_FAILED)
			say(l, "tls-error", "why", why.text);
		run(l, &(struct session_event){.type = SESSION_CLOSED});
		/* Nobody is there to hear a farewell. */
		die(l);
	}
}

/* TLS is up: now the server speaks. */
static void begin(struct link *l)
{
	struct link_home *home = l->home;

	l->session = session_new(++home->session);
	l->visit = visit_new(home->orders, l, l->number, home->session);
	if (l->session == NULL || l->visit == NULL) {
		say(l, "error", "why", "out of memory");
		die(l);
		return;
	}
	l->stage = TALKING;
	set_interest(l, EV_READ);
	run(l, &(struct session_event){.type = SESSION_START});
}

static void shake(struct link *l)
{
	struct reason why;

	switch (tls_handshake(l->tls, &why)) {
	case TLS_DONE:
		say(l, "connected", "tls", tls_version(l->tls));
		begin(l);
		break;
	case TLS_WANT_READ:
		set_interest(l, EV_READ);
		break;
	case TLS_WANT_WRITE:
		set_interest(l, EV_WRITE);
		break;
	default:
		say(l, "no-handshake", "why", why.text);
		die(l);
	}
}

/* What comes after our last words is thrown away. Who goes on for ever shall not keep us from the others. */
static void drain(struct link *l)
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
	struct link *l = ctx;

	(void)fd;
	switch (l->stage) {
	case SHAKING:
		shake(l);
		break;
	case TALKING:
		if ((what & EV_WRITE) != 0)
			flush(l);
		if ((what & EV_READ) != 0)
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
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct link *l = ctx;

	(void)fd;
	(void)what;
	if (l->stage == TALKING) {
		l->late = true;
		run(l, &(struct session_event){.type = SESSION_TIMEOUT});
	} else {
		if (l->stage == SHAKING)
			say(l, "no-handshake", "why", "it took too long");
		die(l);
	}
}

static void hook_event(void *ctx, const struct session_event *e)
{
	struct link *l = ctx;

	if (l->stage == TALKING)
		run(l, e);
}

static void hook_go_on(void *ctx, bool done)
{
	struct link *l = ctx;

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
}

static void hook_drop(void *ctx, const char *why)
{
	struct link *l = ctx;

	if (l->stage == DEAD)
		return;
	say(l, "dropped", "why", why);
	die(l);
}

static void hook_proved(void *ctx, const char *device, uint64_t when)
{
	const struct link_home *home = ((struct link *)ctx)->home;

	home->proved(home->ctx, device, when);
}

const struct orders_hooks link_hooks = {hook_event, hook_go_on, hook_drop, hook_proved};

static void set_socket(const struct link *l)
{
	int idle = (int)l->home->conf->keepalive, interval = 30, count = 4, one = 1;

	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(l->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(l->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(l->fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void link_free(struct link *l)
{
	visit_free(l->visit);
	session_free(l->session);
	tls_close(l->tls);
	if (l->in.p != NULL)
		explicit_bzero(l->in.p, l->in.cap);
	buf_free(&l->in);
	buf_free(&l->out);
	close(l->fd);
	free(l->peer);
	free(l);
}

void link_new(struct link_home *home, int fd, const struct sockaddr_storage *peer)
{
	struct link *l = calloc(1, sizeof *l);
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
	set_socket(l);
	if ((l->tls = tls_open(home->tls, fd, &why)) == NULL) {
		say(l, "error", "why", why.text);
		link_free(l);
		return;
	}
	l->interest = EV_READ;
	event_assign(&l->io, home->base, fd, EV_READ | EV_PERSIST, on_io, l);
	evtimer_assign(&l->timer, home->base, on_timer, l);
	if (event_add(&l->io, NULL) != 0) {
		link_free(l);
		return;
	}
	LIST_INSERT_HEAD(&home->live, l, entry);
	home->count++;
	set_timer(l, home->conf->handshake_timeout);
}

void link_bury(struct link_home *home)
{
	struct link *l;

	while ((l = LIST_FIRST(&home->dead)) != NULL) {
		LIST_REMOVE(l, entry);
		say(l, "closed", NULL, NULL);
		link_free(l);
		home->count--;
		home->buried++;
	}
}

void link_end(struct link_home *home)
{
	struct link *l;

	while ((l = LIST_FIRST(&home->live)) != NULL)
		die(l);
	link_bury(home);
}
