/* SPDX-License-Identifier: ISC */
#include <event2/event.h>
#include <event2/event_struct.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/monotime.h"
#include "phone-sim/sim_socket.h"

#define READ_MAX 16384		/* a TLS record */

enum phase {
	WAITING,	/* to try again */
	CALLING,	/* connecting */
	OPENING,	/* connected, before TLS */
	SHAKING,	/* hands */
	LURKING,	/* with no TLS and nothing to say */
	TALKING,
	ENDED,
};

struct sim_socket {
	struct sim sim;
	const struct sim_socket_plan *plan;
	struct event_base *base;
	void (*over)(void *ctx, size_t number, enum sim_outcome, double seconds);
	void *ctx;
	size_t number;
	enum phase phase;
	int fd;
	size_t address;		/* that it tries now */
	long tries;		/* since it came, or came back */
	struct tls *tls;
	struct event event;
	bool armed;		/* the event is waited for */
	bool slept;		/* the last one was for time that has passed */
	bool closing;		/* hangs up when all is said */
	bool hello;		/* said: the first part of the handshake */
	bool napping;
	double nap_end;
	double heard;		/* since when it waits for the server */
	bool making;
	struct sim_action key;	/* that it makes */
	enum sim_step strayed;	/* where it had its last nap before TLS was up */
	struct buf in, out;
	size_t sent;		/* of out */
	long long rubbish;	/* still to be sent */
	double start, seconds;	/* the first try; from there to the end */
	double called;		/* the last try */
};

static void go(struct sim_socket *p);

/* A phone that has ended may be freed afterwards. */
static void run(struct sim_socket *p)
{
	go(p);
	if (p->phase == ENDED)
		p->over(p->ctx, p->number, p->sim.outcome, p->seconds);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct sim_socket *p = arg;

	(void)fd;
	p->armed = false;
	p->slept = (what & EV_TIMEOUT) != 0;
	run(p);
}

static void disarm(struct sim_socket *p)
{
	if (p->armed)
		event_del(&p->event);
	p->armed = false;
}

/* Milliseconds that this phone still has; -1: for ever. */
static long patience_left(const struct sim_socket *p)
{
	long patience = p->plan->patience_ms;
	double gone = (monotime_seconds() - p->start) * 1000;

	if (patience == 0)
		return -1;
	return gone >= (double)patience ? 0 : patience - (long)gone + 1;
}

/* Comes back when the socket is ready, or after ms (-1: never). */
static void await(struct sim_socket *p, short what, long ms)
{
	long limit = patience_left(p);
	struct timeval tv;

	if (limit >= 0 && (ms < 0 || limit < ms))
		ms = limit;
	tv = (struct timeval){ms / 1000, ms % 1000 * 1000};
	disarm(p);
	event_assign(&p->event, p->base, what != 0 ? p->fd : -1, what, on_event, p);
	p->armed = event_add(&p->event, ms >= 0 ? &tv : NULL) == 0;
}

static void hang_up(struct sim_socket *p)
{
	disarm(p);
	tls_close(p->tls);
	p->tls = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	buf_free(&p->in);
	buf_free(&p->out);
	p->sent = 0;
}

static void dial(struct sim_socket *p);

/* Milliseconds to the next connection; -1: there is none. */
static long again(struct sim_socket *p)
{
	switch (p->sim.outcome) {
	case SIM_LATER:
	case SIM_DROPPED:
	case SIM_LOST:
	case SIM_NO_CONNECTION:
	case SIM_NO_TLS:
		if (p->tries <= p->plan->retries)
			return p->plan->retry_ms;
		break;
	case SIM_TOO_LONG:
		return -1;
	default:
		break;
	}
	p->tries = 0;
	return p->plan->again_ms > 0 ? p->plan->again_ms : -1;
}

static void tell_left(const struct sim_socket *p)
{
	if (p->plan->left != NULL)
		p->plan->left(p->plan->ctx, &p->sim, monotime_seconds() - p->called);
}

static void tell_ended(struct sim_socket *p)
{
	p->seconds = monotime_seconds() - p->start;
	if (p->plan->ended != NULL)
		p->plan->ended(p->plan->ctx, &p->sim, p->seconds);
}

/* The connection is over, and sim knows why: another try, or the end of this phone. */
static void end(struct sim_socket *p)
{
	long ms = again(p);

	hang_up(p);
	tell_left(p);
	if (ms >= 0) {
		p->phase = WAITING;
		await(p, 0, ms);
		return;
	}
	p->phase = ENDED;
	tell_ended(p);
}

static void end_as(struct sim_socket *p, enum sim_outcome outcome, const char *why)
{
	sim_end(&p->sim, outcome, why);
	end(p);
}

