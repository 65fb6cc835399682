/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/monotime.h"
#include "net/address.h"
#include "process/child.h"
#include "server/control.h"
#include "server/issuer_process.h"
#include "server/load.h"
#include "server/master.h"
#include "server/master_traces.h"
#include "server/records_process.h"
#include "server/restart.h"
#include "server/worker.h"
#include "site/capf_identity.h"
#include "spool/journal.h"
#include "spool/stage.h"

#define STOP_MS 5000		/* then those who have not ended are killed */
#define STATUS_MS 10000
#define LEAVE_MS 5000
#define MESSAGES_A_TURN 64
#define SILENT_MS 60000	/* a worker turns every 10 s; one that has not for so long stands still */

enum { NEW, OLD, ISSUERS };

/* A worker's place. */
struct post {
	pid_t issuer[ISSUERS];	/* its issuing processes, 0 for none: a worker lets one go when it has the next */
	pid_t pid;		/* 0: nobody is there */
	int control;
	int records;		/* the socket to its records process */
	struct stage stage;	/* what it has of tmp/ */
	bool busy;		/* has not said what became of the settings that it was sent last */
	bool serves;		/* has said that it took some */
	bool killed;		/* by us, for it stood still */
	struct restart worker, issuing;
};

struct master {
	const struct master_task *task;
	struct log log;
	struct control_settings settings;	/* for those that are started now */
	struct load *load;
	struct post *post;
	struct pollfd *watched;	/* signals, each worker, and the process of traces */
	struct master_traces traces;
	int signals;
	long long now, stop_by, status_due, beat_due;
	long long leave_by;	/* then issuing processes of older settings end, 0: never */
	long long awake;	/* since then we have not slept ourselves */
	bool up, stopping, refused, reloading;
	bool hup;		/* to be done when all have their first settings */
	int result;
	struct reason *why;
};

static void complain(const struct master *k, unsigned i, const char *what, const char *why)
{
	char number[16];

	snprintf(number, sizeof number, "%u", i + 1);
	log_say(&k->log, "error", "what", what, "number", number, "why", why, NULL);
}

/* The first settings are no good, or the first worker died of them. */
static void give_up(struct master *k, int result, const char *text)
{
	if (k->result == 0) {
		k->result = result;
		reason_set(k->why, "%s", text);
	}
	k->stopping = true;
}

static void end_issuing(pid_t *pid)
{
	if (*pid > 0)
		kill(*pid, SIGKILL);
	*pid = 0;
}

/* The socket to a new issuing process, by our settings. -1 when there is none. */
static int start_issuing(struct master *k, unsigned i)
{
	struct issuer_task task = {.days = (int)k->settings.settings.issuer_days, .clock = k->task->clock,
	    .path = k->task->spool->path, .accept_expired = k->settings.settings.accept_expired,
	    .accept_weak_mic = k->settings.settings.accept_weak_mic, .require_sudi = k->settings.settings.require_sudi};
	struct post *post = &k->post[i];
	const char *spool = k->task->spool->path;
	pid_t pid;
	int fd;

	strcpy(task.certificate, k->settings.settings.issuer_certificate);
	strcpy(task.key, k->settings.settings.issuer_key);
	if (*task.certificate == '\0')
		snprintf(task.certificate, sizeof task.certificate, "%s/ca/" CAPF_IDENTITY_CER, spool);
	if (*task.key == '\0')
		snprintf(task.key, sizeof task.key, "%s/ca/" CAPF_IDENTITY_PAIR, spool);
	restart_begin(&post->issuing, k->now);
	if ((fd = issuer_spawn(&task, &pid)) < 0) {
		complain(k, i, "cannot start an issuing process", strerror(errno));
		return -1;
	}
	/* The worker changes over from the one to the other, and needs no third. */
	end_issuing(&post->issuer[OLD]);
	post->issuer[OLD] = post->issuer[NEW];
	post->issuer[NEW] = pid;
	return fd;
}

/* A worker that does not read what it is told is no use. */
static void tell(struct master *k, unsigned i, enum control_type type, const void *p, size_t len,
    int fd)
{
	struct post *post = &k->post[i];

	if (control_send(post->control, type, (struct bytes){p, len}, fd) != 0 && errno != EPIPE) {
		complain(k, i, "a worker does not listen to its master", strerror(errno));
		kill(post->pid, SIGKILL);
	}
	if (fd >= 0)
		close(fd);
}

