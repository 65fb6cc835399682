/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "site/settings.h"
#include "../tap.h"

static void refuses(const char *text, const char *why)
{
	struct reason r = {.text = ""};
	struct settings c;

	ok(settings_parse(&c, text, &r) == -1 && strstr(r.text, why) != NULL, "%s", why);
}

/* What capf-init writes: nothing but comments, and each setting with its default, so that taking away the # before it
 * changes nothing; but for the five that show an example, since nothing is their default. */
static void test_template(void)
{
	struct settings plain, shown;
	struct buf text = {0}, set = {0};
	struct reason r;
	size_t n = 0;
	bool comments = true;

	settings_template(&text);
	buf_put(&text, "", 1);
	must(!text.failed && settings_parse(&plain, "", &r) == 0, "room");
	for (const char *line = (const char *)text.p; *line != '\0'; line = strchr(line, '\n') + 1)
		comments = comments && (*line == '#' || *line == '\n');
	ok(comments, "the file as it is shipped has nothing but comments");
	for (const char *line = (const char *)text.p; *line != '\0'; line = strchr(line, '\n') + 1)
		if (line[0] == '#' && line[1] != ' ' && strncmp(line, "#listen", 7) != 0 &&
		    strncmp(line, "#issuer-certificate", 19) != 0 && strncmp(line, "#issuer-key", 11) != 0 &&
		    strncmp(line, "#trace-devices", 14) != 0 && strncmp(line, "#online-ca", 10) != 0) {
			buf_put(&set, line + 1, strcspn(line, "\n"));
			n++;
		}
	buf_put(&set, "", 1);
	must(!set.failed, "room");
	ok(settings_parse(&shown, (const char *)set.p, &r) == 0 && memcmp(&shown, &plain, sizeof plain) == 0,
	    "and the %zu settings that it shows are the defaults", n);
	buf_free(&text);
	buf_free(&set);
}

/* What capf.conf(5) says, setting by setting, and another value for each, which must change something. */
static const struct {
	const char *name, *value, *other;
} defaults[] = {
	{"import-max-entries", "500000", "9"},
	{"import-max-entry-bytes", "65536", "9"},
	{"import-max-total-bytes", "2147483648", "9"},
	{"import-max-ratio", "200", "9"},
	{"transfer-timeout", "1h", "9s"},
	{"transfer-min-speed", "1024", "9"},
	{"transfer-stall", "30s", "9s"},
	{"keep-done", "30d", "9d"},
	{"keep-superseded", "90d", "9d"},
	{"keep-installed", "0d", "9d"},
	{"keep-trace", "30d", "9d"},
	{"keepalive", "15", "9"},
	{"keepalive-message", "none", "in-progress"},
	{"operation-expires", "10d", "9d"},
	{"string-digits", "10", "9"},
	{"enable-ipv6", "no", "yes"},
	{"issuer", "offline", "capf"},
	{"issuer-days", "1825", "9"},
	{"csr-proof", "ra", "phone"},
	{"sign-layout", "1", "96"},
	{"legacy-tls", "no", "yes"},
	{"resume", "yes", "no"},
	{"accept-expired", "no", "yes"},
	{"accept-weak-mic", "no", "yes"},
	{"require-sudi", "no", "yes"},
	{"fetch-mic", "yes", "no"},
	{"handshake-timeout", "20s", "9s"},
	{"message-timeout", "60s", "9s"},
	{"key-timeout", "45m", "9m"},
	{"key-tries", "3", "9"},
	{"string-tries", "5", "9"},
	{"workers", "1", "9"},
	{"log", "stderr", "syslog"},
	{"trace", "off", "messages"},
	{"trace-max-bytes", "67108864", "9999999"},
	{"max-connections", "0", "9"},
	{"max-per-address", "0", "9"},
	{"max-operations", "0", "9"},
};

/* Both begin as copies of the defaults, so their padding is alike too. */
static bool same(const struct settings *a, const struct settings *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static void test_defaults(void)
{
	struct settings none, c;
	struct buf text = {0};
	struct reason r;
	char line[100];
	size_t n = 0;

	settings_template(&text);
	buf_put(&text, "", 1);
	must(!text.failed, "room");
	ok(settings_parse(&none, "", &r) == 0 && *none.listen == '\0' && *none.issuer_certificate == '\0' &&
	    *none.issuer_key == '\0', "nothing is said of addresses and of the issuer's files");
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
		const char *name = defaults[i].name;

		snprintf(line, sizeof line, "%s = %s\n", name, defaults[i].value);
		ok(settings_parse(&c, line, &r) == 0 && same(&c, &none), "%s is %s by default", name, defaults[i].value);
		snprintf(line, sizeof line, "\n#%s = %s\n", name, defaults[i].value);
		ok(strstr((const char *)text.p, line) != NULL, "so says the file as it is shipped");
		snprintf(line, sizeof line, "%s = %s\n", name, defaults[i].other);
		ok(settings_parse(&c, line, &r) == 0 && !same(&c, &none), "%s is something else", defaults[i].other);
	}
	/* Those of the file that are no defaults: the five that show an example, a template and a CA. */
	for (const char *p = (const char *)text.p; (p = strstr(p, "\n#")) != NULL; p++)
		n += p[2] != ' ' && strncmp(p + 2, "template.", 9) != 0 && strncmp(p + 2, "ca.", 3) != 0;
	ok(n == sizeof defaults / sizeof *defaults + 5, "the file has no other settings");
	buf_free(&text);
}