static void saw(const struct sim_socket *p, bool sent, struct bytes message)
{
	const struct sim_socket_plan *plan = p->plan;

	if (plan->saw != NULL)
		plan->saw(plan->ctx, &p->sim, sent, message);
}

static void tell(struct sim_socket *p, const struct sim_event *e);

static void give_up(struct sim_socket *p, const char *why)
{
	sim_end(&p->sim, SIM_TROUBLE, why);
	p->closing = true;
}

static void make_key(struct sim_socket *p)
{
	const struct sim_action *want = &p->key;
	const struct sim_socket_plan *plan = p->plan;
	/* Another one each time, or a phone could not lose its key. */
	EVP_PKEY *key = spare_keys_get(plan->keys, p->number + p->sim.keys, want->key_type, want->bits,
	    want->curve);
	struct sim_event e = {.type = SIM_MADE, .key = key};

	p->making = false;
	if (key != NULL && plan->made_key != NULL && plan->made_key(plan->ctx, &p->sim, key) < 0)
		give_up(p, "cannot keep its key");
	else
		tell(p, &e);
	EVP_PKEY_free(key);
}

static void keep(struct sim_socket *p, struct bytes der)
{
	const struct sim_socket_plan *plan = p->plan;

	if (plan->stored != NULL && plan->stored(plan->ctx, &p->sim, der) < 0)
		give_up(p, "cannot write the certificate");
}

static void queue(struct sim_socket *p, struct bytes message)
{
	buf_put(&p->out, message.p, message.len);
	if (p->out.failed)
		give_up(p, "out of memory");
	else
		saw(p, true, message);
}

static void nap(struct sim_socket *p, long ms)
{
	p->napping = true;
	p->nap_end = monotime_seconds() + (double)ms / 1000;
}

/* Milliseconds to the end of the nap; 0: it is over. */
static long nap_left(const struct sim_socket *p)
{
	double rest = (p->nap_end - monotime_seconds()) * 1000;

	return rest > 0 ? (long)rest + 1 : 0;
}

/* An event for sim, and what it makes of it. */
static void tell(struct sim_socket *p, const struct sim_event *e)
{
	struct sim_actions actions;

	sim_step(&p->sim, e, &actions);
	for (size_t i = 0; i < actions.count && !p->closing; i++) {
		const struct sim_action *a = &actions.list[i];

		switch (a->type) {
		case SIM_SEND:
			queue(p, a->bytes);
			break;
		case SIM_SLEEP:
			nap(p, a->ms);
			break;
		case SIM_MAKE_KEY:
			p->making = true;
			p->key = *a;
			break;
		case SIM_KEEP:
			keep(p, a->bytes);
			break;
		case SIM_CLOSE:
			p->closing = true;
			break;
		}
	}
}

/* Milliseconds that the server still has for its next message; -1: for ever. Phones of a fleet differ, so that
 * not all of them come again at the same moment. */
static long answer_left(const struct sim_socket *p)
{
	const struct sim_socket_plan *plan = p->plan;
	long limit = plan->answer_ms;
	double gone = (monotime_seconds() - p->heard) * 1000;

	/* One that hangs as planned stays. */
	if (limit == 0 || p->sim.state == SIM_HANGS)
		return -1;
	if (plan->answer_more_ms > 0)
		limit += (long)(p->number * 500 % (size_t)(plan->answer_more_ms + 1));
	return gone >= (double)limit ? 0 : limit - (long)gone + 1;
}

/* True when it comes back, since TLS has to read or write first. */
static bool awaits(struct sim_socket *p, enum tls_result result)
{
	if (result == TLS_WANT_READ)
		await(p, EV_READ, -1);
	else if (result == TLS_WANT_WRITE)
		await(p, EV_WRITE, -1);
	else
		return false;
	return true;
}

/* Sends what is queued, each message in one write. False when that has to wait, or the phone is at its
 * end. */
static bool flush(struct sim_socket *p)
{
	const struct sim_socket_plan *plan = p->plan;

	while (p->sent < p->out.len) {
		struct bytes rest = {p->out.p + p->sent, p->out.len - p->sent};
		struct reason why;
		int len = capfmsg_length(rest, &why);
		size_t n = plan->by_bytes ? 1 : len > 0 ? (size_t)len : rest.len;
		enum tls_result result = tls_write(p->tls, rest.p, n, &why);

		if (awaits(p, result))
			return false;
		if (result != TLS_DONE) {
			if (p->sim.outcome == SIM_RUNNING)
				sim_end(&p->sim, p->sim.stopped ? SIM_STOPPED : SIM_LOST, why.text);
			end(p);
			return false;
		}
		p->sent += n;
		if (plan->by_bytes && plan->byte_ms > 0 && p->sent < p->out.len) {
			await(p, 0, plan->byte_ms);
			return false;
		}
	}
	buf_free(&p->out);
	p->sent = 0;
	p->heard = monotime_seconds();
	return true;
}

