/* SPDX-License-Identifier: ISC */
#include <event2/event.h>
#include <event2/event_struct.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fleet.h"

#define READ_MAX 16384		/* a TLS record */
#define BURST 64		/* phones that start before those that run have their turn again */
#define TICK_MS 5

enum phase {
	WAITING,	/* for its turn, or to try again */
	CALLING,	/* connecting */
	OPENING,	/* connected, before TLS */
	SHAKING,	/* hands */
	LURKING,	/* with no TLS and nothing to say */
	TALKING,
	ENDED,
};

struct phone {
	struct sim sim;
	struct fleet *fleet;
	size_t number;
	enum phase phase;
	int fd;
	size_t address;		/* that it tries now */
	struct tls *tls;
	struct event event;
	bool armed, closing, napping, slept, making, hello;
	struct sim_action key;	/* that it makes */
	double nap_end;
	enum sim_step strayed;	/* where it had its last nap before TLS was up */
	struct buf in, out;
	size_t sent;		/* of out */
	long long rubbish;	/* still to be sent */
	double start;
};

struct fleet {
	const struct fleet_plan *plan;
	struct fleet_summary *sum;
	struct event_base *base;
	struct event ticker;
	struct phone *phones;
	size_t started, running;
	double start;
	double *latency;	/* of those that ended well: sum->good of them */
	unsigned char scratch[READ_MAX];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int fleet_device(const char *pattern, unsigned long long n, char out[DEVICE_MAX + 1], struct reason *r)
{
	static const char zeros[DEVICE_MAX + 1] = "00000000000000000000000000000000000000000000000000";
	const char *percent = strchr(pattern, '%'), *p = percent;
	char number[32], name[DEVICE_MAX + 1];
	int width = 0, head, len;
	bool zero;

	if (percent == NULL) {
		len = snprintf(name, sizeof name, "%s", pattern);
	} else {
		zero = p[1] == '0';
		for (p++; *p >= '0' && *p <= '9' && width <= DEVICE_MAX; p++)
			width = 10 * width + (*p - '0');
		if (width > DEVICE_MAX || *p == '\0' || strchr("Xxdu", *p) == NULL || strchr(p, '%') != NULL)
			return reason_set(r, "wants one %%X, %%x, %%d or %%u, as in SEP%%012X");
		snprintf(number, sizeof number, *p == 'X' ? "%llX" : *p == 'x' ? "%llx" : "%llu", n);
		width -= (int)strlen(number);
		head = percent - pattern <= DEVICE_MAX ? (int)(percent - pattern) : DEVICE_MAX + 1;
		len = snprintf(name, sizeof name, "%.*s%.*s%s%s", head, pattern,
		    zero && width > 0 ? width : 0, zeros, number, p + 1);
	}
	if (len < 0 || (size_t)len >= sizeof name || !device_ok(name, strlen(name)))
		return reason_set(r, "%.100s gives no device name", pattern);
	strcpy(out, name);
	return 0;
}

static void go(struct phone *p);

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct phone *p = arg;

	(void)fd;
	p->armed = false;
	p->slept = (what & EV_TIMEOUT) != 0;
	go(p);
}

static void disarm(struct phone *p)
{
	if (p->armed)
		event_del(&p->event);
	p->armed = false;
}

/* Milliseconds that this phone still has; -1: for ever. */
static long left(const struct phone *p)
{
	long patience = p->fleet->plan->patience_ms;
	double gone = (now() - p->start) * 1000;

	if (patience == 0)
		return -1;
	return gone >= (double)patience ? 0 : patience - (long)gone + 1;
}

/* Comes back when the socket is ready, or after ms (-1: never). */
static void await(struct phone *p, short what, long ms)
{
	long limit = left(p);
	struct timeval tv;

	if (limit >= 0 && (ms < 0 || limit < ms))
		ms = limit;
	tv = (struct timeval){ms / 1000, ms % 1000 * 1000};
	disarm(p);
	event_assign(&p->event, p->fleet->base, what != 0 ? p->fd : -1, what, on_event, p);
	p->armed = event_add(&p->event, ms >= 0 ? &tv : NULL) == 0;
}

static void hang_up(struct phone *p)
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

static void dial(struct phone *p);

/* Is there anything to be gained by a new connection? */
static bool again(const struct phone *p)
{
	switch (p->sim.outcome) {
	case SIM_LATER:
	case SIM_DROPPED:
	case SIM_LOST:
	case SIM_NO_CONNECTION:
	case SIM_NO_TLS:
		return (long)p->sim.connections <= p->fleet->plan->retries;
	default:
		return false;
	}
}