/* All our settings, and what they want. */
static void send_settings(struct master *k, unsigned i)
{
	int fd = k->settings.settings.issuer == SETTINGS_ISSUER_CAPF ? start_issuing(k, i) : -1;

	/* Its records process first: it judges by them what the worker asks. When it has ended its worker sees that. */
	if (records_tell(k->post[i].records, &k->settings.settings) != 0 && errno != EPIPE && errno != ECONNRESET) {
		complain(k, i, "a records process does not listen to its master", strerror(errno));
		kill(k->post[i].pid, SIGKILL);
	}
	k->post[i].busy = true;
	tell(k, i, CONTROL_SETTINGS, &k->settings, sizeof k->settings, fd);
}

static void send_issuing(struct master *k, unsigned i)
{
	int fd = start_issuing(k, i);

	if (fd >= 0)
		tell(k, i, CONTROL_ISSUING, NULL, 0, fd);
	else
		restart_put_off(&k->post[i].issuing, k->now);
}

/* The journal of today: it may have another one's name by now, and a worker cannot open the new one. */
static void send_journal(struct master *k, unsigned i)
{
	int tail, fd = journal_open(k->task->spool, &tail);

	if (fd < 0) {
		complain(k, i, "cannot open the journal", strerror(errno));
		return;
	}
	tell(k, i, CONTROL_TAIL, NULL, 0, tail);
	tell(k, i, CONTROL_JOURNAL, NULL, 0, fd);
}

/* A worker asks again, when there is something to say, until syslog is there. */
static void send_syslog(struct master *k, unsigned i)
{
	int fd = log_output_connect(k->task->sink);

	if (fd >= 0)
		tell(k, i, CONTROL_SYSLOG, NULL, 0, fd);
}

/* Starts a worker's records process, and makes its stage. The worker's socket to the process, or -1 with errno. */
static int start_records(struct master *k, unsigned i)
{
	struct records_task task = {k->task->spool->path, k->task->clock, k->settings.settings.string_tries};
	struct post *post = &k->post[i];
	int pair[2], saved;
	pid_t pid;

	if (stage_open(k->task->spool, &post->stage) != 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		stage_close(k->task->spool, &post->stage);
		return -1;
	}
	post->records = records_spawn(&task, pair[1], &pid);
	saved = errno;
	close(pair[1]);
	if (post->records >= 0)
		return pair[0];
	close(pair[0]);
	stage_close(k->task->spool, &post->stage);
	errno = saved;
	return -1;
}

/* What a worker that has ended had beside it. Its records process ends with its sockets, when it has done what it was
 * at, and not in the middle of that. */
static void end_records(struct master *k, struct post *post)
{
	if (post->records >= 0)
		close(post->records);
	post->records = -1;
	stage_close(k->task->spool, &post->stage);
}

/* A worker's way to the process of traces. */
static void send_traces(struct master *k, unsigned i)
{
	int fd = master_traces_connect(&k->traces, i);

	if (fd >= 0)
		tell(k, i, CONTROL_TRACES, NULL, 0, fd);
}

/* The process is new. */
static void send_traces_to_all(struct master *k)
{
	for (unsigned i = 0; i < k->task->workers; i++)
		if (k->post[i].pid > 0)
			send_traces(k, i);
}

static int spawn_worker(struct master *k, unsigned i, int records)
{
	const struct listen *listen = k->task->listen;
	struct log_output *sink = k->task->sink, before = *sink;
	struct worker_task task = {k->task->spool->path, k->task->clock, &k->log, sink, k->load, i,
	    k->task->workers, listen->n};
	struct post *post = &k->post[i];
	int keep[LISTEN_MAX + 3], syslog = log_output_connect(sink), control, saved;
	size_t n = listen->n;

	memcpy(keep, listen->fd, n * sizeof *keep);
	keep[n++] = records;
	keep[n++] = post->stage.fd;
	/* Its own copy of our memory says where the log is then. Ours could send to anybody. */
	if (syslog >= 0)
		keep[n++] = syslog;
	if (sink->len > 0)
		log_output_connected(sink, syslog >= 0 ? 3 + (int)n : -1);
	sink->worker = k->task->workers > 1 ? i + 1 : 0;
	control = child_spawn(worker_life, &task, keep, n, &post->pid);
	saved = errno;
	*sink = before;
	if (syslog >= 0)
		close(syslog);
	errno = saved;
	return control;
}

static void start_worker(struct master *k, unsigned i)
{
	struct post *post = &k->post[i];
	int records = start_records(k, i), saved;

	load_clear(k->load, i);
	post->killed = false;
	restart_begin(&post->worker, k->now);
	post->control = records >= 0 ? spawn_worker(k, i, records) : -1;
	saved = errno;
	if (records >= 0)
		close(records);
	if (post->control >= 0) {
		send_traces(k, i);
		send_settings(k, i);
		return;
	}
	end_records(k, post);
	complain(k, i, "cannot start a worker", strerror(saved));
	post->pid = 0;
	restart_put_off(&post->worker, k->now);
}

