/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "online/certsrv.h"
#include "online/cmp.h"
#include "online/est.h"
#include "online/online_ca.h"
#include "online/scep.h"
#include "x509/secret.h"

#define AGENT "Mozilla/5.0 (capfkit)"	/* certsrv takes no other beginning */
#define SHOWN 120	/* characters of what a CA says */

static const struct online_kind *const kinds[] = {&certsrv_kind, &cmp_kind, &est_kind, &scep_kind, NULL};

const struct online_kind *online_kind(enum online_type type)
{
	for (size_t i = 0; kinds[i] != NULL; i++)
		if (kinds[i]->type == type)
			return kinds[i];
	return NULL;
}

/* A text as a setting, or NULL for "". */
static const char *or_none(const char *text)
{
	return *text != '\0' ? text : NULL;
}

/* The first line of the file that a field names, if it names one. */
static int read_secret(struct secret *secret, const char *field, const char *path, struct reason *why)
{
	struct reason cause = {.text = ""};

	if (*path == '\0' || secret_read(secret, path, &cause) == 0)
		return 0;
	return reason_because(why, &cause, "%s %.100s: %s", field, path, cause.text);
}

int online_open(struct online_ca *ca, const struct online_settings *settings, time_t now, struct reason *why)
{
	struct secret password = {NULL}, pass = {NULL};
	struct http_settings http = {
		.ca_file = or_none(settings->ca_file), .certificate = or_none(settings->certificate),
		.key = or_none(settings->key), .user = or_none(settings->user), .ntlm = settings->ntlm, .agent = AGENT,
		.connect_seconds = (long)settings->connect_timeout, .seconds = (long)settings->timeout,
		.most = 2 * ONLINE_CERTIFICATES_MAX,
	};
	int result;

	*ca = (struct online_ca){.kind = online_kind((enum online_type)settings->type), .settings = settings, .now = now};
	if (ca->kind == NULL)
		return reason_set(why, "has no type: est, scep, cmp or certsrv");
	http.plain = ca->kind->plain;
	result = read_secret(&password, "password-file", settings->password_file, why);
	if (result == 0)
		result = read_secret(&pass, "pass-file", settings->pass_file, why);
	http.password = password.text;
	http.pass = pass.text;
	if (result == 0 && (ca->http = http_open(&http, why)) == NULL)
		result = -1;
	if (result == 0 && ca->kind->open != NULL)
		result = ca->kind->open(ca, why);
	secret_wipe(&password);
	secret_wipe(&pass);
	if (result != 0)
		online_close(ca);
	return result;
}

void online_close(struct online_ca *ca)
{
	if (ca->kind != NULL && ca->kind->close != NULL)
		ca->kind->close(ca);
	http_close(ca->http);
	ca->http = NULL;
	ca->kind = NULL;
}

void online_say(struct online_answer *answer, enum online_outcome outcome, const char *fmt, ...)
{
	va_list ap;

	answer->outcome = outcome;
	va_start(ap, fmt);
	vsnprintf(answer->why.text, sizeof answer->why.text, fmt, ap);
	va_end(ap);
}

int online_fail(struct reason *why, const char *what, const struct online_answer *answer)
{
	const char *between = *what != '\0' ? ": " : "";

	if (answer->outcome == ONLINE_LATER || answer->outcome == ONLINE_LOST)
		return reason_trouble(why, "%s%s%s", what, between, answer->why.text);
	return reason_set(why, "%s%s%s", what, between, answer->why.text);
}

void online_say_unanswered(struct online_answer *answer, enum http_result result, const struct reason *why)
{
	static const enum online_outcome means[] = {
		[HTTP_NOT_SENT] = ONLINE_LATER, [HTTP_NO_ANSWER] = ONLINE_LOST,
		[HTTP_UNTRUSTED] = ONLINE_BROKEN, [HTTP_TROUBLE] = ONLINE_LATER,
	};

	online_say(answer, means[result], "%s", why->text);
}

/* The beginning of what a CA says, on one line and printable; without the tags of HTML. */
static void shorten(const struct buf *body, char out[SHOWN + ESCAPE_LEN + 1])
{
	bool tag = false, space = true;
	size_t n = 0;

	for (size_t i = 0; i < body->len && n < SHOWN; i++) {
		unsigned char c = body->p[i];

		if (c == '<' || c == '>') {
			tag = c == '<';
			c = ' ';
		}
		if (tag)
			continue;
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			if (!space)
				out[n++] = ' ';
			space = true;
			continue;
		}
		space = false;
		if (c > ' ' && c < 0x7f)
			out[n++] = (char)c;
		else
			n += escape_put(c, out + n);
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

void online_say_status(struct online_answer *answer, const struct http_answer *http)
{
	char text[SHOWN + ESCAPE_LEN + 1];
	long s = http->status;
	enum online_outcome outcome = ONLINE_BROKEN;

	shorten(&http->body, text);
	/* A proxy's words about the server behind it, which may have issued. */
	if (s == 502 || s == 504)
		outcome = ONLINE_LOST;
	else if (s == 429 || s >= 500)
		outcome = ONLINE_LATER;
	else if (s >= 400 && s != 401 && s != 403 && s != 404 && s != 407)
		outcome = ONLINE_REFUSED;
	answer->wait = http->wait;
	if (s == 401)
		online_say(answer, outcome, "the CA wants another user or password (401)");
	else if (s == 403)
		online_say(answer, outcome, "the CA does not let this user or certificate ask (403)");
	else if (s == 404)
		online_say(answer, outcome, "there is nothing at this address (404): look at url and label");
	else if (s >= 300 && s < 400)
		online_say(answer, outcome, "the CA sends us elsewhere (%ld), which we do not follow: look at url", s);
	else
		online_say(answer, outcome, "the CA says %ld%s%s", s, *text != '\0' ? ": " : "", text);
}
