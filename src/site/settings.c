/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/auth_string.h"
#include "base/device.h"
#include "base/fileio.h"
#include "base/ini.h"
#include "base/nearest.h"
#include "base/utc.h"
#include "site/settings.h"

#define MAX_BYTES 65536		/* with a comment on every line it has 4 KiB */

enum kind { NUMBER, SMALL, SPAN, MINUTES, TEXT, WORD };

#define AT(field) .at = offsetof(struct settings, field)
#define NO_YES "no\0yes\0"

/* Everything about a setting, in the order of capf.conf as capf-init writes it. */
static const struct setting {
	const char *name;
	const char *initial;	/* its default */
	enum kind kind;
	size_t at;
	uint64_t least, most;
	const char *words;	/* each with its NUL, in the order of their numbers */
	const char *example;	/* what capf.conf shows in place of a default that is empty */
	const char *above;	/* the lines above it in capf.conf */
} settings[] = {
	{"import-max-entries", "500000", NUMBER, AT(import_max_entries), .least = 1, .most = UINT32_MAX / 4,
	    .above = "\n"
	    "# What cert-import and csr-add accept in one archive.\n"},
	/* More than 1 MiB is no certificate, whatever it is. */
	{"import-max-entry-bytes", "65536", NUMBER, AT(import_max_entry_bytes), .least = 1, .most = 1 << 20},
	{"import-max-total-bytes", "2147483648", NUMBER, AT(import_max_total_bytes), .least = 1,
	    .most = (uint64_t)1 << 40},
	/* Deflate cannot do better than 1032 to 1. */
	{"import-max-ratio", "200", NUMBER, AT(import_max_ratio), .least = 1, .most = 1032},
	{"transfer-timeout", "1h", SPAN, AT(transfer_timeout), .least = 1, .most = 7 * 86400,
	    .above = "\n"
	    "# How long an archive may take to or from a file server, and how many bytes it must move a second: a\n"
	    "# transfer that stays below that for so long is given up.\n"},
	{"transfer-min-speed", "1024", NUMBER, AT(transfer_min_speed), .least = 1, .most = 1 << 30},
	{"transfer-stall", "30s", SPAN, AT(transfer_stall), .least = 1, .most = 3600},
	{"keep-done", "30d", SPAN, AT(keep_done),
	    .above = "\n"
	    "# How long requests are kept when they were answered, and when a newer key superseded them (until\n"
	    "# then a certificate for them is stale, afterwards it is refused). spool-check --repair takes older\n"
	    "# ones away.\n"},
	{"keep-superseded", "90d", SPAN, AT(keep_superseded)},
	{"keep-installed", "0d", SPAN, AT(keep_installed),
	    .above = "# How long certificates stay in installed/ when the phone has confirmed a newer one. Then they go to\n"
	    "# done/. The newest one of a phone always stays.\n"},
	{"keep-trace", "30d", SPAN, AT(keep_trace),
	    .above = "# The same for certificates that phones were asked for to find a fault.\n"},
	{"keepalive", "15", MINUTES, AT(keepalive), .least = 5, .most = 60,
	    .above = "\n"
	    "# Minutes between signs of life on a connection that waits, 5 to 60.\n"},
	{"keepalive-message", "none", WORD, AT(keepalive_message), .words = "none\0in-progress\0status-request\0",
	    .above = "# A message then as well, besides what TCP does: none, in-progress, status-request.\n"},
	{"operation-expires", "10d", SPAN, AT(operation_expires),
	    .above = "\n"
	    "# How long a phone has for an operation that has no deadline of its own; 0d: no deadline.\n"},
	{"string-digits", "10", SMALL, AT(string_digits), .least = AUTH_STRING_MIN, .most = AUTH_STRING_MAX,
	    .above = "\n"
	    "# How many digits phone-set --generate makes, 4 to 15.\n"},
	{"listen", "", TEXT, AT(listen), .example = "0.0.0.0:3804",
	    .above = "\n"
	    "# Where capf-serve listens: ADDRESS:PORT, IPv6 in [brackets], several with blanks between. By default\n"
	    "# port 3804 of every address, IPv6 only when that is enabled.\n"},
	{"enable-ipv6", "no", WORD, AT(enable_ipv6), .words = NO_YES},
	{"issuer", "offline", WORD, AT(issuer), .words = "offline\0online\0capf\0",
	    .above = "\n"
	    "# Who issues: offline (requests wait in the spool until csr-dump takes them to a CA), online (until\n"
	    "# capf-enroll has asked the CA that online-ca names), or capf (the server, at once, with this\n"
	    "# certificate and key; CAPF's own when they are not set).\n"},
	{"online-ca", "", TEXT, AT(online_ca), .example = "office"},
	{"issuer-certificate", "", TEXT, AT(issuer_certificate), .example = "/etc/capf/issuer.pem"},
	{"issuer-key", "", TEXT, AT(issuer_key), .example = "/etc/capf/issuer.key"},
	{"issuer-days", "1825", SMALL, AT(issuer_days), .least = 1, .most = 1825},
	{"csr-proof", "ra", WORD, AT(csr_proof), .words = "ra\0phone\0phone-or-ra\0",
	    .above = "\n"
	    "# Who signs requests: ra (CAPF vouches for the phone's key), phone (itself, or it gets no certificate),\n"
	    "# phone-or-ra. How phones do that is not publicly known.\n"},
	{"sign-layout", "1", SMALL, AT(sign_layout), .least = 1, .most = SETTINGS_SIGN_LAYOUT_MAX,
	    .above = "# How a phone is asked to sign, a number from capf-protocol(7), which capf-probe finds out.\n"},
	{"legacy-tls", "no", WORD, AT(legacy_tls), .words = NO_YES,
	    .above = "\n"
	    "# TLS 1.0 and 1.1, RSA key exchange, SHA-1 and short keys, for old phones.\n"},
	{"resume", "yes", WORD, AT(resume), .words = NO_YES,
	    .above = "\n"
	    "# A phone that comes again while its request waits, or its certificate is ready, keeps its key.\n"},
	{"accept-expired", "no", WORD, AT(accept_expired), .words = NO_YES,
	    .above = "\n"
	    "# Phones may still authenticate with a certificate that has expired.\n"},
	{"accept-weak-mic", "no", WORD, AT(accept_weak_mic), .words = NO_YES,
	    .above = "# The same for certificates with SHA-1 signatures or RSA keys below 2048 bits, as old phones have.\n"},
	{"require-sudi", "no", WORD, AT(require_sudi), .words = NO_YES,
	    .above = "# Phones that authenticate with a certificate must send SUDI_DATA too, which cannot be replayed.\n"},
	{"fetch-mic", "yes", WORD, AT(fetch_mic), .words = NO_YES,
	    .above = "\n"
	    "# Ask for the MIC too when certificates are fetched.\n"},
	{"handshake-timeout", "20s", SPAN, AT(handshake_timeout), .least = 1, .most = 3600,
	    .above = "\n"
	    "# How long a phone may take for TLS, for an answer, for a key; how many tries it has for a key, 0: no\n"
	    "# limit; how many wrong authentication strings lock the operation.\n"},
	{"message-timeout", "60s", SPAN, AT(message_timeout), .least = 1, .most = 3600},
	{"key-timeout", "45m", SPAN, AT(key_timeout), .least = 1, .most = 7 * 86400},
	{"key-tries", "3", SMALL, AT(key_tries), .most = 1000},
	{"string-tries", "5", SMALL, AT(string_tries), .least = 1, .most = 1000},
	{"workers", "1", SMALL, AT(workers), .least = 1, .most = 64,
	    .above = "\n"
	    "# How many processes serve phones, and where they log: stderr, syslog, or syslog:SOCKET.\n"},
	{"log", "stderr", TEXT, AT(log)},
	{"trace", "off", WORD, AT(trace), .words = "off\0sessions\0messages\0",
	    .above = "\n"
	    "# Traces of sessions in session/, see capf-serve(1): off, sessions, or messages, which has each message\n"
	    "# decoded; only of these devices (SEP0011* is all that begin so); how many bytes all of them may have.\n"},
	{"trace-devices", "", TEXT, AT(trace_devices), .example = "SEP001122334455 SEP0011*"},
	/* The process that writes them knows each file by its name: 1 GiB are 262,144. */
	{"trace-max-bytes", "67108864", NUMBER, AT(trace_max_bytes), .least = 1 << 20, .most = 1 << 30},
	{"max-connections", "0", SMALL, AT(max_connections), .most = 1000000,
	    .above = "\n"
	    "# Connections in all and from one address, and operations at once; 0: no limit.\n"},
	{"max-per-address", "0", SMALL, AT(max_per_address), .most = 1000000},
	{"max-operations", "0", SMALL, AT(max_operations), .most = 1000000},
};

