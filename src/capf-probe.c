/* SPDX-License-Identifier: ISC */
/* capf-probe: finds out how a phone in a lab signs its request, and which messages it bears while it waits, one
 * guess a session. It serves one phone, and tells all others that nobody knows them. It gives no phone a
 * certificate, changes nothing in the spool, and puts neither authentication strings nor certificates into its
 * transcript. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/auth_string.h"
#include "base/monotime.h"
#include "base/outfile.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "cli/version.h"
#include "net/address.h"
#include "net/listen.h"
#include "probe/advice.h"
#include "probe/visit.h"
#include "site/capf_identity.h"
#include "site/phonebook.h"
#include "site/settings.h"
#include "site/trust_store.h"
#include "x509/secret.h"

const char program[] = "capf-probe";
const char purpose[] = "find out how a phone in a lab signs its request";
const char synopsis[] = "[-ahV] [-f n] [-l address:port[,...]] [-P seconds] [-s spool] [-t transcript]\n"
    "                  [--give-up span] [--only list] [--remind span] [--string file|digits]\n"
    "                  [--wait span] device";

#define LOST_MAX 5	/* visits in a row that do not get as far as the trial */

struct probe {
	struct visit_plan visit;
	struct transcript transcript;
	struct listen listen;
	struct trials trials;
	time_t remind, give_up;
	unsigned wrong_max, wrong, lost;
	uint32_t session;
};

struct asked {
	const char *spool, *listen, *transcript, *only, *string;
	bool all;
	long from;
	time_t now, remind, give_up, wait;
};

