/* SPDX-License-Identifier: ISC */
/* phone-config: the elements of a phone's configuration file that say how it finds CAPF and proves who it is, as its
 * record has it. It reads and changes nothing, knows nothing of the rest of that file, and never prints a string. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "net/address.h"
#include "site/phonebook.h"
#include "site/settings.h"
#include "spool/index.h"
#include "spool/spool.h"

const char program[] = "phone-config";
const char purpose[] = "print the CAPF elements of a phone's configuration file";
const char synopsis[] = "[-hV] [-P seconds] [-s spool] [--host host[:port] ...] [--port port] device";

#define SERVERS_MAX 5		/* a phone reads no more elements capf */
#define PORT "3804"
#define ADDRESS_SEPARATORS ", \t\n"	/* as the setting listen has them */

/* capfAuthMode by enum phone_auth_mode; with 0 a phone does not ask. */
static const char *const modes[] = {
	[PHONE_BY_STRING] = "1", [PHONE_BY_NULL] = "2", [PHONE_BY_LSC] = "3", [PHONE_BY_MIC] = "4"};

struct servers {
	struct address at[SERVERS_MAX];
	size_t n;
	bool more, ports_differ;	/* of the setting listen: there are more, and not all have one port */
};

static void put_escaped(const char *text)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", stdout);
			break;
		case '<':
			fputs("&lt;", stdout);
			break;
		case '>':
			fputs("&gt;", stdout);
			break;
		default:
			putchar(*text);
		}
}

/* Does it mean every address of a host? Nobody can go there. */
static bool is_wildcard(const char *host)
{
	struct in6_addr six;
	struct in_addr four;

	return inet_pton(AF_INET, host, &four) == 1 ? four.s_addr == htonl(INADDR_ANY) :
	    inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_UNSPECIFIED(&six);
}

