/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/auth_string.h"
#include "site/phone.h"
#include "../tap.h"

#define NOW 1700000000

static void refuses(const char *text, const char *why)
{
	struct phone p = {.device = "SEP1"};
	struct reason r = {.text = ""};

	ok(phone_parse(&p, text, &r) == -1 && strstr(r.text, why) != NULL, "refuses: %s", why);
}

/* What p is written as; the same again when that was read. */
static bool stable(const struct phone *p)
{
	struct buf a = {0}, b = {0};
	struct phone again = {.device = "x"};
	struct reason r;
	bool same;

	phone_format(p, &a);
	buf_put(&a, "", 1);
	same = phone_parse(&again, (const char *)a.p, &r) == 0;
	phone_format(&again, &b);
	buf_put(&b, "", 1);
	same = same && a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
	buf_free(&a);
	buf_free(&b);
	return same && strcmp(again.description, p->description) == 0;
}

static int apply(struct phone *p, const struct phone_state *st, time_t now, struct phone_change c)
{
	struct reason r;

	return phone_apply(p, st, &c, now, 0, 864000, &r);
}

#define CHANGE(...) (struct phone_change){.value = {__VA_ARGS__}}
#define OPERATION [PHONE_F_OPERATION]
#define AUTH [PHONE_F_AUTH]
#define STRING [PHONE_F_STRING]
#define BY [PHONE_F_COMPLETE_BY]

static void test_orders(void)
{
	struct phone_state st = {.status = PHONE_PENDING};
	struct phone_view v;
	struct reason r;
	struct phone p;

	phone_init(&p, "SEP1");
	phone_look(&p, &st, NOW, &v);
	ok(v.status == PHONE_IDLE && p.scheduled == 0, "a new phone has nothing to do");
	ok(apply(&p, &st, NOW, CHANGE(OPERATION = "install")) == -1 && p.operation == PHONE_NONE,
	    "without a string, auth string is refused, and nothing changed");
	ok(apply(&p, &st, NOW, CHANGE(OPERATION = "install", STRING = "12345")) == 0 &&
	    p.scheduled == NOW && p.order == NOW && p.complete_by == NOW + 864000, "an order, with the usual deadline");
	phone_look(&p, &st, NOW + 864000, &v);
	ok(v.status == PHONE_PENDING && v.when == 0, "it is pending");
	phone_look(&p, &st, NOW + 864001, &v);
	ok(v.status == PHONE_FAILED && *v.reason != '\0' && v.when == p.complete_by, "and late later");
	ok(stable(&p), "an order survives the disk");

	st = (struct phone_state){.order = NOW, .status = PHONE_FAILED, .reason = "no", .when = NOW + 5};
	phone_look(&p, &st, NOW, &v);
	ok(v.status == PHONE_FAILED && strcmp(v.reason, "no") == 0 && v.when == NOW + 5, "it failed");
	ok(apply(&p, &st, NOW - 9, CHANGE(OPERATION = "install", BY = "none")) == 0 &&
	    p.scheduled == NOW - 9 && p.order == NOW + 1 && p.complete_by == 0 &&
	    strcmp(p.string, "12345") == 0 && stable(&p),
	    "the next order is another one whatever the clock says; the string was not used");
	phone_look(&p, &st, NOW, &v);
	ok(v.status == PHONE_PENDING, "a state of another order does not count");

	st = (struct phone_state){.order = NOW + 1, .status = PHONE_SUCCESSFUL};
	ok(strcmp(phone_string(&p, &st), "") == 0, "a string is used once");
	phone_look(&p, &st, NOW + 99999999, &v);
	ok(v.status == PHONE_SUCCESSFUL, "what is done does not expire");
	ok(apply(&p, &st, NOW, CHANGE(OPERATION = "delete")) == -1, "and not for the next order");
	ok(apply(&p, &st, NOW, CHANGE(OPERATION = "delete", AUTH = "null")) == 0 && *p.string == '\0',
	    "null takes no string");
	ok(apply(&p, &st, NOW, CHANGE(STRING = "12345")) == -1, "nor gets one");
	ok(apply(&p, &st, NOW, CHANGE(BY = "@1")) == -1, "a deadline in the past");
	ok(apply(&p, &st, NOW, CHANGE(BY = "+7d")) == 0 && p.complete_by == NOW + 7 * 86400 &&
	    p.scheduled == NOW && p.order == NOW + 2, "a deadline alone is no new order");
	ok(phone_apply(&p, &st, &CHANGE(OPERATION = "install"), NOW + 5, NOW + 999, 0, &r) == 0 &&
	    p.scheduled == NOW + 5 && p.order == NOW + 999, "an order that nothing on the disk belongs to");
	st = (struct phone_state){.status = PHONE_PENDING};
	ok(apply(&p, &st, NOW + 9, CHANGE(OPERATION = "install")) == 0 && p.scheduled == NOW + 5 &&
	    p.order == NOW + 999 && p.complete_by == NOW + 9 + 864000, "the same while it is pending is the same order");
	ok(apply(&p, &st, NOW + 9, CHANGE(OPERATION = "install", AUTH = "null", BY = "+3d")) == 0 &&
	    p.order == NOW + 999 && p.complete_by == NOW + 9 + 3 * 86400, "with another deadline, too");
	ok(apply(&p, &st, NOW + 9, CHANGE(OPERATION = "install", [PHONE_F_RSA] = "3072")) == 0 && p.order == NOW + 1000,
	    "with another key it is another one");
	ok(apply(&p, &st, NOW + 900000, CHANGE(OPERATION = "install")) == 0 && p.order == NOW + 900000,
	    "and so it is when its time was over");
	ok(apply(&p, &st, NOW, CHANGE(OPERATION = "none")) == 0 && p.complete_by == 0, "called off");
	ok(phone_parse(&p, "operation = install\nscheduled = 2026-01-31T08:00:00Z\n", &r) == 0 &&
	    p.order == p.scheduled && p.order != 0, "an order is known by its time, if by nothing else");
}

