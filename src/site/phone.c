/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/auth_string.h"
#include "base/escape.h"
#include "base/ini.h"
#include "base/utc.h"
#include "base/when.h"
#include "site/phone.h"
#include "site/settings.h"

#define ENCODED_MAX 180		/* libinih reads lines of 200, with their name */
#define OTHER "field."		/* in front of the name of a field of the site's */
#define RSA_LEAST 2048		/* public_key_check refuses shorter keys of phones, whatever the settings say */

const char *const phone_operations[] = {"none", "install", "delete", "troubleshoot", NULL};
const char *const phone_auths[] = {"string", "null", "existing-lsc", "existing-mic", NULL};
const char *const phone_key_orders[] = {"rsa", "ec", "ec-rsa", NULL};
const char *const phone_statuses[] = {"none", "pending", "successful", "failed", NULL};

static const char *const field_names[] = {
	[PHONE_F_DESCRIPTION] = "description",
	[PHONE_F_OPERATION] = "operation",
	[PHONE_F_AUTH] = "auth",
	[PHONE_F_STRING] = "string",
	[PHONE_F_KEY_ORDER] = "key-order",
	[PHONE_F_RSA] = "rsa",
	[PHONE_F_EC] = "ec",
	[PHONE_F_COMPLETE_BY] = "complete-by",
	[PHONE_F_TEMPLATE] = "template",
	[PHONE_F_SCHEDULED] = "scheduled",
	[PHONE_F_ORDER] = "order",
	NULL
};

enum state_field { STATE_ORDER, STATE_STATUS, STATE_REASON, STATE_WHEN, STATE_ATTEMPTS,
	STATE_WRONG_STRINGS, STATE_REFUSALS, STATE_SIGN_HANGUPS, STATE_VERSION, STATE_LOCKED,
	STATE_AUTHENTICATED };
static const char *const state_names[] = {"scheduled", "status", "reason", "when", "attempts",
	"wrong-strings", "refusals", "sign-hangups", "version", "locked", "authenticated", NULL};

int phone_word(const char *const words[], const char *word)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

int phone_field(const char *name)
{
	return phone_word(field_names, name);
}

/* Text on a line of its own: what libinih would take for the end of it, or not read, becomes \xHH. Cut
 * where it would grow too long; false when it was. */
static bool encode(const char *text, char out[ENCODED_MAX + 1])
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (n + ESCAPE_LEN > ENCODED_MAX)
			break;
		if (c < ' ' || c == 0x7f || c == ';' || c == '\\' ||
		    (c == ' ' && (n == 0 || text[1] == '\0')))
			n += escape_put(c, out + n);
		else
			out[n++] = *text;
	}
	out[n] = '\0';
	return *text == '\0';
}

static int decode(const char *text, char out[PHONE_TEXT_MAX + 1], struct reason *why)
{
	char encoded[ENCODED_MAX + 1];
	size_t n = 0;

	while (*text != '\0') {
		unsigned char c = (unsigned char)*text;
		bool escaped = c == '\\';

		if (escaped && (!escape_get(text, &c) || c == '\0'))
			return reason_set(why, "a backslash that is not \\xHH");
		text += escaped ? ESCAPE_LEN : 1;
		if (n == PHONE_TEXT_MAX)
			return reason_set(why, "a text has more than %d bytes", PHONE_TEXT_MAX);
		out[n++] = (char)c;
	}
	out[n] = '\0';
	/* Or the next program that writes it would cut it. */
	return encode(out, encoded) ? 0 : reason_set(why, "a text is too long to be written again");
}