/* The same for rubbish, which looks like no message from its first byte on. */
static bool flush_rubbish(struct sim_socket *p)
{
	unsigned char rubbish[READ_MAX];

	memset(rubbish, 0xa5, sizeof rubbish);
	while (p->rubbish > 0 || p->sent < p->out.len) {
		size_t n = p->rubbish < READ_MAX ? (size_t)p->rubbish : READ_MAX;

		if (p->sent == p->out.len) {
			p->out.len = p->sent = 0;
			buf_put(&p->out, rubbish, n);
			p->rubbish -= (long long)n;
			if (p->out.failed) {
				end_as(p, SIM_TROUBLE, "out of memory");
				return false;
			}
		}
		if (!flush(p))
			return false;
	}
	return true;
}

/* What has come so far is a whole message, or never will be one: to sim with it. False when more is
 * needed. */
static bool take_message(struct sim_socket *p)
{
	struct bytes in = {p->in.p, p->in.len};
	struct sim_event e = {.type = SIM_MESSAGE};
	struct buf taken = p->in;
	struct reason why;
	int len = capfmsg_length(in, &why);

	if (in.len == 0 || len == 0 || (len > 0 && (size_t)len > in.len))
		return false;
	p->in = (struct buf){0};
	if (len > 0) {
		buf_put(&p->in, in.p + len, in.len - (size_t)len);
		in.len = (size_t)len;
	}
	e.bytes = in;
	p->heard = monotime_seconds();
	saw(p, false, in);
	tell(p, &e);
	buf_free(&taken);
	return true;
}

/* A phone that takes a record for a message cannot make anything of a part or of two. */
static bool one_record(const struct sim_socket *p, struct bytes record)
{
	struct reason why;

	return p->in.len == 0 && capfmsg_length(record, &why) == (int)record.len;
}

/* False when the phone has to wait for more, or is at its end. */
static bool hear(struct sim_socket *p)
{
	unsigned char read[READ_MAX];
	struct bytes record = {read, 0};
	struct sim_event gone = {.type = SIM_GONE};
	struct reason why;
	enum tls_result result = tls_read(p->tls, read, sizeof read, &record.len, &why);

	if (result == TLS_WANT_READ && answer_left(p) == 0) {
		end_as(p, SIM_DROPPED, "hung up, for the server took too long");
		return false;
	}
	if (result == TLS_WANT_READ) {
		await(p, EV_READ, answer_left(p));
		return false;
	}
	if (awaits(p, result))
		return false;
	if (result != TLS_DONE) {
		tell(p, &gone);
		end(p);
		return false;
	}
	if (p->plan->whole_records && !one_record(p, record)) {
		end_as(p, SIM_BAD_SERVER, "a message is not one TLS record");
		return false;
	}
	buf_put(&p->in, record.p, record.len);
	if (p->in.failed) {
		end_as(p, SIM_TROUBLE, "out of memory");
		return false;
	}
	return true;
}

static void talk(struct sim_socket *p)
{
	struct sim_event timer = {.type = SIM_TIMER};

	for (;;) {
		if (p->rubbish > 0 && !flush_rubbish(p))
			return;
		/* A nap goes on while what was said before it goes out. */
		if (p->out.len > 0 && !flush(p))
			return;
		if (p->closing) {
			end(p);
			return;
		}
		if (p->making) {
			make_key(p);
		} else if (p->napping && nap_left(p) > 0) {
			await(p, 0, nap_left(p));
			return;
		} else if (p->napping) {
			p->napping = false;
			tell(p, &timer);
		} else if (!take_message(p) && !hear(p))
			return;
	}
}

/* With nothing to say, and nothing to be heard but the end. */
static void lurk(struct sim_socket *p)
{
	unsigned char read[READ_MAX];
	ssize_t n;

	while ((n = recv(p->fd, read, sizeof read, 0)) > 0)
		;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		await(p, EV_READ, -1);
	else
		end_as(p, SIM_LOST, "the server hung up");
}