/* -1: by a signal, or nobody came. */
static int accept_one(struct probe *p)
{
	struct pollfd on[LISTEN_MAX + 1] = {{p->visit.signals, POLLIN, 0}};
	double now = monotime_seconds(), remind = now + (double)p->remind, give_up = now + (double)p->give_up, next;
	int fd;

	for (size_t i = 0; i < p->listen.n; i++)
		on[i + 1] = (struct pollfd){p->listen.fd[i], POLLIN, 0};
	for (;;) {
		next = p->give_up > 0 && give_up < remind ? give_up : remind;
		if (poll(on, (nfds_t)p->listen.n + 1, next > now ? (int)((next - now) * 1000) + 1 : 0) < 0 && errno != EINTR)
			status_die_errno(NULL, "cannot wait");
		if (on[0].revents != 0)
			return -1;
		for (size_t i = 0; i < p->listen.n; i++)
			if (on[i + 1].revents != 0 && (fd = accept4(p->listen.fd[i], NULL, NULL,
			    SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
				return fd;
		now = monotime_seconds();
		if (p->give_up > 0 && now >= give_up) {
			status_warn(p->visit.device, "did not come within %lld s", (long long)p->give_up);
			return -1;
		}
		if (now >= remind) {
			status_warn(p->visit.device, "has not come: reset the phone, or start the install from its menu");
			remind = now + (double)p->remind;
		}
	}
}

/* Ends when a line of the transcript could not be written: without it a trial is of no use to others. */
static void check_transcript(const struct probe *p)
{
	if (p->transcript.error == 0)
		return;
	errno = p->transcript.error;
	status_die_errno("transcript", "cannot write");
}

/* False when there is no use in going on. */
static bool goes_on(struct probe *p, enum visit_end end, const struct reason *why)
{
	const char *device = p->visit.device;

	switch (end) {
	case VISIT_TRIED:
		p->lost = 0;
		return true;
	case VISIT_OTHER:
		status_warn(NULL, "%s", why->text);
		return true;
	case VISIT_NOT_PROVED:
		status_warn(device, "did not authenticate: %s", why->text);
		if (++p->wrong < p->wrong_max)
			return true;
		status_warn(device, "failed to authenticate %u times; look at its record, phone-list(1)", p->wrong);
		return false;
	case VISIT_LOST:
		status_warn(device, "%s", why->text);
		if (++p->lost < LOST_MAX)
			return true;
		status_warn(device, "%u visits in a row ended before the trial", p->lost);
		return false;
	case VISIT_STOPPED:
		return false;
	case VISIT_TROUBLE:
		break;
	}
	status_die(STATUS_TROUBLE, device, "%s", why->text);
}

/* Until the trial has its verdict. False when there is no use in going on. */
static bool try_one(struct probe *p, struct trial *t, bool last)
{
	char name[TRIAL_NAME];
	struct reason why;
	bool go_on = true;
	int fd;

	transcript_say(&p->transcript, "next: %s", trial_name(t, name));
	while (go_on && t->verdict == TRIAL_UNTRIED) {
		if ((fd = accept_one(p)) < 0)
			return false;
		why.text[0] = '\0';
		go_on = goes_on(p, visit_serve(&p->visit, fd, ++p->session, last, t, &why), &why);
		check_transcript(p);
	}
	if (t->verdict == TRIAL_UNTRIED)
		return false;
	printf("%s\t%s\t%.1f\t%s\n", name, trial_word(t->verdict), t->seconds, t->text);
	fflush(stdout);
	return go_on;
}

/* The layouts up to the first that works, or each that was asked for. */
static void try_all(struct probe *p, bool each)
{
	char text[SIGN_LAYOUT_TEXT];
	struct sign_layout l;
	bool go_on = true;

	for (size_t i = 0; i < p->trials.n && go_on; i++) {
		struct trial *t = &p->trials.list[i];

		if (t->layout > 0 && !each && advice_layout(&p->trials) > 0)
			continue;
		if (sign_layout_get(t->layout, &l))
			transcript_say(&p->transcript, "layout %u: %s", t->layout, sign_layout_text(&l, text));
		go_on = try_one(p, t, i + 1 == p->trials.n);
	}
}

/* What it comes to, and the exit status. */
static int conclude(struct probe *p)
{
	struct buf settings = {0};
	char next[ADVICE_NEXT], *rest;
	bool all = true;

	advice_settings(&p->trials, &settings);
	buf_put_u8(&settings, 0);
	if (settings.failed)
		status_die(STATUS_TROUBLE, NULL, "out of memory");
	fputs((const char *)settings.p, stdout);
	for (char *line = strtok_r((char *)settings.p, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		transcript_say(&p->transcript, "use: %s", line);
	buf_free(&settings);
	if (advice_layout(&p->trials) > 0)
		return STATUS_OK;
	advice_next(&p->trials, next);
	if (*next != '\0') {
		transcript_say(&p->transcript, "%s", next);
		status_warn(p->visit.device, "%s", next);
		return STATUS_REFUSED;
	}
	for (size_t i = 0; i < p->trials.n; i++)
		all = all && p->trials.list[i].verdict != TRIAL_UNTRIED;
	return all ? STATUS_OK : STATUS_REFUSED;
}

/* A later signal ends the program, as usual, only before the first visit. */
static int catch_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || (fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		status_die_errno(NULL, "cannot wait for signals");
	return fd;
}

/* Digits as they stand, or the first line of a file. */
static void read_string(const char *text, char out[AUTH_STRING_MAX + 1])
{
	struct secret from = {0};
	struct reason why;

	if (!auth_string_ok(text)) {
		if (secret_read(&from, strcmp(text, "-") == 0 ? "/dev/stdin" : text, &why) != 0)
			status_die(status_of_input(why.trouble), text, "%s", why.text);
		if (!auth_string_ok(from.text))
			status_die(STATUS_USAGE, text, "is no authentication string");
		text = from.text;
	}
	strcpy(out, text);
	secret_wipe(&from);
}

/* What the record says of the phone's key, and of how it proves who it is. */
static void read_record(struct probe *p, const struct spool *s, const char *string, char out[AUTH_STRING_MAX + 1],
    const struct phone_auth_policy *policy)
{
	const char *device = p->visit.device;
	struct phone_state st;
	struct phone phone;
	struct reason why;
	int found = phonebook_load(s, device, &phone, &st, &why);

	if (found < 0)
		status_die(status_of_input(why.trouble), device, "its record: %s", why.text);
	if (found == 0)
		status_die(STATUS_USAGE, device, "has no record; phone-add makes one");
	p->visit.ec = phone.key_order != PHONE_RSA;
	p->visit.rsa_bits = phone.rsa;
	p->visit.curve = phone.ec == 256 ? CAPFMSG_P256 : phone.ec == 384 ? CAPFMSG_P384 : CAPFMSG_P521;
	if (string != NULL)
		read_string(string, out);
	else if (phone.auth == PHONE_BY_STRING)
		strcpy(out, phone_string(&phone, &st));
	else if (phone.auth != PHONE_BY_NULL)
		p->visit.policy = policy;
	if (string == NULL && phone.auth == PHONE_BY_STRING && *out == '\0')
		status_die(STATUS_USAGE, device, "has no authentication string; give --string, or see phone-set(1)");
	explicit_bzero(&phone, sizeof phone);
}

/* Whose certificates a phone may authenticate with: those of capf-trust, and CAPF's. */
static struct trust *load_trust(const struct spool *s, const struct cert *own)
{
	struct reason why;
	struct trust *trust = trust_store_load(s, SPOOL_TRUST_CAPF, &why);

	if (trust == NULL || trust_put(trust, own, &why) != 0)
		status_die(status_of_input(why.trouble), "trust/capf", "%s", why.text);
	return trust;
}

static void start_listening(struct probe *p, const char *where, const struct settings *c)
{
	char name[64];
	struct reason why;
	const char *usual = *c->listen != '\0' ? c->listen :
	    c->enable_ipv6 ? "0.0.0.0:3804 [::]:3804" : "0.0.0.0:3804";

	if (listen_at(&p->listen, where != NULL ? where : usual, where != NULL || c->enable_ipv6, &why) != 0)
		status_die(status_of_input(why.trouble), NULL, "%s", why.text);
	for (size_t i = 0; i < p->listen.n; i++) {
		address_of_socket(p->listen.fd[i], name, sizeof name);
		status_warn(p->visit.device, "waiting for it at %s", name);
	}
}

static void open_transcript(struct probe *p, const char *path, time_t now)
{
	char iso[UTC_ISO + 1];

	p->transcript.fd = -1;
	transcript_begin(&p->transcript);
	if (path != NULL && (p->transcript.fd = outfile_log_open(path)) < 0)
		status_die_path(path, "cannot write");
	utc_iso(now, iso);
	transcript_say(&p->transcript, "capf-probe %s, %s, %s", capfkit_version, p->visit.device, iso);
	/* Before somebody goes to the phone. */
	check_transcript(p);
}

/* What all visits of this phone have in common. The string may be read later. */
static void plan_visits(struct probe *p, const struct asked *a, const struct settings *c, const char *device,
    const char *string)
{
	p->visit = (struct visit_plan){.device = device, .string = string, .handshake = c->handshake_timeout,
	    .message = c->message_timeout, .key = c->key_timeout, .wait = a->wait, .transcript = &p->transcript};
	p->transcript.string = string;
	p->remind = a->remind;
	p->give_up = a->give_up;
	p->wrong_max = c->string_tries;
}

int main(int argc, char *argv[])
{
	struct asked a = {.spool = spool_default(), .now = time(NULL), .from = 1, .remind = 60, .wait = 120};
	const struct option_spec options[] = {
		OPT_FLAG('a', "all", &a.all, "try every layout, not only the 32 likely ones"),
		OPT_NUMBER('f', "from", "N", &a.from, 1, SIGN_LAYOUTS, "begin with this layout"),
		OPT_TEXT('l', "listen", "ADDRESS:PORT", &a.listen,
		    "listen there instead of at the setting listen; separate several with commas"),
		OPT_CLOCK(&a.now),
		OPT_SPOOL(&a.spool),
		OPT_TEXT('t', "transcript", "FILE", &a.transcript,
		    "append each message to this file, without strings and names"),
		OPT_SPAN(0, "give-up", &a.give_up,
		    "exit when the phone has not connected for this long; by default never"),
		OPT_TEXT(0, "only", "LIST", &a.only,
		    "try only these layouts, such as 1,5-9, or wait"),
		OPT_SPAN(0, "remind", &a.remind,
		    "say what to do with the phone each time it has not connected for this long"),
		OPT_TEXT(0, "string", "FILE|DIGITS", &a.string,
		    "authentication string that the phone sends, instead of the one in its "
		    "record"),
		OPT_SPAN(0, "wait", &a.wait, "how long each wait trial leaves the phone waiting"),
		{0},
	};
	int arg = options_parse(argc, argv, options), status;
	char string[AUTH_STRING_MAX + 1] = "";
	struct phone_auth_policy policy;
	struct probe p = {0};
	char device[DEVICE_MAX + 1];
	struct settings c;
	struct reason why;
	struct spool *s;
	struct trust *trust;
	struct cert *cert;
	EVP_PKEY *key;

	if (argc - arg != 1 || !device_tidy(argv[arg], device))
		status_usage("takes the name of one device");
	if (trial_plan(&p.trials, a.all, (unsigned)a.from, a.only, &why) != 0)
		status_usage("%s", why.text);
	if (a.remind < 1 || a.remind > 86400 || a.wait < 1 || a.wait > 86400)
		status_usage("--remind and --wait want 1s to 1d");
	s = open_spool(a.spool, a.now);
	/* A record of just this name is meant, however unusual the name is. */
	if (device_ok(argv[arg], strlen(argv[arg])) && phonebook_has(s, argv[arg]))
		strcpy(device, argv[arg]);
	if (settings_load(&c, s->root, &why) != 0)
		status_die(status_of_input(why.trouble), a.spool, SPOOL_CONF ": %s", why.text);
	tls_init();
	if (capf_identity_load(s, &cert, &key, &why) != 0)
		status_die(status_of_input(why.trouble), "ca/" CAPF_IDENTITY_PAIR, "%s", why.text);
	trust = load_trust(s, cert);
	policy = (struct phone_auth_policy){.trust = trust, .now = a.now, .allow_expired = c.accept_expired,
	    .require_sudi = c.require_sudi, .allow_weak = c.accept_weak_mic};
	plan_visits(&p, &a, &c, device, string);
	read_record(&p, s, a.string, string, &policy);
	if ((p.visit.tls = tls_server(cert->x509, key, c.legacy_tls, &why)) == NULL)
		status_die(STATUS_TROUBLE, NULL, "%s", why.text);
	open_transcript(&p, a.transcript, a.now);
	p.visit.signals = catch_signals();
	start_listening(&p, a.listen, &c);
	confine_to(SANDBOX_SERVER, NULL, 0);

	try_all(&p, a.only != NULL);
	status = conclude(&p);
	explicit_bzero(string, sizeof string);
	tls_context_free(p.visit.tls);
	trust_free(trust);
	EVP_PKEY_free(key);
	cert_free(cert);
	spool_close(s);
	return status_flush(status);
}