static void test_devices(void)
{
	struct settings c;
	struct reason r;

	ok(settings_parse(&c, "", &r) == 0 && settings_trace_device(&c, "SEP1"), "all devices are traced by default");
	ok(settings_parse(&c, "trace-devices = SEP1  SEP20*\n", &r) == 0 && settings_trace_device(&c, "SEP1") &&
	    settings_trace_device(&c, "SEP20") && settings_trace_device(&c, "SEP201") &&
	    !settings_trace_device(&c, "SEP11") && !settings_trace_device(&c, "SEP2") && !settings_trace_device(&c, "SEP"),
	    "else those that are named, and whose names begin so");
	refuses("trace-devices = SEP1,SEP2\n", "trace-devices: SEP1,SEP2 is no device name");
	refuses("trace-devices = *\n", "trace-devices: * is no device name");
	refuses("trace-max-bytes = 1000\n", "trace-max-bytes wants a number");
	refuses("trace = all\n", "trace cannot be \"all\": it is one of off, sessions, messages");
}

int main(void)
{
	struct reason r;
	struct settings c;
	char text[400];

	ok(settings_parse(&c, "", &r) == 0 && c.keepalive == 900 && c.keep_done == 30 * 86400, "the defaults");
	test_template();
	test_devices();
	ok(settings_parse(&c, "# c\n keepalive = 60 \nkeep-done=2w\nimport-max-ratio=1000\n", &r) == 0 &&
	    c.keepalive == 3600 && c.keep_done == 14 * 86400 && c.import_max_ratio == 1000, "settings");
	ok(c.transfer_timeout == 3600 && c.transfer_min_speed == 1024 && c.transfer_stall == 30,
	    "what a file server may cost");
	ok(settings_parse(&c, "transfer-timeout = 5m\ntransfer-min-speed = 1\ntransfer-stall = 2s\n", &r) == 0 &&
	    c.transfer_timeout == 300 && c.transfer_min_speed == 1 && c.transfer_stall == 2, "and when it is set");
	refuses("transfer-timeout = 0s\n", "transfer-timeout wants 1 to 604800 seconds");
	refuses("transfer-min-speed = 0\n", "transfer-min-speed wants a number from 1");
	refuses("transfer-stall = 2h\n", "transfer-stall wants 1 to 3600 seconds");
	ok(settings_parse(&c, "", &r) == 0 && c.keep_trace == 30 * 86400 &&
	    settings_parse(&c, "keep-trace = 2w\n", &r) == 0 && c.keep_trace == 14 * 86400, "keep-trace");
	refuses("keepalive = 61\n", "keepalive wants a number from 5 to 60");
	ok(settings_parse(&c, "keepalive = 90s\n", &r) == 0 && c.keepalive == 90, "keepalive in seconds");
	refuses("keepalive = 4x\n", "line 1: keepalive wants a number of minutes");
	refuses("keepalive = 0s\n", "keepalive wants a number of minutes");
	refuses("keepalive = 61m\n", "keepalive wants a number of minutes");
	refuses("\n\nkeepalife = 15\n", "line 3: there is no setting keepalife");
	refuses("[capf]\nkeepalive = 15\n", "no [sections]");
	refuses("keepalive\n", "not \"name = value\"");
	refuses("keep-done = 30\n", "keep-done wants a span");
	refuses("import-max-entries = -1\n", "import-max-entries");
	refuses("template.a = 1\n", "line 1: template.a: wants to be template.NAME.field");
	refuses("template..rsa = 1\n", "wants to be template.NAME.field");
	refuses("string-digits = 3\n", "string-digits wants a number from 4 to 15");
	refuses("a = 1\nb = 2\n", "line 1: there is no setting a");
	/* libinih would read the rest of a long line as the next one. */
	for (int more = 0; more < 2; more++) {
		memset(text, ' ', sizeof text);
		text[0] = '#';
		strcpy(text + 198 + more, "\nkeepalive = 60\n");
		if (more == 0)
			ok(settings_parse(&c, text, &r) == 0 && c.keepalive == 3600, "a line of 198 bytes");
		else
			refuses(text, "line 1: has more than 198 bytes");
	}
	strcpy(text, "keepalive = 15\n#");
	memset(text + 16, 'x', 198);
	strcpy(text + 214, "keepalive = 60\n");
	refuses(text, "line 2: has more than 198 bytes");
	test_defaults();
	ok(settings_parse(&c, "template.a.b = c\noperation-expires = 0d\n", &r) == 0 &&
	    c.operation_expires == 0 && c.string_digits == 10, "templates are for others");
	return tap_done();
}
