/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>

#include "base/when.h"
#include "site/lsc.h"
#include "site/phone_filter.h"
#include "x509/name.h"

enum field { NAME, DESCRIPTION, OPERATION, STATUS, LSC, LSC_EXPIRES_BEFORE, AUTH, STRING, KEY_ORDER, KEY, ISSUER, STALE };
static const char *const fields[] = {"name", "description", "operation", "status", "lsc", "lsc-expires-before", "auth",
	"string", "key-order", "key", "issuer", "stale", NULL};

void phone_filter_init(struct phone_filter *f)
{
	*f = (struct phone_filter){.operation = -1, .status = -1, .lsc = -1, .auth = -1, .key_order = -1, .before = -1};
}

static int take_text(const char **into, const char *field, const char *value, struct reason *why)
{
	if (*into != NULL)
		return reason_set(why, "%s comes twice", field);
	*into = value;
	return 0;
}

static int take_word(int *into, const char *const words[], const char *field, const char *value, struct reason *why)
{
	if (*into >= 0)
		return reason_set(why, "%s comes twice", field);
	return (*into = phone_word_named(words, field, value, why)) < 0 ? -1 : 0;
}

static int take_time(time_t *into, const char *field, const char *value, time_t now, struct reason *why)
{
	if (*into >= 0)
		return reason_set(why, "%s comes twice", field);
	return when_parse(value, now, WHEN_BEGIN, into) ? 0 : reason_set(why, "%s wants " WHEN_SUCH_AS, field);
}

static int take_key(const char **into, const char *field, const char *value, struct reason *why)
{
	size_t type = strncmp(value, "rsa", 3) == 0 ? 3 : strncmp(value, "ec", 2) == 0 ? 2 : 0;
	const char *bits = value + type + 1;

	if (type == 0 || (value[type] != '\0' &&
	    (value[type] != '-' || *bits == '\0' || strspn(bits, "0123456789") != strlen(bits))))
		return reason_set(why, "%s cannot be \"%.40s\": it is rsa or ec, or one with its size, such as rsa-2048 or "
		    "ec-384", field, value);
	return take_text(into, field, value, why);
}

static int take_stale(bool *into, const char *field, const char *value, struct reason *why)
{
	if (strcmp(value, "yes") != 0)
		return reason_set(why, "%s can only be \"yes\"", field);
	*into = true;
	return 0;
}

static int add(struct phone_filter *f, const char *text, time_t now, struct reason *why)
{
	const char *equals = strchr(text, '='), *value = equals != NULL ? equals + 1 : "";
	char field[32];
	int n;

	snprintf(field, sizeof field, "%.*s", equals != NULL ? (int)(equals - text) : (int)strlen(text), text);
	if (equals == NULL && phone_word(fields, field) >= 0)
		return reason_set(why, "wants %s=value", field);
	if ((n = phone_word_named(fields, "the condition", field, why)) < 0)
		return -1;
	switch ((enum field)n) {
	case NAME:
		return take_text(&f->name, field, value, why);
	case DESCRIPTION:
		return take_text(&f->description, field, value, why);
	case OPERATION:
		return take_word(&f->operation, phone_operations, field, value, why);
	case STATUS:
		return take_word(&f->status, phone_statuses, field, value, why);
	case LSC:
		return take_word(&f->lsc, phonebook_lscs, field, value, why);
	case LSC_EXPIRES_BEFORE:
		return take_time(&f->before, field, value, now, why);
	case AUTH:
		return take_word(&f->auth, phone_auths, field, value, why);
	case STRING:
		return take_text(&f->string, field, value, why);
	case KEY_ORDER:
		return take_word(&f->key_order, phone_key_orders, field, value, why);
	case KEY:
		return take_key(&f->key, field, value, why);
	case ISSUER:
		return take_text(&f->issuer, field, value, why);
	case STALE:
		break;
	}
	return take_stale(&f->stale, field, value, why);
}

