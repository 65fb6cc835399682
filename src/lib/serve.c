/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>
#include <event2/event.h>
#include <netinet/in.h>

#include "link.h"
#include "pool.h"
#include "serve.h"
#include "store.h"

#define BACKLOG 4096
#define ACCEPT_A_TURN 64
#define RESERVE 40	/* descriptors for the spool and ourselves */
#define POLL_SECONDS 10	/* between looks at the spool, for what nobody told */
#define FIRST_HANDED 3	/* sd_listen_fds(3) */

struct listener {
	struct server *server;
	struct event *event;
	int fd;
};

struct server {
	struct spool *spool;
	const struct log *log;
	time_t clock;
	struct conf *conf;
	struct link_home home;
	struct listener listener[SERVE_LISTENERS_MAX];
	size_t listeners;
	struct event *term, *intr, *hup, *poll, *news, *issuing;
	pid_t issuing_pid;
	unsigned limit;		/* connections */
	bool paused, stop, reload;
};

/* The certificate that phones see. NULL with a reason. */
static struct tls_context *open_tls(struct server *s, const struct conf *conf, struct reason *why)
{
	struct tls_context *tls;
	struct cert *cert;
	EVP_PKEY *key;

	if (store_capf(s->spool, &cert, &key, why) != 0)
		return NULL;
	tls = tls_server(cert->x509, key, conf->legacy_tls, why);
	cert_free(cert);
	EVP_PKEY_free(key);
	return tls;
}

/* As many connections as settings and descriptors allow. */
static void set_limit(struct server *s)
{
	struct rlimit files;

	s->limit = s->conf->max_connections > 0 ? s->conf->max_connections : ~0u;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	if (files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) != 0)
			getrlimit(RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur != RLIM_INFINITY && files.rlim_cur < s->limit + (rlim_t)RESERVE)
		s->limit = files.rlim_cur > 2 * RESERVE ? (unsigned)files.rlim_cur - RESERVE : RESERVE;
}

static void pause_accepting(struct server *s, const char *why)
{
	char count[16];

	if (s->paused)
		return;
	s->paused = true;
	for (size_t i = 0; i < s->listeners; i++)
		event_del(s->listener[i].event);
	snprintf(count, sizeof count, "%u", s->home.count);
	logline_say(s->log, "full", "connections", count, "why", why, NULL);
}

static void go_on_accepting(struct server *s)
{
	if (!s->paused || s->home.count >= s->limit)
		return;
	s->paused = false;
	for (size_t i = 0; i < s->listeners; i++)
		event_add(s->listener[i].event, NULL);
}

static void on_accept(evutil_socket_t fd, short what, void *ctx)
{
	struct listener *l = ctx;
	struct server *s = l->server;

	(void)what;
	for (int i = 0; i < ACCEPT_A_TURN; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof peer;
		int one;

		if (s->home.count >= s->limit) {
			pause_accepting(s, "as many as allowed");
			return;
		}
		memset(&peer, 0, sizeof peer);
		one = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (one < 0) {
			/* Others come and go by themselves; these stay, and would be told for ever. */
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				pause_accepting(s, strerror(errno));
			return;
		}
		if (s->conf->max_per_address > 0 &&
		    link_from(&s->home, &peer) >= s->conf->max_per_address) {
			char address[64];

			link_address(&peer, address, sizeof address);
			logline_say(s->log, "turned-away", "peer", address, "why",
			    "too many connections from there", NULL);
			close(one);
			continue;
		}
		link_new(&s->home, one, &peer);
	}
}

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	((struct server *)ctx)->stop = true;
}

static void on_hup(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	((struct server *)ctx)->reload = true;
}

static void on_news(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	orders_news(((struct server *)ctx)->home.orders);
}

static void on_poll(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;

	(void)fd;
	(void)what;
	orders_poll(s->home.orders);
	/* Descriptors may have become free elsewhere. */
	go_on_accepting(s);
}

static void on_issuing(evutil_socket_t fd, short what, void *ctx);

