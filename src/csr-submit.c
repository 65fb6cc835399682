/* SPDX-License-Identifier: ISC */
/* csr-submit: an archive of requests to a CA on the network, and its certificates back in one that cert-import takes.
 * What it asks for is durable in the spool before it leaves, so that no key is asked for twice, whenever it ends. It
 * believes no certificate: that is for cert-import. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archive/manifest.h"
#include "archive/untar.h"
#include "base/device.h"
#include "base/monotime.h"
#include "base/outfile.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "cli/table.h"
#include "quarantine/inspect.h"
#include "quarantine/judge_csr.h"
#include "quarantine/unpack.h"
#include "site/asked.h"
#include "site/capf_identity.h"
#include "submit/queue.h"
#include "submit/harvest.h"
#include "submit/named_ca.h"
#include "submit/standing.h"
#include "x509/cert.h"
#include "x509/csr.h"
#include "x509/pkcs7.h"

const char program[] = "csr-submit";
const char purpose[] = "have a CA on the network sign an archive of requests";
const char synopsis[] =
    "[-ahV] [-c name] [-O field=value ...] [-o file] [-P seconds] [-s spool]\n"
    "                  [-w time] [-z level] [file]\n"
    "       csr-submit --test [-c name] [-O field=value ...] [-s spool]\n"
    "       csr-submit --get-ca [-c name] [-O field=value ...] [-s spool]\n"
    "       csr-submit --status [-H] [-s spool] [--color[=when]] [--json] [--no-pager]";

static const struct table_column standing_columns[] = {
	{"ca", TABLE_WORD, 0}, {"open", TABLE_NUMBER, 0}, {"issued", TABLE_NUMBER, 0}, {"refused", TABLE_NUMBER, 0},
	{"lost", TABLE_NUMBER, 0}, {"oldest", TABLE_TIME, 2}, {"success", TABLE_TIME, 1}, {"error", TABLE_TIME, 3},
	{"reason", TABLE_TEXT, 0},
};

#define EARLY_SECONDS 60	/* so long certificates wait until they are valid */
#define PATIENCE_MS 30000	/* a CA that is away and wants more time gets it from another run */
#define FAILURES 3		/* in a row: then the CA is away, and another try later does what is left */

struct run {
	struct spool *spool;
	struct queue *queue;
	struct harvest harvest;
	size_t refused, pending, unasked, lost;
	time_t valid;		/* when the last of them becomes valid */
	bool failed;		/* memory was short */
	bool damaged;		/* the archive: nothing of it was submitted */
};

/* What the CA said of one request; for the queue. */
static void tell(void *ctx, const struct asked *a, struct bytes der)
{
	struct run *r = ctx;

	switch (a->state) {
	case ASKED_ISSUED:
		if (a->next > r->valid)
			r->valid = a->next;
		if (der.len > 0)
			break;
		r->refused++;
		status_warn(a->device, "has a certificate of this key that was taken already; --again asks for another");
		return;
	case ASKED_UNFIT:
		r->refused++;
		status_warn(a->device, "was not sent: %s", a->reason);
		return;
	case ASKED_REFUSED:
		r->refused++;
		status_warn(a->device, "refused: %s", a->reason);
		return;
	case ASKED_LOST:
		r->lost++;
		status_warn(a->device, "%s: look at the CA whether it has issued, then import that, or ask anew with --again",
		    a->reason);
		return;
	default:
		return;
	}
	r->failed = harvest_add(&r->harvest, a->device, der) != 0 || r->failed;
}

/* One request of the archive of this name. An exit status. */
static int add(struct run *r, const struct verdict *v, const char *name)
{
	/* A file that is no archive is one entry without a name. */
	const char *entry = v->entry[0] != '\0' ? v->entry : name;
	struct reason why;

	if (!v->good) {
		status_warn(entry, "%s", v->reason.text);
		return STATUS_REFUSED;
	}
	/* A process that only says that it has checked it must not name a file. */
	if (!device_ok(v->facts.cn, strlen(v->facts.cn))) {
		errno = EPROTO;
		status_warn_errno(entry, "cannot submit");
		return STATUS_TROUBLE;
	}
	if (queue_add(r->queue, v->facts.cn, v->facts.spki, (struct bytes){v->facts.der, v->facts.der_len}, &why) == 0)
		return STATUS_OK;
	status_warn(v->facts.cn, "%s", why.text);
	return status_of_item(why.trouble);
}

