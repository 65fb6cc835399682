/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <event2/event.h>

#include "base/monotime.h"
#include "net/address.h"
#include "server/acceptor.h"

/* A burst of phones is for all workers, and each of them handshakes between two turns. */
#define ACCEPT_A_TURN 64
#define ACCEPT_SHARED 4
#define SAY_MS 10000
#define SPARE_FILES 24		/* descriptors for what is opened and closed again */

/* As many connections as the descriptors allow that are left to this process. */
static void set_limit(struct acceptor *g)
{
	struct rlimit files;
	unsigned used = 0;

	g->limit = ~0u;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	if (files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) != 0)
			getrlimit(RLIMIT_NOFILE, &files);
	}
	/* They are dense: child_spawn has closed all others. */
	for (int fd = 0; fd < 128; fd++)
		used += fcntl(fd, F_GETFD) >= 0;
	used += SPARE_FILES;
	if (files.rlim_cur < g->limit)
		g->limit = files.rlim_cur > used ? (unsigned)files.rlim_cur - used : 1;
}

/* May one more come? */
static bool has_room(const struct acceptor *g)
{
	unsigned others, operations;

	if (g->home->count >= g->limit)
		return false;
	if (g->home->settings->max_connections == 0)
		return true;
	load_others(g->load, g->number, &others, &operations);
	return g->home->count + others < g->home->settings->max_connections;
}

static void pause_accepting(struct acceptor *g, const char *why)
{
	long long now = monotime_ms();
	char count[16];

	g->paused_at = g->home->count;
	if (g->paused)
		return;
	g->paused = true;
	for (size_t i = 0; i < g->n; i++)
		event_del(g->listener[i].event);
	/* At the limit that is so after each phone that goes. */
	if (g->said != 0 && now - g->said < SAY_MS)
		return;
	g->said = now;
	snprintf(count, sizeof count, "%u", g->home->count);
	log_say(g->home->log, "full", "connections", count, "why", why, NULL);
}

void acceptor_look(struct acceptor *g, bool anyway)
{
	if (!g->paused || !has_room(g) || (!anyway && g->home->count >= g->paused_at))
		return;
	g->paused = false;
	for (size_t i = 0; i < g->n; i++)
		event_add(g->listener[i].event, NULL);
}

static void on_accept(evutil_socket_t fd, short what, void *ctx)
{
	struct acceptor_listener *l = ctx;
	struct acceptor *g = l->acceptor;
	int most = g->workers > 1 ? ACCEPT_SHARED : ACCEPT_A_TURN;

	(void)what;
	for (int i = 0; i < most; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof peer;
		int one;

		if (!has_room(g)) {
			pause_accepting(g, "as many as allowed");
			return;
		}
		memset(&peer, 0, sizeof peer);
		one = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (one < 0) {
			/* Others come and go by themselves; these stay, and would be told for ever. */
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				pause_accepting(g, strerror(errno));
			l->inherited = l->inherited || errno == EAGAIN;
			return;
		}
		if (!l->inherited)
			connection_options(g->home, one);
		if (g->home->settings->max_per_address > 0 &&
		    connection_from(g->home, &peer) >= g->home->settings->max_per_address) {
			char address[64];

			address_text(&peer, address, sizeof address);
			log_say(g->home->log, "turned-away", "peer", address, "why",
			    "too many connections from there", NULL);
			close(one);
			continue;
		}
		connection_new(g->home, one, &peer);
	}
}

int acceptor_open(struct acceptor *g, int fd, size_t n)
{
	set_limit(g);
	for (; g->n < n; g->n++) {
		struct acceptor_listener *l = &g->listener[g->n];

		l->acceptor = g;
		l->fd = fd + (int)g->n;
		l->event = event_new(g->home->base, l->fd, EV_READ | EV_PERSIST, on_accept, l);
		if (l->event == NULL)
			return -1;
		event_add(l->event, NULL);
	}
	acceptor_settings(g);
	return 0;
}

void acceptor_settings(struct acceptor *g)
{
	for (size_t i = 0; i < g->n; i++) {
		connection_options(g->home, g->listener[i].fd);
		g->listener[i].inherited = false;
	}
}

void acceptor_close(struct acceptor *g)
{
	while (g->n > 0)
		event_free(g->listener[--g->n].event);
}
