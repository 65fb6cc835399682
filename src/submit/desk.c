/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>

#include "base/monotime.h"
#include "submit/desk.h"

#define BUCKETS 4096		/* a power of two */
#define PAUSE_FIRST_MS 1000	/* after the first request that came to nothing, and twice that after each further */
#define PAUSE_MOST_MS 300000
#define POLL_SECONDS 10		/* the first time, when the CA does not say when; then twice that, and so on */
#define POLL_DOUBLINGS 6
#define POLL_MOST 86400
#define LOST_TRIES 5		/* so often a request is asked for again whose answers are lost, where that is allowed */
#define EARLY_MOST 3600		/* a certificate that is valid only later than that is somebody's mistake */

enum phase {
	PHASE_QUEUED,		/* in ready or waiting */
	PHASE_ASKING,		/* a clerk has it */
	PHASE_CHANGED,		/* something has to be durable before it goes on */
};

struct errand {
	TAILQ_ENTRY(errand) in_queue;
	LIST_ENTRY(errand) by_key;
	struct asked asked;
	enum phase phase;
	enum clerk_job job;		/* what the clerk was asked */
	struct clerk *clerk;
	struct buf certificate;
	bool late;			/* it is in waiting */
	bool unwanted;
	bool renewed;			/* online/ may have the certificate of an earlier time */
	size_t len;
	unsigned char request[];
};

TAILQ_HEAD(errand_queue, errand);
LIST_HEAD(errand_chain, errand);

struct desk {
	const struct desk_task *task;
	struct turn *turn;
	struct errand_queue ready, waiting, changed;
	struct errand_chain by_key[BUCKETS];
	size_t open, late;		/* errands, and how many of them are in waiting */
	size_t clerks;
	struct clerk clerk[ONLINE_PARALLEL_MAX];
	struct errand *holds[ONLINE_PARALLEL_MAX];	/* what each has */
	struct buf packet;
	unsigned failures;		/* in a row */
	bool broken, stopped;
	bool unsaved;			/* the disk did not take what was said */
	bool proven;			/* the CA has answered one */
	struct reason why;		/* of the last failure */
	long long paused;		/* until then, monotone, nothing is begun */
	long long next_start;		/* not before, by the rate */
};

static time_t today(const struct desk *d)
{
	return time(NULL) + d->task->clerk.clock;
}

static struct errand_chain *chain_of(struct desk *d, const unsigned char *spki)
{
	return &d->by_key[(spki[0] << 8 | spki[1]) & (BUCKETS - 1)];
}

static struct errand *find(struct desk *d, const unsigned char *spki)
{
	struct errand *e;

	LIST_FOREACH(e, chain_of(d, spki), by_key)
		if (memcmp(e->asked.spki, spki, REQID_SPKI) == 0)
			return e;
	return NULL;
}

/* To be begun now, or when its time has come. */
static void queue(struct desk *d, struct errand *e)
{
	e->phase = PHASE_QUEUED;
	e->late = e->asked.next > today(d);
	d->late += e->late;
	TAILQ_INSERT_TAIL(e->late ? &d->waiting : &d->ready, e, in_queue);
}

/* Takes it out of its queue. */
static void unqueue(struct desk *d, struct errand *e)
{
	TAILQ_REMOVE(e->late ? &d->waiting : &d->ready, e, in_queue);
	d->late -= e->late;
	e->late = false;
}

static void discard(struct desk *d, struct errand *e)
{
	LIST_REMOVE(e, by_key);
	buf_free(&e->certificate);
	free(e);
	d->open--;
}

struct desk *desk_open(const struct desk_task *task)
{
	struct desk *d = calloc(1, sizeof *d);

	if (d == NULL || (d->turn = turn_new(task->spool)) == NULL) {
		free(d);
		return NULL;
	}
	d->task = task;
	d->clerks = task->clerk.settings->parallel;
	TAILQ_INIT(&d->ready);
	TAILQ_INIT(&d->waiting);
	TAILQ_INIT(&d->changed);
	for (size_t i = 0; i < d->clerks; i++)
		d->clerk[i].fd = -1;
	return d;
}

