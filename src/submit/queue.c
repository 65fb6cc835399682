/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>

#include "base/monotime.h"
#include "submit/queue.h"

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

struct queue {
	const struct queue_task *task;
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

static time_t today(const struct queue *q)
{
	return time(NULL) + q->task->clerk.clock;
}

static struct errand_chain *chain_of(struct queue *q, const unsigned char *spki)
{
	return &q->by_key[(spki[0] << 8 | spki[1]) & (BUCKETS - 1)];
}

static struct errand *find(struct queue *q, const unsigned char *spki)
{
	struct errand *e;

	LIST_FOREACH(e, chain_of(q, spki), by_key)
		if (memcmp(e->asked.spki, spki, REQID_SPKI) == 0)
			return e;
	return NULL;
}

/* To be begun now, or when its time has come. */
static void enqueue(struct queue *q, struct errand *e)
{
	e->phase = PHASE_QUEUED;
	e->late = e->asked.next > today(q);
	q->late += e->late;
	TAILQ_INSERT_TAIL(e->late ? &q->waiting : &q->ready, e, in_queue);
}

/* Takes it out of its queue. */
static void unqueue(struct queue *q, struct errand *e)
{
	TAILQ_REMOVE(e->late ? &q->waiting : &q->ready, e, in_queue);
	q->late -= e->late;
	e->late = false;
}

static void discard(struct queue *q, struct errand *e)
{
	LIST_REMOVE(e, by_key);
	buf_free(&e->certificate);
	free(e);
	q->open--;
}

struct queue *queue_open(const struct queue_task *task)
{
	struct queue *q = calloc(1, sizeof *q);

	if (q == NULL || (q->turn = turn_new(task->spool)) == NULL) {
		free(q);
		return NULL;
	}
	q->task = task;
	q->clerks = task->clerk.settings->parallel;
	TAILQ_INIT(&q->ready);
	TAILQ_INIT(&q->waiting);
	TAILQ_INIT(&q->changed);
	for (size_t i = 0; i < q->clerks; i++)
		q->clerk[i].fd = -1;
	return q;
}

static void discard_all(struct queue *q, struct errand_queue *errands)
{
	struct errand *e;

	while ((e = TAILQ_FIRST(errands)) != NULL) {
		TAILQ_REMOVE(errands, e, in_queue);
		discard(q, e);
	}
}

void queue_close(struct queue *q)
{
	if (q == NULL)
		return;
	for (size_t i = 0; i < q->clerks; i++) {
		/* It may wait for its CA, or have not begun; else it ends by itself. */
		if (q->clerk[i].fd >= 0 && q->clerk[i].busy)
			kill(q->clerk[i].pid, SIGKILL);
		clerk_stop(&q->clerk[i]);
		if (q->holds[i] != NULL && q->holds[i]->phase == PHASE_ASKING)
			discard(q, q->holds[i]);
	}
	discard_all(q, &q->ready);
	discard_all(q, &q->waiting);
	discard_all(q, &q->changed);
	turn_free(q->turn);
	buf_free(&q->packet);
	free(q);
}

/* Has it all that it will get, unless it is asked for again? */
static bool is_settled(const struct asked *a)
{
	return a->state == ASKED_ISSUED || a->state == ASKED_REFUSED || a->state == ASKED_LOST || a->state == ASKED_UNFIT;
}

/* Says again what is known of it. */
static int tell_settled(struct queue *q, const struct asked *a, struct reason *why)
{
	unsigned char *der = NULL;
	size_t len = 0;

	if (a->state == ASKED_ISSUED && asked_certificate(q->task->spool, a->spki, &der, &len) != 0 && errno != ENOENT)
		return reason_errno(why);
	q->task->tell(q->task->ctx, a, (struct bytes){der, len});
	free(der);
	return 0;
}

int queue_add(struct queue *q, const char *device, const unsigned char spki[REQID_SPKI], struct bytes request,
    struct reason *why)
{
	struct asked known;
	struct errand *e;
	bool settled;
	int found;

