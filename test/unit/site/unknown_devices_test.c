/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "site/unknown_devices.h"
#include "../tap.h"

#define NOW 1700000000

static struct unknown_devices u;

static void knock(const char *device, const char *address, time_t when)
{
	must(unknown_devices_add(&u, device, address, 1, when, when), "memory");
}

static const struct unknown_device *find(const char *device)
{
	for (size_t i = 0; i < u.n; i++)
		if (strcmp(u.p[i].device, device) == 0)
			return &u.p[i];
	return NULL;
}

static size_t count(const char *prefix)
{
	size_t n = 0;

	for (size_t i = 0; i < u.n; i++)
		n += strncmp(u.p[i].device, prefix, strlen(prefix)) == 0;
	return n;
}

/* So many names that somebody makes up. */
static void flood(const char *prefix, const char *address, unsigned n, time_t when)
{
	char name[DEVICE_MAX + 1];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof name, "%s%u", prefix, i);
		knock(name, address, when + i / 100);
	}
	unknown_devices_trim(&u);
}

/* A site with so many phones, each with an address of its own, or all behind one. */
static void site(unsigned n, bool one)
{
	char name[DEVICE_MAX + 1], address[32];

	unknown_devices_free(&u);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof name, "SEP%012u", i);
		snprintf(address, sizeof address, "192.0.%u.%u", one ? 2 : i / 200, one ? 1 : i % 200 + 1);
		knock(name, address, NOW);
	}
}

static const char *parsed(const char *text)
{
	static struct reason why;
	struct unknown_devices read = {0};

	why.text[0] = '\0';
	unknown_devices_parse(&read, text, strlen(text), &why);
	must((read.n > 0) != (why.text[0] != '\0') || *text == '\0', "all or nothing");
	unknown_devices_free(&read);
	return why.text;
}

#define TIME "2026-01-31T08:00:00Z"

int main(void)
{
	struct buf b = {0};

	knock("SEP1", "192.0.2.1", NOW);
	knock("SEP1", "192.0.2.2", NOW + 5);
	knock("CSFx", "::ffff:192.0.2.3", NOW - 5);
	ok(u.n == 2 && find("SEP1")->count == 2 && find("SEP1")->first == NOW && find("SEP1")->last == NOW + 5,
	    "counted, with the first and the last time");
	ok(strcmp(find("SEP1")->address, "192.0.2.1") == 0 && strcmp(find("CSFx")->address, "192.0.2.3") == 0,
	    "the first address, and an IPv4 address as one");
	knock("odd", "fe80::1%eth0", NOW);
	ok(strcmp(find("odd")->address, "?") == 0, "what is no address");
	unknown_devices_format(&u, &b);
	buf_put_u8(&b, 0);
	ok(strncmp((char *)b.p, "CSFx\t1\t2023-11-14T22:13:15Z\t2023-11-14T22:13:15Z\t192.0.2.3\nSEP1\t2\t", 66) == 0,
	    "sorted, with tabs");
	ok(*parsed((char *)b.p) == '\0', "what is written can be read");
	buf_free(&b);
	must(unknown_devices_add(&u, "SEP1", "192.0.2.9", UNKNOWN_COUNT_MAX, NOW, NOW), "memory");
	ok(find("SEP1")->count == UNKNOWN_COUNT_MAX, "a count has an end");

	site(500, false);
	flood("X", "198.51.100.7", 20000, NOW + 100);
	ok(u.n == UNKNOWN_DEVICES_MAX && count("SEP") == 500, "a flood from one address pushes out none of a site");
	ok(find("X19999") != NULL && find("X0") == NULL, "of its own names those that came last stay");
	site(500, false);
	for (unsigned i = 0; i < 20000; i++) {
		char name[DEVICE_MAX + 1], address[64];

		snprintf(name, sizeof name, "Y%u", i);
		snprintf(address, sizeof address, "2001:db8::%x:%x", i / 65536, i % 65536);
		knock(name, address, NOW + 100);
	}
	unknown_devices_trim(&u);
	ok(count("SEP") == 500, "nor does one from all addresses of an IPv6 network");
	site(3000, false);
	unknown_devices_trim(&u);
	ok(u.n == UNKNOWN_DEVICES_MAX, "and the list has an end");
	site(500, true);
	flood("X", "198.51.100.7", 20000, NOW + 100);
	ok(count("SEP") == 500, "a site behind one address keeps its share");
	site(1500, true);
	flood("X", "198.51.100.7", 20000, NOW + 100);
	ok(count("SEP") == UNKNOWN_DEVICES_MAX / 2, "half of it, when it has more");
	/* In one network with the flood: those that came again are worth more. */
	unknown_devices_free(&u);
	for (int again = 0; again < 2; again++)
		for (unsigned i = 0; i < 100; i++) {
			char name[DEVICE_MAX + 1];

			snprintf(name, sizeof name, "SEP%012u", i);
			knock(name, "192.0.2.1", NOW);
		}
	flood("X", "192.0.2.1", 20000, NOW + 100);
	ok(count("SEP") == 100, "from the flood's own address, phones that came again stay");

	ok(*parsed("") == '\0', "an empty file");
	ok(strstr(parsed("SEP1\t1\t" TIME "\t" TIME "\t192.0.2.1"), "line 1: is cut off") != NULL, "cut off");
	ok(strstr(parsed("SEP1\t1\t" TIME "\t" TIME "\n"), "line 1") != NULL, "no address");
	ok(strstr(parsed("SEP1\t0\t" TIME "\t" TIME "\t?\n"), "no number") != NULL, "a count of 0");
	ok(strstr(parsed("SEP1\t1\t" TIME "\t2026-01-31\t?\n"), "times") != NULL, "a time that is none");
	ok(strstr(parsed("SEP1\t1\t" TIME "\t2026-01-30T08:00:00Z\t?\n"), "times") != NULL, "times in the wrong order");
	ok(strstr(parsed("a/b\t1\t" TIME "\t" TIME "\t?\n"), "line 1") != NULL, "a name that is none");
	ok(strstr(parsed("SEP1\t1\t" TIME "\t" TIME "\t?\nSEP1\t1\t" TIME "\t" TIME "\t?\n"), "line 2: SEP1: comes twice") != NULL,
	    "one that comes twice");
	ok(strstr(parsed("SEP1\t1\t" TIME "\t" TIME "\t192.0.2.01\n"), "no address") != NULL, "an address that is none");
	unknown_devices_free(&u);
	return tap_done();
}
