/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>
#include <event2/event.h>

#include "base/monotime.h"
#include "base/utc.h"
#include "net/tls.h"
#include "process/sandbox.h"
#include "server/acceptor.h"
#include "server/connection.h"
#include "server/control.h"
#include "server/records_link.h"
#include "server/worker.h"
#include "site/capf_identity.h"
#include "spool/journal.h"
#include "spool/stage.h"

#define POLL_SECONDS 10		/* between looks at the spool, for what nobody told */
#define ASK_MS 1000		/* between two questions to the master */
#define MANY 100		/* connections that ended, after which memory is given back */

struct server {
	const struct worker_task *task;
	const struct log *log;
	struct spool *spool;
	struct records_link *records;
	int control;
	struct settings *settings;	/* in force */
	struct settings *next;	/* that wait for their issuing process */
	uint32_t number;	/* of the settings that came last */
	struct issuer *coming;	/* that has not greeted */
	int tail;		/* of a journal that is to come, or -1 */
	long long asked;	/* when another socket to the syslog was asked for, or 0 */
	struct connection_home home;
	struct acceptor acceptor;
	struct event *term, *told, *poll, *slice, *soon, *news, *records_end, *issuing, *greeting;
	time_t valid_from, valid_to;	/* what CAPF's certificate says */
	bool invalid;		/* that was told */
	bool up, stop, failed;
};

static void complain(const struct server *s, const char *what, const char *why)
{
	log_say(s->log, "error", "what", what, "why", why, NULL);
}

static struct event *watch(struct server *s, int fd, short what, event_callback_fn call)
{
	struct event *e = event_new(s->home.base, fd, (short)(what | EV_PERSIST), call, s);

	if (e != NULL && event_add(e, NULL) != 0) {
		event_free(e);
		e = NULL;
	}
	return e;
}

static void unwatch(struct event **e)
{
	if (*e != NULL)
		event_free(*e);
	*e = NULL;
}

static void on_term(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	((struct server *)ctx)->stop = true;
}

/* Large directories are read in slices, between which phones have their turns. */
static const struct timeval slice_pause = {.tv_usec = 1000};

static void on_slice(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;

	(void)fd;
	(void)what;
	if (registry_read(s->home.orders))
		event_add(s->slice, &slice_pause);
}

static void on_news(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;

	(void)fd;
	(void)what;
	registry_news(s->home.orders);
	if (registry_read_now(s->home.orders))
		event_add(s->slice, &slice_pause);
}

/* It says nothing unasked, so it has ended. The end of the turn sees that. */
static void on_records_end(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;

	(void)fd;
	(void)what;
	records_ended(s->records);
}

/* It was not told, or there was no answer: once more. */
static void want_issuing(struct server *s)
{
	if (s->coming == NULL && s->settings->issuer == SETTINGS_ISSUER_CAPF &&
	    registry_issuing_fd(s->home.orders) < 0)
		control_send(s->control, CONTROL_WANTED, (struct bytes){NULL, 0}, -1);
}

/* Phones that look at the days of CAPF's certificate will not talk to us; and when it is the clock that is wrong,
 * deadlines and other people's certificates are judged by it too. */
static void look_at_clock(struct server *s)
{
	time_t now = time(NULL) + s->task->clock;
	bool early = now < s->valid_from, was = s->invalid;
	char text[96], at[UTC_ISO + 1], limit[UTC_ISO + 1];

	s->invalid = early || now >= s->valid_to;
	/* One worker says it. */
	if (!s->invalid || was || s->task->number != 0)
		return;
	utc_iso(now, at);
	utc_iso(early ? s->valid_from : s->valid_to, limit);
	snprintf(text, sizeof text, "the clock says %s, and it %s %s", at,
	    early ? "begins at" : "ended at", limit);
	complain(s, "CAPF's certificate is not valid now", text);
}

