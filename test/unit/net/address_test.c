/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/address.h"
#include "../tap.h"

static bool reads(const char *text, const char *host, const char *port)
{
	struct address a;

	return address_read(&a, text, strlen(text)) == 0 && strcmp(a.host, host) == 0 && strcmp(a.port, port) == 0;
}

static bool refuses(const char *text)
{
	struct address a;

	return address_read(&a, text, strlen(text)) == -1;
}

static struct sockaddr_storage make(int family, const char *address, uint16_t port)
{
	struct sockaddr_storage at = {.ss_family = (sa_family_t)family};

	if (family == AF_INET6) {
		struct sockaddr_in6 *six = (void *)&at;

		six->sin6_port = htons(port);
		must(inet_pton(family, address, &six->sin6_addr) == 1, "an address");
	} else {
		struct sockaddr_in *four = (void *)&at;

		four->sin_port = htons(port);
		must(inet_pton(family, address, &four->sin_addr) == 1, "an address");
	}
	return at;
}

static bool shows(int family, const char *address, const char *want)
{
	struct sockaddr_storage at = make(family, address, 3804);
	char text[80];

	address_text(&at, text, sizeof text);
	return strcmp(text, want) == 0;
}

/* Two hosts, with other ports. */
static bool same(int family, const char *host, int other_family, const char *other_host)
{
	struct sockaddr_storage a = make(family, host, 1), b = make(other_family, other_host, 2);

	return address_same_host(&a, &b);
}

int main(void)
{
	char name[ADDRESS_HOST_MAX + 2];
	struct address a;

	ok(reads("capf.example:3804", "capf.example", "3804"), "a name and a port");
	ok(reads("192.0.2.1:0", "192.0.2.1", "0"), "an address and any port");
	ok(reads("[2001:db8::1]:65535", "2001:db8::1", "65535"), "an IPv6 address and the last port");
	ok(reads("capf.example", "capf.example", "") && reads("[::1]", "::1", ""), "no port");
	ok(address_read(&a, "a:1,b:2", 3) == 0 && strcmp(a.host, "a") == 0 && strcmp(a.port, "1") == 0,
	    "the first of several");
	ok(refuses("") && refuses(":3804") && refuses("[]:3804") && refuses("["), "no host");
	ok(refuses("2001:db8::1") && refuses("::1:3804") && refuses("a:b:1"), "colons without brackets");
	ok(refuses("[::1") && refuses("[::1]3804") && refuses("[::1]x:3804"), "brackets with something behind them");
	ok(refuses("a:") && refuses("a:x") && refuses("a:1x") && refuses("a:-1") && refuses("a: 1") &&
	    refuses("a:65536") && refuses("a:000001"), "what is not a port");
	memset(name, 'a', sizeof name);
	ok(address_read(&a, name, ADDRESS_HOST_MAX) == 0 && address_read(&a, name, sizeof name - 1) == -1,
	    "a name can be too long");
	ok(shows(AF_INET, "192.0.2.1", "192.0.2.1:3804") &&
	    shows(AF_INET6, "2001:db8::1", "[2001:db8::1]:3804"), "and as text");
	ok(same(AF_INET, "192.0.2.1", AF_INET, "192.0.2.1") && same(AF_INET6, "2001:db8::1", AF_INET6, "2001:db8::1"),
	    "the same host, whatever the ports");
	ok(!same(AF_INET, "192.0.2.1", AF_INET, "192.0.2.2") && !same(AF_INET6, "2001:db8::1", AF_INET6, "2001:db8::2") &&
	    !same(AF_INET, "0.0.0.0", AF_INET6, "::"), "other hosts");
	return tap_done();
}