static void discard_all(struct desk *d, struct errand_queue *q)
{
	struct errand *e;

	while ((e = TAILQ_FIRST(q)) != NULL) {
		TAILQ_REMOVE(q, e, in_queue);
		discard(d, e);
	}
}

void desk_close(struct desk *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->clerks; i++) {
		/* It may wait for its CA, or have not begun; else it ends by itself. */
		if (d->clerk[i].fd >= 0 && d->clerk[i].busy)
			kill(d->clerk[i].pid, SIGKILL);
		clerk_stop(&d->clerk[i]);
		if (d->holds[i] != NULL && d->holds[i]->phase == PHASE_ASKING)
			discard(d, d->holds[i]);
	}
	discard_all(d, &d->ready);
	discard_all(d, &d->waiting);
	discard_all(d, &d->changed);
	turn_free(d->turn);
	buf_free(&d->packet);
	free(d);
}

/* Has it all that it will get, unless it is asked for again? */
static bool is_settled(const struct asked *a)
{
	return a->state == ASKED_ISSUED || a->state == ASKED_REFUSED || a->state == ASKED_LOST || a->state == ASKED_UNFIT;
}

/* Says again what is known of it. */
static int tell_settled(struct desk *d, const struct asked *a, struct reason *why)
{
	unsigned char *der = NULL;
	size_t len = 0;

	if (a->state == ASKED_ISSUED && asked_certificate(d->task->spool, a->spki, &der, &len) != 0 && errno != ENOENT)
		return reason_errno(why);
	d->task->tell(d->task->ctx, a, (struct bytes){der, len});
	free(der);
	return 0;
}

int desk_add(struct desk *d, const char *device, const unsigned char spki[REQID_SPKI], struct bytes request,
    struct reason *why)
{
	struct asked known;
	struct errand *e;
	bool settled;
	int found;

	if ((e = find(d, spki)) != NULL) {
		e->unwanted = false;
		return 0;
	}
	if ((found = asked_load(d->task->spool, spki, &known, why)) < 0)
		return -1;
	/* What it did not fit may have changed. */
	settled = found > 0 && known.state != ASKED_UNFIT && is_settled(&known);
	/* Without its certificate, which somebody may take, it would pass for one whose answer was lost. */
	if (found > 0 && known.unsaid && asked_put(d->turn, &known) != 0)
		return reason_memory(why);
	if (settled && !d->task->again)
		return tell_settled(d, &known, why);
	if ((e = calloc(1, sizeof *e + request.len)) == NULL)
		return reason_memory(why);
	if (found > 0)
		e->asked = known;
	e->renewed = settled;
	if (found == 0 || settled || known.state == ASKED_UNFIT) {
		e->asked = (struct asked){.state = ASKED_LATER};
		memcpy(e->asked.spki, spki, REQID_SPKI);
	}
	/* A CA of another name knows nothing of it; the one that does is told in the reason. */
	if (found > 0 && e->asked.state != ASKED_LATER && strcmp(known.ca, d->task->clerk.settings->name) != 0) {
		free(e);
		return reason_set(why, "was asked of the CA %s, whose answer is not there yet", known.ca);
	}
	snprintf(e->asked.device, sizeof e->asked.device, "%s", device);
	snprintf(e->asked.ca, sizeof e->asked.ca, "%s", d->task->clerk.settings->name);
	memcpy(e->request, request.p, request.len);
	e->len = request.len;
	LIST_INSERT_HEAD(chain_of(d, spki), e, by_key);
	d->open++;
	queue(d, e);
	return 0;
}

void desk_forget(struct desk *d, const unsigned char spki[REQID_SPKI])
{
	struct errand *e = find(d, spki);

	if (e == NULL)
		return;
	e->unwanted = true;
	if (e->phase == PHASE_QUEUED) {
		unqueue(d, e);
		discard(d, e);
	}
}

void desk_note(struct desk *d, const struct asked *a)
{
	asked_put(d->turn, a);
}

int desk_save(struct desk *d)
{
	return turn_empty(d->turn) ? 0 : turn_commit(d->turn);
}

void desk_stop(struct desk *d)
{
	d->stopped = true;
}