/* A description as people write it. */
static int set_text(char out[PHONE_TEXT_MAX + 1], const char *text, struct reason *why)
{
	char encoded[ENCODED_MAX + 1];
	size_t len;

	text += strspn(text, " ");
	for (len = strlen(text); len > 0 && text[len - 1] == ' '; len--)
		;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return reason_set(why, "a control character in the description");
	if (len > PHONE_TEXT_MAX || !encode(text, encoded))
		return reason_set(why, "the description is too long");
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

int phone_word_named(const char *const words[], const char *name, const char *value, struct reason *why)
{
	int found = phone_word(words, value);
	char all[160] = "";
	size_t n = 0;

	if (found >= 0)
		return found;
	for (int i = 0; words[i] != NULL && n < sizeof all; i++)
		n += (size_t)snprintf(all + n, sizeof all - n, i > 0 ? ", %s" : "%s", words[i]);
	return reason_set(why, "%s cannot be \"%.40s\": it is one of %s", name, value, all);
}

static int set_word(const char *const words[], const char *name, const char *value, int *out,
    struct reason *why)
{
	return (*out = phone_word_named(words, name, value, why)) < 0 ? -1 : 0;
}

static int set_bits(const char *const legal[], const char *name, const char *value, unsigned *out,
    struct reason *why)
{
	int found = phone_word_named(legal, name, value, why);

	if (found >= 0)
		*out = (unsigned)strtoul(legal[found], NULL, 10);
	return found < 0 ? -1 : 0;
}

static int set_count(const char *name, const char *value, unsigned *out, struct reason *why)
{
	if (strspn(value, "0123456789") != strlen(value) || *value == '\0' || strlen(value) > 9)
		return reason_set(why, "%s cannot be \"%.40s\"", name, value);
	*out = (unsigned)strtoul(value, NULL, 10);
	return 0;
}

/* The value itself is never said. */
static int set_string(char out[AUTH_STRING_MAX + 1], const char *value, struct reason *why)
{
	if (!auth_string_ok(value))
		return reason_set(why, "an authentication string has %d to %d digits", AUTH_STRING_MIN,
		    AUTH_STRING_MAX);
	strcpy(out, value);
	return 0;
}

/* With now below 0, as in a record, only a point in time. */
static int set_time(const char *name, const char *value, time_t now, time_t *out, struct reason *why)
{
	if (now < 0)
		return utc_parse(value, out) ? 0 : reason_set(why, "%s wants a time such as 2026-01-31T08:00:00Z", name);
	if (strcmp(value, "none") == 0) {
		*out = 0;
		return 0;
	}
	/* A deadline, so a day is over at its end. */
	if (when_parse(value, now, WHEN_END, out))
		return 0;
	return reason_set(why, "%s wants none, or " WHEN_SUCH_AS, name);
}

static int set_template(char out[DEVICE_MAX + 1], const char *value, struct reason *why)
{
	size_t len = strlen(value);

	if (!device_ok(value, len) || strchr(value, '.') != NULL)
		return reason_set(why, "a template cannot be called \"%.40s\"", value);
	memcpy(out, value, len + 1);
	return 0;
}

/* No session that asks for a shorter key can succeed, so no order may. Records of older versions have them. */
static int check_rsa(const struct phone *p, struct reason *why)
{
	return p->rsa >= RSA_LEAST ? 0 : reason_set(why, "rsa cannot be %u: keys of phones have at least %d bits, "
	    "and no setting allows shorter ones", p->rsa, RSA_LEAST);
}

/* One field from text. In a record (now below 0) text is encoded. */
static int set_field(struct phone *p, enum phone_field field, const char *value, time_t now,
    struct reason *why)
{
	/* The short ones are in records of older versions. */
	static const char *const old_rsa[] = {"512", "1024", "2048", "3072", "4096", NULL}, *const *rsa = old_rsa + 2;
	static const char *const ec[] = {"256", "384", "521", NULL};
	const char *name = field_names[field];
	int word = 0, result = -1;

	switch (field) {
	case PHONE_F_DESCRIPTION:
		return now < 0 ? decode(value, p->description, why) : set_text(p->description, value, why);
	case PHONE_F_OPERATION:
		result = set_word(phone_operations, name, value, &word, why);
		p->operation = (enum phone_operation)word;
		break;
	case PHONE_F_AUTH:
		result = set_word(phone_auths, name, value, &word, why);
		p->auth = (enum phone_auth_mode)word;
		break;
	case PHONE_F_STRING:
		return set_string(p->string, value, why);
	case PHONE_F_KEY_ORDER:
		result = set_word(phone_key_orders, name, value, &word, why);
		p->key_order = (enum phone_key_order)word;
		break;
	case PHONE_F_RSA:
		if (set_bits(phone_word(old_rsa, value) < 0 ? rsa : old_rsa, name, value, &p->rsa, why) != 0)
			return -1;
		return now < 0 ? 0 : check_rsa(p, why);
	case PHONE_F_EC:
		return set_bits(ec, name, value, &p->ec, why);
	case PHONE_F_COMPLETE_BY:
		return set_time(name, value, now, &p->complete_by, why);
	case PHONE_F_TEMPLATE:
		return set_template(p->template, value, why);
	case PHONE_F_SCHEDULED:
		return set_time(name, value, now, &p->scheduled, why);
	case PHONE_F_ORDER:
		return set_time(name, value, now, &p->order, why);
	case PHONE_FIELDS:
		break;
	}
	return result;
}

int phone_other_name(const char *heading, char out[PHONE_FIELD_MAX + 1], struct reason *why)
{
	size_t n = 0;

	for (const char *p = heading; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;

		if (c >= 'A' && c <= 'Z') {
			c = (unsigned char)(c - 'A' + 'a');
			letter = true;
		}
		/* Whatever stands between two words. */
		if (!letter && (n == 0 || out[n - 1] == '-'))
			continue;
		if (n == PHONE_FIELD_MAX)
			return reason_set(why, "the name of a column has more than %d bytes: \"%.60s\"", PHONE_FIELD_MAX,
			    heading);
		out[n++] = letter ? (char)c : '-';
	}
	n -= n > 0 && out[n - 1] == '-';
	out[n] = '\0';
	return n > 0 ? 0 : reason_set(why, "a column has the name \"%.60s\", without letters and digits", heading);
}

bool phone_other_next(const struct phone *p, size_t *at, char name[PHONE_FIELD_MAX + 1], char value[PHONE_TEXT_MAX + 1])
{
	const char *line = p->others + *at;
	size_t equal = strcspn(line, "="), end = strcspn(line, "\n");

	if (*line == '\0')
		return false;
	memcpy(name, line, equal);
	name[equal] = '\0';
	memcpy(value, line + equal + 1, end - equal - 1);
	value[end - equal - 1] = '\0';
	*at += end + 1;
	return true;
}

/* Is it a name that phone_other_name may have made? */
static bool other_name_ok(const char *name)
{
	char again[PHONE_FIELD_MAX + 1];
	struct reason why;

	return phone_other_name(name, again, &why) == 0 && strcmp(name, again) == 0;
}

/* Puts a field that is good among the others. */
static int insert_other(struct phone *p, const char *name, const char *value, struct reason *why)
{
	char others[PHONE_OTHERS_MAX + PHONE_FIELD_MAX + PHONE_TEXT_MAX + 3] = "", each[PHONE_FIELD_MAX + 1];
	char text[PHONE_TEXT_MAX + 1];
	bool done = *value == '\0';
	size_t at = 0, n = 0;

	while (phone_other_next(p, &at, each, text)) {
		int order = strcmp(each, name);

		if (order >= 0 && !done) {
			n += (size_t)snprintf(others + n, sizeof others - n, "%s=%s\n", name, value);
			done = true;
		}
		if (order != 0)
			n += (size_t)snprintf(others + n, sizeof others - n, "%s=%s\n", each, text);
	}
	if (!done)
		n += (size_t)snprintf(others + n, sizeof others - n, "%s=%s\n", name, value);
	if (n > PHONE_OTHERS_MAX)
		return reason_set(why, "its fields have more than %d bytes", PHONE_OTHERS_MAX);
	memcpy(p->others, others, n + 1);
	return 0;
}

/* Is its line in a record short enough for libinih? */
static bool other_fits(const char *name, const char *text)
{
	char encoded[ENCODED_MAX + 1];

	return encode(text, encoded) && strlen(OTHER) + strlen(name) + 3 + strlen(encoded) <= INI_LINE_MAX;
}

int phone_other_set(struct phone *p, const char *name, const char *value, struct reason *why)
{
	char text[PHONE_TEXT_MAX + 1];
	struct reason cause;

	if (set_text(text, value, &cause) != 0)
		return reason_set(why, "%s: %s", name, strstr(cause.text, "control") != NULL ?
		    "a control character" : "the value is too long");
	if (!other_fits(name, text))
		return reason_set(why, "%s: the value is too long", name);
	return insert_other(p, name, text, why);
}

/* A line "field.NAME = value" of a record. */
static int take_other(struct phone *p, const char *name, const char *value, struct reason *why)
{
	char text[PHONE_TEXT_MAX + 1], each[PHONE_FIELD_MAX + 1], was[PHONE_TEXT_MAX + 1];
	size_t at = 0;

	if (!other_name_ok(name))
		return reason_set(why, "a field cannot be called \"%.40s\"", name);
	while (phone_other_next(p, &at, each, was))
		if (strcmp(each, name) == 0)
			return reason_set(why, OTHER "%s comes twice", name);
	if (decode(value, text, why) != 0)
		return -1;
	if (*text == '\0' || strchr(text, '\n') != NULL || !other_fits(name, text))
		return reason_set(why, OTHER "%s has no value, or one that cannot be written again", name);
	return insert_other(p, name, text, why);
}

void phone_init(struct phone *p, const char *device)
{
	*p = (struct phone){.rsa = 2048, .ec = 384};
	snprintf(p->device, sizeof p->device, "%s", device);
}

struct reading {
	void *into;
	unsigned seen;		/* a bit for each field */
};

static int take_once(struct reading *r, int field, const char *name, struct reason *why)
{
	if (field < 0)
		return reason_set(why, "there is no field %.40s", name);
	if ((r->seen >> field & 1) != 0)
		return reason_set(why, "%s comes twice", name);
	r->seen |= 1u << field;
	return 0;
}

static int take_field(void *ctx, const char *name, const char *value, struct reason *why)
{
	struct reading *r = ctx;
	int field = phone_field(name);

	if (strncmp(name, OTHER, strlen(OTHER)) == 0)
		return take_other(r->into, name + strlen(OTHER), value, why);
	if (take_once(r, field, name, why) != 0)
		return -1;
	return set_field(r->into, (enum phone_field)field, value, -1, why);
}

int phone_parse(struct phone *p, const char *text, struct reason *why)
{
	struct reading r = {p, 0};
	struct phone fresh;

	phone_init(&fresh, p->device);
	*p = fresh;
	if (ini_lines(text, take_field, &r, why) != 0)
		return -1;
	if (p->operation != PHONE_NONE && p->scheduled == 0)
		return reason_set(why, "it has an operation, but no time when that was scheduled");
	if (p->order == 0)
		p->order = p->scheduled;
	return 0;
}

static void put_line(struct buf *out, const char *name, const char *value)
{
	buf_put(out, name, strlen(name));
	buf_put(out, " = ", 3);
	buf_put(out, value, strlen(value));
	buf_put(out, "\n", 1);
}

static void put_number(struct buf *out, const char *name, unsigned n)
{
	char text[12];

	snprintf(text, sizeof text, "%u", n);
	put_line(out, name, text);
}

/* A time, unless it is 0. */
static void put_time(struct buf *out, const char *name, time_t t)
{
	char iso[UTC_ISO + 1];

	if (t == 0)
		return;
	utc_iso(t, iso);
	put_line(out, name, iso);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
	char encoded[ENCODED_MAX + 1];

	encode(text, encoded);
	if (*encoded != '\0')
		put_line(out, name, encoded);
}

void phone_format(const struct phone *p, struct buf *out)
{
	char name[sizeof OTHER + PHONE_FIELD_MAX] = OTHER, value[PHONE_TEXT_MAX + 1];
	size_t at = 0;

	put_text(out, field_names[PHONE_F_DESCRIPTION], p->description);
	put_line(out, field_names[PHONE_F_OPERATION], phone_operations[p->operation]);
	put_line(out, field_names[PHONE_F_AUTH], phone_auths[p->auth]);
	put_text(out, field_names[PHONE_F_STRING], p->string);
	put_line(out, field_names[PHONE_F_KEY_ORDER], phone_key_orders[p->key_order]);
	put_number(out, field_names[PHONE_F_RSA], p->rsa);
	put_number(out, field_names[PHONE_F_EC], p->ec);
	put_time(out, field_names[PHONE_F_COMPLETE_BY], p->complete_by);
	put_text(out, field_names[PHONE_F_TEMPLATE], p->template);
	put_time(out, field_names[PHONE_F_SCHEDULED], p->scheduled);
	if (p->order != p->scheduled)
		put_time(out, field_names[PHONE_F_ORDER], p->order);
	while (phone_other_next(p, &at, name + strlen(OTHER), value))
		put_text(out, name, value);
}

static int set_yes(const char *name, const char *value, bool *out, struct reason *why)
{
	int word, result = set_word((const char *const[]){"no", "yes", NULL}, name, value, &word, why);

	*out = word > 0;
	return result;
}

static int take_state(void *ctx, const char *name, const char *value, struct reason *why)
{
	struct reading *r = ctx;
	struct phone_state *st = r->into;
	int field = phone_word(state_names, name), word, result;

	if (take_once(r, field, name, why) != 0)
		return -1;
	switch ((enum state_field)field) {
	case STATE_ORDER:
		return set_time(name, value, -1, &st->order, why);
	case STATE_STATUS:
		result = set_word(phone_statuses + 1, name, value, &word, why);
		st->status = (enum phone_status)(word + 1);
		return result;
	case STATE_REASON:
		return decode(value, st->reason, why);
	case STATE_WHEN:
		return set_time(name, value, -1, &st->when, why);
	case STATE_ATTEMPTS:
		return set_count(name, value, &st->attempts, why);
	case STATE_WRONG_STRINGS:
		return set_count(name, value, &st->wrong_strings, why);
	case STATE_REFUSALS:
		return set_count(name, value, &st->refusals, why);
	case STATE_SIGN_HANGUPS:
		return set_count(name, value, &st->sign_hangups, why);
	case STATE_VERSION:
		return set_count(name, value, &st->version, why);
	case STATE_LOCKED:
		return set_yes(name, value, &st->locked, why);
	case STATE_AUTHENTICATED:
		return set_yes(name, value, &st->authenticated, why);
	}
	return -1;
}

int phone_state_parse(struct phone_state *st, const char *text, struct reason *why)
{
	struct reading r = {st, 0};

	*st = (struct phone_state){.status = PHONE_PENDING};
	return ini_lines(text, take_state, &r, why);
}

void phone_state_format(const struct phone_state *st, struct buf *out)
{
	put_time(out, state_names[STATE_ORDER], st->order);
	put_line(out, state_names[STATE_STATUS], phone_statuses[st->status]);
	put_text(out, state_names[STATE_REASON], st->reason);
	put_time(out, state_names[STATE_WHEN], st->when);
	put_number(out, state_names[STATE_ATTEMPTS], st->attempts);
	put_number(out, state_names[STATE_WRONG_STRINGS], st->wrong_strings);
	if (st->refusals > 0)
		put_number(out, state_names[STATE_REFUSALS], st->refusals);
	if (st->sign_hangups > 0)
		put_number(out, state_names[STATE_SIGN_HANGUPS], st->sign_hangups);
	put_number(out, state_names[STATE_VERSION], st->version);
	if (st->locked)
		put_line(out, state_names[STATE_LOCKED], "yes");
	if (st->authenticated)
		put_line(out, state_names[STATE_AUTHENTICATED], "yes");
}

/* Does the state speak of this order? */
static bool current(const struct phone *p, const struct phone_state *st)
{
	return p->scheduled != 0 && p->order == st->order;
}

void phone_look(const struct phone *p, const struct phone_state *st, time_t now, struct phone_view *v)
{
	*v = (struct phone_view){PHONE_PENDING, "", 0};
	if (p->operation == PHONE_NONE)
		v->status = PHONE_IDLE;
	else if (current(p, st))
		*v = (struct phone_view){st->status, st->reason, st->when};
	if (v->status == PHONE_PENDING && p->complete_by != 0 && now > p->complete_by)
		*v = (struct phone_view){PHONE_FAILED, "the time to complete it is over", p->complete_by};
}

void phone_say(const struct phone *p, const struct phone_state *note, struct phone_view *v,
    char out[PHONE_SAID_MAX + 1])
{
	bool noted = v->status == PHONE_PENDING && current(p, note) && *note->reason != '\0' && note->when >= v->when;

	snprintf(out, PHONE_SAID_MAX + 1, "%s%s%s%s", v->reason, noted && *v->reason != '\0' ? "; later " : "",
	    noted ? "not authenticated: " : "", noted ? note->reason : "");
	if (noted)
		v->when = note->when;
}

const char *phone_string(const struct phone *p, const struct phone_state *st)
{
	return current(p, st) && st->status == PHONE_SUCCESSFUL ? "" : p->string;
}

bool phone_string_waits(const struct phone *p, const struct phone_state *st, time_t now)
{
	struct phone_view view;

	phone_look(p, st, now, &view);
	return *phone_string(p, st) != '\0' && view.status != PHONE_FAILED;
}

bool phone_authenticated(const struct phone *p, const struct phone_state *st)
{
	return current(p, st) && st->status == PHONE_PENDING && st->authenticated;
}

int phone_change_check(const struct phone_change *c, time_t now, struct reason *why)
{
	struct phone scratch;
	int result = 0;

	phone_init(&scratch, "");
	for (int f = 0; f < PHONE_F_CHANGES && result == 0; f++)
		if (c->value[f] != NULL)
			result = set_field(&scratch, (enum phone_field)f, c->value[f], now, why);
	explicit_bzero(&scratch, sizeof scratch);
	return result;
}

/* A new order: its time, and nothing left of the one before. */
static void schedule(struct phone *p, const struct phone_state *st, const struct phone_change *c,
    time_t now, time_t newest)
{
	time_t last = p->order > st->order ? p->order : st->order;

	if (c->value[PHONE_F_STRING] == NULL && (p->operation == PHONE_NONE || *phone_string(p, st) == '\0'))
		explicit_bzero(p->string, sizeof p->string);
	/* Two orders may come in one second, and clocks step back: these move the identity, not the time that
	 * people see and deadlines are counted from. */
	p->scheduled = now;
	p->order = now > last ? now : last + 1;
	if (p->order < newest)
		p->order = newest;
}

/* Is this the order that the phone has and has still to carry out? A program that was killed is run again, and what
 * phones have done for the orders that it wrote shall count. */
static bool same_order(const struct phone *p, const struct phone_state *st, const struct phone *to, time_t now)
{
	struct phone_view v;

	phone_look(p, st, now, &v);
	return p->scheduled != 0 && (v.status == PHONE_PENDING || v.status == PHONE_IDLE) &&
	    to->operation == p->operation && to->auth == p->auth && strcmp(to->string, p->string) == 0 &&
	    to->key_order == p->key_order && to->rsa == p->rsa && to->ec == p->ec &&
	    (p->operation != PHONE_NONE || *p->string == '\0');
}

int phone_apply(struct phone *p, const struct phone_state *st, const struct phone_change *c, time_t now,
    time_t newest, time_t expires, struct reason *why)
{
	struct phone to = *p;
	bool order = c->value[PHONE_F_OPERATION] != NULL;

	for (int f = 0; f < PHONE_F_CHANGES; f++)
		if (c->value[f] != NULL && set_field(&to, (enum phone_field)f, c->value[f], now, why) != 0)
			return -1;
	if (order && c->value[PHONE_F_COMPLETE_BY] == NULL)
		to.complete_by = to.operation != PHONE_NONE && expires > 0 ? now + expires : 0;
	if (order && !same_order(p, st, &to, now))
		schedule(&to, st, c, now, newest);
	if (order && to.operation == PHONE_INSTALL && to.key_order != PHONE_EC && check_rsa(&to, why) != 0)
		return -1;
	if (to.auth != PHONE_BY_STRING && c->value[PHONE_F_STRING] != NULL)
		return reason_set(why, "has an authentication string, but auth is %s", phone_auths[to.auth]);
	if (to.auth != PHONE_BY_STRING)
		explicit_bzero(to.string, sizeof to.string);
	if (to.auth == PHONE_BY_STRING && to.operation != PHONE_NONE && *to.string == '\0')
		return reason_set(why, "auth is string, but there is no authentication string");
	/* Somebody has guessed at it, and would have as many tries again. */
	if (order && *to.string != '\0' && current(p, st) && st->locked &&
	    !c->keep_string && strcmp(to.string, p->string) == 0)
		return reason_set(why, "wrong authentication strings locked its last order, so it needs a new string "
		    "(phone-set --generate or --string), or --keep-string");
	if (c->value[PHONE_F_COMPLETE_BY] != NULL && to.complete_by != 0 && to.complete_by <= now)
		return reason_set(why, "the time to complete it is over already");
	*p = to;
	explicit_bzero(&to, sizeof to);
	return 0;
}

bool phone_same(const struct phone *a, const struct phone *b)
{
	struct buf one = {0}, other = {0};
	bool same = a->operation == b->operation && a->complete_by == b->complete_by && a->order == b->order &&
	    strcmp(a->string, b->string) == 0 && strcmp(a->description, b->description) == 0;

	/* These differ most often. The rest is compared as it is written, so that no field can be forgotten. */
	if (!same)
		return false;
	phone_format(a, &one);
	phone_format(b, &other);
	same = !one.failed && !other.failed && one.len == other.len && memcmp(one.p, other.p, one.len) == 0;
	if (one.p != NULL)
		explicit_bzero(one.p, one.len);
	if (other.p != NULL)
		explicit_bzero(other.p, other.len);
	buf_free(&one);
	buf_free(&other);
	return same;
}

/* One value of a template. Strings are no business of a settings file, and templates do not nest. */
static int check_value(int field, const char *name, const char *value, time_t now, struct reason *why)
{
	struct phone scratch;

	if (field < 0 || field >= PHONE_F_CHANGES || field == PHONE_F_STRING || field == PHONE_F_TEMPLATE)
		return reason_set(why, "a template has no %.40s", name);
	phone_init(&scratch, "");
	return set_field(&scratch, (enum phone_field)field, value, now, why);
}

struct template_reading {
	struct phone_change *change;
	time_t now;
};

static int take_template(void *ctx, const char *name, const char *value, struct reason *why)
{
	struct template_reading *r = ctx;
	int field = phone_field(name);

	if (check_value(field, name, value, r->now, why) != 0)
		return -1;
	free((void *)(uintptr_t)r->change->value[field]);
	if ((r->change->value[field] = strdup(value)) == NULL)
		return reason_memory(why);
	return 0;
}

int phone_template(int dirfd, const char *name, struct phone_change *c, time_t now, struct reason *why)
{
	struct template_reading r = {c, now};
	int n;

	*c = (struct phone_change){.keep_string = false};
	if ((n = settings_named(dirfd, "template", name, take_template, &r, why)) < 0)
		phone_change_free(c);
	return n;
}

void phone_change_free(struct phone_change *c)
{
	for (int f = 0; f < PHONE_F_CHANGES; f++)
		free((void *)(uintptr_t)c->value[f]);
	*c = (struct phone_change){.keep_string = false};
}

/* The name of the template stands in front here. */
static int take_any_template(void *ctx, const char *name, const char *value, struct reason *why)
{
	const char *field = strchr(name, '.') + 1;

	return check_value(phone_field(field), field, value, *(time_t *)ctx, why);
}

int phone_templates_check(int dirfd, time_t now, struct reason *why)
{
	return settings_named(dirfd, "template", NULL, take_any_template, &now, why) < 0 ? -1 : 0;
}

int phone_generate(char out[AUTH_STRING_MAX + 1], size_t digits)
{
	unsigned char random[64];
	size_t n = 0;

	while (n < digits) {
		if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
			return -1;
		/* From 252 or 250 on the small digits would be more likely. */
		for (size_t i = 0; i < sizeof random && n < digits; i++) {
			if (n == 0 && random[i] < 252)
				out[n++] = (char)('1' + random[i] % 9);
			else if (n > 0 && random[i] < 250)
				out[n++] = (char)('0' + random[i] % 10);
		}
	}
	out[n] = '\0';
	explicit_bzero(random, sizeof random);
	return 0;
}