/* The process may be another one now, with the same descriptor: forget it first, then watch it again. */
static void forget_issuing(struct server *s)
{
	if (s->issuing != NULL)
		event_free(s->issuing);
	s->issuing = NULL;
}

static void watch_issuing(struct server *s)
{
	int fd = orders_issuing_fd(s->home.orders);
	short what = (short)(EV_READ | EV_PERSIST | (orders_issuing_full(s->home.orders) ? EV_WRITE : 0));

	if (s->issuing != NULL && event_get_events(s->issuing) == what)
		return;
	forget_issuing(s);
	if (fd >= 0 && (s->issuing = event_new(s->home.base, fd, what, on_issuing, s)) != NULL)
		event_add(s->issuing, NULL);
}

/* Starts one when the settings want one, and waits until it has its key. -1 with a reason. */
static int start_issuing(struct server *s, const struct conf *conf, struct issuing **out,
    pid_t *pid, struct reason *why)
{
	struct issuing_task task = {.days = (int)conf->issuer_days, .clock = s->clock};
	struct pollfd p = {.events = POLLIN};
	int result;

	*out = NULL;
	*pid = 0;
	if (conf->issuer != CONF_ISSUER_CAPF)
		return 0;
	strcpy(task.certificate, conf->issuer_certificate);
	strcpy(task.key, conf->issuer_key);
	if (*task.certificate == '\0')
		snprintf(task.certificate, sizeof task.certificate, "%s/ca/" STORE_CER, s->spool->path);
	if (*task.key == '\0')
		snprintf(task.key, sizeof task.key, "%s/ca/" STORE_PAIR, s->spool->path);
	if ((p.fd = issuing_spawn(&task, pid)) < 0 || (*out = issuing_open(p.fd)) == NULL)
		return reason_set(why, "cannot start the issuing process: %s", strerror(errno));
	while ((result = issuing_greeting(*out, why)) == 0)
		poll(&p, 1, -1);
	if (result == 1)
		return 0;
	issuing_close(*out);
	pool_reap(*pid);
	*out = NULL;
	return -1;
}

static void take_pid(struct server *s, pid_t pid)
{
	if (s->issuing_pid > 0)
		pool_reap(s->issuing_pid);
	s->issuing_pid = pid;
}

static void on_issuing(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;
	struct issuing *fresh;
	struct reason why;
	pid_t pid;

	(void)what;
	(void)fd;
	if (orders_issuing(s->home.orders))
		return;
	/* A new process begins without a watch, even with the old number. */
	forget_issuing(s);
	if (start_issuing(s, s->conf, &fresh, &pid, &why) == 0 && fresh != NULL &&
	    orders_renew(s->home.orders, fresh, &why) == 0)
		take_pid(s, pid);
	else
		logline_say(s->log, "error", "what", "cannot start the issuing process", "why", why.text,
		    NULL);
}

/* Everything new is loaded before anything old is given up. */
static int load_all(struct server *s, struct conf *conf, struct reason *why)
{
	struct tls_context *tls;
	struct issuing *fresh;
	pid_t pid;

	if (conf_load(conf, s->spool->root, why) != 0 || (tls = open_tls(s, conf, why)) == NULL)
		return -1;
	if (start_issuing(s, conf, &fresh, &pid, why) != 0) {
		tls_context_free(tls);
		return -1;
	}
	forget_issuing(s);
	if (s->home.orders == NULL)
		s->home.orders = orders_new(s->spool, conf, fresh, s->log, &link_hooks, s->clock, why);
	else if (orders_reload(s->home.orders, conf, fresh, why) != 0) {
		issuing_close(fresh);
		pool_reap(pid);
		tls_context_free(tls);
		return -1;
	}
	tls_context_free(s->home.tls);
	s->home.tls = tls;
	if (s->home.orders == NULL)
		return -1;
	take_pid(s, pid);
	if (conf->legacy_tls)
		logline_say(s->log, "legacy-tls", "why", "set in capf.conf: old and weak TLS is taken", NULL);
	return 0;
}

