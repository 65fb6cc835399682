/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/control.h"
#include "server/master_traces.h"
#include "server/trace_process.h"

/* Once for each series. */
static void tell_missing(struct master_traces *t, const char *why)
{
	if (!t->told)
		log_say(t->log, "error", "what", "traces are missing", "why", why, NULL);
	t->told = true;
}

/* Is it there, and not about to end? */
static bool runs(const struct master_traces *t)
{
	return t->pid > 0 && t->control >= 0;
}

static void hang_up(struct master_traces *t)
{
	if (t->control >= 0)
		close(t->control);
	t->control = -1;
}

static bool start(struct master_traces *t, long long now)
{
	struct trace_task task = {t->path, t->clock, t->settings->trace_max_bytes};

	restart_begin(&t->restart, now);
	if ((t->control = trace_spawn(&task, &t->pid)) >= 0)
		return true;
	t->pid = 0;
	tell_missing(t, strerror(errno));
	restart_put_off(&t->restart, now);
	return false;
}

bool master_traces_set(struct master_traces *t, long long now)
{
	if (t->settings->trace == SETTINGS_TRACE_OFF)
		master_traces_stop(t);
	else if (runs(t))
		trace_limit(t->control, t->settings->trace_max_bytes);
	else if (t->pid == 0)
		return start(t, now);
	return false;
}

bool master_traces_start_due(struct master_traces *t, long long now)
{
	return t->pid == 0 && restart_is_due(&t->restart, now) && start(t, now);
}

int master_traces_connect(struct master_traces *t, unsigned worker)
{
	int fd = runs(t) ? trace_connect(t->control, worker) : -1;

	if (fd < 0 && runs(t))
		tell_missing(t, strerror(errno));
	return fd;
}

/* It says when what it is sent cannot be kept, and when it can again. */
void master_traces_listen(struct master_traces *t)
{
	struct trace_news news;
	char text[64];
	struct control c;

	while (t->control >= 0 && control_next(t->control, &c) == 1) {
		if (c.fd >= 0)
			close(c.fd);
		if (c.type != CONTROL_TRACES || c.body.len != sizeof news)
			continue;
		memcpy(&news, c.body.p, sizeof news);
		if (news.error != 0) {
			tell_missing(t, strerror(news.error));
			continue;
		}
		snprintf(text, sizeof text, "traces are kept again, %llu parts are missing", (unsigned long long)news.lost);
		log_say(t->log, "note", "text", text, NULL);
		t->told = false;
	}
}

void master_traces_ended(struct master_traces *t, bool stopping, long long now)
{
	bool wanted = t->settings->trace != SETTINGS_TRACE_OFF && !stopping;

	/* Its last words. */
	master_traces_listen(t);
	t->pid = 0;
	if (wanted && t->control >= 0)
		tell_missing(t, "the process that writes them ended");
	hang_up(t);
	if (wanted)
		restart_put_off(&t->restart, now);
}

void master_traces_stop(struct master_traces *t)
{
	hang_up(t);
	restart_cancel(&t->restart);
}