struct desk_count desk_count(const struct desk *d)
{
	struct desk_count n = {.open = d->open, .later = d->late};

	for (size_t i = 0; i < d->clerks; i++)
		n.asking += d->holds[i] != NULL;
	return n;
}

size_t desk_unasked(const struct desk *d)
{
	const struct errand *e;
	size_t n = 0;

	TAILQ_FOREACH(e, &d->ready, in_queue)
		n += e->asked.state == ASKED_LATER;
	return n;
}

const char *desk_trouble(const struct desk *d, bool *broken, unsigned *failures)
{
	*broken = d->broken;
	*failures = d->failures;
	return d->failures > 0 ? d->why.text : NULL;
}

/* It came to nothing, and so would the next. What was under way at the same time tells nothing new. */
static void fail(struct desk *d, bool broken, const struct reason *why, time_t wait)
{
	long long pause;

	if (d->failures == 0 || monotime_ms() >= d->paused)
		d->failures++;
	pause = PAUSE_FIRST_MS << (d->failures < 16 ? d->failures - 1 : 15);
	d->broken = broken;
	d->why = *why;
	if (pause > PAUSE_MOST_MS)
		pause = PAUSE_MOST_MS;
	if (wait > POLL_MOST)
		wait = POLL_MOST;
	if ((long long)wait * 1000 > pause)
		pause = (long long)wait * 1000;
	d->paused = monotime_ms() + pause;
}

static void succeed(struct desk *d)
{
	d->failures = 0;
	d->proven = true;
	d->broken = false;
	d->paused = 0;
}

static void set_state(struct desk *d, struct errand *e, enum asked_state state, const char *why, time_t next)
{
	e->asked.state = state;
	e->asked.last = today(d);
	e->asked.next = next;
	snprintf(e->asked.reason, sizeof e->asked.reason, "%.*s", ASKED_REASON_MAX, why);
}

/* When to ask for the n-th time. */
static time_t after(const struct desk *d, time_t wait, unsigned n)
{
	if (wait == 0)
		wait = POLL_SECONDS << (n < POLL_DOUBLINGS ? n : POLL_DOUBLINGS);
	if (wait > POLL_MOST)
		wait = POLL_MOST;
	return today(d) + wait;
}

/* What the CA has said of one, on its way to the disk. */
static void take_outcome(struct desk *d, struct errand *e, const struct clerk_answer *a)
{
	bool submitted = e->job == CLERK_SUBMIT;

	switch (a->outcome) {
	case ONLINE_ISSUED:
		buf_put(&e->certificate, a->certificate.p, a->certificate.len);
		set_state(d, e, ASKED_ISSUED, "", a->wait > 0 && a->wait <= EARLY_MOST ? today(d) + a->wait : 0);
		break;
	case ONLINE_PENDING:
		snprintf(e->asked.ticket, sizeof e->asked.ticket, "%s", a->ticket);
		set_state(d, e, ASKED_PENDING, a->why.text, after(d, a->wait, e->asked.tries++));
		break;
	case ONLINE_REFUSED:
		set_state(d, e, ASKED_REFUSED, a->why.text, 0);
		break;
	case ONLINE_LOST:
		/* Or a server that hangs up on everybody would have all of them lost. What an earlier run lost says nothing of
		 * how the CA is now. */
		if (e->job != CLERK_POLL_LOST)
			fail(d, false, &a->why, a->wait);
		set_state(d, e, d->task->clerk.settings->lost == ONLINE_LOST_ASK && ++e->asked.tries < LOST_TRIES ?
		    ASKED_LATER : ASKED_LOST, a->why.text, 0);
		break;
	case ONLINE_NEVER:
		set_state(d, e, ASKED_LATER, a->why.text, 0);
		break;
	case ONLINE_LATER:
	case ONLINE_BROKEN:
		fail(d, a->outcome == ONLINE_BROKEN, &a->why, a->wait);
		e->asked.tries++;
		/* Whether the CA has it is known, as far as it was. */
		set_state(d, e, submitted ? ASKED_LATER : e->asked.state, a->why.text, 0);
		break;
	}
	if (a->outcome <= ONLINE_REFUSED)
		succeed(d);
}