static int parse_number(const struct setting *s, const char *value, uint64_t *out, struct reason *why)
{
	char *end;

	errno = 0;
	*out = strtoull(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || *value == '-' || *out < s->least ||
	    *out > s->most)
		return reason_set(why, "%s wants a number from %llu to %llu", s->name,
		    (unsigned long long)s->least, (unsigned long long)s->most);
	return 0;
}

/* A number of minutes, or a time with its unit, for those who want less. */
static int set_minutes(const struct setting *s, const char *value, time_t *out, struct reason *why)
{
	uint64_t n;

	if (strspn(value, "0123456789") == strlen(value)) {
		if (parse_number(s, value, &n, why) != 0)
			return -1;
		*out = (time_t)n * 60;
		return 0;
	}
	if (utc_span(value, out) && *out > 0 && *out <= (time_t)s->most * 60)
		return 0;
	return reason_set(why, "%s wants a number of minutes, or a time such as 90s", s->name);
}

static int set_word(const struct setting *s, const char *value, unsigned *out, struct reason *why)
{
	char known[128] = "";

	*out = 0;
	for (const char *word = s->words; *word != '\0'; word += strlen(word) + 1, ++*out) {
		if (strcmp(value, word) == 0)
			return 0;
		snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", *known != '\0' ? ", " : "", word);
	}
	return reason_set(why, "%s cannot be \"%.40s\": it is one of %s", s->name, value, known);
}