	if ((e = find(q, spki)) != NULL) {
		e->unwanted = false;
		return 0;
	}
	if ((found = asked_load(q->task->spool, spki, &known, why)) < 0)
		return -1;
	/* What it did not fit may have changed. */
	settled = found > 0 && known.state != ASKED_UNFIT && is_settled(&known);
	/* Without its certificate, which somebody may take, it would pass for one whose answer was lost. */
	if (found > 0 && known.unsaid && asked_put(q->turn, &known) != 0)
		return reason_memory(why);
	if (settled && !q->task->again)
		return tell_settled(q, &known, why);
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
	if (found > 0 && e->asked.state != ASKED_LATER && strcmp(known.ca, q->task->clerk.settings->name) != 0) {
		free(e);
		return reason_set(why, "was asked of the CA %s, whose answer is not there yet", known.ca);
	}
	snprintf(e->asked.device, sizeof e->asked.device, "%s", device);
	snprintf(e->asked.ca, sizeof e->asked.ca, "%s", q->task->clerk.settings->name);
	memcpy(e->request, request.p, request.len);
	e->len = request.len;
	LIST_INSERT_HEAD(chain_of(q, spki), e, by_key);
	q->open++;
	enqueue(q, e);
	return 0;
}

void queue_forget(struct queue *q, const unsigned char spki[REQID_SPKI])
{
	struct errand *e = find(q, spki);

	if (e == NULL)
		return;
	e->unwanted = true;
	if (e->phase == PHASE_QUEUED) {
		unqueue(q, e);
		discard(q, e);
	}
}

void queue_note(struct queue *q, const struct asked *a)
{
	asked_put(q->turn, a);
}

int queue_save(struct queue *q)
{
	return turn_empty(q->turn) ? 0 : turn_commit(q->turn);
}

void queue_stop(struct queue *q)
{
	q->stopped = true;
}

struct queue_count queue_count(const struct queue *q)
{
	struct queue_count n = {.open = q->open, .later = q->late};

