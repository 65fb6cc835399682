/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/ini.h"
#include "base/utc.h"
#include "site/settings.h"

#define MAX_BYTES 65536		/* with a comment on every line it has 4 KiB */

static const struct settings defaults = {
	.import_max_entries = 500000,
	.import_max_entry_bytes = 65536,
	.import_max_total_bytes = (uint64_t)2 << 30,
	.import_max_ratio = 200,
	.transfer_timeout = 3600,
	.transfer_min_speed = 1024,
	.transfer_stall = 30,
	.keep_done = 30 * 86400,
	.keep_superseded = 90 * 86400,
	.keep_trace = 30 * 86400,
	.keepalive = 15 * 60,
	.operation_expires = 10 * 86400,
	.string_digits = 10,
	.listen = "",
	.issuer_days = 1825,
	.resume = 1,
	.fetch_mic = 1,
	.handshake_timeout = 20,
	.message_timeout = 60,
	.key_timeout = 45 * 60,
	.key_tries = 3,
	.string_tries = 5,
	.workers = 1,
	.log = "stderr",
};

const char settings_template[] =
    "# capf.conf: settings of this spool, see capf.conf(5). What is commented out is the default.\n"
    "\n"
    "# What cert-import and csr-add accept in one archive.\n"
    "#import-max-entries = 500000\n"
    "#import-max-entry-bytes = 65536\n"
    "#import-max-total-bytes = 2147483648\n"
    "#import-max-ratio = 200\n"
    "\n"
    "# How long an archive may take to or from a file server, and how many bytes it must move a second, or it is\n"
    "# given up after so long.\n"
    "#transfer-timeout = 1h\n"
    "#transfer-min-speed = 1024\n"
    "#transfer-stall = 30s\n"
    "\n"
    "# How long requests are kept when they were answered, and when a newer key superseded them (until\n"
    "# then a certificate for them is stale, afterwards it is refused). spool-check --repair takes older\n"
    "# ones away.\n"
    "#keep-done = 30d\n"
    "#keep-superseded = 90d\n"
    "# The same for certificates that phones were asked for to find a fault.\n"
    "#keep-trace = 30d\n"
    "\n"
    "# Minutes between signs of life on a connection that waits, 5 to 60.\n"
    "#keepalive = 15\n"
    "# A message then as well, besides what TCP does: none, in-progress, status-request.\n"
    "#keepalive-message = none\n"
    "\n"
    "# How long a phone has for an operation when nobody says until when; 0d: for ever.\n"
    "#operation-expires = 10d\n"
    "\n"
    "# How many digits phone-set --generate makes, 4 to 15.\n"
    "#string-digits = 10\n"
    "\n"
    "# Where capf-serve listens: ADDRESS:PORT, IPv6 in [brackets], several with blanks between. By default\n"
    "# port 3804 of every address, IPv6 only when that is enabled.\n"
    "#listen = 0.0.0.0:3804\n"
    "#enable-ipv6 = no\n"
    "\n"
    "# Who issues: offline (requests wait in the spool for a CA), online (the same), or capf (at once, with\n"
    "# this certificate and key; CAPF's own when they are not set).\n"
    "#issuer = offline\n"
    "#issuer-certificate = /etc/capf/issuer.pem\n"
    "#issuer-key = /etc/capf/issuer.key\n"
    "#issuer-days = 1825\n"
    "\n"
    "# Who signs requests: ra (CAPF vouches for the phone's key), phone (itself, or it gets no certificate),\n"
    "# phone-or-ra. How phones do that is not publicly known.\n"
    "#csr-proof = ra\n"
    "\n"
    "# TLS 1.0 and 1.1, RSA key exchange, SHA-1 and short keys, for old phones.\n"
    "#legacy-tls = no\n"
    "\n"
    "# A phone that comes again while its request waits, or its certificate is ready, keeps its key.\n"
    "#resume = yes\n"
    "\n"
    "# Phones whose certificate has expired may still prove themselves with it.\n"
    "#accept-expired = no\n"
    "# The same for certificates with SHA-1 signatures or RSA keys below 2048 bits, as old phones have.\n"
    "#accept-weak-mic = no\n"
    "# Phones that prove themselves with a certificate must send SUDI_DATA too, which cannot be replayed.\n"
    "#require-sudi = no\n"
    "\n"
    "# Ask for the MIC too when certificates are fetched.\n"
    "#fetch-mic = yes\n"
    "\n"
    "# How long a phone may take for TLS, for an answer, for a key; how often for a key, 0: for ever; how\n"
    "# many wrong authentication strings lock the operation.\n"
    "#handshake-timeout = 20s\n"
    "#message-timeout = 60s\n"
    "#key-timeout = 45m\n"
    "#key-tries = 3\n"
    "#string-tries = 5\n"
    "\n"
    "# How many processes serve phones, and where they log: stderr, syslog, or syslog:SOCKET.\n"
    "#workers = 1\n"
    "#log = stderr\n"
    "\n"
    "# Connections in all and from one address, and operations at once; 0: as many as can be.\n"
    "#max-connections = 0\n"
    "#max-per-address = 0\n"
    "#max-operations = 0\n"
    "\n"
    "# Templates for phone-add and phone-set --template, as many as you like; every new phone begins with\n"
    "# the one that is called default, when there is one.\n"
    "#template.default.auth = string\n"
    "#template.default.rsa = 2048\n";