/* The next word of a list with blanks between, and its length; NULL at the end. */
static const char *next_word(const char **list, size_t *len)
{
	const char *word = *list + strspn(*list, " \t");

	*len = strcspn(word, " \t");
	*list = word + *len;
	return *len > 0 ? word : NULL;
}

/* A name in a list as phones say it. False when it is none. */
static bool tidy(const char *word, size_t len, char out[DEVICE_MAX + 1])
{
	char text[2 * DEVICE_MAX];

	if (len >= sizeof text)
		return false;
	memcpy(text, word, len);
	text[len] = '\0';
	return device_tidy(text, out);
}

bool settings_trace_device(const struct settings *c, const char *device)
{
	const char *list = c->trace_devices, *word;
	char name[DEVICE_MAX + 1];
	bool any = false;
	size_t len;

	while ((word = next_word(&list, &len)) != NULL) {
		any = true;
		if (word[len - 1] == '*' ? strncmp(device, word, len - 1) == 0 :
		    (strlen(device) == len && memcmp(device, word, len) == 0) ||
		    (tidy(word, len, name) && strcmp(device, name) == 0))
			return true;
	}
	return !any;
}

/* A '*' at the end of a name stands for any characters. -1 with a reason. */
static int check_devices(const char *list, struct reason *why)
{
	const char *word;
	char name[DEVICE_MAX + 1];
	size_t len;

	while ((word = next_word(&list, &len)) != NULL) {
		if (word[len - 1] == '*' ? !device_ok(word, len - 1) : !tidy(word, len, name))
			return reason_set(why, "trace-devices: %.*s is no device name", (int)(len < 60 ? len : 60), word);
	}
	return 0;
}

static int set(struct settings *c, const struct setting *s, const char *value, struct reason *why)
{
	char *field = (char *)c + s->at;
	uint64_t n;
	time_t span;
	unsigned word;

	if (s->kind == TEXT) {
		if (strlen(value) > SETTINGS_TEXT_MAX)
			return reason_set(why, "%s is too long", s->name);
		strcpy(field, value);
		return s->at == offsetof(struct settings, trace_devices) ? check_devices(value, why) : 0;
	}
	if (s->kind == WORD) {
		if (set_word(s, value, &word, why) != 0)
			return -1;
		memcpy(field, &word, sizeof word);
		return 0;
	}

	if (s->kind == MINUTES) {
		if (set_minutes(s, value, &span, why) != 0)
			return -1;
		memcpy(field, &span, sizeof span);
		return 0;
	}
	if (s->kind == SPAN) {
		if (!utc_span(value, &span))
			return reason_set(why, "%s wants a span such as 30d", s->name);
		if (s->most > 0 && ((uint64_t)span < s->least || (uint64_t)span > s->most))
			return reason_set(why, "%s wants %llu to %llu seconds", s->name,
			    (unsigned long long)s->least, (unsigned long long)s->most);
		memcpy(field, &span, sizeof span);
		return 0;
	}
	if (parse_number(s, value, &n, why) != 0)
		return -1;
	if (s->kind == SMALL)
		memcpy(field, &(unsigned){(unsigned)n}, sizeof(unsigned));
	else
		memcpy(field, &n, sizeof n);
	return 0;
}