static void reload(struct server *s)
{
	struct conf *conf = malloc(sizeof *conf);
	struct reason why;

	s->reload = false;
	s->spool->now = time(NULL) + s->clock;
	if (conf == NULL)
		reason_set(&why, "out of memory");
	else if (load_all(s, conf, &why) == 0) {
		free(s->conf);
		s->conf = conf;
		s->home.conf = conf;
		set_limit(s);
		logline_say(s->log, "reloaded", NULL);
		return;
	}
	free(conf);
	logline_say(s->log, "error", "what", "cannot read the settings again", "why", why.text, NULL);
}

struct server *serve_new(struct spool *spool, const struct log *log, time_t clock, struct reason *why)
{
	struct server *s = calloc(1, sizeof *s);

	if (s == NULL || (s->conf = malloc(sizeof *s->conf)) == NULL) {
		free(s);
		reason_set(why, "out of memory");
		return NULL;
	}
	s->spool = spool;
	s->log = log;
	s->clock = clock;
	LIST_INIT(&s->home.live);
	LIST_INIT(&s->home.dead);
	s->home.conf = s->conf;
	s->home.log = log;
	signal(SIGPIPE, SIG_IGN);
	/* Signatures over the session's id shall not be good for another run of the server. */
	if (getrandom(&s->home.session, sizeof s->home.session, 0) != sizeof s->home.session ||
	    load_all(s, s->conf, why) != 0) {
		serve_free(s);
		return NULL;
	}
	/* After the issuing process has started, which needs none of it. */
	if ((s->home.base = event_base_new()) == NULL) {
		reason_set(why, "cannot set up libevent");
		serve_free(s);
		return NULL;
	}
	set_limit(s);
	return s;
}

static void free_event(struct event *e)
{
	if (e != NULL)
		event_free(e);
}

void serve_free(struct server *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->listeners; i++) {
		free_event(s->listener[i].event);
		close(s->listener[i].fd);
	}
	link_end(&s->home);
	free_event(s->term);
	free_event(s->intr);
	free_event(s->hup);
	free_event(s->poll);
	free_event(s->news);
	free_event(s->issuing);
	orders_free(s->home.orders);
	take_pid(s, 0);
	tls_context_free(s->home.tls);
	if (s->home.base != NULL)
		event_base_free(s->home.base);
	free(s->conf);
	free(s);
}

/* Takes a listening socket, which is closed when that fails. */
static int add_listener(struct server *s, int fd, struct reason *why)
{
	struct listener *l = &s->listener[s->listeners];
	struct sockaddr_storage at;
	socklen_t len = sizeof at;
	char text[64];

	if (s->listeners == SERVE_LISTENERS_MAX) {
		close(fd);
		return reason_set(why, "more than %d addresses", SERVE_LISTENERS_MAX);
	}
	*l = (struct listener){.server = s, .fd = fd};
	if ((l->event = event_new(s->home.base, fd, EV_READ | EV_PERSIST, on_accept, l)) == NULL ||
	    event_add(l->event, NULL) != 0 || getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
		free_event(l->event);
		close(fd);
		return reason_set(why, "cannot watch the socket");
	}
	s->listeners++;
	link_address(&at, text, sizeof text);
	logline_say(s->log, "listening", "address", text, NULL);
	return 0;
}

/* Cuts the last ":PORT" off, and the brackets away. */
static int split(const char *address, char *host, size_t size, const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon != NULL ? (size_t)(colon - address) : 0;

	if (colon == NULL || len >= size || colon[1] == '\0')
		return -1;
	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		memcpy(host, address + 1, len - 2);
		host[len - 2] = '\0';
	} else if (memchr(address, ':', len) != NULL || len == 0) {
		return -1;
	} else {
		memcpy(host, address, len);
		host[len] = '\0';
	}
	*port = colon + 1;
	return 0;
}

