/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/monotime.h"
#include "spool/journal.h"
#include "spool/newest.h"
#include "spool/recover.h"
#include "spool/spool_watch.h"
#include "submit/queue.h"
#include "submit/enroller.h"
#include "submit/intake.h"

#define LOOK_MS 2000		/* how often csr/ is read where the file system cannot tell */
#define AGAIN_MS 5000		/* after a disk that was full */
#define ALIVE_MS 10000
#define PATIENCE_MS 30000	/* a CA that wants more time gets it from another run, when this one shall end */
#define FAILURES 3		/* in a row: then a run that shall end ends */

struct enroller {
	const struct enroller_task *task;
	struct spool_watch *watch;
	struct queue *queue;
	struct intake *intake;
	size_t issued, refused;
	time_t early;		/* when the first certificate becomes valid that is not yet; 0: none */
	struct reason stuck;	/* why a run that shall end cannot go on, if it cannot */
	bool unsaved;		/* what the CA said of some is not written, so nothing more can be done for them */
	bool retry;		/* something has to be done again, such as after a disk that was full */
	bool told_trouble;	/* the log has what is wrong with the CA */
};

static time_t now(const struct enroller *e)
{
	return time(NULL) + e->task->clock;
}

static void say(const struct enroller *e, const char *event, const char *device, const char *why)
{
	log_say(e->task->log, event, "ca", e->task->ca->name, "device", device, "why", why, NULL);
}

/* Is it its device's newest? Then nobody wants a certificate for an older key of the phone, wherever that is by now. */
static bool is_newest(struct enroller *e, const struct reqid *reqid)
{
	struct spool_watch_file f = {.at = 0};
	struct catalog_entry other;
	uint32_t at = 0;

	if (spool_watch_refresh(e->watch) != 0) {
		e->retry = true;
		return false;
	}
	while (spool_watch_each(e->watch, reqid->device, 1u << SPOOL_CSR, &f))
		if (reqid_newer(&f.reqid, reqid))
			return false;
	while (spool_watch_known(e->watch, reqid->device, &at, &other))
		if (reqid_newer(reqid, &other.reqid))
			queue_forget(e->queue, other.reqid.spki);
	return true;
}

/* The request of a key, though it may have been superseded while the CA thought. False when there is none. */
static bool find_request(struct enroller *e, const struct asked *a, struct reqid *out)
{
	static const enum spool_dir dirs[] = {SPOOL_CSR, SPOOL_SUPERSEDED, SPOOL_DONE};
	struct catalog_entry known;
	uint32_t at = 0;

	if (spool_watch_refresh(e->watch) != 0)
		return false;
	while (spool_watch_known(e->watch, a->device, &at, &known))
		for (size_t d = 0; d < sizeof dirs / sizeof dirs[0]; d++)
			if (known.reqid.kind != REQID_DER && memcmp(known.reqid.spki, a->spki, REQID_SPKI) == 0 &&
			    spool_has(e->task->spool, dirs[d], &known.reqid, (enum reqid_kind)known.reqid.kind) == 1) {
				*out = known.reqid;
				return true;
			}
	return false;
}

/* A request that waits: to be asked for, if it is its device's newest. */
static void want(struct enroller *e, const struct reqid *reqid)
{
	unsigned char *pem = NULL;
	struct reason why;
	size_t len;

	if (!is_newest(e, reqid))
		return;
	if (spool_read_request(e->task->spool, reqid, &pem, &len) != 0) {
		if (errno != ENOENT)
			say(e, "unreadable", reqid->device, strerror(errno));
		return;
	}
	if (queue_add(e->queue, reqid->device, reqid->spki, (struct bytes){pem, len}, &why) != 0)
		say(e, "not-asked", reqid->device, why.text);
	free(pem);
}

static void take_news(void *ctx, const struct reqid *reqid, enum spool_dir d)
{
	struct enroller *e = ctx;

	if (d == SPOOL_CSR)
		want(e, reqid);
	else
		queue_forget(e->queue, reqid->spki);
}

