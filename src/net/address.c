/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"

/* One to five digits that are a port. */
static int read_port(char port[6], const char *text, size_t len)
{
	if (len < 1 || len > 5)
		return -1;
	memcpy(port, text, len);
	port[len] = '\0';
	return strspn(port, "0123456789") == len && strtoul(port, NULL, 10) <= UINT16_MAX ? 0 : -1;
}

int address_read(struct address *a, const char *text, size_t len)
{
	const char *end = text + len, *colon = memrchr(text, ':', len), *close;

	if (len > 0 && text[0] == '[') {
		if ((close = memchr(text, ']', len)) == NULL || (close + 1 < end && close[1] != ':'))
			return -1;
		colon = close + 1 < end ? close + 1 : NULL;
		text++;
	} else {
		close = colon != NULL ? colon : end;
		/* Where the port of an IPv6 address without brackets begins cannot be told. */
		if (memchr(text, ':', (size_t)(close - text)) != NULL)
			return -1;
	}
	if (close == text || close - text > ADDRESS_HOST_MAX)
		return -1;
	memcpy(a->host, text, (size_t)(close - text));
	a->host[close - text] = '\0';
	a->port[0] = '\0';
	return colon != NULL ? read_port(a->port, colon + 1, (size_t)(end - colon - 1)) : 0;
}

/* Not getnameinfo(3): for a link-local address it opens a socket, to ask for the name of the interface, and
 * capf-serve's sandbox would end the process for that. */
void address_text(const struct sockaddr_storage *a, char *out, size_t size)
{
	const struct sockaddr_in6 *six = (const void *)a;
	const struct sockaddr_in *four = (const void *)a;
	char text[INET6_ADDRSTRLEN] = "?";

	if (a->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
		snprintf(out, size, "[%s]:%u", text, ntohs(six->sin6_port));
	} else {
		inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
		snprintf(out, size, "%s:%u", text, ntohs(four->sin_port));
	}
}

void address_host_text(const struct sockaddr_storage *a, char *out, size_t size)
{
	const void *at = a->ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr :
	    (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;

	if (inet_ntop(a->ss_family, at, out, (socklen_t)size) == NULL)
		snprintf(out, size, "?");
}

void address_of_socket(int fd, char *out, size_t size)
{
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof at;

	getsockname(fd, (struct sockaddr *)&at, &len);
	address_text(&at, out, size);
}

bool address_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET6)
		return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
	return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
}