int phone_filter_add_all(struct phone_filter *f, const char *const text[], size_t n, time_t now, struct reason *why)
{
	for (size_t i = 0; i < n; i++)
		if (add(f, text[i], now, why) != 0)
			return -1;
	return 0;
}

int phone_filter_key(struct phone_filter *f, const char *key, struct reason *why)
{
	return take_key(&f->key, fields[KEY], key, why);
}

/* Must the certificate be read? */
static bool wants_cert(const struct phone_filter *f)
{
	return f->before >= 0 || f->key != NULL || f->issuer != NULL;
}

bool phone_filter_reads(const struct phone_filter *f)
{
	return f->description != NULL || f->string != NULL || f->operation >= 0 || f->status >= 0 || f->lsc >= 0 ||
	    f->auth >= 0 || f->key_order >= 0 || f->stale || wants_cert(f);
}

bool phone_filter_name(const struct phone_filter *f, const char *device)
{
	return f->name == NULL || fnmatch(f->name, device, 0) == 0;
}

/* The conditions that need no certificate. */
static bool match_record(const struct phone_filter *f, time_t now, const struct phone *p, const struct phone_state *st,
    const struct phonebook_view *lsc)
{
	struct phone_view look;

	phone_look(p, st, now, &look);
	return phone_filter_name(f, p->device) && (f->operation < 0 || f->operation == (int)p->operation) &&
	    (f->status < 0 || f->status == (int)look.status) && (f->lsc < 0 || f->lsc == (int)lsc->lsc) &&
	    (f->auth < 0 || f->auth == (int)p->auth) && (f->key_order < 0 || f->key_order == (int)p->key_order) &&
	    (!f->stale || lsc->stale) && (f->string == NULL || strcmp(f->string, phone_string(p, st)) == 0) &&
	    (f->description == NULL || fnmatch(f->description, p->description, 0) == 0);
}

static bool match_key(const char *key, const struct cert *c)
{
	EVP_PKEY *pkey = X509_get0_pubkey(c->x509);
	const char *type = pkey == NULL ? "" : EVP_PKEY_base_id(pkey) == EVP_PKEY_RSA ? "rsa" :
	    EVP_PKEY_base_id(pkey) == EVP_PKEY_EC ? "ec" : "";
	char sized[32];

	snprintf(sized, sizeof sized, "%s-%d", type, pkey != NULL ? EVP_PKEY_bits(pkey) : 0);
	return strcmp(key, type) == 0 || strcmp(key, sized) == 0;
}

/* The certificate, for a filter that wants one. 1; 0; -1 with a reason. */
static int match_cert(const struct phone_filter *f, const struct cert *c, struct reason *why)
{
	int result = 1;

	if ((f->before >= 0 && c->not_after >= f->before) || (f->key != NULL && !match_key(f->key, c)))
		return 0;
	if (f->issuer != NULL && (result = name_matches(X509_get_issuer_name(c->x509), f->issuer)) < 0)
		reason_memory(why);
	return result;
}

int phone_filter_match(const struct phone_filter *f, const struct spool *s, const struct index *ix,
    const struct phone *p, const struct phone_state *st, struct cert **cert, struct reason *why)
{
	struct phonebook_view lsc;
	struct reason cause;
	struct cert *c;
	int result;

	if (cert != NULL)
		*cert = NULL;
	phonebook_look(ix, p->device, &lsc);
	if (!match_record(f, s->now, p, st, &lsc))
		return 0;
	if (!wants_cert(f))
		return 1;
	if (lsc.cert == NULL)
		return 0;
	if ((c = lsc_read(s, lsc.cert->dir, &lsc.cert->reqid, &cause)) == NULL)
		/* The server was quicker, and it is in another directory by now. */
		return errno == ENOENT ? 0 : reason_because(why, &cause, "its certificate: %s", cause.text);
	result = match_cert(f, c, why);
	if (cert != NULL)
		*cert = c;
	else
		cert_free(c);
	return result;
}