	for (size_t i = 0; i < q->clerks; i++)
		n.asking += q->holds[i] != NULL;
	return n;
}

size_t queue_unasked(const struct queue *q)
{
	const struct errand *e;
	size_t n = 0;

	TAILQ_FOREACH(e, &q->ready, in_queue)
		n += e->asked.state == ASKED_LATER;
	return n;
}

const char *queue_trouble(const struct queue *q, bool *broken, unsigned *failures)
{
	*broken = q->broken;
	*failures = q->failures;
	return q->failures > 0 ? q->why.text : NULL;
}

/* It came to nothing, and so would the next. What was under way at the same time tells nothing new. */
static void fail(struct queue *q, bool broken, const struct reason *why, time_t wait)
{
	long long pause;

	if (q->failures == 0 || monotime_ms() >= q->paused)
		q->failures++;
	pause = PAUSE_FIRST_MS << (q->failures < 16 ? q->failures - 1 : 15);
	q->broken = broken;
	q->why = *why;
	if (pause > PAUSE_MOST_MS)
		pause = PAUSE_MOST_MS;
	if (wait > POLL_MOST)
		wait = POLL_MOST;
	if ((long long)wait * 1000 > pause)
		pause = (long long)wait * 1000;
	q->paused = monotime_ms() + pause;
}

static void succeed(struct queue *q)
{
	q->failures = 0;
	q->proven = true;
	q->broken = false;
	q->paused = 0;
}

static void set_state(struct queue *q, struct errand *e, enum asked_state state, const char *why, time_t next)
{
	e->asked.state = state;
	e->asked.last = today(q);
	e->asked.next = next;
	snprintf(e->asked.reason, sizeof e->asked.reason, "%.*s", ASKED_REASON_MAX, why);
}

/* When to ask for the n-th time. */
static time_t after(const struct queue *q, time_t wait, unsigned n)
{
	if (wait == 0)
		wait = POLL_SECONDS << (n < POLL_DOUBLINGS ? n : POLL_DOUBLINGS);
	if (wait > POLL_MOST)
		wait = POLL_MOST;
	return today(q) + wait;
}

/* What the CA has said of one, on its way to the disk. */
static void take_outcome(struct queue *q, struct errand *e, const struct clerk_answer *a)
{
	bool submitted = e->job == CLERK_SUBMIT;

	switch (a->outcome) {
	case ONLINE_ISSUED:
		buf_put(&e->certificate, a->certificate.p, a->certificate.len);
		set_state(q, e, ASKED_ISSUED, "", a->wait > 0 && a->wait <= EARLY_MOST ? today(q) + a->wait : 0);
		break;
	case ONLINE_PENDING:
		snprintf(e->asked.ticket, sizeof e->asked.ticket, "%s", a->ticket);
		set_state(q, e, ASKED_PENDING, a->why.text, after(q, a->wait, e->asked.tries++));
		break;
	case ONLINE_REFUSED:
		set_state(q, e, ASKED_REFUSED, a->why.text, 0);
		break;
	case ONLINE_LOST:
		/* Or a server that hangs up on everybody would have all of them lost. What an earlier run lost says nothing of
		 * how the CA is now. */
		if (e->job != CLERK_POLL_LOST)
			fail(q, false, &a->why, a->wait);
		set_state(q, e, q->task->clerk.settings->lost == ONLINE_LOST_ASK && ++e->asked.tries < LOST_TRIES ?
		    ASKED_LATER : ASKED_LOST, a->why.text, 0);
		break;
	case ONLINE_NEVER:
		set_state(q, e, ASKED_LATER, a->why.text, 0);
		break;
	case ONLINE_LATER:
	case ONLINE_BROKEN:
		fail(q, a->outcome == ONLINE_BROKEN, &a->why, a->wait);
		e->asked.tries++;
		/* Whether the CA has it is known, as far as it was. */
		set_state(q, e, submitted ? ASKED_LATER : e->asked.state, a->why.text, 0);
		break;
	}
	if (a->outcome <= ONLINE_REFUSED)
		succeed(q);
}

/* A clerk has said something of what it holds. */
static void take_answer(struct queue *q, size_t i, const struct clerk_answer *a)
{
	struct errand *e = q->holds[i];

	if (a->job == CLERK_GREET && a->outcome != ONLINE_ISSUED)
		fail(q, true, &a->why, 0);
	if (e == NULL || a->job != e->job)
		return;
	if (a->job != CLERK_TICKET) {
		take_outcome(q, e, a);
		q->holds[i] = NULL;
	} else if (a->outcome == ONLINE_ISSUED) {
		snprintf(e->asked.ticket, sizeof e->asked.ticket, "%s", a->ticket);
		if (e->asked.state != ASKED_PENDING)
			e->asked.first = today(q);
		set_state(q, e, ASKED_SENT, "", 0);
	} else if (a->outcome == ONLINE_REFUSED) {
		set_state(q, e, ASKED_UNFIT, a->why.text, 0);
		q->holds[i] = NULL;
	} else {
		fail(q, a->outcome == ONLINE_BROKEN, &a->why, a->wait);
		q->holds[i] = NULL;
		enqueue(q, e);
		return;
	}
	e->phase = PHASE_CHANGED;
	TAILQ_INSERT_TAIL(&q->changed, e, in_queue);
}

/* A clerk is gone. What it had is in doubt, unless it had not left yet. */
static void bury(struct queue *q, size_t i)
{
	struct clerk_answer last = {.outcome = ONLINE_LOST};
	bool was_ready = q->clerk[i].ready;
	struct errand *e = q->holds[i];
	int status = clerk_stop(&q->clerk[i]);

	reason_set(&last.why, "the process that spoke with the CA died%s", WIFSIGNALED(status) ? " by a signal" : "");
	if (!was_ready)
		fail(q, q->broken, q->broken ? &q->why : &last.why, 0);
	if (e == NULL || e->phase != PHASE_ASKING)
		return;
	last.job = e->job;
	if (e->job == CLERK_TICKET)
		last.outcome = ONLINE_LATER;
	else if (e->job != CLERK_SUBMIT)
		last.outcome = ONLINE_LATER;
	take_answer(q, i, &last);
}

static void hear(struct queue *q)
{
	struct clerk_answer a;
	int result;

	for (size_t i = 0; i < q->clerks; i++) {
		if (q->clerk[i].fd < 0)
			continue;
		while ((result = clerk_next(&q->clerk[i], &q->packet, &a)) == 1)
			take_answer(q, i, &a);
		if (result < 0)
			bury(q, i);
	}
}

/* All that was said, on the disk. -1 with errno: it stays to be done. */
static int save(struct queue *q)
{
	struct errand *e;

	TAILQ_FOREACH(e, &q->changed, in_queue) {
		/* Or the old one would pass for what is asked for now. */
		if (e->renewed && e->asked.state == ASKED_SENT &&
		    asked_drop_certificate(q->task->spool, e->asked.spki) != 0)
			return -1;
		if (e->asked.state == ASKED_ISSUED)
			asked_put_certificate(q->turn, &e->asked, (struct bytes){e->certificate.p, e->certificate.len});
		asked_put(q->turn, &e->asked);
		if (e->certificate.failed)
			turn_fail(q->turn);
	}
	return turn_empty(q->turn) ? 0 : turn_commit(q->turn);
}

/* It is durable: goes on with it. */
static void go_on(struct queue *q, struct errand *e)
{
	if (e->asked.state == ASKED_SENT && e->job == CLERK_TICKET) {
		e->job = CLERK_SUBMIT;
		e->phase = PHASE_ASKING;
		if (clerk_ask(e->clerk, CLERK_SUBMIT, (struct bytes){e->request, e->len}, e->asked.ticket) == 0)
			return;
		/* The clerk died before it had it. */
		q->holds[e->clerk - q->clerk] = NULL;
		e->asked.state = ASKED_LATER;
		enqueue(q, e);
		return;
	}
	q->task->tell(q->task->ctx, &e->asked, (struct bytes){e->certificate.p, e->certificate.len});
	if (is_settled(&e->asked) || e->unwanted)
		discard(q, e);
	else
		enqueue(q, e);
}

/* Those whose time has come. */
static void wake(struct queue *q)
{
	struct errand *e, *next;
	time_t now = today(q);

	for (e = TAILQ_FIRST(&q->waiting); e != NULL; e = next) {
		next = TAILQ_NEXT(e, in_queue);
		if (e->asked.next > now)
			continue;
		unqueue(q, e);
		enqueue(q, e);
	}
}

/* May one more be begun now? The first alone, so that a wrong setting costs no more than one; and after a failure one at
 * a time, so that a CA that comes back is not run over. */
static bool may_begin(const struct queue *q)
{
	long long now = monotime_ms();

	return !q->stopped && now >= q->paused && now >= q->next_start &&
	    ((q->proven && q->failures == 0) || queue_count(q).asking == 0);
}

static void begin(struct queue *q, size_t i)
{
	struct errand *e = TAILQ_FIRST(&q->ready);
	struct clerk *c = &q->clerk[i];
	unsigned rate = q->task->clerk.settings->rate;

	unqueue(q, e);
	/* A poll that may issue is durable before it leaves, as the first request was. */
	e->job = e->asked.state == ASKED_PENDING && !online_kind(q->task->clerk.settings->type)->resends ? CLERK_POLL :
	    e->asked.state == ASKED_SENT ? CLERK_POLL_LOST : CLERK_TICKET;
	e->phase = PHASE_ASKING;
	e->clerk = c;
	q->holds[i] = e;
	if (clerk_ask(c, e->job, (struct bytes){e->request, e->len}, e->asked.ticket) != 0) {
		struct reason why;

		/* It did not get it. One that died is buried when its end is heard. */
		reason_errno(&why);
		fail(q, false, &why, 0);
		q->holds[i] = NULL;
		enqueue(q, e);
		return;
	}
	if (rate > 0)
		q->next_start = monotime_ms() + 60000 / rate;
}

static int begin_all(struct queue *q)
{
	for (size_t i = 0; i < q->clerks; i++) {
		if (TAILQ_EMPTY(&q->ready) || !may_begin(q))
			return 0;
		/* One that died with a ticket in its hands is not replaced before go_on has found that out. */
		if (q->holds[i] != NULL)
			continue;
		if (q->clerk[i].fd < 0 && clerk_start(&q->clerk[i], &q->task->clerk) != 0)
			return -1;
		if (q->clerk[i].ready && !q->clerk[i].busy)
			begin(q, i);
	}
	return 0;
}

int queue_work(struct queue *q)
{
	struct errand *e;

	hear(q);
	/* Clerks that became free make their next tickets while the disk is busy, so that these share the next commit. What
	 * fails here fails again below, when all is saved. */
	if (!q->unsaved)
		begin_all(q);
	q->unsaved = save(q) != 0;
	if (q->unsaved)
		return -1;
	while ((e = TAILQ_FIRST(&q->changed)) != NULL) {
		TAILQ_REMOVE(&q->changed, e, in_queue);
		go_on(q, e);
	}
	wake(q);
	return begin_all(q);
}

size_t queue_watch(const struct queue *q, struct pollfd *p)
{
	size_t n = 0;

	for (size_t i = 0; i < q->clerks; i++)
		if (q->clerk[i].fd >= 0)
			p[n++] = (struct pollfd){.fd = q->clerk[i].fd, .events = POLLIN};
	return n;
}

int queue_due(const struct queue *q)
{
	long long now = monotime_ms(), due = -1;
	const struct errand *e;

	if (!TAILQ_EMPTY(&q->changed))
		return 1000;
	if (!TAILQ_EMPTY(&q->ready) && (now < q->paused || now < q->next_start))
		due = (q->paused > q->next_start ? q->paused : q->next_start) - now;
	TAILQ_FOREACH(e, &q->waiting, in_queue) {
		long long ms = (long long)(e->asked.next - today(q)) * 1000;

		if (due < 0 || ms < due)
			due = ms > 0 ? ms : 0;
	}
	return due > 60000 ? 60000 : (int)due;
}