/* The connection is over, and sim knows why: another try, or the end of this phone. */
static void end(struct phone *p)
{
	const struct fleet_plan *plan = p->fleet->plan;
	struct fleet_summary *sum = p->fleet->sum;
	double seconds = now() - p->start;

	hang_up(p);
	if (again(p)) {
		p->phase = WAITING;
		await(p, 0, plan->retry_ms);
		return;
	}
	p->phase = ENDED;
	sum->outcomes[p->sim.outcome]++;
	if (sim_good(p->sim.outcome))
		p->fleet->latency[sum->good++] = seconds;
	else
		sum->bad++;
	if (plan->ended != NULL)
		plan->ended(plan->ctx, p->sim.device, p->sim.outcome, seconds, p->sim.why.text);
	sim_free(&p->sim);
	p->fleet->running--;
	/* The next one starts from the loop, not from here, where it would be one call deeper each time. */
	if (p->fleet->running == 0 && p->fleet->started == plan->count)
		event_base_loopbreak(p->fleet->base);
	else if (plan->parallel > 0)
		event_active(&p->fleet->ticker, EV_TIMEOUT, 0);
}

static void end_as(struct phone *p, enum sim_outcome outcome, const char *why)
{
	sim_end(&p->sim, outcome, why);
	end(p);
}

static void saw(const struct phone *p, bool sent, struct bytes message)
{
	const struct fleet_plan *plan = p->fleet->plan;

	if (plan->saw != NULL)
		plan->saw(plan->ctx, p->sim.device, sent, message);
}

static void tell(struct phone *p, const struct sim_event *e);

static void make_key(struct phone *p)
{
	const struct sim_action *want = &p->key;
	const struct fleet_plan *plan = p->fleet->plan;
	/* Another one each time, or a phone could not lose its key. */
	EVP_PKEY *key = keyring_get(plan->keys, p->number + p->sim.keys, want->key_type, want->bits,
	    want->curve);
	struct sim_event e = {.type = SIM_MADE, .key = key};

	p->making = false;
	if (key != NULL && plan->made_key != NULL &&
	    plan->made_key(plan->ctx, p->sim.device, key) < 0) {
		sim_end(&p->sim, SIM_TROUBLE, "cannot keep its key");
		p->closing = true;
	} else
		tell(p, &e);
	EVP_PKEY_free(key);
}

static void keep(struct phone *p, struct bytes der)
{
	const struct fleet_plan *plan = p->fleet->plan;

	if (plan->stored != NULL && plan->stored(plan->ctx, p->sim.device, der) < 0) {
		sim_end(&p->sim, SIM_TROUBLE, "cannot write the certificate");
		p->closing = true;
	}
}

static void queue(struct phone *p, struct bytes message)
{
	buf_put(&p->out, message.p, message.len);
	if (p->out.failed) {
		sim_end(&p->sim, SIM_TROUBLE, "out of memory");
		p->closing = true;
	} else
		saw(p, true, message);
}

static void nap(struct phone *p, long ms)
{
	p->napping = true;
	p->nap_end = now() + (double)ms / 1000;
}

/* Milliseconds to the end of the nap; 0: it is over. */
static long nap_left(const struct phone *p)
{
	double rest = (p->nap_end - now()) * 1000;

	return rest > 0 ? (long)rest + 1 : 0;
}

/* An event for sim, and what it makes of it. */
static void tell(struct phone *p, const struct sim_event *e)
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

/* Sends what is queued, each message in one write. False when that has to wait, or the phone is at its
 * end. */
static bool flush(struct phone *p)
{
	const struct fleet_plan *plan = p->fleet->plan;

	while (p->sent < p->out.len) {
		struct bytes rest = {p->out.p + p->sent, p->out.len - p->sent};
		struct reason why;
		int len = capfmsg_length(rest, &why);
		size_t n = plan->by_bytes ? 1 : len > 0 ? (size_t)len : rest.len;

		switch (tls_write(p->tls, rest.p, n, &why)) {
		case TLS_DONE:
			p->sent += n;
			break;
		case TLS_WANT_READ:
			await(p, EV_READ, -1);
			return false;
		case TLS_WANT_WRITE:
			await(p, EV_WRITE, -1);
			return false;
		case TLS_CLOSED:
		case TLS_FAILED:
			if (p->sim.outcome == SIM_RUNNING)
				sim_end(&p->sim, p->sim.stopped ? SIM_STOPPED : SIM_LOST, why.text);
			end(p);
			return false;
		}
		if (plan->by_bytes && plan->byte_ms > 0 && p->sent < p->out.len) {
			await(p, 0, plan->byte_ms);
			return false;
		}
	}
	buf_free(&p->out);
	p->sent = 0;
	return true;
}

