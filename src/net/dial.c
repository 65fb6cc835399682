/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "net/address.h"
#include "net/dial.h"

#define DEFAULT_PORT "3804"

static void add(struct dial *d, const struct addrinfo *list, int family)
{
	for (; list != NULL; list = list->ai_next)
		if (list->ai_family == family && d->n < DIAL_MAX) {
			memcpy(&d->to[d->n].addr, list->ai_addr, list->ai_addrlen);
			d->to[d->n++].len = list->ai_addrlen;
		}
}

static int resolve_one(struct dial *d, const char *text, size_t len, int family, struct reason *r)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV}, *list;
	struct address a;
	int error;

	if (address_read(&a, text, len) != 0)
		return reason_set(r, "%.*s is not HOST:PORT or [ADDRESS]:PORT", (int)len, text);
	/* A phone with IPv4 alone does not reach a server with IPv6 alone, or the reverse: that is no error of the
	 * user. */
	error = getaddrinfo(a.host, a.port[0] != '\0' ? a.port : DEFAULT_PORT, &hints, &list);
	if (error == EAI_MEMORY)
		return reason_memory(r);
	if (error == EAI_ADDRFAMILY || error == EAI_NODATA)
		return 0;
	if (error != 0)
		return reason_set(r, "%s: %s", a.host, gai_strerror(error));
	add(d, list, AF_INET6);
	add(d, list, AF_INET);
	freeaddrinfo(list);
	return 0;
}

int dial_resolve(struct dial *d, const char *servers, int family, struct reason *r)
{
	d->n = 0;
	for (;;) {
		size_t len = strcspn(servers, ",");

		if (resolve_one(d, servers, len, family, r) < 0)
			return -1;
		if (servers[len] == '\0')
			return 0;
		servers += len + 1;
	}
}

int dial_from(struct dial *d, const char *address, struct reason *r)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *one;
	int error = getaddrinfo(address, NULL, &hints, &one);

	if (error == EAI_MEMORY)
		return reason_memory(r);
	if (error != 0)
		return reason_set(r, "%.100s is not an address", address);
	memcpy(&d->from.addr, one->ai_addr, one->ai_addrlen);
	d->from.len = one->ai_addrlen;
	freeaddrinfo(one);
	return 0;
}

/* The port is chosen when the other side is known, or there would be one for each connection to anywhere. */
static int bind_to(int fd, const struct dial *d)
{
	int one = 1;

	if (d->from.len == 0)
		return 0;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	return bind(fd, (const struct sockaddr *)&d->from.addr, d->from.len);
}

int dial_connect(const struct dial *d, size_t n)
{
	const struct sockaddr *addr = (const struct sockaddr *)&d->to[n].addr;
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	int saved;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (bind_to(fd, d) == 0 && (connect(fd, addr, d->to[n].len) == 0 || errno == EINPROGRESS))
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int dial_error(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}