/* Reads capf.conf again, and has everybody take it. */
static void reload(struct master *k)
{
	struct reason why;
	struct settings settings;
	char text[64];

	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", k->now * 1000);
	systemd_send(k->task->notify, text);
	k->hup = false;
	k->reloading = true;
	k->refused = false;
	/* Whatever the settings are worth. Who has answered to those has taken this before. */
	for (unsigned i = 0; i < k->task->workers; i++)
		if (k->post[i].pid > 0)
			send_journal(k, i);
	if (settings_load(&settings, k->task->spool->root, &why) != 0) {
		log_say(&k->log, "error", "what", "cannot read the settings again", "why", why.text,
		    NULL);
		k->refused = true;
		return;
	}
	k->settings.settings = settings;
	k->settings.number++;
	if (master_traces_set(&k->traces, k->now))
		send_traces_to_all(k);
	/* Without an issuer here, workers let their issuing processes go, and nobody waits until each has done so. */
	k->leave_by = settings.issuer != SETTINGS_ISSUER_CAPF ? k->now + LEAVE_MS : 0;
	for (unsigned i = 0; i < k->task->workers; i++) {
		k->post[i].worker.delay = 0;
		restart_cancel(&k->post[i].issuing);
		if (k->post[i].pid > 0)
			send_settings(k, i);
	}
}

/* A worker says what became of its settings. When newer ones are on their way that is no news. */
static void take_answer(struct master *k, unsigned i, const struct control *c)
{
	struct control_answer a;

	if (c->body.len != sizeof a)
		return;
	memcpy(&a, c->body.p, sizeof a);
	a.why[sizeof a.why - 1] = '\0';
	if (a.number == k->settings.number) {
		k->post[i].busy = false;
		k->refused = k->refused || c->type != CONTROL_READY;
	}
	if (c->type == CONTROL_READY) {
		k->post[i].serves = true;
		return;
	}
	if (k->up)
		complain(k, i, "cannot use the settings", a.why);
	else
		give_up(k, c->type == CONTROL_REFUSED ? 1 : -1, a.why);
}

static void take_signal(struct master *k, const struct signalfd_siginfo *info)
{
	switch (info->ssi_signo) {
	case SIGTERM:
	case SIGINT:
		k->stopping = true;
		break;
	case SIGHUP:
		k->hup = true;
		break;
	}
}

static void ended(struct master *k, unsigned i, int status)
{
	struct post *post = &k->post[i];
	char text[64];

	post->pid = 0;
	post->busy = post->serves = false;
	for (int j = NEW; j < ISSUERS; j++)
		end_issuing(&post->issuer[j]);
	close(post->control);
	post->control = -1;
	end_records(k, post);
	load_clear(k->load, i);
	if (k->stopping && (post->killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)))
		return;
	if (WIFSIGNALED(status))
		snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
	else
		snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(status));
	if (k->result == 0)
		complain(k, i, "a worker ended", text);
	if (!k->up || k->stopping)
		give_up(k, -1, "a worker ended by itself");
	else
		restart_put_off(&post->worker, k->now);
}

/* What a worker says, and not so much that nobody else is heard. -1 when it has hung up, or talks nonsense. */
static int listen_to(struct master *k, unsigned i)
{
	struct control c;
	int result = 0;

	for (int n = 0; n < MESSAGES_A_TURN; n++) {
		if ((result = control_next(k->post[i].control, &c)) != 1)
			break;
		if (c.fd >= 0)
			close(c.fd);
		switch (c.type) {
		case CONTROL_READY:
		case CONTROL_REFUSED:
		case CONTROL_TROUBLE:
			take_answer(k, i, &c);
			break;
		case CONTROL_WANTED:
			/* Whatever it says: by other settings there is none. */
			if (k->post[i].issuing.due == 0 && k->settings.settings.issuer == SETTINGS_ISSUER_CAPF)
				restart_put_off(&k->post[i].issuing, k->now);
			break;
		case CONTROL_SYSLOG:
			send_syslog(k, i);
			break;
		case CONTROL_OVERTAKEN:
			for (unsigned j = 0; j < k->task->workers; j++)
				if (j != i && k->post[j].pid > 0)
					/* To be told later would be too late. */
					control_send(k->post[j].control, c.type, c.body, -1);
			break;
		default:
			break;
		}
	}
	return result < 0 ? -1 : 0;
}