enum kind { NUMBER, SMALL, SPAN, MINUTES, TEXT, WORD };

static const struct setting {
	const char *name;
	enum kind kind;
	size_t at;
	uint64_t least, most;
	const char *words;	/* each with its NUL, in the order of their numbers */
} settings[] = {
	{"import-max-entries", NUMBER, offsetof(struct settings, import_max_entries), 1, UINT32_MAX / 4, NULL},
	/* More than 1 MiB is no certificate, whatever it is. */
	{"import-max-entry-bytes", NUMBER, offsetof(struct settings, import_max_entry_bytes), 1, 1 << 20, NULL},
	{"import-max-total-bytes", NUMBER, offsetof(struct settings, import_max_total_bytes), 1,
	    (uint64_t)1 << 40, NULL},
	/* Deflate cannot do better than 1032 to 1. */
	{"import-max-ratio", NUMBER, offsetof(struct settings, import_max_ratio), 1, 1032, NULL},
	{"transfer-timeout", SPAN, offsetof(struct settings, transfer_timeout), 1, 7 * 86400, NULL},
	{"transfer-min-speed", NUMBER, offsetof(struct settings, transfer_min_speed), 1, 1 << 30, NULL},
	{"transfer-stall", SPAN, offsetof(struct settings, transfer_stall), 1, 3600, NULL},
	{"keep-done", SPAN, offsetof(struct settings, keep_done), 0, 0, NULL},
	{"keep-superseded", SPAN, offsetof(struct settings, keep_superseded), 0, 0, NULL},
	{"keep-trace", SPAN, offsetof(struct settings, keep_trace), 0, 0, NULL},
	{"keepalive", MINUTES, offsetof(struct settings, keepalive), 5, 60, NULL},
	{"keepalive-message", WORD, offsetof(struct settings, keepalive_message), 0, 0,
	    "none\0in-progress\0status-request\0"},
	{"operation-expires", SPAN, offsetof(struct settings, operation_expires), 0, 0, NULL},
	{"string-digits", SMALL, offsetof(struct settings, string_digits), 4, 15, NULL},
	{"listen", TEXT, offsetof(struct settings, listen), 0, 0, NULL},
	{"issuer", WORD, offsetof(struct settings, issuer), 0, 0, "offline\0online\0capf\0"},
	{"issuer-certificate", TEXT, offsetof(struct settings, issuer_certificate), 0, 0, NULL},
	{"issuer-key", TEXT, offsetof(struct settings, issuer_key), 0, 0, NULL},
	{"issuer-days", SMALL, offsetof(struct settings, issuer_days), 1, 1825, NULL},
	{"csr-proof", WORD, offsetof(struct settings, csr_proof), 0, 0, "ra\0phone\0phone-or-ra\0"},
	{"legacy-tls", WORD, offsetof(struct settings, legacy_tls), 0, 0, "no\0yes\0"},
	{"enable-ipv6", WORD, offsetof(struct settings, enable_ipv6), 0, 0, "no\0yes\0"},
	{"resume", WORD, offsetof(struct settings, resume), 0, 0, "no\0yes\0"},
	{"accept-expired", WORD, offsetof(struct settings, accept_expired), 0, 0, "no\0yes\0"},
	{"accept-weak-mic", WORD, offsetof(struct settings, accept_weak_mic), 0, 0, "no\0yes\0"},
	{"require-sudi", WORD, offsetof(struct settings, require_sudi), 0, 0, "no\0yes\0"},
	{"fetch-mic", WORD, offsetof(struct settings, fetch_mic), 0, 0, "no\0yes\0"},
	{"handshake-timeout", SPAN, offsetof(struct settings, handshake_timeout), 1, 3600, NULL},
	{"message-timeout", SPAN, offsetof(struct settings, message_timeout), 1, 3600, NULL},
	{"key-timeout", SPAN, offsetof(struct settings, key_timeout), 1, 7 * 86400, NULL},
	{"key-tries", SMALL, offsetof(struct settings, key_tries), 0, 1000, NULL},
	{"string-tries", SMALL, offsetof(struct settings, string_tries), 1, 1000, NULL},
	{"workers", SMALL, offsetof(struct settings, workers), 1, 64, NULL},
	{"log", TEXT, offsetof(struct settings, log), 0, 0, NULL},
	{"max-connections", SMALL, offsetof(struct settings, max_connections), 0, 1000000, NULL},
	{"max-per-address", SMALL, offsetof(struct settings, max_per_address), 0, 1000000, NULL},
	{"max-operations", SMALL, offsetof(struct settings, max_operations), 0, 1000000, NULL},
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
	*out = 0;
	for (const char *word = s->words; *word != '\0'; word += strlen(word) + 1, ++*out)
		if (strcmp(value, word) == 0)
			return 0;
	return reason_set(why, "%s cannot be \"%.40s\"", s->name, value);
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
		return 0;
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
			return reason_set(why, "%s wants a time such as 30d", s->name);
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

#define TEMPLATE "template."

/* The field in "NAME.field", or NULL. */
static const char *field_of(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	return len > 0 && name[len] == '.' && name[len + 1] != '\0' ? name + len + 1 : NULL;
}

/* What a template says is for those who know phones. */
static int take_setting(void *ctx, const char *name, const char *value, struct reason *why)
{
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		if (strcmp(name, settings[i].name) == 0)
			return set(ctx, &settings[i], value, why);
	if (strncmp(name, TEMPLATE, strlen(TEMPLATE)) != 0)
		return reason_set(why, "there is no setting %.40s", name);
	return field_of(name + strlen(TEMPLATE)) != NULL ? 0 :
	    reason_set(why, "%.60s: wants to be template.NAME.field", name);
}

int settings_parse(struct settings *c, const char *text, struct reason *why)
{
	*c = defaults;
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
	const char *name;
	int (*take)(void *, const char *, const char *, struct reason *);
	void *ctx;
	int n;
};

static int pick(void *ctx, const char *name, const char *value, struct reason *why)
{
	struct picking *p = ctx;
	const char *field;

	if (strncmp(name, TEMPLATE, strlen(TEMPLATE)) != 0)
		return 0;
	name += strlen(TEMPLATE);
	if ((field = field_of(name)) == NULL)
		return 0;
	if (p->name != NULL && (strncmp(name, p->name, strlen(p->name)) != 0 ||
	    field != name + strlen(p->name) + 1))
		return 0;
	p->n++;
	return p->take(p->ctx, p->name != NULL ? field : name, value, why);
}

int settings_templates(int dirfd, const char *name,
    int (*take)(void *ctx, const char *field, const char *value, struct reason *), void *ctx,
    struct reason *why)
{
	struct picking p = {name, take, ctx, 0};
	char *text = slurp(dirfd, why);
	int result = text != NULL ? ini_lines(text, pick, &p, why) : -1;

	free(text);
	return result == 0 ? p.n : -1;
}
