/* SPDX-License-Identifier: ISC */
/* What is written of a request to a CA is read again as it was, whatever is in it; and what is no such file is told. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "site/asked.h"
#include "spool/create.h"
#include "../tap.h"

#define NOW 1700000000

static struct spool *s;
static const unsigned char key[REQID_SPKI] = {0xab, 1}, other[REQID_SPKI] = {0xcd, 2};
static char name[2 * REQID_SPKI + 8];

static bool save(const struct asked *a, const char *certificate)
{
	struct turn *t = turn_new(s);
	bool good = t != NULL && asked_put(t, a) == 0 && (certificate == NULL ||
	    asked_put_certificate(t, a, (struct bytes){(const unsigned char *)certificate, strlen(certificate)}) == 0) &&
	    turn_commit(t) == 0;

	turn_free(t);
	return good;
}

static bool same(const struct asked *a, const struct asked *b)
{
	return memcmp(a->spki, b->spki, sizeof a->spki) == 0 && strcmp(a->device, b->device) == 0 &&
	    strcmp(a->ca, b->ca) == 0 && a->state == b->state && strcmp(a->ticket, b->ticket) == 0 &&
	    a->first == b->first && a->last == b->last && a->next == b->next && a->tries == b->tries &&
	    strcmp(a->reason, b->reason) == 0;
}

static bool stays(const struct asked *a)
{
	struct asked b;
	struct reason why;

	return save(a, NULL) && asked_load(s, a->spki, &b, &why) == 1 && same(a, &b) && !b.unsaid;
}

static struct asked example(enum asked_state state)
{
	struct asked a = {.device = "SEP000000000001", .ca = "lab", .state = state, .ticket = "17", .first = NOW,
	    .last = NOW + 1, .next = NOW + 2, .tries = 3, .reason = "why not"};

	memcpy(a.spki, key, sizeof key);
	return a;
}

static void test_round_trip(void)
{
	struct asked a, b;
	struct reason why;

	for (unsigned i = 0; i < ASKED_STATES; i++) {
		a = example((enum asked_state)i);
		ok(stays(&a), "%s stays as it was", asked_states[i]);
	}
	ok(asked_states[ASKED_STATES] == NULL, "and those are all");
	a = (struct asked){.device = "x", .ca = "c", .state = ASKED_LATER};
	memcpy(a.spki, key, sizeof key);
	ok(stays(&a), "what is not known has no line");
	a = example(ASKED_PENDING);
	memset(a.device, 'd', DEVICE_MAX);
	memset(a.ca, 'c', ASKED_CA_MAX);
	memset(a.ticket, 't', ASKED_TICKET_MAX);
	memset(a.reason, 'r', ASKED_REASON_MAX);
	a.tries = ~0u;
	ok(stays(&a), "all at their longest");
	strcpy(a.reason, "  two\nlines; state = issued\t\x1b ");
	ok(save(&a, NULL) && asked_load(s, key, &b, &why) == 1 && b.state == ASKED_PENDING &&
	    strcmp(b.reason, "two lines, state = issued") == 0, "a reason stays on its line: \"%s\"", b.reason);
	ok(asked_load(s, other, &b, &why) == 0, "of another key nothing is known");
}

static void test_certificate(void)
{
	struct asked a = example(ASKED_SENT), b;
	unsigned char *der;
	struct reason why;
	size_t len;

	ok(save(&a, "certificate") && asked_load(s, key, &b, &why) == 1 && b.state == ASKED_ISSUED && b.unsaid,
	    "with its certificate it is issued, whatever the file says");
	ok(save(&b, NULL) && asked_load(s, key, &b, &why) == 1 && b.state == ASKED_ISSUED && !b.unsaid, "and then says");
	ok(asked_certificate(s, key, &der, &len) == 0 && len == 11 && memcmp(der, "certificate", len) == 0, "which it has");
	free(der);
	a.state = ASKED_REFUSED;
	ok(stays(&a), "unless it was refused");
	ok(asked_drop_certificate(s, key) == 0 && asked_drop_certificate(s, key) == 0 &&
	    asked_certificate(s, key, &der, &len) == -1 && errno == ENOENT, "it is taken once, and that twice is no error");
}

static void put_file(const char *file, const char *text, size_t len)
{
	int fd = openat(s->dir[SPOOL_ONLINE], file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0 && fileio_write_all(fd, text, len) == 0 && close(fd) == 0, "a file");
}

static void refuses(const char *text, const char *because)
{
	struct asked a;
	struct reason why = {.text = ""};

	put_file(name, text, strlen(text));
	ok(asked_load(s, key, &a, &why) == -1 && strstr(why.text, because) != NULL, "refuses: %s (%s)", because, why.text);
}

static void test_garbage(void)
{
	char text[8192];
	struct asked a;
	struct reason why;

	refuses("", "names no device");
	refuses("state = sent\n", "names no device");
	refuses("device = ../x\n", "invalid device");
	refuses("device = x\nstate = gone\n", "state cannot be \"gone\"");
	refuses("device = x\nstate = 1\n", "state cannot be");
	refuses("device = x\ntries = -1\n", "tries wants a number");
	refuses("device = x\ntries = 1x\n", "tries wants a number");
	refuses("device = x\ntries = 99999999999999999999\n", "tries wants a number");
	refuses("device = x\nnext = soon\n", "next wants a time");
	refuses("device = x\nknown = yes\n", "no field known");
	refuses("device = x\n[sections]\n", "sections");
	refuses("device = x\ndevice = y\n", "twice");
	refuses("\x01\x02\x03\n", "name = value");
	snprintf(text, sizeof text, "device = x\nca = %061d\n", 0);
	refuses(text, "ca is too long");
	snprintf(text, sizeof text, "device = x\nticket = %0181d\n", 0);
	refuses(text, "ticket is too long");
	snprintf(text, sizeof text, "device = x\nreason = %0300d\n", 0);
	refuses(text, "more than");
	put_file(name, "device = x\n\0state = later\n", 26);
	ok(asked_load(s, key, &a, &why) == -1 && strstr(why.text, "NUL") != NULL, "refuses a NUL");
	memset(text, '#', sizeof text);
	put_file(name, text, sizeof text);
	ok(asked_load(s, key, &a, &why) == -1 && why.text[0] != '\0', "refuses what is too large: %s", why.text);
}

struct seen {
	size_t good, bad;
	char last[128];
};

static int see(void *ctx, const struct asked *a, const char *file, const struct reason *why)
{
	struct seen *seen = ctx;

	(void)why;
	seen->good += a != NULL;
	seen->bad += a == NULL;
	snprintf(seen->last, sizeof seen->last, "%s", file);
	return 0;
}

static int see_stray(void *ctx, const char *file)
{
	return see(ctx, NULL, file, NULL);
}

static size_t expire(time_t issued, time_t any)
{
	size_t n = 0;

	return asked_expire(s, issued, any, &n) == 0 ? n : 1000;
}

static void test_all(void)
{
	struct asked a = example(ASKED_ISSUED), b = example(ASKED_LOST);
	struct seen seen = {0}, strays = {0};

	memcpy(b.spki, other, sizeof other);
	b.state = ASKED_LOST;
	must(save(&a, "certificate") && save(&b, NULL), "two");
	put_file("stranger", "x", 1);
	ok(asked_each(s, see, &seen) == 0 && seen.good == 2 && seen.bad == 0, "there are two");
	ok(asked_strays(s, see_stray, &strays) == 0 && strays.bad == 0, "and no certificate alone");
	ok(expire(NOW + 1, NOW + 1) == 0, "none is old");
	ok(expire(NOW + 2, NOW + 1) == 1 && expire(NOW + 2, NOW + 1) == 0, "one that is issued is, and goes");
	ok(expire(0, NOW + 2) == 1, "and the other");
	put_file(name, "x", 1);
	ok(expire(NOW * 2L, NOW * 2L) == 0, "what cannot be understood stays");
	unlinkat(s->dir[SPOOL_ONLINE], name, 0);
	strcpy(strrchr(name, '.'), ".der");
	put_file(name, "x", 1);
	ok(asked_strays(s, see_stray, &strays) == 0 && strays.bad == 1 && strcmp(strays.last, name) == 0,
	    "a certificate without a record is told");
}

static void test_old_spool(const char *top)
{
	struct seen seen = {0};
	char path[300], away[300];
	int lock, second;

	snprintf(path, sizeof path, "%s/spool/online", top);
	snprintf(away, sizeof away, "%s/away", top);
	spool_close(s);
	must(rename(path, away) == 0, "a spool without online/");
	snprintf(path, sizeof path, "%s/spool", top);
	must((s = spool_open(path, "test", NOW)) != NULL, "it is a spool");
	ok(s->dir[SPOOL_ONLINE] == -1 && asked_each(s, see, &seen) == 0 && seen.good + seen.bad == 0 &&
	    asked_strays(s, see_stray, &seen) == 0 && expire(NOW, NOW) == 0, "an old spool has nothing in online/");
	lock = asked_lock(s);
	ok(lock >= 0 && s->dir[SPOOL_ONLINE] >= 0, "who asks makes it");
	second = asked_lock(s);
	ok(second == -1 && errno == EWOULDBLOCK, "one at a time");
	close(lock);
	lock = asked_lock(s);
	ok(lock >= 0, "then the next");
	close(lock);
}

int main(void)
{
	char path[300];
	const char *top = tap_dir();
	int fd;

	bytes_hex(key, sizeof key, name);
	strcat(name, ".asked");
	snprintf(path, sizeof path, "%s/spool", top);
	must((s = create_spool(path, "test", NOW)) != NULL, "a spool");
	must((fd = openat(s->root, SPOOL_CONF, O_WRONLY | O_CREAT, 0600)) >= 0 && close(fd) == 0, "its settings");
	test_round_trip();
	test_certificate();
	test_garbage();
	test_all();
	test_old_spool(top);
	spool_close(s);
	return tap_done();
}
