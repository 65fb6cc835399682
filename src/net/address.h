/* SPDX-License-Identifier: ISC */
/* HOST:PORT and [ADDRESS]:PORT, as the setting listen, phone-sim(1) and the log have them. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_HOST_MAX 255	/* bytes of a name of a host, RFC 1035 2.3.4 */

struct address {
	char host[ADDRESS_HOST_MAX + 1];	/* a name or an address, without brackets */
	char port[6];			/* digits, at most 65535; "" when there is none */
};

/* Reads "host:port", "[host]:port", "host" or "[host]". -1 when it is none of them. Whether there is such a host is
 * for getaddrinfo(3). */
int address_read(struct address *, const char *text, size_t len);

/* "192.0.2.1:3804" or "[2001:db8::1]:3804": an address, and the one that a socket is bound to. */
void address_text(const struct sockaddr_storage *, char *out, size_t size);
/* The address without brackets and port. */
void address_host_text(const struct sockaddr_storage *, char *out, size_t size);
void address_of_socket(int fd, char *out, size_t size);
/* The same address, whatever the ports. */
bool address_same_host(const struct sockaddr_storage *, const struct sockaddr_storage *);

#endif
