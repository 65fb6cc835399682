/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "process/child.h"
#include "process/sandbox.h"
#include "server/control.h"
#include "server/load.h"
#include "server/trace_packet.h"
#include "server/trace_process.h"
#include "spool/spool.h"
#include "spool/trace_files.h"

#define MEMORY (64 << 20)	/* for the names of files, and packets */
#define PACKETS_A_TURN 64	/* of one worker; then it is another's turn */
#define LAST_TURNS 64		/* for what is still on its way at an end, and not for ever */

struct writer {
	struct trace_files *files;
	time_t clock;
	int control;
	struct pollfd watched[LOAD_MAX + 1];	/* the master, then the workers */
	struct trace_news news;	/* of the series of losses that goes on; or no error */
	unsigned char packet[TRACE_PACKET_MAX];
};

static void tell(const struct writer *w)
{
	control_send(w->control, CONTROL_TRACES, (struct bytes){(const void *)&w->news, sizeof w->news}, -1);
}

/* The first loss is said, not each. */
static void note(struct writer *w, int error)
{
	if (error != 0) {
		w->news.lost++;
		if (w->news.error == 0) {
			w->news.error = error;
			tell(w);
		}
	} else if (w->news.error != 0) {
		w->news.error = 0;
		tell(w);
		w->news.lost = 0;
	}
}

static void keep(struct writer *w, unsigned worker, const struct trace_packet *t)
{
	const struct trace_key key = {worker, t->number, t->device};
	int result;

	errno = 0;
	if (t->type == TRACE_STRANGER)
		result = trace_files_stranger(w->files, t->text.p, t->text.len);
	else if (t->type == TRACE_BEGIN)
		result = trace_files_begin(w->files, &key, time(NULL) + w->clock, t->text.p, t->text.len);
	else
		result = trace_files_add(w->files, &key, t->text.p, t->text.len);
	if (t->type == TRACE_END)
		trace_files_end(w->files, &key);
	/* One that is full, or was removed to make place, is in order. */
	if (result == 0 || (errno != ENOENT && errno != EFBIG))
		note(w, result == 0 ? 0 : errno);
}

static void drop(struct writer *w, unsigned worker)
{
	struct pollfd *p = &w->watched[worker + 1];

	if (p->fd >= 0)
		close(p->fd);
	*p = (struct pollfd){.fd = -1};
	trace_files_end_all(w->files, worker);
}

/* What is no packet ends the connection: it is no worker of ours that sends it. */
static void hear(struct writer *w, unsigned worker)
{
	for (int i = 0; i < PACKETS_A_TURN; i++) {
		ssize_t n = recv(w->watched[worker + 1].fd, w->packet, sizeof w->packet, MSG_DONTWAIT | MSG_TRUNC);
		struct trace_packet t;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || (size_t)n > sizeof w->packet ||
		    !trace_packet_get((struct bytes){w->packet, (size_t)n}, &t)) {
			drop(w, worker);
			return;
		}
		keep(w, worker, &t);
	}
}

/* -1 when the master has ended, or wants us to. */
static int obey(struct writer *w)
{
	struct control c;
	uint64_t most;
	int result;

	while ((result = control_next(w->control, &c)) == 1) {
		if (c.type == CONTROL_TRACES && c.fd >= 0 && c.body.len == 1 && c.body.p[0] < LOAD_MAX) {
			/* What the worker before had to say. */
			for (int i = 0; i < LAST_TURNS && w->watched[c.body.p[0] + 1].fd >= 0 &&
			    poll(&w->watched[c.body.p[0] + 1], 1, 0) == 1; i++)
				hear(w, c.body.p[0]);
			drop(w, c.body.p[0]);
			w->watched[c.body.p[0] + 1] = (struct pollfd){.fd = c.fd, .events = POLLIN};
			continue;
		}
		if (c.fd >= 0)
			close(c.fd);
		if (c.type == CONTROL_SETTINGS && bytes_get_u64(&c.body, &most))
			trace_files_limit(w->files, most);
	}
	return result < 0 ? -1 : 0;
}

static void serve(struct writer *w)
{
	bool over = false;
	int n, last = LAST_TURNS;

	for (int i = 0; i <= LOAD_MAX; i++)
		w->watched[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	w->watched[0].fd = w->control;
	/* At the end, what has been sent until then. */
	while (last > 0 && ((n = poll(w->watched, LOAD_MAX + 1, over ? 0 : -1)) > 0 || (n < 0 && errno == EINTR))) {
		last -= over;
		for (unsigned i = 0; i < LOAD_MAX; i++)
			if (w->watched[i + 1].fd >= 0 && w->watched[i + 1].revents != 0)
				hear(w, i);
		if (w->watched[0].revents != 0 && obey(w) != 0) {
			over = true;
			w->watched[0].fd = -1;
		}
	}
}

/* Files of session/, and no others. */
static int confine(const struct writer *w)
{
	const struct sandbox_path path = {trace_files_fd(w->files), NULL, SANDBOX_READ | SANDBOX_WRITE};
	const struct sandbox sb = {.profile = SANDBOX_SERVER, .memory = MEMORY, .path = &path, .paths = 1};

	return sandbox_enter(&sb);
}

static int life(void *ctx, int control)
{
	const struct trace_task *task = ctx;
	struct writer w = {.clock = task->clock, .control = control};
	struct spool *s;

	/* The master ends it. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "capf-traces");
	prctl(PR_SET_DUMPABLE, 0);
	if ((s = spool_open(task->path, "capf-serve", time(NULL) + task->clock)) == NULL ||
	    (w.files = trace_files_open(s, task->most)) == NULL)
		note(&w, errno != 0 ? errno : ENOMEM);
	spool_close(s);
	if (w.files == NULL || confine(&w) != 0)
		return 1;
	serve(&w);
	trace_files_close(w.files);
	return 0;
}

int trace_spawn(const struct trace_task *task, pid_t *pid)
{
	struct trace_task copy = *task;

	return child_spawn(life, &copy, NULL, 0, pid);
}

int trace_connect(int socket, unsigned worker)
{
	unsigned char which = (unsigned char)worker;
	int pair[2], result;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	result = control_send(socket, CONTROL_TRACES, (struct bytes){&which, 1}, pair[1]);
	close(pair[1]);
	if (result == 0)
		return pair[0];
	close(pair[0]);
	return -1;
}

void trace_limit(int socket, uint64_t most)
{
	struct buf b = {0};

	buf_put_u64(&b, most);
	if (!b.failed)
		control_send(socket, CONTROL_SETTINGS, (struct bytes){b.p, b.len}, -1);
	buf_free(&b);
}
