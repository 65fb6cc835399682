/* SPDX-License-Identifier: ISC */
/* Which trials capf-probe makes, in which order, and what they come to. */
#include <string.h>

#include "../tap.h"
#include "capf/capfmsg.h"
#include "probe/advice.h"
#include "probe/trial.h"

static struct trials t;
static struct reason r;

/* The plan's length, its first and its last trial. */
static void plans(bool all, unsigned from, const char *only, size_t n, const char *first, const char *last)
{
	char a[TRIAL_NAME], b[TRIAL_NAME];
	bool right = trial_plan(&t, all, from, only, &r) == 0 && t.n == n &&
	    strcmp(trial_name(&t.list[0], a), first) == 0 && strcmp(trial_name(&t.list[n - 1], b), last) == 0;

	ok(right, "%zu trials, from %s to %s", n, first, last);
}

static void refuses(const char *only)
{
	ok(trial_plan(&t, false, 1, only, &r) != 0 && strstr(r.text, "--only") != NULL, "not \"%s\"", only);
}

static struct trial *find(const char *name)
{
	char text[TRIAL_NAME];

	for (size_t i = 0; i < t.n; i++)
		if (strcmp(trial_name(&t.list[i], text), name) == 0)
			return &t.list[i];
	must(false, name);
	return NULL;
}

static void says(const char *want)
{
	struct buf b = {0};

	advice_settings(&t, &b);
	buf_put_u8(&b, 0);
	ok(strcmp((const char *)b.p, want) == 0, "%zu bytes of settings", strlen(want));
	buf_free(&b);
}

static void next(const char *want)
{
	char text[ADVICE_NEXT];

	advice_next(&t, text);
	ok(*want == '\0' ? *text == '\0' : strstr(text, want) != NULL, "next: %s", text);
}

static void settle(unsigned first, unsigned last, enum trial_verdict verdict)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.list[i].layout >= first && t.list[i].layout <= last)
			t.list[i].verdict = verdict;
}

static void advice(void)
{
	trial_plan(&t, false, 1, NULL, &r);
	says("");
	next("go on with --from 1 ");
	settle(1, 9, TRIAL_HUNG_UP);
	next("none worked, of 9 layouts tried; go on with --from 10 ");
	settle(10, 32, TRIAL_SILENT);
	next("of 32 layouts tried; try the unlikely ones, --all --from 33 ");
	settle(7, 7, TRIAL_USELESS);
	next("the phone signed at layout 7");
	settle(8, 8, TRIAL_WORKS);
	ok(advice_layout(&t) == 8, "one that works");
	find("wait status-request")->verdict = TRIAL_STAYED;
	says("csr-proof = phone\nsign-layout = 8\nkeepalive-message = status-request\n");
	find("wait in-progress")->verdict = TRIAL_STAYED;
	says("csr-proof = phone\nsign-layout = 8\nkeepalive-message = in-progress\n");
	find("wait status-request")->verdict = TRIAL_ANSWERED;
	says("csr-proof = phone\nsign-layout = 8\nkeepalive-message = status-request\n");
	trial_plan(&t, false, 1, "wait", &r);
	next("");
	find("wait status-request")->verdict = find("wait in-progress")->verdict = TRIAL_HUNG_UP;
	says("keepalive-message = none\n");
	trial_plan(&t, true, 96, NULL, &r);
	settle(96, 96, TRIAL_ANSWERED);
	next("no other layout is known");
}

int main(void)
{
	plans(false, 1, NULL, 38, "sign-layout 1", "wait retry-later-4");
	plans(true, 1, NULL, TRIALS_MAX, "sign-layout 1", "wait retry-later-4");
	plans(true, 33, NULL, 70, "sign-layout 33", "wait retry-later-4");
	plans(false, 33, NULL, 6, "wait nothing", "wait retry-later-4");
	plans(false, 1, "18", 1, "sign-layout 18", "sign-layout 18");
	plans(false, 1, "96,3-5,4,wait,wait", 10, "sign-layout 96", "wait retry-later-4");
	plans(false, 1, "1-96,1-96,wait", TRIALS_MAX, "sign-layout 1", "wait retry-later-4");
	refuses("");
	refuses("0");
	refuses("97");
	refuses("5-4");
	refuses("1,");
	refuses("1-2-3");
	refuses("-1");
	refuses("waits");
	advice();
	return tap_done();
}
