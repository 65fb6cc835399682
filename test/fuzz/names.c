/* SPDX-License-Identifier: ISC */
/* Names of devices and of the spool's files, times, and what is printed of either. */
#include <ctype.h>

#include "base/device.h"
#include "base/when.h"
#include "cli/names.h"
#include "cli/status.h"
#include "fuzz.h"
#include "spool/stem.h"

const char program[] = "names", synopsis[] = "";

static void stems(const char *text)
{
	struct stem s, other;
	char name[STEM_NAME_MAX + 1];

	if (!stem_parse(text, &s)) {
		law(!stem_legal(text, true) && !stem_legal(text, false));
		return;
	}
	law(stem_legal(text, true) == (s.kind != STEM_DER));
	law(stem_legal(text, false) == (s.kind == STEM_DER));
	law(device_ok(s.device, strlen(s.device)));
	stem_name(&s, (enum stem_kind)s.kind, name);
	law(strcmp(name, text) == 0 && strchr(name, '/') == NULL && name[0] != '.');
	law(stem_compare(&s, &s) == 0 && !stem_newer(&s, &s));
	other = s;
	other.spki[0] ^= 1;
	law(stem_newer(&s, &other) != stem_newer(&other, &s));
	law((stem_compare(&s, &other) < 0) == (stem_compare(&other, &s) > 0));
}

static void traces(const char *text)
{
	char stamp[WHEN_STAMP + 1], device[DEVICE_MAX + 1] = "", name[STEM_TRACE_MAX + 1];
	time_t when;

	if (!stem_trace_parse(text, stamp))
		return;
	law(strchr(text, '/') == NULL && text[0] != '.' && strlen(text) <= STEM_TRACE_MAX);
	memcpy(device, text, (size_t)(strchr(text, '+') - text));
	law(device_ok(device, strlen(device)));
	if (when_from_stamp(stamp, &when)) {
		stem_trace_name(device, when, strcmp(text + strlen(text) - 8, ".mic.der") == 0, name);
		law(strcmp(name, text) == 0);
	}
}

static void times(const char *text)
{
	char iso[WHEN_ISO + 1], stamp[WHEN_STAMP + 1];
	time_t t, again;

	if (when_parse(text, &t)) {
		when_iso(t, iso);
		law(when_parse(iso, &again) && again == t);
		when_stamp(t, stamp);
		law(when_from_stamp(stamp, &again) && again == t);
	}
	if (when_span(text, &t))
		law(t >= 0 && t <= (time_t)1000000 * 604800);
	if (when_clock(text, &t))
		law(t >= 0 && t <= 253402300799);
}

static void devices(const char *text, size_t len)
{
	char device[DEVICE_MAX + 1], again[DEVICE_MAX + 1];

	if (device_ok(text, len)) {
		law(len <= DEVICE_MAX && strpbrk(text, "/+ \t\n") == NULL && *text != '.' && *text != '-' &&
		    strcasecmp(text, "all") != 0);
		law(device_named_by(text, text));
	}
	if (device_from_cn(text, device)) {
		law(device_ok(device, strlen(device)) && device_named_by(device, text));
		law(device_from_cn(device, again) && device_named_by(again, text));
	}
}

static void escapes(const char *text)
{
	char out[64];

	status_escape(text, out, sizeof out);
	law(strlen(out) < sizeof out);
	for (const char *p = out; *p != '\0'; p++)
		law(isprint((unsigned char)*p));
}

/* The words of a text as arguments. */
static void arguments(char *text)
{
	char *argv[32], *word;
	const char *object;
	struct names ns;
	struct reason why = {.text = ""};
	int argc = 0;

	while (argc < 32 && (word = strsep(&text, "\n")) != NULL)
		argv[argc++] = word;
	if (names_read(&ns, argc, argv, NULL, false, &object, &why) == 0) {
		size_t at = 0, unused = 0;

		for (size_t i = 1; i < ns.n; i++)
			law(strcmp(ns.name[i - 1].device, ns.name[i].device) < 0);
		while (names_unused(&ns, &at) != NULL)
			unused++;
		law(unused == ns.n && ns.all == (argc == 0 || strcmp(argv[0], "all") == 0));
		for (int i = 0; i < argc; i++)
			law(names_want(&ns, argv[i]));
		at = 0;
		law(ns.all || names_unused(&ns, &at) == NULL);
	} else {
		law(why.text[0] != '\0');
	}
	names_free(&ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);

	if (text == NULL)
		return 0;
	stems(text);
	traces(text);
	times(text);
	devices(text, size);
	escapes(text);
	arguments(text);
	free(text);
	return 0;
}
