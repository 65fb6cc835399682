/* SPDX-License-Identifier: ISC */
#include <event2/event.h>
#include <event2/event_struct.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/monotime.h"
#include "phone-sim/fleet.h"
#include "phone-sim/sim_words.h"

#define BURST 64		/* phones that start before those that run have their turn again */
#define TICK_MS 5

struct fleet {
	const struct fleet_plan *plan;
	struct fleet_summary *sum;
	struct event_base *base;
	struct event ticker;
	struct sim_socket **phones;	/* NULL: not started, or ended */
	size_t started, running;
	double start;
	double *latency;	/* of those that ended well: sum->good of them */
};

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

static void on_over(void *ctx, size_t number, enum sim_outcome outcome, double seconds)
{
	struct fleet *f = ctx;
	struct fleet_summary *sum = f->sum;

	sum->outcomes[outcome]++;
	if (sim_good(outcome))
		f->latency[sum->good++] = seconds;
	else
		sum->bad++;
	sim_socket_free(f->phones[number]);
	f->phones[number] = NULL;
	f->running--;
	if (f->running == 0 && f->started == f->plan->count)
		event_base_loopbreak(f->base);
	else if (f->plan->parallel > 0)
		event_active(&f->ticker, EV_TIMEOUT, 0);
}

static void start_one(struct fleet *f)
{
	size_t n = f->started++;
	char device[DEVICE_MAX + 1];
	struct reason r;

	/* The first and the last name were looked at. */
	if (fleet_device(f->plan->pattern, f->plan->first + n, device, &r) < 0)
		device[0] = '\0';
	f->phones[n] = sim_socket_start(&f->plan->phone, f->base, n, device, on_over, f);
	if (f->phones[n] != NULL)
		f->running++;
}

/* As many phones as their rate and number allow by now. */
static void start_more(struct fleet *f)
{
	const struct fleet_plan *plan = f->plan;
	double due = plan->rate > 0 ? 1 + (monotime_seconds() - f->start) * (double)plan->rate :
	    (double)plan->count;
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

	sum->seconds = monotime_seconds() - f->start;
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
		sim_socket_free(f->phones[i]);
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
	sigset_t ends;
	int res = -1;

	*sum = (struct fleet_summary){0};
	if (f == NULL)
		return reason_memory(r);
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
		reason_trouble(r, "cannot start: out of memory or descriptors");
	} else {
		f->start = monotime_seconds();
		evtimer_assign(&f->ticker, f->base, on_tick, f);
		event_active(&f->ticker, EV_TIMEOUT, 0);
		res = event_base_dispatch(f->base) < 0 ? reason_trouble(r, "cannot wait for events") : 0;
		sum_up(f);
		evtimer_del(&f->ticker);
	}
	/* libevent gives the signals back to whoever had them before, which is death: a second one, as timeout(1)
	 * sends it, would cut off what the caller has to say. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	if (sigint != NULL)
		event_free(sigint);
	if (sigterm != NULL)
		event_free(sigterm);
	free_fleet(f);
	return res;
}