static void reap(struct master *k)
{
	int status;
	pid_t pid;

	/* Issuing processes too: their workers say when they want another. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == k->traces.pid)
			master_traces_ended(&k->traces, k->stopping, k->now);
		for (unsigned i = 0; i < k->task->workers; i++) {
			/* Its number may be somebody else's by and by. */
			for (int j = NEW; j < ISSUERS; j++)
				if (k->post[i].issuer[j] == pid)
					k->post[i].issuer[j] = 0;
			if (k->post[i].pid == pid) {
				/* Its last words. */
				listen_to(k, i);
				ended(k, i, status);
			}
		}
	}
}

static void start_due(struct master *k)
{
	if (master_traces_start_due(&k->traces, k->now))
		send_traces_to_all(k);
	for (unsigned i = 0; i < k->task->workers; i++) {
		struct post *post = &k->post[i];

		if (post->pid == 0 && restart_is_due(&post->worker, k->now))
			start_worker(k, i);
		if (post->pid > 0 && restart_is_due(&post->issuing, k->now))
			send_issuing(k, i);
		if (k->leave_by != 0 && k->leave_by <= k->now)
			for (int j = NEW; j < ISSUERS; j++)
				end_issuing(&post->issuer[j]);
	}
}

static void kill_worker(struct master *k, unsigned i, const char *why)
{
	if (!k->post[i].killed)
		complain(k, i, "a worker stands still and is killed", why);
	k->post[i].killed = true;
	kill(k->post[i].pid, SIGKILL);
}

/* Its phones wait for nothing, and so would a reload. Not when all of us were stopped, or the machine. */
static void end_still(struct master *k)
{
	for (unsigned i = 0; i < k->task->workers; i++)
		if (k->post[i].serves && !k->post[i].killed && k->now - k->awake >= SILENT_MS &&
		    load_silence(k->load, i) >= SILENT_MS)
			kill_worker(k, i, "no turn for a minute");
}

static unsigned workers_left(const struct master *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->task->workers; i++)
		n += k->post[i].pid > 0;
	return n;
}

static bool all_answered(const struct master *k)
{
	for (unsigned i = 0; i < k->task->workers; i++)
		if (k->post[i].busy)
			return false;
	return true;
}

/* All workers have their settings, the first or new ones. */
static void look_at_answers(struct master *k)
{
	if ((k->up && !k->reloading) || k->stopping || !all_answered(k))
		return;
	if (!k->refused && k->settings.settings.legacy_tls)
		log_say(&k->log, "legacy-tls", "why", "set in capf.conf: old and weak TLS is taken",
		    NULL);
	if (!k->refused && k->settings.settings.trace != SETTINGS_TRACE_OFF)
		log_say(&k->log, "tracing", "level", k->settings.settings.trace == SETTINGS_TRACE_SESSIONS ?
		    "sessions" : "messages", "devices", k->settings.settings.trace_devices, NULL);
	if (!k->up)
		log_say(&k->log, "ready", NULL);
	else if (!k->refused)
		log_say(&k->log, "reloaded", NULL);
	k->up = true;
	k->reloading = false;
	k->status_due = k->now;
	systemd_send(k->task->notify, "READY=1");
}

/* For systemd: how busy we are, and that we are alive. */
static void report(struct master *k)
{
	unsigned connections, operations;
	bool alive = true;
	char text[128];

	if (k->now >= k->status_due) {
		load_others(k->load, LOAD_MAX, &connections, &operations);
		snprintf(text, sizeof text, "STATUS=%u connections, %u operations, %u of %u workers",
		    connections, operations, workers_left(k), k->task->workers);
		systemd_send(k->task->notify, text);
		k->status_due = k->now + STATUS_MS;
	}
	if (k->task->notify->watchdog == 0 || k->now < k->beat_due)
		return;
	for (unsigned i = 0; i < k->task->workers; i++)
		alive = alive && (k->post[i].pid == 0 || load_silence(k->load, i) < SILENT_MS);
	if (alive)
		systemd_send(k->task->notify, "WATCHDOG=1");
	k->beat_due = k->now + k->task->notify->watchdog;
}

static void earlier(long long *next, long long due)
{
	if (due != 0 && due < *next)
		*next = due;
}