/* A clerk has said something of what it holds. */
static void take_answer(struct desk *d, size_t i, const struct clerk_answer *a)
{
	struct errand *e = d->holds[i];

	if (a->job == CLERK_GREET && a->outcome != ONLINE_ISSUED)
		fail(d, true, &a->why, 0);
	if (e == NULL || a->job != e->job)
		return;
	if (a->job != CLERK_TICKET) {
		take_outcome(d, e, a);
		d->holds[i] = NULL;
	} else if (a->outcome == ONLINE_ISSUED) {
		snprintf(e->asked.ticket, sizeof e->asked.ticket, "%s", a->ticket);
		if (e->asked.state != ASKED_PENDING)
			e->asked.first = today(d);
		set_state(d, e, ASKED_SENT, "", 0);
	} else if (a->outcome == ONLINE_REFUSED) {
		set_state(d, e, ASKED_UNFIT, a->why.text, 0);
		d->holds[i] = NULL;
	} else {
		fail(d, a->outcome == ONLINE_BROKEN, &a->why, a->wait);
		d->holds[i] = NULL;
		queue(d, e);
		return;
	}
	e->phase = PHASE_CHANGED;
	TAILQ_INSERT_TAIL(&d->changed, e, in_queue);
}

/* A clerk is gone. What it had is in doubt, unless it had not left yet. */
static void bury(struct desk *d, size_t i)
{
	struct clerk_answer last = {.outcome = ONLINE_LOST};
	bool was_ready = d->clerk[i].ready;
	struct errand *e = d->holds[i];
	int status = clerk_stop(&d->clerk[i]);

	reason_set(&last.why, "the process that spoke with the CA died%s", WIFSIGNALED(status) ? " by a signal" : "");
	if (!was_ready)
		fail(d, d->broken, d->broken ? &d->why : &last.why, 0);
	if (e == NULL || e->phase != PHASE_ASKING)
		return;
	last.job = e->job;
	if (e->job == CLERK_TICKET)
		last.outcome = ONLINE_LATER;
	else if (e->job != CLERK_SUBMIT)
		last.outcome = ONLINE_LATER;
	take_answer(d, i, &last);
}

static void hear(struct desk *d)
{
	struct clerk_answer a;
	int result;

	for (size_t i = 0; i < d->clerks; i++) {
		if (d->clerk[i].fd < 0)
			continue;
		while ((result = clerk_next(&d->clerk[i], &d->packet, &a)) == 1)
			take_answer(d, i, &a);
		if (result < 0)
			bury(d, i);
	}
}

/* All that was said, on the disk. -1 with errno: it stays to be done. */
static int save(struct desk *d)
{
	struct errand *e;

	TAILQ_FOREACH(e, &d->changed, in_queue) {
		/* Or the old one would pass for what is asked for now. */
		if (e->renewed && e->asked.state == ASKED_SENT &&
		    asked_drop_certificate(d->task->spool, e->asked.spki) != 0)
			return -1;
		if (e->asked.state == ASKED_ISSUED)
			asked_put_certificate(d->turn, &e->asked, (struct bytes){e->certificate.p, e->certificate.len});
		asked_put(d->turn, &e->asked);
		if (e->certificate.failed)
			turn_fail(d->turn);
	}
	return turn_empty(d->turn) ? 0 : turn_commit(d->turn);
}

/* It is durable: goes on with it. */
static void go_on(struct desk *d, struct errand *e)
{
	if (e->asked.state == ASKED_SENT && e->job == CLERK_TICKET) {
		e->job = CLERK_SUBMIT;
		e->phase = PHASE_ASKING;
		if (clerk_ask(e->clerk, CLERK_SUBMIT, (struct bytes){e->request, e->len}, e->asked.ticket) == 0)
			return;
		/* The clerk died before it had it. */
		d->holds[e->clerk - d->clerk] = NULL;
		e->asked.state = ASKED_LATER;
		queue(d, e);
		return;
	}
	d->task->tell(d->task->ctx, &e->asked, (struct bytes){e->certificate.p, e->certificate.len});
	if (is_settled(&e->asked) || e->unwanted)
		discard(d, e);
	else
		queue(d, e);
}

