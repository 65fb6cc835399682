/* SPDX-License-Identifier: ISC */
/* capf-enroll: watches csr/ and has a CA on the network issue what waits there. This process only keeps another going,
 * which does the work and can do little else; it reads the settings, and starts that one anew when they change. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/monotime.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "process/child.h"
#include "process/log_output.h"
#include "process/systemd.h"
#include "site/asked.h"
#include "site/capf_identity.h"
#include "site/settings.h"
#include "spool/journal.h"
#include "submit/enroller.h"
#include "submit/named_ca.h"

const char program[] = "capf-enroll";
const char purpose[] = "have a CA on the network sign requests as they come";
const char synopsis[] = "[-1hV] [-c name] [-L log] [-O field=value ...] [-P seconds] [-s spool]";

#define RESTART_MS 5000		/* after the process that does the work died */
#define SILENT_MS 120000	/* without a sign of life it is killed; it waits for no CA itself */

struct service {
	const char *path, *ca_name;
	struct option_texts set;
	bool once;
	time_t clock;
	struct log_output sink;
	struct log log;
	struct systemd notify;
	struct online_settings ca;
	EVP_PKEY **vouchers;
	int signals;
	pid_t pid;		/* of the process that does the work; 0: none */
	int control;
	long long heard, restart, beat;
	bool stopping, ready;
	int lock;		/* of online/: the other process has it too, so that none begins before it has ended */
	bool syslog;		/* the other process has a socket to it, behind its control and the lock */
	int status;
};

/* The process that does the work. */

static void alive(void *ctx, const char *text)
{
	/* Whoever started us may be gone: then so are we, soon. */
	if (write(*(int *)ctx, text, strlen(text)) < 0)
		return;
}

/* From here on it can change what is its own in the spool, read whom the spool trusts, and what its clerks need. */
static void confine(struct spool *s, const struct online_settings *ca)
{
	const char *file[ONLINE_FILES_MAX];
	struct sandbox_path path[ONLINE_FILES_MAX + SPOOL_DIRS];
	size_t files = online_settings_files(ca, file), n = 0;

	for (int d = 0; d < SPOOL_DIRS; d++) {
		unsigned rights = SANDBOX_READ | SANDBOX_WRITE;

		if (d == SPOOL_CA || d == SPOOL_TRUST_CALLMANAGER || d == SPOOL_PHONE || d == SPOOL_TRACE)
			continue;
		if (d == SPOOL_TRUST_CAPF)
			rights = SANDBOX_READ;
		if (d == SPOOL_TMP)
			rights |= SANDBOX_DIRS;
		path[n++] = (struct sandbox_path){s->dir[d], NULL, rights};
	}
	for (size_t i = 0; i < files; i++)
		path[n++] = (struct sandbox_path){AT_FDCWD, file[i], SANDBOX_READ};
	confine_asking(NULL, path, n);
}

static int life(void *ctx, int fd)
{
	struct service *v = ctx;
	struct spool *s = spool_open(v->path, program, time(NULL) + v->clock);
	struct enroller_task task = {.spool = s, .ca = &v->ca, .vouchers = v->vouchers, .clock = v->clock, .once = v->once,
	    .log = &v->log, .stop = fd, .alive = alive, .ctx = &fd};
	struct reason why;
	int journal, tail, result;

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "capf-enrolling");
	if (v->syslog)
		log_output_connected(&v->sink, fd + 2);
	if (s == NULL || (journal = journal_open(s, &tail)) < 0)
		status_die_errno(v->path, "cannot open the spool");
	/* By its name it could not be opened later. */
	journal_hold(s, journal, tail);
	confine(s, &v->ca);
	if ((result = enroller_run(&task, &why)) < 0)
		status_warn_errno(v->path, "cannot go on");
	else if (result > 0)
		status_warn(v->ca.name, "%s", why.text);
	open_spool_flush(s, STATUS_OK);
	spool_close(s);
	return result < 0 ? STATUS_TROUBLE : result == 0 ? STATUS_OK : status_of_input(why.trouble);
}

/* The process that keeps it going. */

static int read_settings(struct service *v, struct online_settings *ca, struct reason *why)
{
	struct spool *s = spool_open(v->path, program, time(NULL) + v->clock);
	struct settings settings;
	int result = -1;

	if (s == NULL)
		return reason_errno(why);
	if (settings_load(&settings, s->root, why) == 0)
		result = named_ca(s, v->ca_name, v->set.text, v->set.n, ca, why);
	spool_close(s);
	return result;
}

/* CAPF's keys may be new, so they are read for each start. */
static int read_vouchers(struct service *v, struct reason *why)
{
	struct spool *s = spool_open(v->path, program, time(NULL) + v->clock);

	if (s == NULL)
		return reason_errno(why);
	capf_identity_vouchers_free(v->vouchers);
	v->vouchers = capf_identity_vouchers(s, why);
	spool_close(s);
	return v->vouchers != NULL ? 0 : -1;
}

static void start(struct service *v)
{
	struct reason why;
	int syslog = log_output_connect(&v->sink);

	/* A spool that is not initialised for CAPF has requests with their own signature alone. */
	if (read_vouchers(v, &why) != 0 && why.trouble)
		log_say(&v->log, "cannot-start", "why", why.text, NULL);
	v->syslog = syslog >= 0;
	v->control = child_spawn(life, v, (const int[]){v->lock, syslog}, v->syslog ? 2 : 1, &v->pid);
	v->heard = monotime_ms();
	if (v->syslog)
		close(syslog);
	if (v->control >= 0)
		return;
	v->pid = 0;
	log_say(&v->log, "cannot-start", "why", strerror(errno), NULL);
	v->restart = monotime_ms() + RESTART_MS;
}

