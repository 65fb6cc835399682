/* SPDX-License-Identifier: ISC */
#include "../tap.h"
#include "online/online_ca.h"

static struct online_answer said(long status, const char *body, size_t len)
{
	struct online_answer a = {.outcome = ONLINE_ISSUED};
	struct http_answer http = {.status = status, .wait = 7};

	buf_put(&http.body, body, len);
	online_say_status(&a, &http);
	buf_free(&http.body);
	return a;
}

static void test_outcomes(void)
{
	static const struct {
		long status;
		enum online_outcome outcome;
		const char *text;
	} all[] = {
		{400, ONLINE_REFUSED, "the CA says 400: no"}, {401, ONLINE_BROKEN, "user or password"},
		{403, ONLINE_BROKEN, "403"}, {404, ONLINE_BROKEN, "url and label"}, {405, ONLINE_REFUSED, "405"},
		{407, ONLINE_BROKEN, "407"}, {409, ONLINE_REFUSED, "409"}, {429, ONLINE_LATER, "429"},
		{500, ONLINE_LATER, "500"}, {503, ONLINE_LATER, "503"}, {502, ONLINE_LOST, "502"}, {504, ONLINE_LOST, "504"},
		{302, ONLINE_BROKEN, "elsewhere (302)"}, {204, ONLINE_BROKEN, "204"}, {0, ONLINE_BROKEN, "0"},
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct online_answer a = said(all[i].status, "no", 2);

		ok(a.outcome == all[i].outcome && strstr(a.why.text, all[i].text) != NULL && a.wait == 7, "status %ld: %s",
		    all[i].status, a.why.text);
	}
}

static void shows(const char *body, size_t len, const char *want)
{
	struct online_answer a = said(400, body, len);
	const char *text = strstr(a.why.text, "400");

	ok(text != NULL && strcmp(text + 3, want) == 0, "what a CA says is shown as \"%s\"", a.why.text);
}

static void test_texts(void)
{
	struct online_answer a;
	char body[4096];

	shows("", 0, "");
	shows(" \r\n\t ", 5, "");
	shows("<html><head><title>Bad\nRequest</title></head>\r\n<body>the  key</body></html>", 75, ": Bad Request the key");
	shows("a\0b\033[2J\xff", 8, ": a\\x00b\\x1b[2J\\xff");
	shows("no end <b of a tag", 18, ": no end");
	shows("> < <<>>", 8, "");
	memset(body, 0xff, sizeof body);
	a = said(400, body, sizeof body);
	ok(strlen(a.why.text) < 160, "what cannot be printed is cut after it was escaped: %zu", strlen(a.why.text));
	memset(body, 'x', sizeof body);
	a = said(400, body, sizeof body);
	ok(strlen(a.why.text) < 160, "a long text is cut: %zu", strlen(a.why.text));
}

static void test_unanswered(void)
{
	struct reason why = {.text = "why %s"};
	struct online_answer a;

	online_say_unanswered(&a, HTTP_NOT_SENT, &why);
	ok(a.outcome == ONLINE_LATER && strcmp(a.why.text, "why %s") == 0, "what was not sent is for later");
	online_say_unanswered(&a, HTTP_NO_ANSWER, &why);
	ok(a.outcome == ONLINE_LOST, "what may have arrived is lost");
	online_say_unanswered(&a, HTTP_UNTRUSTED, &why);
	ok(a.outcome == ONLINE_BROKEN, "a setting is wrong");
	online_say_unanswered(&a, HTTP_TROUBLE, &why);
	ok(a.outcome == ONLINE_LATER, "memory comes back");
}

int main(void)
{
	test_outcomes();
	test_texts();
	test_unanswered();
	return tap_done();
}
