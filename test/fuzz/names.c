/* SPDX-License-Identifier: ISC */
/* Names of devices and of the spool's files, times, and what is printed of either. */
#include <ctype.h>
#include <locale.h>

#include "base/device.h"
#include "base/utc.h"
#include "base/utf8.h"
#include "base/when.h"
#include "cli/devices.h"
#include "cli/status.h"
#include "cli/terminal.h"
#include "fuzz.h"
#include "spool/reqid.h"

const char program[] = "names", synopsis[] = "";

static void reqids(const char *text)
{
	struct reqid s, other;
	char name[REQID_NAME_MAX + 1];

	if (!reqid_parse(text, &s)) {
		law(!reqid_legal(text, true) && !reqid_legal(text, false));
		return;
	}
	law(reqid_legal(text, true) == (s.kind != REQID_DER));
	law(reqid_legal(text, false) == (s.kind == REQID_DER));
	law(device_ok(s.device, strlen(s.device)));
	reqid_name(&s, (enum reqid_kind)s.kind, name);
	law(strcmp(name, text) == 0 && strchr(name, '/') == NULL && name[0] != '.');
	law(reqid_compare(&s, &s) == 0 && !reqid_newer(&s, &s));
	other = s;
	other.spki[0] ^= 1;
	law(reqid_newer(&s, &other) != reqid_newer(&other, &s));
	law((reqid_compare(&s, &other) < 0) == (reqid_compare(&other, &s) > 0));
}

static void traces(const char *text)
{
	char stamp[UTC_STAMP + 1], device[DEVICE_MAX + 1] = "", name[REQID_TRACE_MAX + 1];
	time_t when;

	if (!reqid_trace_parse(text, stamp))
		return;
	law(strchr(text, '/') == NULL && text[0] != '.' && strlen(text) <= REQID_TRACE_MAX);
	memcpy(device, text, (size_t)(strchr(text, '+') - text));
	law(device_ok(device, strlen(device)));
	if (utc_from_stamp(stamp, &when)) {
		reqid_trace_name(device, when, strcmp(text + strlen(text) - 8, ".mic.der") == 0, name);
		law(strcmp(name, text) == 0);
	}
}

static void times(const char *text)
{
	char iso[UTC_ISO + 1], stamp[UTC_STAMP + 1];
	time_t t, again;

	if (utc_parse(text, &t)) {
		utc_iso(t, iso);
		law(utc_parse(iso, &again) && again == t);
		utc_stamp(t, stamp);
		law(utc_from_stamp(stamp, &again) && again == t);
	}
	/* People may write what files have, and mean the same. A day is longer than nothing. */
	if (when_parse(text, 1800000000, WHEN_BEGIN, &t)) {
		law(when_parse(text, 1800000000, WHEN_END, &again) && again >= t && again < t + 3 * 86400);
		if (utc_parse(text, &again) && strlen(text) != 10)
			law(again == t);
	} else {
		law(!when_parse(text, 1800000000, WHEN_END, &again));
	}
	if (utc_span(text, &t))
		law(t >= 0 && t <= (time_t)1000000 * 604800);
	if (utc_clock(text, &t))
		law(t >= 0 && t <= 253402300799);
}

static void devices(const char *text, size_t len)
{
	char device[DEVICE_MAX + 1], again[DEVICE_MAX + 1];
	struct reason why = {.text = ""};

	/* What is tidy stays so, and is legal; a name that is taken is its tidy form, or was legal. */
	if (device_tidy(text, device)) {
		law(device_ok(device, strlen(device)) && device_tidy(device, again) && strcmp(device, again) == 0);
		law(device_typed(text, true, again, &why) == 0);
		if (device_typed(text, false, again, &why) == 0)
			law(strcmp(device, again) == 0);
		else
			law(why.text[0] != '\0');
	} else {
		law(!device_ok(text, len));
		law(device_typed(text, false, again, &why) != 0 && device_typed(text, true, again, &why) != 0);
	}
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

/* What a terminal may have is UTF-8 without anything that it would obey, and as wide as is said. */
static void shown(const char *text, bool utf8)
{
	struct buf out = {0};
	size_t width = terminal_put(&out, text, utf8), sum = 0, n;
	const char *p;
	uint32_t c;

	buf_put_u8(&out, 0);
	for (p = (const char *)out.p; (n = utf8_get(p, &c)) > 0; p += n) {
		law(utf8_is_plain(c) && (utf8 || c < 0x80) && terminal_width(c) >= 0);
		sum += (size_t)terminal_width(c);
	}
	law(*p == '\0' && sum == width);
	for (size_t room = 0; room < 20; room++) {
		size_t taken = room, bytes = terminal_cut((const char *)out.p, &taken);

		law(taken <= room && bytes < out.len);
		law(room < width || bytes == out.len - 1);
	}
	buf_free(&out);
}

/* The words of a text as arguments. */
static void arguments(char *text)
{
	char *argv[32], *word, tidy[DEVICE_MAX + 1];
	const char *object;
	struct devices ns;
	struct reason why = {.text = ""};
	int argc = 0;

	while (argc < 32 && (word = strsep(&text, "\n")) != NULL)
		argv[argc++] = word;
	if (devices_read(&ns, argc, argv, NULL, false, &object, &why) == 0) {
		size_t at = 0, unused = 0;

		devices_settle(&ns, NULL);
		for (size_t i = 1; i < ns.n; i++)
			law(strcmp(ns.name[i - 1].device, ns.name[i].device) < 0);
		while (devices_unused(&ns, &at) != NULL)
			unused++;
		law(unused == ns.n && ns.all == (argc == 0 || strcmp(argv[0], "all") == 0));
		for (int i = 0; i < argc; i++)
			law(ns.all || (device_tidy(argv[i], tidy) && devices_want(&ns, tidy)));
		at = 0;
		law(ns.all || devices_unused(&ns, &at) == NULL);
	} else {
		law(why.text[0] != '\0');
	}
	devices_free(&ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);

	/* Its widths are those that a terminal has. */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (text == NULL)
		return 0;
	reqids(text);
	traces(text);
	times(text);
	devices(text, size);
	escapes(text);
	shown(text, false);
	shown(text, true);
	arguments(text);
	free(text);
	return 0;
}