/* Those whose time has come. */
static void wake(struct desk *d)
{
	struct errand *e, *next;
	time_t now = today(d);

	for (e = TAILQ_FIRST(&d->waiting); e != NULL; e = next) {
		next = TAILQ_NEXT(e, in_queue);
		if (e->asked.next > now)
			continue;
		unqueue(d, e);
		queue(d, e);
	}
}

/* May one more be begun now? The first alone, so that a wrong setting costs no more than one; and after a failure one at
 * a time, so that a CA that comes back is not run over. */
static bool may_begin(const struct desk *d)
{
	long long now = monotime_ms();

	return !d->stopped && now >= d->paused && now >= d->next_start &&
	    ((d->proven && d->failures == 0) || desk_count(d).asking == 0);
}

static void begin(struct desk *d, size_t i)
{
	struct errand *e = TAILQ_FIRST(&d->ready);
	struct clerk *c = &d->clerk[i];
	unsigned rate = d->task->clerk.settings->rate;

	unqueue(d, e);
	/* A poll that may issue is durable before it leaves, as the first request was. */
	e->job = e->asked.state == ASKED_PENDING && !online_kind(d->task->clerk.settings->type)->resends ? CLERK_POLL :
	    e->asked.state == ASKED_SENT ? CLERK_POLL_LOST : CLERK_TICKET;
	e->phase = PHASE_ASKING;
	e->clerk = c;
	d->holds[i] = e;
	if (clerk_ask(c, e->job, (struct bytes){e->request, e->len}, e->asked.ticket) != 0) {
		struct reason why;

		/* It did not get it. One that died is buried when its end is heard. */
		reason_errno(&why);
		fail(d, false, &why, 0);
		d->holds[i] = NULL;
		queue(d, e);
		return;
	}
	if (rate > 0)
		d->next_start = monotime_ms() + 60000 / rate;
}

static int begin_all(struct desk *d)
{
	for (size_t i = 0; i < d->clerks; i++) {
		if (TAILQ_EMPTY(&d->ready) || !may_begin(d))
			return 0;
		/* One that died with a ticket in its hands is not replaced before go_on has found that out. */
		if (d->holds[i] != NULL)
			continue;
		if (d->clerk[i].fd < 0 && clerk_start(&d->clerk[i], &d->task->clerk) != 0)
			return -1;
		if (d->clerk[i].ready && !d->clerk[i].busy)
			begin(d, i);
	}
	return 0;
}

int desk_work(struct desk *d)
{
	struct errand *e;

	hear(d);
	/* Clerks that became free make their next tickets while the disk is busy, so that these share the next commit. What
	 * fails here fails again below, when all is saved. */
	if (!d->unsaved)
		begin_all(d);
	d->unsaved = save(d) != 0;
	if (d->unsaved)
		return -1;
	while ((e = TAILQ_FIRST(&d->changed)) != NULL) {
		TAILQ_REMOVE(&d->changed, e, in_queue);
		go_on(d, e);
	}
	wake(d);
	return begin_all(d);
}

size_t desk_watch(const struct desk *d, struct pollfd *p)
{
	size_t n = 0;

	for (size_t i = 0; i < d->clerks; i++)
		if (d->clerk[i].fd >= 0)
			p[n++] = (struct pollfd){.fd = d->clerk[i].fd, .events = POLLIN};
	return n;
}

int desk_due(const struct desk *d)
{
	long long now = monotime_ms(), due = -1;
	const struct errand *e;

	if (!TAILQ_EMPTY(&d->changed))
		return 1000;
	if (!TAILQ_EMPTY(&d->ready) && (now < d->paused || now < d->next_start))
		due = (d->paused > d->next_start ? d->paused : d->next_start) - now;
	TAILQ_FOREACH(e, &d->waiting, in_queue) {
		long long ms = (long long)(e->asked.next - today(d)) * 1000;

		if (due < 0 || ms < due)
			due = ms > 0 ? ms : 0;
	}
	return due > 60000 ? 60000 : (int)due;
}
