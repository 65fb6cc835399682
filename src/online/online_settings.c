/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "online/online_settings.h"

enum kind { TEXT, WORD, NUMBER, SPAN };

#define AT(field) .at = offsetof(struct online_settings, field)
#define SIZED(field) AT(field), .most = sizeof ((struct online_settings *)0)->field - 1
#define NO_YES "no\0yes\0"

/* In the order of capf.conf(5). */
static const struct field {
	const char *name, *initial;
	enum kind kind;
	size_t at;
	unsigned long least, most;	/* of a text: bytes */
	const char *words;		/* each with its NUL, in the order of their numbers */
} fields[] = {
	{"type", "", WORD, AT(type), .words = "\0est\0scep\0cmp\0certsrv\0"},
	{"url", "", TEXT, SIZED(url)},
	{"label", "", TEXT, SIZED(label)},
	{"template", "", TEXT, SIZED(template)},
	{"jurisdiction", "", TEXT, SIZED(jurisdiction)},
	{"user", "", TEXT, SIZED(user)},
	{"password-file", "", TEXT, SIZED(password_file)},
	{"challenge-file", "", TEXT, SIZED(challenge_file)},
	{"ca-file", "", TEXT, SIZED(ca_file)},
	{"certificate", "", TEXT, SIZED(certificate)},
	{"key", "", TEXT, SIZED(key)},
	{"pass-file", "", TEXT, SIZED(pass_file)},
	{"ra-certificate", "", TEXT, SIZED(ra_certificate)},
	{"ra-key", "", TEXT, SIZED(ra_key)},
	{"reference", "", TEXT, SIZED(reference)},
	{"secret-file", "", TEXT, SIZED(secret_file)},
	{"issuer-file", "", TEXT, SIZED(issuer_file)},
	{"agent", "", TEXT, SIZED(agent)},
	{"agent-key", "", TEXT, SIZED(agent_key)},
	{"shape", "", TEXT, SIZED(shape)},
	{"cmc", "no", WORD, AT(cmc), .words = NO_YES},
	{"send-unproved", "no", WORD, AT(unproved), .words = NO_YES},
	{"allow-des", "no", WORD, AT(des), .words = NO_YES},
	{"ntlm", "no", WORD, AT(ntlm), .words = NO_YES},
	{"lost-answer", "hold", WORD, AT(lost), .words = "hold\0ask\0"},
	{"parallel", "4", NUMBER, AT(parallel), .least = 1, .most = ONLINE_PARALLEL_MAX},
	{"rate", "0", NUMBER, AT(rate), .most = 1000000},
	{"connect-timeout", "10s", SPAN, AT(connect_timeout), .least = 1, .most = 600},
	{"timeout", "60s", SPAN, AT(timeout), .least = 1, .most = 3600},
};

static int set_word(const struct field *f, const char *value, unsigned *out, struct reason *why)
{
	const char *words = f->words;
	char known[64] = "";

	/* The first of a type is "", which nobody can set. */
	for (*out = 0; *words != '\0' || *out == 0; words += strlen(words) + 1, ++*out) {
		if (strcmp(value, words) == 0)
			return 0;
		if (*words != '\0')
			snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
			    *known != '\0' ? ", " : "", words);
	}
	return reason_set(why, "%s cannot be \"%.40s\": it is one of %s", f->name, value, known);
}

static int set(struct online_settings *c, const struct field *f, const char *value, struct reason *why)
{
	char *into = (char *)c + f->at, *end;
	unsigned long n;
	unsigned word;
	time_t span;

	switch (f->kind) {
	case TEXT:
		if (strlen(value) > f->most)
			return reason_set(why, "%s has more than %lu bytes", f->name, f->most);
		strcpy(into, value);
		return 0;
	case WORD:
		if (set_word(f, value, &word, why) != 0)
			return -1;
		memcpy(into, &word, sizeof word);
		return 0;
	case NUMBER:
		n = strtoul(value, &end, 10);
		if (*value < '0' || *value > '9' || *end != '\0' || n < f->least || n > f->most)
			return reason_set(why, "%s wants a number from %lu to %lu", f->name, f->least, f->most);
		word = (unsigned)n;
		memcpy(into, &word, sizeof word);
		return 0;
	case SPAN:
		if (!utc_span(value, &span) || span < (time_t)f->least || span > (time_t)f->most)
			return reason_set(why, "%s wants a time from %lus to %lus", f->name, f->least, f->most);
		memcpy(into, &span, sizeof span);
		return 0;
	}
	return -1;
}

void online_settings_init(struct online_settings *c, const char *name)
{
	struct reason none;

	*c = (struct online_settings){.type = ONLINE_NO_TYPE};
	snprintf(c->name, sizeof c->name, "%s", name);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		set(c, &fields[i], fields[i].initial, &none);
}

int online_settings_take(void *ctx, const char *name, const char *value, struct reason *why)
{
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (strcmp(name, fields[i].name) == 0)
			return set(ctx, &fields[i], value, why);
	return reason_set(why, "a CA has no field %.40s", name);
}

int online_settings_check(const struct online_settings *c, struct reason *why)
{
	if (c->type == ONLINE_NO_TYPE)
		return reason_set(why, "has no type: est, scep, cmp or certsrv");
	if (*c->url == '\0')
		return reason_set(why, "has no url");
	if ((*c->certificate == '\0') != (*c->key == '\0'))
		return reason_set(why, "certificate and key go together");
	/* SCEP makes a certificate for its transport key itself when there is none. */
	if ((*c->ra_certificate == '\0') != (*c->ra_key == '\0') && (c->type != ONLINE_SCEP || *c->ra_key == '\0'))
		return reason_set(why, "ra-certificate and ra-key go together");
	if ((*c->agent == '\0') != (*c->agent_key == '\0'))
		return reason_set(why, "agent and agent-key go together");
	if (*c->password_file != '\0' && *c->user == '\0')
		return reason_set(why, "password-file wants a user");
	return 0;
}

size_t online_settings_files(const struct online_settings *c, const char *file[ONLINE_FILES_MAX])
{
	const char *const all[ONLINE_FILES_MAX] = {c->password_file, c->challenge_file, c->ca_file, c->certificate,
	    c->key, c->pass_file, c->ra_certificate, c->ra_key, c->secret_file, c->issuer_file, c->agent,
	    c->agent_key};
	size_t n = 0;

	for (size_t i = 0; i < ONLINE_FILES_MAX; i++)
		if (*all[i] != '\0')
			file[n++] = all[i];
	return n;
}