/* The same for rubbish, which looks like no message from its first byte on. */
static bool flush_rubbish(struct phone *p)
{
	while (p->rubbish > 0 || p->sent < p->out.len) {
		size_t n = p->rubbish < READ_MAX ? (size_t)p->rubbish : READ_MAX;

		if (p->sent == p->out.len) {
			p->out.len = p->sent = 0;
			memset(p->fleet->scratch, 0xa5, n);
			buf_put(&p->out, p->fleet->scratch, n);
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
static bool take_message(struct phone *p)
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
	saw(p, false, in);
	tell(p, &e);
	buf_free(&taken);
	return true;
}

/* A phone that takes a record for a message cannot make anything of a part or of two. */
static bool one_record(const struct phone *p, struct bytes record)
{
	struct reason why;

	return p->in.len == 0 && capfmsg_length(record, &why) == (int)record.len;
}

/* False when the phone has to wait for more, or is at its end. */
static bool hear(struct phone *p)
{
	struct fleet *f = p->fleet;
	struct bytes record = {f->scratch, 0};
	struct sim_event gone = {.type = SIM_GONE};
	struct reason why;

	switch (tls_read(p->tls, f->scratch, sizeof f->scratch, &record.len, &why)) {
	case TLS_DONE:
		break;
	case TLS_WANT_READ:
		await(p, EV_READ, -1);
		return false;
	case TLS_WANT_WRITE:
		await(p, EV_WRITE, -1);
		return false;
	case TLS_CLOSED:
	case TLS_FAILED:
		tell(p, &gone);
		end(p);
		return false;
	}
	if (f->plan->whole_records && !one_record(p, record)) {
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

static void talk(struct phone *p)
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
static void lurk(struct phone *p)
{
	ssize_t n;

	while ((n = recv(p->fd, p->fleet->scratch, sizeof p->fleet->scratch, 0)) > 0)
		;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		await(p, EV_READ, -1);
	else
		end_as(p, SIM_LOST, "the server hung up");
}

/* What is planned for the time before TLS is up. True when the phone does not go on by itself. */
static bool strays(struct phone *p, enum sim_step step)
{
	const struct sim_plan *plan = &p->fleet->plan->sim;

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

static void shake(struct phone *p)
{
	struct reason why = {""};
	bool first = !p->hello;

	/* The first call says hello; then it may take its time. */
	if (!first && strays(p, SIM_HANDSHAKE))
		return;
	p->hello = true;
	switch (tls_handshake(p->tls, &why)) {
	case TLS_DONE:
		p->phase = TALKING;
		p->rubbish = p->fleet->plan->rubbish;
		/* A quick server, or a slow machine: all was done within the first call. */
		if (!first || p->fleet->plan->sim.delay[SIM_HANDSHAKE] > 0 || !strays(p, SIM_HANDSHAKE))
			talk(p);
		return;
	case TLS_WANT_READ:
		if (!strays(p, SIM_HANDSHAKE))
			await(p, EV_READ, -1);
		return;
	case TLS_WANT_WRITE:
		await(p, EV_WRITE, -1);
		return;
	case TLS_CLOSED:
	case TLS_FAILED:
		end_as(p, SIM_NO_TLS, why.text);
		return;
	}
}

static void open_tls(struct phone *p)
{
	struct reason why;

	if (strays(p, SIM_CONNECT))
		return;
	if ((p->tls = tls_open(p->fleet->plan->tls, p->fd, &why)) == NULL) {
		end_as(p, SIM_TROUBLE, why.text);
		return;
	}
	p->phase = SHAKING;
	shake(p);
}

/* This address did not answer: the next one, or none is left. */
static void next_address(struct phone *p, int error)
{
	hang_up(p);
	if (++p->address < p->fleet->plan->to.n)
		dial(p);
	else
		end_as(p, SIM_NO_CONNECTION, strerror(error));
}

static void dial(struct phone *p)
{
	p->phase = CALLING;
	if (p->fleet->plan->to.n == 0)
		end_as(p, SIM_NO_CONNECTION, "no address of that family");
	else if ((p->fd = dial_connect(&p->fleet->plan->to, p->address)) >= 0)
		await(p, EV_WRITE, -1);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		end_as(p, SIM_TROUBLE, strerror(errno));
	else
		next_address(p, errno);
}

static void called(struct phone *p)
{
	int error = dial_error(p->fd);

	if (error != 0) {
		next_address(p, error);
		return;
	}
	p->phase = OPENING;
	open_tls(p);
}

static void connect_now(struct phone *p)
{
	p->closing = p->napping = p->making = p->hello = false;
	p->strayed = SIM_STEPS;
	p->rubbish = 0;
	p->address = 0;
	sim_connect(&p->sim);
	dial(p);
}

/* Something happened: the socket is ready, or time has passed. */
static void go(struct phone *p)
{
	if (p->slept && left(p) == 0) {
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

static void start_one(struct fleet *f)
{
	struct phone *p = &f->phones[f->started];
	char device[DEVICE_MAX + 1];
	struct reason r;

	p->fleet = f;
	p->number = f->started++;
	p->fd = -1;
	p->start = now();
	f->running++;
	/* The first and the last name were looked at. */
	if (fleet_device(f->plan->pattern, f->plan->first + p->number, device, &r) < 0)
		device[0] = '\0';
	sim_init(&p->sim, &f->plan->sim, device);
	if (f->plan->key != NULL && EVP_PKEY_up_ref(f->plan->key) == 1)
		p->sim.key = f->plan->key;
	connect_now(p);
}

/* As many phones as their rate and number allow by now. */
static void start_more(struct fleet *f)
{
	const struct fleet_plan *plan = f->plan;
	double due = plan->rate > 0 ? 1 + (now() - f->start) * (double)plan->rate : (double)plan->count;
	struct timeval tick = {0, TICK_MS * 1000}, at_once = {0, 0};
	size_t burst = 0;

	while (f->started < plan->count && (double)f->started < due && burst < BURST &&
	    (plan->parallel == 0 || f->running < (size_t)plan->parallel)) {
		start_one(f);
		burst++;
	}
	if (f->started < plan->count)
		evtimer_add(&f->ticker, burst == BURST ? &at_once : &tick);
	else if (f->running == 0)
		event_base_loopbreak(f->base);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	start_more(arg);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct fleet *f = arg;

	(void)fd, (void)what;
	event_base_loopbreak(f->base);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The smallest that is not less than this share of all. */
static double percentile(const double *sorted, size_t n, unsigned percent)
{
	return n == 0 ? 0 : sorted[(n * percent + 99) / 100 - 1];
}

static void sum_up(struct fleet *f)
{
	struct fleet_summary *sum = f->sum;

	sum->seconds = now() - f->start;
	sum->outcomes[SIM_RUNNING] = f->plan->count - sum->good - sum->bad;
	qsort(f->latency, sum->good, sizeof *f->latency, compare);
	sum->p50 = percentile(f->latency, sum->good, 50);
	sum->p95 = percentile(f->latency, sum->good, 95);
	sum->p99 = percentile(f->latency, sum->good, 99);
	sum->max = percentile(f->latency, sum->good, 100);
}

static void free_fleet(struct fleet *f)
{
	for (size_t i = 0; f->phones != NULL && i < f->started; i++)
		if (f->phones[i].phase != ENDED) {
			hang_up(&f->phones[i]);
			sim_free(&f->phones[i].sim);
		}
	free(f->phones);
	free(f->latency);
	if (f->base != NULL)
		event_base_free(f->base);
	free(f);
}

int fleet_run(const struct fleet_plan *plan, struct fleet_summary *sum, struct reason *r)
{
	struct fleet *f = calloc(1, sizeof *f);
	struct event *sigint = NULL, *sigterm = NULL;
	int res = -1;

	*sum = (struct fleet_summary){0};
	if (f == NULL)
		return reason_set(r, "out of memory");
	f->plan = plan;
	f->sum = sum;
	f->phones = calloc(plan->count, sizeof *f->phones);
	f->latency = calloc(plan->count, sizeof *f->latency);
	f->base = event_base_new();
	if (f->phones != NULL && f->latency != NULL && f->base != NULL) {
		sigint = evsignal_new(f->base, SIGINT, on_signal, f);
		sigterm = evsignal_new(f->base, SIGTERM, on_signal, f);
	}
	if (sigterm == NULL || sigint == NULL || evsignal_add(sigint, NULL) != 0 ||
	    evsignal_add(sigterm, NULL) != 0) {
		reason_set(r, "cannot start: out of memory or descriptors");
	} else {
		f->start = now();
		evtimer_assign(&f->ticker, f->base, on_tick, f);
		event_active(&f->ticker, EV_TIMEOUT, 0);
		res = event_base_dispatch(f->base) < 0 ? reason_set(r, "cannot wait for events") : 0;
		sum_up(f);
		evtimer_del(&f->ticker);
	}
	if (sigint != NULL)
		event_free(sigint);
	if (sigterm != NULL)
		event_free(sigterm);
	free_fleet(f);
	return res;
}