/* The whole archive, before the first request leaves. An exit status. */
static int read_all(struct run *r, struct inspect *in, const char *name)
{
	enum inspect_result result;
	int status = STATUS_OK;
	struct reason why;
	struct verdict v;

	while (status != STATUS_TROUBLE && (result = inspect_next(in, &v, &why)) != INSPECT_END) {
		if (result == INSPECT_FILE)
			continue;
		if (result == INSPECT_VERDICT) {
			status = status_worst(status, add(r, &v, name));
			continue;
		}
		r->damaged = true;
		if (result == INSPECT_TROUBLE)
			status_warn_errno(name, "cannot read");
		else if (result == INSPECT_UNREADABLE)
			status_warn_errno(name, "%s", why.text);
		else
			status_warn(v.entry[0] != '\0' ? v.entry : name, "%s; nothing was submitted", why.text);
		return result == INSPECT_TROUBLE ? STATUS_TROUBLE :
		    result == INSPECT_UNREADABLE ? status_of(errno) : STATUS_REFUSED;
	}
	return status;
}

/* Nothing goes on, and another try is for later. An exit status, or -1: go on. */
static int give_up(const struct run *r, const char *ca, long long until)
{
	bool broken;
	unsigned failures;
	const char *why = queue_trouble(r->queue, &broken, &failures);

	if (why == NULL || (!broken && ((failures < FAILURES && queue_due(r->queue) < PATIENCE_MS) || monotime_ms() < until)))
		return -1;
	status_warn(ca, "%s", why);
	return broken ? STATUS_USAGE : STATUS_TROUBLE;
}

/* Somebody wants an end: what is under way is waited for, or it would be lost. A second signal ends us at once. */
static volatile sig_atomic_t stopping;

static void stop(int signo)
{
	(void)signo;
	stopping = 1;
}

