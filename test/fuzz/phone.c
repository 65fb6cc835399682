/* SPDX-License-Identifier: ISC */
/* Phone records: what is read or accepted as a change can be written and read again, and a change
 * that is refused changes nothing. The first byte says which text follows: 0 a record, 1 a state,
 * else a change, a line for each field, to the record that the change before it left. */
#include "fuzz.h"
#include "site/phone.h"

#define NOW ((time_t)1800000000)

static char *formatted(const struct phone *p)
{
	struct buf b = {0};

	phone_format(p, &b);
	buf_put_u8(&b, 0);
	law(!b.failed);
	return (char *)b.p;
}

static char *formatted_state(const struct phone_state *st)
{
	struct buf b = {0};

	phone_state_format(st, &b);
	buf_put_u8(&b, 0);
	law(!b.failed);
	return (char *)b.p;
}

static bool same_phone(const struct phone *a, const struct phone *b)
{
	return strcmp(a->device, b->device) == 0 && strcmp(a->description, b->description) == 0 &&
	    a->operation == b->operation && a->auth == b->auth && strcmp(a->string,
	    b->string) == 0 &&
	    a->key_order == b->key_order && a->rsa == b->rsa && a->ec == b->ec &&
	    a->complete_by == b->complete_by && strcmp(a->template, b->template) == 0 &&
	    a->scheduled == b->scheduled && a->order == b->order;
}

/* A phone that the library accepted survives its own file. */
static void round_trip(const struct phone *p)
{
	struct phone again;
	struct reason why;
	char *text = formatted(p), *twice;

	law(strlen(text) <= PHONE_FILE_MAX);
	phone_init(&again, p->device);
	law(phone_parse(&again, text, &why) == 0 && same_phone(p, &again));
	twice = formatted(&again);
	law(strcmp(text, twice) == 0);
	free(text);
	free(twice);
}

static void state_round_trip(const struct phone_state *st)
{
	struct phone_state again;
	struct reason why;
	char *text = formatted_state(st);

	law(strlen(text) <= PHONE_FILE_MAX && phone_state_parse(&again, text, &why) == 0);
	law(again.order == st->order && again.status == st->status &&
	    again.when == st->when &&
	    strcmp(again.reason, st->reason) == 0 && again.attempts == st->attempts &&
	    again.wrong_strings == st->wrong_strings && again.refusals == st->refusals &&
	    again.sign_hangups == st->sign_hangups && again.version == st->version &&
	    again.locked == st->locked && again.authenticated == st->authenticated);
	free(text);
}

static void look(const struct phone *p, const struct phone_state *st)
{
	struct phone_view v;

	phone_look(p, st, NOW, &v);
	law(v.status <= PHONE_FAILED && v.reason != NULL);
	law(p->operation != PHONE_NONE || v.status == PHONE_IDLE || v.status == PHONE_FAILED);
	law(*phone_string(p, st) == '\0' || phone_string(p, st) == p->string);
}

/* Lines "field = value", as options or a row of a table would give them. */
static void change(struct phone *p, const struct phone_state *st, char *text)
{
	struct phone_change c = {.keep_string = false};
	struct phone before = *p;
	struct reason why = {.text = ""};
	char *line;

	while ((line = strsep(&text, "\n")) != NULL && strcmp(line, "--") != 0) {
		char *value = strchr(line, '=');
		int field;

		if (value == NULL)
			continue;
		*value++ = '\0';
		if ((field = phone_field(line)) >= 0 && field < PHONE_F_CHANGES)
			c.value[field] = value;
	}
	if (phone_apply(p, st, &c, NOW, 0, 86400, &why) == 0) {
		law(phone_change_check(&c, NOW, &why) == 0);
		/* An operation that is given is a new order, or the one that is pending. */
		law(c.value[PHONE_F_OPERATION] == NULL || (p->scheduled == NOW && p->order > before.order) ||
		    (p->order == before.order && p->operation == before.operation && st->status == PHONE_PENDING));
		law(p->operation == PHONE_NONE || p->auth != PHONE_BY_STRING || *p->string != '\0');
		law(p->auth == PHONE_BY_STRING || *p->string == '\0');
		round_trip(p);
		look(p, st);
	} else {
		law(why.text[0] != '\0' && same_phone(p, &before));
	}
	if (text != NULL)
		change(p, st, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = size > 0 ? text_of(data + 1, size - 1) : NULL;
	struct phone p;
	struct phone_state st = {.status = PHONE_PENDING};
	struct reason why = {.text = ""};

	phone_init(&p, "SEP001122334455");
	if (text == NULL)
		return 0;
	if (data[0] == 0) {
		if (phone_parse(&p, text, &why) == 0) {
			round_trip(&p);
			look(&p, &st);
		} else {
			law(why.text[0] != '\0');
		}
	} else if (data[0] == 1) {
		if (phone_state_parse(&st, text, &why) == 0) {
			state_round_trip(&st);
			look(&p, &st);
		} else {
			law(why.text[0] != '\0');
		}
	} else {
		change(&p, &st, text);
	}
	free(text);
	return 0;
}