/* It ends when it has what is under way: it sees that we hang up. */
static void tell_stop(struct service *v)
{
	if (v->pid > 0)
		shutdown(v->control, SHUT_WR);
}

static void reload(struct service *v)
{
	struct online_settings ca;
	struct reason why;

	/* Its end says what became of all that waited when it began. */
	if (v->once)
		return;
	if (read_settings(v, &ca, &why) != 0) {
		log_say(&v->log, "reload-refused", "why", why.text, NULL);
		return;
	}
	v->ca = ca;
	log_say(&v->log, "reloaded", "ca", v->ca.name, NULL);
	/* The next one has them. */
	tell_stop(v);
	v->restart = monotime_ms();
}

static void take_signals(struct service *v)
{
	struct signalfd_siginfo info;

	while (read(v->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGHUP) {
			reload(v);
		} else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
			systemd_send(&v->notify, "STOPPING=1");
			v->stopping = true;
			tell_stop(v);
		}
	}
}

/* A sign of life, with how it stands. */
static void hear(struct service *v)
{
	char text[160] = "STATUS=";
	ssize_t n;

	while ((n = read(v->control, text + 7, sizeof text - 8)) > 0) {
		v->heard = monotime_ms();
		text[7 + n] = '\0';
		systemd_send(&v->notify, text);
		if (!v->ready) {
			log_say(&v->log, "ready", "ca", v->ca.name, NULL);
			systemd_send(&v->notify, "READY=1");
		}
		v->ready = true;
	}
}

static void reap(struct service *v)
{
	int status;

	if (v->pid <= 0 || waitpid(v->pid, &status, WNOHANG) != v->pid)
		return;
	close(v->control);
	v->pid = 0;
	if (v->once || v->stopping) {
		v->status = WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_TROUBLE;
		v->stopping = true;
	} else if (v->restart == 0) {
		log_say(&v->log, "died", "why", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it ended by itself", NULL);
		v->restart = monotime_ms() + RESTART_MS;
	}
}

static void keep_going(struct service *v)
{
	struct pollfd fd[2];
	long long now;

	while (!v->stopping || v->pid > 0) {
		fd[0] = (struct pollfd){.fd = v->signals, .events = POLLIN};
		fd[1] = (struct pollfd){.fd = v->pid > 0 ? v->control : -1, .events = POLLIN};
		poll(fd, 2, v->pid > 0 ? 1000 : 100);
		now = monotime_ms();
		take_signals(v);
		if (v->pid > 0)
			hear(v);
		reap(v);
		if (v->pid > 0 && now - v->heard > SILENT_MS)
			kill(v->pid, SIGKILL);
		if (v->pid == 0 && !v->stopping && now >= v->restart) {
			v->restart = 0;
			start(v);
		}
		if (v->notify.watchdog > 0 && now >= v->beat && v->pid > 0) {
			systemd_send(&v->notify, "WATCHDOG=1");
			v->beat = now + v->notify.watchdog;
		}
	}
}

static int any(void *ctx, const char *name)
{
	(void)ctx;
	return strstr(name, ".pem") != NULL;
}

/* Without a CA that is trusted each certificate would be refused when it came, and each key would have been asked for. */
static void check_trust(const struct spool *s)
{
	int found = spool_each(s, SPOOL_TRUST_CAPF, any, NULL);

	if (found < 0)
		status_die_errno(s->path, "cannot read capf-trust");
	if (found == 0)
		status_die(STATUS_USAGE, s->path, "capf-trust has no CA, so no certificate could be taken: compare what "
		    "csr-submit --get-ca brings, and add it with trust-add capf");
}

int main(int argc, char *argv[])
{
	time_t begin = time(NULL), now = begin;
	const char *log = NULL;
	struct service v = {.path = spool_default()};
	const struct option_spec options[] = {
		OPT_FLAG('1', "once", &v.once,
		    "exit when everything was sent and only pending requests lack an answer"),
		OPT_TEXT('c', "ca", "CA", &v.ca_name,
		    "the CA, by its name in capf.conf; by default the setting online-ca, or "
		    "the only CA there"),
		OPT_TEXT('L', "log", "LOG", &log,
		    "log to stderr, syslog or syslog:SOCKET instead of the setting log"),
		OPT_TEXTS('O', "option", "FIELD=VALUE", &v.set,
		    "set a field of the CA, as ca.NAME.FIELD in capf.conf"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&v.path),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	struct reason why;
	struct settings settings;
	struct spool *s;
	sigset_t set;

	if (arg < argc)
		status_usage("takes no arguments");
	v.clock = now - begin;
	systemd_open(&v.notify);
	s = open_spool_to_write(v.path, now);
	if (settings_load(&settings, s->root, &why) != 0)
		status_die(status_of_input(why.trouble), SPOOL_CONF, "%s", why.text);
	if (read_settings(&v, &v.ca, &why) != 0)
		status_die(status_of_input(why.trouble), v.ca_name != NULL ? v.ca_name : SPOOL_CONF, "%s", why.text);
	check_trust(s);
	if (log_output_open(&v.sink, log != NULL ? log : settings.log, program, &why) != 0)
		status_die(status_of_input(why.trouble), NULL, "%s", why.text);
	v.log = (struct log){log_output_write, &v.sink};
	if ((v.lock = asked_lock(s)) < 0 && errno == EWOULDBLOCK)
		status_die(STATUS_TROUBLE, v.path, "another capf-enroll, or csr-submit, is at work with this spool");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (v.lock < 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
	    (v.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		status_die_errno(v.path, "cannot start");
	keep_going(&v);
	capf_identity_vouchers_free(v.vouchers);
	close(v.lock);
	spool_close(s);
	return status_flush(v.status);
}