/* Does what is planned for the time before TLS is up. True when the phone does not go on by itself. */
static bool strays(struct sim_socket *p, enum sim_step step)
{
	const struct sim_plan *plan = &p->plan->sim;

	if (sim_planned(&p->sim, plan->drop, step)) {
		end_as(p, SIM_DROPPED, step == SIM_CONNECT ? "hung up at connect, as planned" :
		    "hung up at handshake, as planned");
	} else if (sim_planned(&p->sim, plan->hang, step)) {
		p->phase = LURKING;
		lurk(p);
	} else if (plan->delay[step] > 0 && p->strayed != step) {
		nap(p, plan->delay[step]);
		p->strayed = step;
		await(p, 0, nap_left(p));
	} else if (p->napping && nap_left(p) > 0) {
		await(p, 0, nap_left(p));
	} else {
		p->napping = false;
		return false;
	}
	return true;
}

static void shake(struct sim_socket *p)
{
	struct reason why = {.text = ""};
	enum tls_result result;

	/* The first call says hello, and hears nothing, however quick the server is; then it may take its time. */
	if (p->hello && strays(p, SIM_HANDSHAKE))
		return;
	result = p->hello ? tls_handshake(p->tls, &why) : tls_hello(p->tls, &why);
	p->hello |= result == TLS_WANT_READ;
	if ((result == TLS_WANT_READ && strays(p, SIM_HANDSHAKE)) || awaits(p, result))
		return;
	if (result != TLS_DONE) {
		end_as(p, SIM_NO_TLS, why.text);
		return;
	}
	p->phase = TALKING;
	p->heard = monotime_seconds();
	p->rubbish = p->plan->rubbish;
	talk(p);
}

static void open_tls(struct sim_socket *p)
{
	struct reason why;

	if (strays(p, SIM_CONNECT))
		return;
	if ((p->tls = tls_open(p->plan->tls, p->fd, &why)) == NULL) {
		end_as(p, SIM_TROUBLE, why.text);
		return;
	}
	p->phase = SHAKING;
	shake(p);
}

/* This address did not answer: the next one, or none is left. */
static void next_address(struct sim_socket *p, int error)
{
	hang_up(p);
	if (++p->address < p->plan->to.n)
		dial(p);
	else
		end_as(p, SIM_NO_CONNECTION, strerror(error));
}

static void dial(struct sim_socket *p)
{
	p->phase = CALLING;
	if (p->plan->to.n == 0)
		end_as(p, SIM_NO_CONNECTION, "no address of that family");
	else if ((p->fd = dial_connect(&p->plan->to, p->address)) >= 0)
		await(p, EV_WRITE, -1);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		end_as(p, SIM_TROUBLE, strerror(errno));
	else
		next_address(p, errno);
}

static void called(struct sim_socket *p)
{
	int error = dial_error(p->fd);

	if (error != 0) {
		next_address(p, error);
		return;
	}
	p->phase = OPENING;
	open_tls(p);
}

static void connect_now(struct sim_socket *p)
{
	p->closing = p->napping = p->making = p->hello = false;
	p->strayed = SIM_STEPS;
	p->rubbish = 0;
	p->address = 0;
	p->called = monotime_seconds();
	p->tries++;
	if (p->sim.connections == 0 && p->plan->wakes != NULL &&
	    p->plan->wakes(p->plan->ctx, &p->sim) < 0) {
		end_as(p, SIM_TROUBLE, "cannot read what it has");
		return;
	}
	sim_connect(&p->sim);
	dial(p);
}

/* Something happened: the socket is ready, or time has passed. */
static void go(struct sim_socket *p)
{
	if (p->slept && patience_left(p) == 0) {
		end_as(p, SIM_TOO_LONG, "took too long");
		return;
	}
	switch (p->phase) {
	case WAITING:
		connect_now(p);
		break;
	case CALLING:
		called(p);
		break;
	case OPENING:
		open_tls(p);
		break;
	case SHAKING:
		shake(p);
		break;
	case LURKING:
		lurk(p);
		break;
	case TALKING:
		talk(p);
		break;
	case ENDED:
		break;
	}
}

struct sim_socket *sim_socket_start(const struct sim_socket_plan *plan, struct event_base *base, size_t number,
    const char *device, void (*over)(void *, size_t, enum sim_outcome, double), void *ctx)
{
	struct sim_socket *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->plan = plan;
	p->base = base;
	p->number = number;
	p->over = over;
	p->ctx = ctx;
	p->fd = -1;
	p->start = p->called = monotime_seconds();
	sim_init(&p->sim, &plan->sim, device);
	/* From the loop, not from here: it may be over at once. */
	await(p, 0, 0);
	return p;
}

void sim_socket_free(struct sim_socket *p)
{
	if (p == NULL)
		return;
	hang_up(p);
	if (p->phase != ENDED && p->sim.connections > 0) {
		/* Between two connections the last one was told of already. */
		if (p->phase != WAITING)
			tell_left(p);
		sim_end(&p->sim, SIM_RUNNING, "");
		tell_ended(p);
	}
	sim_free(&p->sim);
	free(p);
}
