/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/monotime.h"
#include "probe/wire.h"

/* A phone that was reset does not say so: the system has to ask. */
static void set_socket(int fd)
{
	int one = 1, idle = 10, interval = 5, count = 4;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

enum got wire_open(struct wire *w, struct tls_context *tls, struct reason *why)
{
	set_socket(w->fd);
	w->tls = tls_open(tls, w->fd, why);
	return w->tls != NULL ? GOT_IT : GOT_HANG_UP;
}

void wire_close(struct wire *w)
{
	tls_close(w->tls);
	close(w->fd);
	if (w->in.p != NULL)
		explicit_bzero(w->in.p, w->in.cap);
	buf_free(&w->in);
}

/* Until the socket can be used as TLS wants, at most until a time of monotime_seconds(). */
static enum got await(const struct wire *w, enum tls_result want, double until)
{
	struct pollfd on[] = {{w->fd, want == TLS_WANT_WRITE ? POLLOUT : POLLIN, 0}, {w->signals, POLLIN, 0}};
	double left = until - monotime_seconds();

	if (left < 0)
		left = 0;
	if (poll(on, 2, (int)(left * 1000) + 1) < 0 && errno != EINTR)
		return GOT_HANG_UP;
	if (on[1].revents != 0)
		return GOT_STOPPED;
	/* Whatever comes: a byte now and then does not keep us. */
	return monotime_seconds() < until ? GOT_IT : GOT_NOTHING;
}

enum got wire_shake(struct wire *w, struct reason *why)
{
	double until = monotime_seconds() + (double)w->handshake;
	enum tls_result result;
	enum got got = GOT_IT;

	while (got == GOT_IT && (result = tls_handshake(w->tls, why)) != TLS_DONE) {
		if (result == TLS_CLOSED || result == TLS_FAILED)
			return GOT_HANG_UP;
		got = await(w, result, until);
	}
	if (got == GOT_NOTHING)
		reason_set(why, "TLS handshake: it took too long");
	return got;
}

enum got wire_send(struct wire *w, struct capfmsg m)
{
	double until = monotime_seconds() + (double)w->message;
	struct buf out = {0};
	enum got got = GOT_IT;
	enum tls_result result;
	struct reason why;

	m.session = w->id;
	if (capfmsg_encode(&m, &out, &why) != 0)
		return GOT_RUBBISH;
	transcript_message(w->transcript, true, (struct bytes){out.p, out.len});
	while (got == GOT_IT && (result = tls_write(w->tls, out.p, out.len, &why)) != TLS_DONE)
		got = result == TLS_CLOSED || result == TLS_FAILED ? GOT_HANG_UP : await(w, result, until);
	buf_free(&out);
	return got;
}

enum got wire_take(struct wire *w, double until, struct bytes *whole, struct reason *why)
{
	unsigned char record[16384];
	enum got got = GOT_IT;
	size_t len;
	int need;

	if (w->taken > 0) {
		memmove(w->in.p, w->in.p + w->taken, w->in.len - w->taken);
		w->in.len -= w->taken;
		w->taken = 0;
	}
	while (got == GOT_IT) {
		if ((need = capfmsg_length((struct bytes){w->in.p, w->in.len}, why)) < 0 || w->in.failed)
			return GOT_RUBBISH;
		if (need > 0 && (size_t)need <= w->in.len) {
			*whole = (struct bytes){w->in.p, w->taken = (size_t)need};
			return GOT_IT;
		}
		switch (tls_read(w->tls, record, sizeof record, &len, why)) {
		case TLS_DONE:
			buf_put(&w->in, record, len);
			explicit_bzero(record, len);
			break;
		case TLS_WANT_READ:
			got = await(w, TLS_WANT_READ, until);
			break;
		case TLS_WANT_WRITE:
			got = await(w, TLS_WANT_WRITE, until);
			break;
		default:
			return GOT_HANG_UP;
		}
	}
	return got;
}