static void watch_signals(void)
{
	const struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* How long there is nothing to do. */
static int pause_ms(const struct run *r, long long until)
{
	struct queue_count n = queue_count(r->queue);
	long long left = until - monotime_ms();
	int due = queue_due(r->queue);

	/* A signal that comes just before poll() is seen a second later. */
	due = due < 0 || due > 1000 ? 1000 : due;
	return n.later == n.open && left < due ? (left > 0 ? (int)left : 0) : due;
}

/* Until all have an answer, or the time is over. An exit status. */
static int ask_all(struct run *r, const char *ca, time_t wait)
{
	struct pollfd fd[ONLINE_PARALLEL_MAX];
	long long until = monotime_ms() + (long long)wait * 1000;
	struct queue_count n;
	struct progress progress;
	size_t all = queue_count(r->queue).open;
	int status = STATUS_OK, given_up = -1;

	watch_signals();
	progress_start(&progress, "certificates", 0);
	for (;;) {
		if (queue_work(r->queue) != 0) {
			status_warn_errno(r->spool->path, "cannot go on");
			status = STATUS_TROUBLE;
			break;
		}
		n = queue_count(r->queue);
		progress_part(&progress, all - n.open, all);
		progress_show(&progress, r->harvest.n);
		if (given_up < 0)
			given_up = stopping ? STATUS_TROUBLE : give_up(r, ca, until);
		if (given_up >= 0)
			queue_stop(r->queue);
		/* The rest is pending. */
		if (n.open == 0 || (n.asking == 0 && given_up >= 0) || (n.later == n.open && monotime_ms() >= until))
			break;
		poll(fd, queue_watch(r->queue, fd), pause_ms(r, until));
	}
	progress_end(&progress);
	r->unasked = queue_unasked(r->queue);
	r->pending = queue_count(r->queue).open - r->unasked;
	return given_up >= 0 ? given_up : status;
}

/* All certificates, or no archive. An exit status. */
static int write_archive(struct run *r, struct outfile *out, const char *name, int level)
{
	if (!r->failed && harvest_write(&r->harvest, out->fd, level, r->spool->now) == 0 && outfile_commit(out) == 0)
		return STATUS_OK;
	if (r->failed)
		errno = ENOMEM;
	status_warn_errno(name, "cannot write; the certificates are in the spool: submit the same again");
	return STATUS_TROUBLE;
}

struct wanted {
	const char *ca, *output, *file;
	struct option_texts set;
	bool again, test, get_ca, status;
	struct table_options how;	/* of --status */
	time_t wait, clock;
	long level;
};

/* What it may still do: change what is its own in the spool, write the archive, and what its clerks need. */
static void confine(struct run *r, const struct online_settings *ca, const char *output)
{
	const char *file[ONLINE_FILES_MAX];
	struct sandbox_path path[ONLINE_FILES_MAX + 2];
	size_t files = online_settings_files(ca, file), n = 0;

	path[n++] = (struct sandbox_path){r->spool->dir[SPOOL_ONLINE], NULL, SANDBOX_READ | SANDBOX_WRITE};
	path[n++] = (struct sandbox_path){r->spool->dir[SPOOL_TMP], NULL, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DIRS};
	for (size_t i = 0; i < files; i++)
		path[n++] = (struct sandbox_path){AT_FDCWD, file[i], SANDBOX_READ};
	confine_asking(output, path, n);
}

/* One CA at a time is asked by one program. A descriptor to close. */
static int lock(struct spool *s)
{
	int fd = asked_lock(s);

	if (fd < 0 && errno == EWOULDBLOCK)
		status_die(STATUS_TROUBLE, s->path, "another csr-submit, or capf-enroll, is at work with this spool");
	if (fd < 0)
		status_die_errno(s->path, "cannot lock");
	return fd;
}

/* All that was said, in the archive and in a line. An exit status. */
static int report(struct run *r, struct outfile *out, const struct wanted *want)
{
	const char *name = want->output != NULL && strcmp(want->output, "-") != 0 ? want->output : "stdout";
	size_t n = r->harvest.n;
	int status = STATUS_OK;

	/* A CA's clock may be ahead of ours, and whoever imports would refuse what is not valid yet. */
	for (int i = 0; i < EARLY_SECONDS && time(NULL) + want->clock < r->valid; i++)
		sleep(1);
	if (n > 0)
		status = write_archive(r, out, name, (int)want->level);
	else
		status_warn(NULL, "no certificate came, and no archive was written");
	if (r->refused + r->lost + r->pending + r->unasked > 0 || n == 0)
		status = status_worst(status, STATUS_REFUSED);
	if (r->unasked > 0)
		status_warn(NULL, "%zu were not asked for: submit the same again later", r->unasked);
	if (n + r->refused + r->lost + r->pending + r->unasked > 0)
		status_warn(NULL, "%zu issued, %zu pending, %zu refused, %zu lost", n, r->pending, r->refused, r->lost);
	return status;
}

/* From what is read to what is written. An exit status. */
static int run(struct run *r, struct inspect *in, struct outfile *out, const struct online_settings *ca,
    const struct wanted *want)
{
	int status = read_all(r, in, strcmp(want->file, "-") == 0 ? "stdin" : want->file);

	if (r->damaged)
		return status;
	if (status < STATUS_USAGE && queue_count(r->queue).open > 0)
		status = status_worst(status, ask_all(r, ca->name, want->wait));
	return status_worst(status, report(r, out, want));
}

/* From an archive of requests to one of certificates. An exit status. */
static int submit(struct spool *s, const struct online_settings *ca, const struct wanted *want)
{
	struct reason why;
	EVP_PKEY **vouchers = capf_identity_vouchers(s, &why);
	struct run r = {.spool = s};
	const struct queue_task task = {.spool = s, .clerk = {ca, vouchers, want->clock}, .again = want->again,
	    .tell = tell, .ctx = &r};
	struct unpack_task from = {.file = &want->file, .files = 1, .limits = untar_limits_default, .most = CSR_MAX_BYTES};
	const struct inspect_task judge = {.admit = judge_csr_admit, .judge = judge_csr, .ctx = vouchers};
	int status, locked = lock(s);
	struct outfile out;
	struct inspect *in;

	if (vouchers == NULL && why.trouble)
		status_die(STATUS_TROUBLE, "ca/" CAPF_IDENTITY_PAIR, "%s", why.text);
	from.limits.entry_bytes = MANIFEST_MAX_BYTES;
	if (outfile_open(&out, want->output, 0644) != 0)
		status_die_path(want->output != NULL ? want->output : "stdout", "cannot write an archive there");
	if ((r.queue = queue_open(&task)) == NULL || (in = inspect_open(unpack_start(&from), &judge, 0)) == NULL)
		status_die_errno(NULL, "cannot start");
	confine(&r, ca, want->output);
	status = run(&r, in, &out, ca, want);
	inspect_close(in);
	outfile_abort(&out);
	queue_close(r.queue);
	harvest_free(&r.harvest);
	capf_identity_vouchers_free(vouchers);
	close(locked);
	return status;
}

/* A certificate of the CA: as PEM for trust-add, or a line. */
static void show(const struct cert *cert, bool pem)
{
	char until[UTC_ISO + 1], digest[2 * sizeof cert->digest + 1], cn[4 * sizeof cert->cn + 1], *text;
	size_t len;

	if (pem && (text = cert_pem(cert->x509, &len)) != NULL) {
		fputs(text, stdout);
		free(text);
	}
	if (pem)
		return;
	utc_iso(cert->not_after, until);
	bytes_hex(cert->digest, sizeof cert->digest, digest);
	printf("certificate\t%s\t%s\t%s\n", status_escape(cert->cn, cn, sizeof cn), until, digest);
}

static void put_time(struct table *table, time_t t)
{
	if (t == 0)
		table_none(table);
	else
		table_time(table, t, TABLE_PLAIN);
}

/* --test and --get-ca: nothing is asked for. An exit status. */
static int look(const struct online_settings *settings, bool get, time_t now)
{
	struct online_report found = {.text = {NULL, 0, 0, false}};
	const char *file[ONLINE_FILES_MAX];
	struct sandbox_path path[ONLINE_FILES_MAX];
	size_t files = online_settings_files(settings, file);
	struct online_ca ca;
	struct bytes all, one;
	struct reason why;
	struct cert *cert;
	int status = STATUS_OK;

	for (size_t i = 0; i < files; i++)
		path[i] = (struct sandbox_path){AT_FDCWD, file[i], SANDBOX_READ};
	confine_asking(NULL, path, files);
	if (online_open(&ca, settings, now, &why) != 0)
		status_die(status_of_input(why.trouble), settings->name, "%s", why.text);
	if (ca.kind->check(&ca, &found, &why) != 0)
		status_die(status_of_input(why.trouble), settings->name, "%s", why.text);
	online_close(&ca);
	if (!get)
		printf("ca\t%s\ntype\t%s\n%.*s", settings->name, online_kind(settings->type)->name, (int)found.text.len,
		    found.text.p != NULL ? (const char *)found.text.p : "");
	for (all = (struct bytes){found.certificates.p, found.certificates.len}; pkcs7_next(&all, &one);) {
		if ((cert = cert_parse(one.p, one.len, &why)) == NULL) {
			status_warn(settings->name, "sends a certificate that is no good: %s", why.text);
			status = STATUS_REFUSED;
			continue;
		}
		show(cert, get);
		cert_free(cert);
	}
	buf_free(&found.certificates);
	buf_free(&found.text);
	return status;
}

static void tell_damaged(const char *file, const struct reason *why)
{
	status_warn(file, "%s", why->text);
}

/* --status: a line for each CA. An exit status. */
static int show_standing(const struct spool *s, const struct table_options *how)
{
	struct standing *list;
	struct table table;
	size_t n;

	table_open(&table, standing_columns, sizeof standing_columns / sizeof *standing_columns, how);
	confine_below(SANDBOX_READER, s->root, NULL, 0);
	if (standing_gather(s, &list, &n, tell_damaged) != 0) {
		status_warn_errno(s->path, "cannot read");
		return STATUS_TROUBLE;
	}
	for (size_t i = 0; i < n; i++) {
		const struct standing *st = &list[i];

		table_word(&table, st->ca, TABLE_PLAIN);
		table_number(&table, st->count[ASKED_SENT] + st->count[ASKED_PENDING] + st->count[ASKED_LATER]);
		table_number(&table, st->count[ASKED_ISSUED]);
		table_number(&table, st->count[ASKED_REFUSED] + st->count[ASKED_UNFIT]);
		table_number(&table, st->count[ASKED_LOST]);
		put_time(&table, st->oldest);
		put_time(&table, st->success);
		put_time(&table, st->error);
		table_raw(&table, *st->reason != '\0' ? st->reason : NULL);
		table_row(&table);
	}
	table_close(&table);
	free(list);
	return STATUS_OK;
}

static void check_options(const struct wanted *want, int args)
{
	if (want->test + want->get_ca + want->status > 1)
		status_usage("--test, --get-ca and --status exclude each other");
	if ((want->how.header || want->how.json) && !want->status)
		status_usage("--%s is for --status", want->how.json ? "json" : "header");
	if (args > 1 || ((want->test || want->get_ca || want->status) && args > 0))
		status_usage(args > 1 ? "takes one archive" : "takes no archive with that option");
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	time_t start = time(NULL), now = start;
	struct wanted want = {.file = "-", .level = 6};
	const struct option_spec options[] = {
		OPT_FLAG('a', "again", &want.again,
		    "ask again for requests that were refused, lost or answered"),
		OPT_FLAG('H', "header", &want.how.header,
		    "with --status, print the names of the columns first"),
		OPT_TEXT('c', "ca", "CA", &want.ca,
		    "the CA, by its name in capf.conf; by default the setting online-ca, or "
		    "the only CA there"),
		OPT_TEXTS('O', "option", "FIELD=VALUE", &want.set,
		    "set a field of the CA, as ca.NAME.FIELD in capf.conf"),
		OPT_TEXT('o', "output", "FILE", &want.output,
		    "write the archive to this file instead of to stdout"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_SPAN('w', "wait", &want.wait,
		    "how long to wait for pending requests and a CA that is away; by default 0s"),
		OPT_NUMBER('z', "level", "N", &want.level, 1, 9, "compression; 9 is smallest"),
		TABLE_OPTIONS(&want.how),
		OPT_FLAG(0, "get-ca", &want.get_ca,
		    "print the CA's own certificates as PEM, and exit"),
		OPT_FLAG(0, "status", &want.status,
		    "print a line for each CA that the spool knows of, and exit"),
		OPT_FLAG(0, "test", &want.test,
		    "contact the CA, log in, print what it is, and exit"),
		{0},
	};
	int arg = options_parse(argc, argv, options), status;
	struct online_settings ca;
	struct reason why;
	struct spool *s;

	check_options(&want, argc - arg);
	if (arg < argc)
		want.file = argv[arg];
	want.clock = now - start;
	s = want.test || want.get_ca || want.status ? open_spool(path, now) : open_spool_to_write(path, now);
	if (!want.status && named_ca(s, want.ca, want.set.text, want.set.n, &ca, &why) != 0)
		status_die(status_of_input(why.trouble), want.ca != NULL ? want.ca : SPOOL_CONF, "%s", why.text);
	if (!want.status && !want.test && !want.get_ca && strcmp(want.file, "-") == 0 && isatty(STDIN_FILENO))
		status_usage("wants an archive of requests, from a file or on stdin");
	if (want.status)
		status = show_standing(s, &want.how);
	else if (want.test || want.get_ca)
		status = look(&ca, want.get_ca, now);
	else
		status = submit(s, &ca, &want);
	spool_close(s);
	return status_flush(status);
}