#define TEMPLATE "template"
#define CA "ca"

/* Of these there may be many, each with a name and fields. */
static const char *const named[] = {TEMPLATE, CA};

/* The field in "NAME.field", or NULL. */
static const char *field_of(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	return len > 0 && name[len] == '.' && name[len + 1] != '\0' ? name + len + 1 : NULL;
}

/* What stands behind "WORD.", or NULL. */
static const char *below(const char *name, const char *word)
{
	size_t len = strlen(word);

	return strncmp(name, word, len) == 0 && name[len] == '.' ? name + len + 1 : NULL;
}

/* The values of templates are checked by phone_templates_check, those of CAs by who speaks with them. */
static int take_setting(void *ctx, const char *name, const char *value, struct reason *why)
{
	struct nearest near = {.word = NULL};

	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		if (strcmp(name, settings[i].name) == 0)
			return set(ctx, &settings[i], value, why);
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
		const char *rest = below(name, named[i]);

		if (rest != NULL)
			return field_of(rest) != NULL ? 0 :
			    reason_set(why, "%.60s: wants to be %s.NAME.field", name, named[i]);
	}
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		nearest_try(&near, name, settings[i].name);
	return reason_set(why, "there is no setting %.40s%s%s%s", name, near.word != NULL ? ": did you mean " : "",
	    near.word != NULL ? near.word : "", near.word != NULL ? "?" : "");
}

static void put(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

void settings_template(struct buf *out)
{
	put(out, "# capf.conf: settings of this spool, see capf.conf(5). What is commented out is the default.\n");
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
		const struct setting *s = &settings[i];

		if (s->above != NULL)
			put(out, s->above);
		put(out, "#");
		put(out, s->name);
		put(out, " = ");
		put(out, s->example != NULL ? s->example : s->initial);
		put(out, "\n");
	}
	put(out, "\n"
	    "# Templates for phone-add and phone-set --template, as many as you like; every new phone begins with\n"
	    "# the one that is called default, when there is one.\n"
	    "#" TEMPLATE ".default.auth = string\n"
	    "#" TEMPLATE ".default.rsa = 2048\n"
	    "\n"
	    "# CAs on the network, for csr-submit --ca and capf-enroll.\n"
	    "#" CA ".example.type = est\n"
	    "#" CA ".example.url = https://ca.example.com\n");
}

int settings_parse(struct settings *c, const char *text, struct reason *why)
{
	*c = (struct settings){0};
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		if (set(c, &settings[i], settings[i].initial, why) != 0)
			return -1;
	return ini_lines(text, take_setting, c, why);
}

/* The whole file; the caller frees. NULL with a reason. */
static char *slurp(int dirfd, struct reason *why)
{
	unsigned char *text;
	size_t len;

	if (fileio_slurp(dirfd, "capf.conf", MAX_BYTES, &text, &len) != 0) {
		reason_errno(why);
		return NULL;
	}
	if (memchr(text, '\0', len) == NULL)
		return (char *)text;
	reason_set(why, "has a NUL byte");
	free(text);
	return NULL;
}

int settings_load(struct settings *c, int dirfd, struct reason *why)
{
	char *text = slurp(dirfd, why);
	int result = text != NULL ? settings_parse(c, text, why) : -1;

	free(text);
	return result;
}

struct picking {
	const char *word, *name;
	int (*take)(void *, const char *, const char *, struct reason *);
	void *ctx;
	int n;
};

static int pick(void *ctx, const char *name, const char *value, struct reason *why)
{
	struct picking *p = ctx;
	const char *field;

	if ((name = below(name, p->word)) == NULL || (field = field_of(name)) == NULL)
		return 0;
	if (p->name != NULL && (strncmp(name, p->name, strlen(p->name)) != 0 ||
	    field != name + strlen(p->name) + 1))
		return 0;
	p->n++;
	return p->take(p->ctx, p->name != NULL ? field : name, value, why);
}

int settings_named(int dirfd, const char *word, const char *name,
    int (*take)(void *ctx, const char *field, const char *value, struct reason *), void *ctx,
    struct reason *why)
{
	struct picking p = {word, name, take, ctx, 0};
	char *text = slurp(dirfd, why);
	int result = text != NULL ? ini_lines(text, pick, &p, why) : -1;

	free(text);
	return result == 0 ? p.n : -1;
}