/* Until something happens or is due. */
static void wait_for_all(struct master *k)
{
	long long next = k->now + STATUS_MS;
	struct signalfd_siginfo info;

	k->watched[0] = (struct pollfd){.fd = k->signals, .events = POLLIN};
	for (unsigned i = 0; i < k->task->workers; i++) {
		struct post *post = &k->post[i];

		k->watched[i + 1] = (struct pollfd){.fd = post->pid > 0 ? post->control : -1,
		    .events = POLLIN};
		if (!k->stopping && post->pid == 0)
			earlier(&next, post->worker.due);
		if (!k->stopping && post->pid > 0)
			earlier(&next, post->issuing.due);
	}
	k->watched[k->task->workers + 1] = (struct pollfd){.fd = k->traces.control, .events = POLLIN};
	if (!k->stopping && k->traces.pid == 0)
		earlier(&next, k->traces.restart.due);
	earlier(&next, k->stop_by);
	earlier(&next, k->leave_by);
	earlier(&next, k->beat_due);
	poll(k->watched, k->task->workers + 2, next > k->now ? (int)(next - k->now) : 0);
	if (monotime_ms() - k->now > 2 * STATUS_MS)
		k->awake = monotime_ms();
	k->now = monotime_ms();
	for (unsigned i = 0; i < k->task->workers; i++)
		/* One that does not talk to us is at its end, or not ours any more. */
		if (k->watched[i + 1].revents != 0 && listen_to(k, i) != 0)
			kill(k->post[i].pid, SIGKILL);
	if (k->watched[k->task->workers + 1].revents != 0)
		master_traces_listen(&k->traces);
	while (read(k->signals, &info, sizeof info) == sizeof info)
		take_signal(k, &info);
	reap(k);
}

static void signal_workers(struct master *k, int signo)
{
	for (unsigned i = 0; i < k->task->workers; i++)
		if (k->post[i].pid > 0)
			kill(k->post[i].pid, signo);
}

/* Workers end what they are at; their issuing processes end with them. */
static void stop_all(struct master *k)
{
	systemd_send(k->task->notify, "STOPPING=1");
	if (k->up)
		log_say(&k->log, "stopping", NULL);
	signal_workers(k, SIGTERM);
	k->stop_by = k->now + STOP_MS;
	while (workers_left(k) > 0) {
		wait_for_all(k);
		if (k->now < k->stop_by)
			continue;
		for (unsigned i = 0; i < k->task->workers; i++)
			if (k->post[i].pid > 0)
				kill_worker(k, i, "it does not end");
		k->stop_by = k->now + STOP_MS;
	}
	/* Those die with us. Traces are written to their end. */
	master_traces_stop(&k->traces);
	for (k->stop_by = k->now + STOP_MS; k->traces.pid > 0 && k->now < k->stop_by;)
		wait_for_all(k);
}

static int set_up(struct master *k)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	k->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	k->post = calloc(k->task->workers, sizeof *k->post);
	k->watched = calloc(k->task->workers + 2, sizeof *k->watched);
	k->load = load_new(k->task->workers);
	for (unsigned i = 0; k->post != NULL && i < k->task->workers; i++)
		k->post[i].records = k->post[i].stage.fd = -1;
	return k->signals >= 0 && k->post != NULL && k->watched != NULL && k->load != NULL ? 0 : -1;
}

int master_run(const struct master_task *task, struct reason *why)
{
	struct master k = {.task = task, .log = {log_output_write, task->sink},
	    .settings = {1, *task->settings}, .why = why, .signals = -1, .now = monotime_ms(),
	    .traces = {.path = task->spool->path, .clock = task->clock, .control = -1}};
	char address[64];

	k.traces.log = &k.log;
	k.traces.settings = &k.settings.settings;
	for (size_t i = 0; i < task->listen->n; i++) {
		address_of_socket(task->listen->fd[i], address, sizeof address);
		log_say(&k.log, "listening", "address", address, NULL);
	}
	k.awake = k.now;
	if (set_up(&k) != 0) {
		k.result = -1;
		reason_trouble(why, "cannot start: %s", strerror(errno));
	}
	if (k.result == 0)
		master_traces_set(&k.traces, k.now);
	for (unsigned i = 0; i < task->workers && k.result == 0; i++)
		start_worker(&k, i);
	while (k.result == 0 && !k.stopping) {
		wait_for_all(&k);
		start_due(&k);
		if (k.leave_by <= k.now)
			k.leave_by = 0;
		end_still(&k);
		look_at_answers(&k);
		if (k.hup && k.up && !k.stopping) {
			reload(&k);
			look_at_answers(&k);
		}
		report(&k);
	}
	if (k.post != NULL)
		stop_all(&k);
	if (k.signals >= 0)
		close(k.signals);
	load_free(k.load);
	free(k.watched);
	free(k.post);
	return k.result;
}