static void test_text(void)
{
	bool zero = false;
	char text[PHONE_TEXT_MAX + 2], digits[AUTH_STRING_MAX + 1];
	struct phone_state st = {.status = PHONE_PENDING};
	unsigned seen[10] = {0}, least = 99999;
	struct phone p;

	phone_init(&p, "SEP1");
	ok(apply(&p, &st, NOW, CHANGE("  a ; b \\ c # = [x] \xc3\xa4 ")) == 0 &&
	    strcmp(p.description, "a ; b \\ c # = [x] \xc3\xa4") == 0 && stable(&p),
	    "a description with all that has a meaning");
	ok(apply(&p, &st, NOW, CHANGE("; [section]")) == 0 && stable(&p), "one that begins like a comment");
	ok(apply(&p, &st, NOW, CHANGE("a\nb = c")) == -1, "one with a newline");
	memset(text, 'x', sizeof text);
	text[PHONE_TEXT_MAX] = '\0';
	ok(apply(&p, &st, NOW, CHANGE(text)) == 0 && stable(&p), "a long one");
	memset(text, ';', sizeof text - 2);
	ok(apply(&p, &st, NOW, CHANGE(text)) == -1, "one that is too long when it is escaped");
	memset(text, 'x', sizeof text);
	text[PHONE_TEXT_MAX + 1] = '\0';
	ok(apply(&p, &st, NOW, CHANGE(text)) == -1, "one that is too long");

	for (int i = 0; i < 1000; i++) {
		must(phone_generate(digits, 15) == 0, "random digits");
		zero = zero || digits[0] == '0';
		for (const char *d = digits + 1; *d != '\0'; d++)
			seen[*d - '0']++;
	}
	for (int i = 0; i < 10; i++)
		least = seen[i] < least ? seen[i] : least;
	/* 1400 are expected; 1150 is seven standard deviations away. */
	ok(!zero, "no string begins with 0");
	ok(strlen(digits) == 15 && least > 1150, "all digits are as likely: at least %u", least);
}

static void test_state(void)
{
	struct phone_state st = {.order = NOW, .status = PHONE_FAILED, .reason = "a; b\n", .when = NOW,
	    .attempts = 3, .wrong_strings = 2, .version = 3}, again;
	struct reason r = {.text = ""};
	struct buf b = {0};

	phone_state_format(&st, &b);
	buf_put(&b, "", 1);
	ok(phone_state_parse(&again, (const char *)b.p, &r) == 0 && again.order == NOW &&
	    again.status == PHONE_FAILED && strcmp(again.reason, "a; b\n") == 0 && again.when == NOW &&
	    again.attempts == 3 && again.wrong_strings == 2 && again.version == 3, "a state survives");
	buf_free(&b);
	ok(phone_state_parse(&again, "status = none\n", &r) == -1, "a state is never none");
	ok(phone_state_parse(&again, "attempts = -1\n", &r) == -1, "counts are not negative");
	ok(phone_state_parse(&again, "string = 1234\n", &r) == -1, "a state has no string");
	ok(phone_state_parse(&again, "", &r) == 0 && again.status == PHONE_PENDING, "an empty one");
}

int main(void)
{
	struct phone p = {.device = "SEP1"};
	struct reason r;
	char text[256];

	ok(phone_parse(&p, "", &r) == 0 && strcmp(p.device, "SEP1") == 0 && p.rsa == 2048, "an empty record");
	refuses("operation = instal\n", "line 1: operation cannot be \"instal\"");
	refuses("rsa = 2049\n", "rsa cannot be");
	refuses("rsa = 02048\n", "rsa cannot be");
	refuses("ec = 255\n", "ec cannot be");
	refuses("auth = string\nauth = null\n", "line 2: auth comes twice");
	refuses("auth = string\n  null\n", "auth comes twice");
	refuses("colour = red\n", "there is no field colour");
	refuses("complete-by = +7d\n", "complete-by wants a time");
	strcpy(text, "description = ");
	for (int k = 0; k < 46; k++)
		strcat(text, "\\x07");
	refuses(text, "too long to be written again");
	ok(phone_parse(&p, "description = \\x20a b\\x20\n", &r) == 0 &&
	    strcmp(p.description, " a b ") == 0 && stable(&p), "blanks at the ends");
	refuses("description = a\\q\n", "backslash");
	refuses("description = a\\x0\n", "backslash");
	refuses("description = a\\x00\n", "backslash");
	refuses("[x]\n", "no [sections]");
	refuses("operation = install\n", "no time when that was scheduled");
	refuses("string = 123456789012345 6\n", "4 to 15 digits");
	refuses("string = 123\n", "an authentication string has");
	ok(phone_parse(&p, "string = 99999999999999999\n", &r) == -1 && strstr(r.text, "999") == NULL,
	    "a reason never tells a string");
	test_orders();
	test_text();
	test_state();
	return tap_done();
}