/* Does it mean the host itself? No phone can go there, but a simulated one. */
static bool is_loopback(const char *host)
{
	struct in6_addr six;
	struct in_addr four;

	return inet_pton(AF_INET, host, &four) == 1 ? ntohl(four.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET :
	    inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* No control character, no blank, nothing that is not ASCII can be in a name or an address, nor some of it in XML. */
static bool is_host(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text >= 0x7f)
			return false;
	return true;
}

/* The server of an option; its port may be missing. */
static void add_named(struct servers *s, const char *text)
{
	struct address *a = &s->at[s->n];

	if (!is_host(text) || address_read(a, text, strlen(text)) != 0 || is_wildcard(a->host))
		status_usage("--host wants a host, host:port or [address]:port, not \"%s\"", text);
	s->n++;
}

/* Those of the setting listen. Whether one is of use to a phone is asked later. */
static void add_listening(struct servers *s, const char *list)
{
	for (;;) {
		struct address a;
		size_t len;

		list += strspn(list, ADDRESS_SEPARATORS);
		if ((len = strcspn(list, ADDRESS_SEPARATORS)) == 0)
			return;
		if (address_read(&a, list, len) != 0 || !is_host(a.host))
			status_die(STATUS_USAGE, SPOOL_CONF, "listen: %.*s is not ADDRESS:PORT or [ADDRESS]:PORT",
			    (int)(len < 60 ? len : 60), list);
		s->ports_differ = s->ports_differ || (s->n > 0 && strcmp(a.port, s->at[0].port) != 0);
		if (s->n < SERVERS_MAX)
			s->at[s->n++] = a;
		else
			s->more = true;
		list += len;
	}
}

/* The port that capf-serve has by capf.conf, for hosts that are named without one. */
static const char *usual_port(const struct servers *listening)
{
	if (listening->ports_differ)
		status_die(STATUS_USAGE, SPOOL_CONF, "listen has several ports; give --port");
	if (listening->n == 0)
		return PORT;
	if (strtoul(listening->at[0].port, NULL, 10) == 0)
		status_die(STATUS_USAGE, SPOOL_CONF, "listen has no fixed port; give --port");
	return listening->at[0].port;
}

/* Who is to be asked: the hosts that were named, or those of capf.conf. */
static void settle(struct servers *named, const struct servers *listening, const char *port)
{
	bool ours = named->n == 0;

	if (ours)
		*named = *listening;
	if (named->more)
		status_die(STATUS_USAGE, SPOOL_CONF, "listen has more than the %d addresses that a phone reads; give --host",
		    SERVERS_MAX);
	for (size_t i = 0; i < named->n; i++) {
		struct address *a = &named->at[i];

		if (ours && (is_wildcard(a->host) || is_loopback(a->host)))
			status_die(STATUS_USAGE, SPOOL_CONF, "listen: %s is no address that a phone can go to; give --host", a->host);
		if (port != NULL || a->port[0] == '\0')
			strcpy(a->port, port != NULL ? port : usual_port(listening));
		if (strtoul(a->port, NULL, 10) == 0)
			status_die(STATUS_USAGE, a->host, "has no fixed port; give --port");
	}
	if (named->n == 0)
		status_die(STATUS_USAGE, SPOOL_CONF, "listen names no address that a phone can go to; give --host");
}

static void print(const struct phone *p, const struct servers *servers, bool lsc)
{
	printf("<capfAuthMode>%s</capfAuthMode>\n<capfList>\n", p->operation == PHONE_NONE ? "0" : modes[p->auth]);
	for (size_t i = 0; i < servers->n; i++) {
		printf("  <capf>\n    <phonePort>%s</phonePort>\n    <processNodeName>", servers->at[i].port);
		put_escaped(servers->at[i].host);
		printf("</processNodeName>\n  </capf>\n");
	}
	printf("</capfList>\n");
	/* What stands there for a phone that has an LSC is not known. */
	if (!lsc)
		printf("<certHash></certHash>\n");
}

/* Has it an LSC, as far as we know? Whether a newer one is on its way does not matter. */
static bool has_lsc(const struct spool *s, const char *device)
{
	struct index index;
	bool found;

	if (index_load(&index, s, 1u << SPOOL_INSTALLED) != 0)
		status_die_errno(spool_dir_name(SPOOL_INSTALLED), "cannot list");
	found = index_device(&index, device, NULL) != NULL;
	index_free(&index);
	return found;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	char device[DEVICE_MAX + 1];
	struct servers named = {.n = 0}, listening = {.n = 0};
	struct option_texts hosts = {.n = 0};
	struct settings settings;
	struct phone_state st;
	struct phone p;
	struct reason why;
	struct spool *s;
	char port[6];
	time_t now = time(NULL);
	long number = 0;
	const struct option_spec options[] = {
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_FEW_TEXTS(0, "host", "HOST[:PORT]", &hosts, SERVERS_MAX,
		    "where the phone finds CAPF; by default where capf.conf listens"),
		OPT_NUMBER(0, "port", "PORT", &number, 1, 65535, "port of all servers; by default that of capf.conf, or 3804"),
		{0},
	};
	int arg = options_parse(argc, argv, options), found;

	if (argc - arg != 1)
		status_usage("wants the name of one device");
	if (!device_tidy(argv[arg], device))
		status_usage("\"%s\" is not a device name", argv[arg]);
	for (size_t i = 0; i < hosts.n; i++)
		add_named(&named, hosts.text[i]);
	snprintf(port, sizeof port, "%ld", number);
	s = open_spool(path, now);
	/* A record of just this name is meant, however unusual the name is. */
	if (device_ok(argv[arg], strlen(argv[arg])) && phonebook_has(s, argv[arg]))
		strcpy(device, argv[arg]);
	confine_below(SANDBOX_READER, s->root, NULL, 0);
	if (settings_load(&settings, s->root, &why) != 0)
		status_die(status_of_input(why.trouble), SPOOL_CONF, "%s", why.text);
	add_listening(&listening, settings.listen);
	settle(&named, &listening, number > 0 ? port : NULL);
	if ((found = phonebook_load(s, device, &p, &st, &why)) <= 0)
		status_die(found < 0 ? status_of_item(why.trouble) : STATUS_REFUSED, device, "%s",
		    found < 0 ? why.text : "has no record; phone-add makes one");
	print(&p, &named, has_lsc(s, device));
	if (p.operation == PHONE_NONE)
		status_warn(device, "has no operation, so these elements tell it not to ask; see phone-set");
	spool_close(s);
	return status_flush(STATUS_OK);
}