/* All that waits. -1 with errno. */
static int want_all(struct enroller *e)
{
	struct reqid *list;
	size_t n;

	if (spool_list(e->task->spool, SPOOL_CSR, &list, &n) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (newest_in_list(list, n, i))
			want(e, &list[i]);
	free(list);
	return 0;
}

/* What a CA said of one request; for the queue. */
static void tell(void *ctx, const struct asked *a, struct bytes der)
{
	static const char *const event[] = {
		[ASKED_SENT] = "sent", [ASKED_PENDING] = "pending", [ASKED_REFUSED] = "refused",
		[ASKED_LOST] = "lost", [ASKED_LATER] = "later", [ASKED_UNFIT] = "not-asked",
	};
	struct enroller *e = ctx;
	struct reqid reqid;

	e->refused += a->state == ASKED_REFUSED || a->state == ASKED_LOST || a->state == ASKED_UNFIT;
	if (a->state != ASKED_ISSUED) {
		say(e, event[a->state], a->device, a->reason);
	} else if (der.len == 0) {
		say(e, "refused", a->device, "a certificate of this key was taken already; csr-submit --again asks for another");
	} else if (a->next > now(e)) {
		say(e, "early", a->device, "the certificate is not valid yet: the CA's clock is ahead of ours");
		if (e->early == 0 || a->next < e->early)
			e->early = a->next;
	} else if (!find_request(e, a, &reqid)) {
		say(e, "refused", a->device, "its request is no longer here");
	} else if (intake_put(e->intake, &reqid, der) != 0) {
		e->retry = true;
	}
}

/* What became of a certificate that came; for the intake. */
static void said(void *ctx, const struct reqid *reqid, const struct imported *out)
{
	struct enroller *e = ctx;
	struct asked a;
	struct reason why, unread;

	if (out->word != IMPORT_REFUSED && out->word != IMPORT_CA) {
		asked_drop_certificate(e->task->spool, reqid->spki);
		e->issued++;
		say(e, out->word == IMPORT_STALE ? "stale" : "issued", reqid->device, "");
		return;
	}
	reason_set(&why, "the certificate that came is refused: %.*s", REASON_MAX - 48, out->why.text);
	say(e, "refused", reqid->device, why.text);
	e->refused++;
	if (asked_load(e->task->spool, reqid->spki, &a, &unread) != 1)
		return;
	a.state = ASKED_REFUSED;
	a.last = now(e);
	snprintf(a.reason, sizeof a.reason, "%.*s", ASKED_REASON_MAX, why.text);
	queue_note(e->queue, &a);
}

/* Disks that are full, and the like: a service tries again, a run that shall end begins nothing more. */
static void give_up(struct enroller *e, const char *what, const struct reason *why)
{
	e->retry = true;
	if (!e->task->once)
		return;
	reason_set(&e->stuck, "%s: %.*s", what, REASON_MAX - 40, why->text);
	e->stuck.trouble = why->trouble;
	queue_stop(e->queue);
}

static void take_in(struct enroller *e)
{
	struct reason why = {.text = ""};

	if (intake_count(e->intake) == 0)
		return;
	e->task->spool->now = now(e);
	if (intake_commit(e->intake, said, e, &why) == 0) {
		journal_flush(e->task->spool);
		return;
	}
	/* They are in online/, and are found again. */
	log_say(e->task->log, "cannot-import", "why", why.text, NULL);
	give_up(e, "cannot import", &why);
}

/* When the CA is away, and when it is back, each in one line. */
static void tell_of_trouble(struct enroller *e)
{
	unsigned failures;
	bool broken;
	const char *why = queue_trouble(e->queue, &broken, &failures);

	if (why != NULL && !e->told_trouble)
		log_say(e->task->log, broken ? "ca-unusable" : "ca-away", "ca", e->task->ca->name, "why", why, NULL);
	else if (why == NULL && e->told_trouble)
		log_say(e->task->log, "ca-back", "ca", e->task->ca->name, NULL);
	e->told_trouble = why != NULL;
}

/* Has a run that shall end nothing more to do now? */
static bool is_done(const struct enroller *e, struct reason *why)
{
	struct queue_count n = queue_count(e->queue);
	unsigned failures;
	bool broken;
	const char *trouble = queue_trouble(e->queue, &broken, &failures);

	if (*e->stuck.text != '\0') {
		*why = e->stuck;
		return e->unsaved || n.asking == 0;
	}
	if (trouble != NULL && (broken || failures >= FAILURES || queue_due(e->queue) >= PATIENCE_MS)) {
		reason_set(why, "%s", trouble);
		why->trouble = !broken;
		return true;
	}
	return n.open == n.later && !e->retry && e->early == 0;
}

/* The disk does not take what has to be on it. It is tried again, and told once. */
static void cannot_write(struct enroller *e)
{
	struct reason why;

	reason_errno(&why);
	if (!e->unsaved)
		log_say(e->task->log, "cannot-write", "why", why.text, NULL);
	e->unsaved = true;
	give_up(e, "cannot write", &why);
}

/* One turn: what came is done, durably. */
static void turn(struct enroller *e)
{
	if (queue_work(e->queue) == 0) {
		e->unsaved = false;
		take_in(e);
	} else {
		/* What is not known to have come may not be taken; they are found again. */
		intake_forget(e->intake);
		cannot_write(e);
	}
	/* Why certificates were refused: this may be the last turn. */
	if (!e->unsaved && queue_save(e->queue) != 0)
		cannot_write(e);
	tell_of_trouble(e);
}

static int milliseconds(const struct enroller *e, long long alive)
{
	long long ms = alive - monotime_ms();
	int due = queue_due(e->queue);

	if (due >= 0 && due < ms)
		ms = due;
	if (spool_watch_fd(e->watch) < 0 && ms > LOOK_MS)
		ms = LOOK_MS;
	if (e->retry && ms > AGAIN_MS)
		ms = AGAIN_MS;
	if (e->early != 0 && (e->early - now(e)) * 1000 < ms)
		ms = (e->early - now(e)) * 1000;
	return ms > 0 ? (int)ms : 0;
}

static void tell_alive(struct enroller *e, long long *alive)
{
	struct queue_count n = queue_count(e->queue);
	char text[128];

	if (monotime_ms() < *alive)
		return;
	snprintf(text, sizeof text, "%zu waiting, %zu being asked, %zu issued, %zu refused", n.open, n.asking, e->issued,
	    e->refused);
	e->task->alive(e->task->ctx, text);
	*alive = monotime_ms() + ALIVE_MS;
}

static int look_again(struct enroller *e)
{
	if (e->early != 0 && e->early <= now(e)) {
		e->early = 0;
		e->retry = true;
	}
	if (!e->retry && spool_watch_fd(e->watch) < 0)
		return spool_watch_poll(e->watch, take_news, e);
	if (!e->retry) {
		int result = spool_watch_news(e->watch, take_news, e);

		return result == 0 && spool_watch_lost(e->watch) ? spool_watch_poll(e->watch, take_news, e) : result;
	}
	e->retry = false;
	return want_all(e);
}

static int work(struct enroller *e, struct reason *why)
{
	struct pollfd fd[ONLINE_PARALLEL_MAX + 2];
	long long alive = 0, again = 0;
	bool stopping = false;
	size_t n;

	for (;;) {
		turn(e);
		tell_alive(e, &alive);
		/* A turn may have left something to be written. */
		if (stopping && (e->unsaved || queue_count(e->queue).asking == 0))
			return queue_work(e->queue);
		if (e->task->once && is_done(e, why)) {
			queue_stop(e->queue);
			return *why->text != '\0' ? 1 : queue_work(e->queue);
		}
		fd[0] = (struct pollfd){.fd = stopping ? -1 : e->task->stop, .events = POLLIN};
		/* What came meanwhile is found with what is done again. */
		fd[1] = (struct pollfd){.fd = e->retry ? -1 : spool_watch_fd(e->watch), .events = POLLIN};
		n = 2 + queue_watch(e->queue, fd + 2);
		poll(fd, n, milliseconds(e, alive));
		if (fd[0].revents != 0) {
			stopping = true;
			queue_stop(e->queue);
		}
		if (e->retry && monotime_ms() < again)
			continue;
		if (e->retry)
			again = monotime_ms() + AGAIN_MS;
		if (!stopping && look_again(e) != 0)
			return -1;
	}
}

int enroller_run(const struct enroller_task *task, struct reason *why)
{
	struct queue_task queue = {.spool = task->spool, .clerk = {task->ca, task->vouchers, task->clock}, .tell = tell};
	struct enroller e = {.task = task};
	int result = -1, saved;

	why->text[0] = '\0';
	queue.ctx = &e;
	e.watch = spool_watch_open(task->spool);
	e.queue = queue_open(&queue);
	e.intake = intake_new(task->spool, task->clock);
	if (e.watch != NULL && e.queue != NULL && e.intake != NULL && recover_finish(task->spool, NULL) == 0 &&
	    want_all(&e) == 0)
		result = work(&e, why);
	saved = errno;
	queue_close(e.queue);
	intake_free(e.intake);
	spool_watch_close(e.watch);
	errno = saved;
	return result;
}