int serve_listen(struct server *s, const char *address, struct reason *why)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	    .ai_socktype = SOCK_STREAM}, *found = NULL;
	const char *port;
	char host[64];
	int fd, one = 1;

	if (split(address, host, sizeof host, &port) != 0 ||
	    getaddrinfo(host, port, &hints, &found) != 0)
		return reason_set(why, "%.60s: not ADDRESS:PORT or [ADDRESS]:PORT", address);
	if (found->ai_family == AF_INET6 && !s->conf->enable_ipv6) {
		freeaddrinfo(found);
		return reason_set(why, "%.60s: enable-ipv6 is no", address);
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		/* Each family by its own listener. */
		if (found->ai_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	}
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
		reason_set(why, "%.60s: cannot listen: %s", address, strerror(errno));
		freeaddrinfo(found);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	freeaddrinfo(found);
	return add_listener(s, fd, why);
}

/* What systemd's socket unit opened. How many; -1 with a reason. */
static int take_handed(struct server *s, struct reason *why)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	long n = pid != NULL && count != NULL && strtol(pid, NULL, 10) == getpid() ?
	    strtol(count, NULL, 10) : 0;

	for (int fd = FIRST_HANDED; fd < FIRST_HANDED + n; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
			return reason_set(why, "no socket was handed over: %s", strerror(errno));
		if (add_listener(s, fd, why) != 0)
			return -1;
	}
	return (int)n;
}

int serve_listen_default(struct server *s, struct reason *why)
{
	char list[CONF_TEXT_MAX + 1], *rest = list, *one;
	int handed = take_handed(s, why);

	if (handed != 0)
		return handed > 0 ? 0 : -1;
	snprintf(list, sizeof list, "%s", *s->conf->listen != '\0' ? s->conf->listen :
	    s->conf->enable_ipv6 ? "0.0.0.0:3804 [::]:3804" : "0.0.0.0:3804");
	while ((one = strsep(&rest, " \t\n")) != NULL)
		if (*one != '\0' && serve_listen(s, one, why) != 0)
			return -1;
	return s->listeners > 0 ? 0 : reason_set(why, "no address to listen at");
}

/* sd_notify(3), without its library. */
static void notify(const char *text)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	int fd;

	if (path == NULL || strlen(path) >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	strcpy(to.sun_path, path);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		return;
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
}

static bool set_events(struct server *s)
{
	struct event_base *base = s->home.base;
	struct timeval every = {.tv_sec = POLL_SECONDS};
	int news = orders_news_fd(s->home.orders);

	s->term = evsignal_new(base, SIGTERM, on_stop, s);
	s->intr = evsignal_new(base, SIGINT, on_stop, s);
	s->hup = evsignal_new(base, SIGHUP, on_hup, s);
	s->poll = event_new(base, -1, EV_PERSIST, on_poll, s);
	if (s->term == NULL || s->intr == NULL || s->hup == NULL || s->poll == NULL ||
	    event_add(s->term, NULL) != 0 || event_add(s->intr, NULL) != 0 ||
	    event_add(s->hup, NULL) != 0 || event_add(s->poll, &every) != 0)
		return false;
	if (news < 0)
		return true;
	s->news = event_new(base, news, EV_READ | EV_PERSIST, on_news, s);
	return s->news != NULL && event_add(s->news, NULL) == 0;
}

int serve_run(struct server *s, struct reason *why)
{
	if (!set_events(s))
		return reason_set(why, "cannot set up libevent");
	logline_say(s->log, "ready", NULL);
	notify("READY=1");
	while (!s->stop) {
		watch_issuing(s);
		if (event_base_loop(s->home.base, EVLOOP_ONCE) < 0)
			return reason_set(why, "libevent gave up: %s", strerror(errno));
		if (s->reload)
			reload(s);
		while (!orders_idle(s->home.orders))
			orders_commit(s->home.orders);
		link_bury(&s->home);
		go_on_accepting(s);
	}
	notify("STOPPING=1");
	logline_say(s->log, "stopping", NULL);
	return 0;
}
