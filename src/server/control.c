/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/control.h"

union ancillary {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

/* As one piece: a worker may send no messages that could name an address or carry a descriptor. */
static ssize_t send_plain(int socket, enum control_type type, struct bytes body)
{
	unsigned char packet[CONTROL_MAX];

	packet[0] = (unsigned char)type;
	if (body.len > 0)
		memcpy(packet + 1, body.p, body.len);
	return send(socket, packet, body.len + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t send_with(int socket, enum control_type type, struct bytes body, int fd)
{
	unsigned char head = (unsigned char)type;
	struct iovec parts[2] = {{&head, 1}, {(void *)(uintptr_t)body.p, body.len}};
	union ancillary extra = {0};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = extra.space,
	    .msg_controllen = sizeof extra.space};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int control_send(int socket, enum control_type type, struct bytes body, int fd)
{
	ssize_t n;

	if (body.len >= CONTROL_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	do
		n = fd < 0 ? send_plain(socket, type, body) : send_with(socket, type, body, fd);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int control_next(int socket, struct control *c)
{
	struct iovec part = {c->packet, sizeof c->packet};
	union ancillary extra = {0};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = extra.space,
	    /* Room for one descriptor and no second: with its padding, two would fit. */
	    .msg_controllen = CMSG_LEN(sizeof c->fd)};
	const struct cmsghdr *head;
	ssize_t n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	c->fd = -1;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if ((head = CMSG_FIRSTHDR(&m)) != NULL && head->cmsg_level == SOL_SOCKET &&
	    head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof c->fd))
		memcpy(&c->fd, CMSG_DATA(head), sizeof c->fd);
	if (n == 0 || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || c->packet[0] >= CONTROL_TYPES) {
		if (c->fd >= 0)
			close(c->fd);
		errno = n == 0 ? EPIPE : EBADMSG;
		return -1;
	}
	c->type = (enum control_type)c->packet[0];
	c->body = (struct bytes){c->packet + 1, (size_t)n - 1};
	return 1;
}