/* A commit is due, which the turn itself does. */
static void on_soon(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

static void on_poll(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;

	(void)fd;
	(void)what;
	registry_poll(s->home.orders);
	if (registry_read_due(s->home.orders))
		event_add(s->slice, &slice_pause);
	acceptor_look(&s->acceptor, true);
	want_issuing(s);
	look_at_clock(s);
	/* Lines wait for a disk that is full, until it is not. */
	if (journal_flush(s->spool) != 0)
		complain(s, "cannot write to the journal", strerror(errno));
	/* What ten thousand phones had would stay with us, page by page, in small holes. */
	if (s->home.buried >= MANY) {
		s->home.buried = 0;
		malloc_trim(0);
	}
}

static void on_issuing(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;

	(void)fd;
	(void)what;
	if (registry_issuing(s->home.orders))
		return;
	unwatch(&s->issuing);
	want_issuing(s);
}

/* By what it has to send. */
static void watch_issuing(struct server *s)
{
	int fd = s->home.orders != NULL ? registry_issuing_fd(s->home.orders) : -1;
	short what = (short)(EV_READ | EV_PERSIST);

	if (fd < 0)
		return;
	if (registry_issuing_full(s->home.orders))
		what |= EV_WRITE;
	if (s->issuing != NULL && event_get_events(s->issuing) == what)
		return;
	unwatch(&s->issuing);
	s->issuing = watch(s, fd, what, on_issuing);
}

/* The certificate that phones see. NULL with a reason. */
static struct tls_context *open_tls(struct server *s, const struct settings *settings, struct reason *why)
{
	struct tls_context *tls;
	struct cert *cert;
	EVP_PKEY *key;

	if (capf_identity_load(s->spool, &cert, &key, why) != 0)
		return NULL;
	if ((tls = tls_server(cert->x509, key, settings->legacy_tls, why)) != NULL) {
		s->valid_from = cert->not_before;
		s->valid_to = cert->not_after;
	}
	cert_free(cert);
	EVP_PKEY_free(key);
	return tls;
}

/* Everything new is loaded before anything old is given up. Takes both when it succeeds. */
static int load(struct server *s, struct settings *settings, struct issuer *issuing, struct reason *why)
{
	struct tls_context *tls;
	int result;

	s->spool->now = time(NULL) + s->task->clock;
	if (settings->issuer == SETTINGS_ISSUER_CAPF && issuing == NULL)
		return reason_set(why, "there is no issuing process");
	if ((tls = open_tls(s, settings, why)) == NULL)
		return -1;
	if (s->home.orders != NULL)
		result = registry_reload(s->home.orders, settings, issuing, why);
	else {
		s->home.orders = registry_new(s->spool, s->records, settings, issuing, s->log, &connection_hooks,
		    s->task->clock, why);
		result = s->home.orders != NULL ? 0 : -1;
	}
	if (result != 0) {
		tls_context_free(tls);
		return -1;
	}
	unwatch(&s->issuing);
	tls_context_free(s->home.tls);
	s->home.tls = tls;
	free(s->settings);
	s->home.settings = s->settings = settings;
	acceptor_settings(&s->acceptor);
	s->invalid = false;
	if (settings->trace == SETTINGS_TRACE_OFF)
		trace_link_take(&s->home.traces, -1);
	look_at_clock(s);
	return 0;
}

/* The first settings are there: phones may come. */
static int begin(struct server *s, struct reason *why)
{
	struct timeval every = {.tv_sec = POLL_SECONDS};
	int news = registry_news_fd(s->home.orders);

	s->poll = event_new(s->home.base, -1, EV_PERSIST, on_poll, s);
	s->soon = event_new(s->home.base, -1, 0, on_soon, s);
	s->slice = event_new(s->home.base, -1, 0, on_slice, s);
	if (s->soon == NULL || s->slice == NULL || s->poll == NULL || event_add(s->poll, &every) != 0 ||
	    (news >= 0 && (s->news = watch(s, news, EV_READ, on_news)) == NULL))
		return reason_trouble(why, "cannot set up libevent");
	if (acceptor_open(&s->acceptor, s->control + 1, s->task->listeners) != 0)
		return reason_trouble(why, "cannot watch the listening sockets");
	s->up = true;
	return 0;
}

static void answer(struct server *s, enum control_type type, const char *why)
{
	struct control_answer a = {.number = s->number};

	strcpy(a.why, why);
	control_send(s->control, type, (struct bytes){(const void *)&a, sizeof a}, -1);
}

static void refuse(struct server *s, const struct reason *why)
{
	free(s->next);
	s->next = NULL;
	answer(s, why->trouble ? CONTROL_TROUBLE : CONTROL_REFUSED, why->text);
	if (!s->up)
		s->stop = s->failed = true;
}

/* The settings that have waited, with this issuing process or none. */
static void put_in_force(struct server *s, struct issuer *issuing)
{
	struct reason why;

	if (load(s, s->next, issuing, &why) != 0) {
		issuer_close(issuing);
		refuse(s, &why);
		return;
	}
	s->next = NULL;
	if (!s->up && begin(s, &why) != 0)
		refuse(s, &why);
	else
		answer(s, CONTROL_READY, "");
}

static void on_greeting(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;
	struct issuer *issuing = s->coming;
	struct reason why;
	int result = issuer_greeting(issuing, &why);

	(void)fd;
	(void)what;
	if (result == 0)
		return;
	unwatch(&s->greeting);
	s->coming = NULL;
	if (result < 0)
		issuer_close(issuing);
	if (s->next != NULL && result > 0)
		put_in_force(s, issuing);
	else if (s->next != NULL)
		refuse(s, &why);
	else if (result < 0 || registry_renew(s->home.orders, issuing, &why) != 0) {
		complain(s, "cannot start the issuing process", why.text);
		want_issuing(s);
	}
}

/* An issuing process, which may not have its key yet. Another one is for older settings. */
static void await_greeting(struct server *s, int fd)
{
	struct reason why;

	unwatch(&s->greeting);
	issuer_close(s->coming);
	if ((s->coming = issuer_open(fd)) != NULL &&
	    (s->greeting = watch(s, fd, EV_READ, on_greeting)) != NULL)
		return;
	issuer_close(s->coming);
	s->coming = NULL;
	reason_trouble(&why, "cannot watch the issuing process");
	if (s->next != NULL)
		refuse(s, &why);
	else
		complain(s, why.text, strerror(errno));
}

static void take_settings(struct server *s, const struct control *c)
{
	struct control_settings settings;
	struct reason why;

	free(s->next);
	s->next = NULL;
	if (c->body.len == sizeof settings) {
		memcpy(&settings, c->body.p, sizeof settings);
		s->number = settings.number;
		s->next = malloc(sizeof *s->next);
	}
	if (s->next != NULL) {
		*s->next = settings.settings;
		if (c->fd >= 0)
			await_greeting(s, c->fd);
		else
			put_in_force(s, NULL);
		return;
	}
	if (c->fd >= 0)
		close(c->fd);
	reason_memory(&why);
	refuse(s, &why);
}

static void take_overtaken(struct server *s, struct bytes body)
{
	char device[DEVICE_MAX + 1];
	uint64_t when;

	if (s->up && bytes_get_u64(&body, &when) && bytes_get_text(&body, device, sizeof device))
		registry_overtaken(s->home.orders, device, when);
}

/* The journal comes in two pieces. */
static void take_journal(struct server *s, const struct control *c)
{
	if (c->type == CONTROL_TAIL) {
		if (s->tail >= 0)
			close(s->tail);
		s->tail = c->fd;
		return;
	}
	if (s->tail >= 0 && c->fd >= 0)
		journal_hold(s->spool, c->fd, s->tail);
	else if (c->fd >= 0)
		close(c->fd);
	s->tail = -1;
}

/* It cannot connect a socket itself: a syslog that was started anew is reached by another one. */
static void look_at_syslog(struct server *s)
{
	long long now = monotime_ms();

	if (!s->task->sink->broken || (s->asked != 0 && now - s->asked < ASK_MS))
		return;
	s->asked = now;
	control_send(s->control, CONTROL_SYSLOG, (struct bytes){NULL, 0}, -1);
}

static void take_syslog(struct server *s, int fd)
{
	log_output_connected(s->task->sink, fd);
	/* Now: the next line may be long in coming. */
	log_output_tell_lost(s->task->sink);
}

static void on_told(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;
	struct control c;
	int result;

	(void)what;
	while ((result = control_next(fd, &c)) == 1) {
		if (c.type == CONTROL_SETTINGS)
			take_settings(s, &c);
		else if (c.type == CONTROL_ISSUING && c.fd >= 0 && s->up)
			await_greeting(s, c.fd);
		else if (c.type == CONTROL_TAIL || c.type == CONTROL_JOURNAL)
			take_journal(s, &c);
		else if (c.type == CONTROL_SYSLOG && c.fd >= 0)
			take_syslog(s, c.fd);
		else if (c.type == CONTROL_TRACES && c.fd >= 0)
			trace_link_take(&s->home.traces, c.fd);
		else if (c.fd >= 0)
			close(c.fd);
		if (c.type == CONTROL_OVERTAKEN)
			take_overtaken(s, c.body);
	}
	/* Without a master nobody would start what dies. */
	if (result < 0)
		s->stop = true;
}

/* A phone proved who it is: other workers may have an older connection of it. */
static void tell_proved(void *ctx, const char *device, uint64_t when)
{
	const struct server *s = ctx;
	struct buf out = {0};

	if (s->task->workers == 1)
		return;
	buf_put_u64(&out, when);
	buf_put_text(&out, device);
	/* When that cannot be said now, the old connection goes at its own deadline. */
	if (!out.failed)
		control_send(s->control, CONTROL_OVERTAKEN, (struct bytes){out.p, out.len}, -1);
	buf_free(&out);
}

static int set_up(struct server *s, struct reason *why)
{
	size_t swept;

	s->home.log = s->log;
	s->home.traces = (struct trace_link){.fd = -1, .worker = s->task->number + 1, .clock = s->task->clock,
	    .log = s->log};
	s->acceptor = (struct acceptor){.home = &s->home, .load = s->task->load, .number = s->task->number,
	    .workers = s->task->workers};
	s->home.proved = tell_proved;
	s->home.ctx = s;
	LIST_INIT(&s->home.live);
	LIST_INIT(&s->home.dead);
	/* Signatures over the session's id shall not be good for another run of the server. */
	if (getrandom(&s->home.session, sizeof s->home.session, 0) != sizeof s->home.session)
		return reason_trouble(why, "no random numbers: %s", strerror(errno));
	if ((s->records = records_open(s->control + 1 + (int)s->task->listeners)) == NULL)
		return reason_memory(why);
	s->spool = spool_open(s->task->path, "capf-serve", time(NULL) + s->task->clock);
	/* What somebody else, who died since, put there may not be durable yet, and phones may hear of it. */
	if (s->spool == NULL || stage_sweep(s->spool, &swept) != 0 ||
	    spool_sync_all(s->spool, ((1u << SPOOL_STATES) - 1) | 1u << SPOOL_PHONE | 1u << SPOOL_TRACE) != 0)
		return reason_trouble(why, "cannot open the spool: %s", strerror(errno));
	if ((s->home.base = event_base_new()) == NULL ||
	    (s->term = watch(s, SIGTERM, EV_SIGNAL, on_term)) == NULL ||
	    (s->told = watch(s, s->control, EV_READ, on_told)) == NULL ||
	    (s->records_end = watch(s, records_fd(s->records), EV_READ, on_records_end)) == NULL)
		return reason_trouble(why, "cannot set up libevent");
	return 0;
}

/* From here on it can open what it needs of the spool, and nothing else: to read its keys and those whom
 * it trusts, to change requests and certificates. Records are the records process's. In tmp/ it has a stage for its
 * own: others make files there that become records, trusted certificates, or CAPF's key. */
static int confine(struct server *s, struct reason *why)
{
	struct sandbox_path path[SPOOL_DIRS];
	struct sandbox sb = {.profile = SANDBOX_SERVER, .path = path};
	int tail, journal = journal_open(s->spool, &tail);

	if (journal < 0)
		return reason_trouble(why, SPOOL_JOURNAL ": %s", strerror(errno));
	/* By its name it could not be opened later; the master hands over the next one. */
	journal_hold(s->spool, journal, tail);
	if (load_keep(s->task->load, s->task->number) != 0)
		return reason_trouble(why, "cannot give up the other workers' numbers: %s", strerror(errno));
	stage_within(s->spool, s->control + 2 + (int)s->task->listeners);
	for (int d = 0; d < SPOOL_DIRS; d++) {
		unsigned rights = SANDBOX_READ;

		if (d == SPOOL_TRUST_CALLMANAGER || d == SPOOL_PHONE || d == SPOOL_ONLINE)
			continue;
		if (d != SPOOL_CA && d != SPOOL_TRUST_CAPF)
			rights |= SANDBOX_WRITE;
		if (d == SPOOL_TMP)
			rights |= SANDBOX_DIRS;
		path[sb.paths++] = (struct sandbox_path){s->spool->dir[d], NULL, rights};
	}
	/* Its files are not for later either. */
	tls_init();
	return sandbox_enter(&sb) == 0 ? 0 :
	    reason_trouble(why, "cannot confine the process: %s", strerror(errno));
}

static void take_down(struct server *s)
{
	acceptor_close(&s->acceptor);
	connection_end(&s->home);
	unwatch(&s->term);
	unwatch(&s->told);
	unwatch(&s->poll);
	unwatch(&s->slice);
	unwatch(&s->soon);
	unwatch(&s->news);
	unwatch(&s->records_end);
	unwatch(&s->issuing);
	unwatch(&s->greeting);
	issuer_close(s->coming);
	registry_free(s->home.orders);
	tls_context_free(s->home.tls);
	if (s->home.base != NULL)
		event_base_free(s->home.base);
	records_close(s->records);
	trace_link_take(&s->home.traces, -1);
	spool_close(s->spool);
	if (s->tail >= 0)
		close(s->tail);
	free(s->next);
	free(s->settings);
}

/* To the other workers. */
static void show(const struct server *s)
{
	load_put(s->task->load, s->task->number, s->home.count, registry_count(s->home.orders));
}

static void give_up(struct server *s, const char *what, const char *why)
{
	if (!s->failed)
		complain(s, what, why);
	s->stop = s->failed = true;
}

static void turn(struct server *s)
{
	unsigned others, operations, patience;

	watch_issuing(s);
	look_at_syslog(s);
	if (event_base_loop(s->home.base, EVLOOP_ONCE) < 0) {
		complain(s, "libevent gave up", strerror(errno));
		s->stop = s->failed = true;
	}
	if (records_broken(s->records))
		give_up(s, "cannot go on", "the records process ended");
	if (!s->up)
		return;
	/* Before anything of it shows; and what became of it. */
	show(s);
	patience = s->stop ? 0 : registry_patience(s->home.orders);
	if (patience > 0 && event_add(s->soon, &(struct timeval){.tv_usec = patience}) != 0)
		patience = 0;
	while (patience == 0 && !s->spool->torn && !records_broken(s->records) && !registry_idle(s->home.orders))
		registry_commit(s->home.orders);
	/* What it reads there is not to be told to any phone. The next worker makes it durable first. */
	if (s->spool->torn)
		give_up(s, "cannot go on with this spool", "what was written may not be on the disk");
	/* What the dead were about may be part of a commit that has not come. */
	if (patience == 0)
		connection_bury(&s->home);
	show(s);
	load_others(s->task->load, s->task->number, &others, &operations);
	registry_elsewhere(s->home.orders, operations);
	acceptor_look(&s->acceptor, false);
}

int worker_life(void *task, int control)
{
	struct server s = {.task = task, .control = control, .tail = -1};
	struct reason why;

	s.log = s.task->log;
	/* These are for the master. */
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "capf-worker");
	/* Its memory has CAPF's key and the phones' strings: not for others of the same user. */
	prctl(PR_SET_DUMPABLE, 0);
	if (set_up(&s, &why) != 0 || confine(&s, &why) != 0)
		refuse(&s, &why);
	while (!s.stop)
		turn(&s);
	take_down(&s);
	return s.failed ? 1 : 0;
}
