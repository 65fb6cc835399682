/* SPDX-License-Identifier: ISC */
/* csr-sign: archives of requests in, an archive of certificates out, or one for each, on all cores, in one pass.
 * It knows no spool and no network. It believes no request whose signature does not hold, and, when it knows an
 * RA, none that the manifest of its own archive does not list; takes nothing from a request but its key and its
 * device, replaces no archive of requests, and lets no certificate out that is not in the log. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archive/manifest.h"
#include "archive/untar.h"
#include "base/device.h"
#include "base/outfile.h"
#include "ca/answers.h"
#include "ca/ledger.h"
#include "ca/sign.h"
#include "cli/confine.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "quarantine/inspect.h"
#include "quarantine/unpack.h"
#include "x509/cert.h"
#include "x509/csr.h"

const char program[] = "csr-sign";
const char purpose[] = "sign archives of requests at the offline CA";
const char synopsis[] =
    "-c cert -k key [-hmV] [-C device|request] [-D digest] [-d days] [-j jobs]\n"
    "                [-l file] [-o file|dir] [-P seconds] [-p file] [-r cert ...]\n"
    "                [-z level] [--no-eku] [--no-key-ids] [--no-manifest] [file ...]";

_Static_assert(OPTION_TEXTS_MAX <= SIGN_RA_MAX, "each --ra has its place");

struct run {
	struct sign *sign;
	const char *const *archive;	/* of requests; "-": stdin */
	size_t archives, begun;
	struct answers answers;
	struct ledger *ledger;
	const char *log_name;
	int log;		/* -1: none */
	bool damaged;		/* the archive at hand: then it has no answer */
	struct progress progress;
	int file;		/* the one archive, when its position tells how far we are; or -1 */
	size_t taken, others;	/* entries; those that are certificates */
};

static const char *archive_name(const struct run *r)
{
	return r->archive[r->begun > 0 ? r->begun - 1 : 0];
}

/* How messages call the answer that is being written. */
static const char *answer_name(const struct run *r)
{
	const char *path = r->answers.path[r->answers.each && r->begun > 0 ? r->begun - 1 : 0];

	return path != NULL ? path : "stdout";
}

/* Says what is wrong with an entry; of which archive, when there are several. */
static void warn_entry(const struct run *r, const char *entry, const char *text)
{
	if (*entry == '\0')
		status_warn(archive_name(r), "%s", text);
	else if (r->archives == 1)
		status_warn(entry, "%s", text);
	else
		status_warn(archive_name(r), "%s: %s", entry, text);
}

/* Says what the ledger could not do. An exit status. */
static int say(const struct run *r, enum ledger_result result)
{
	if (result == LEDGER_OK)
		return STATUS_OK;
	if (result == LEDGER_NO_LOG)
		status_warn_errno(r->log_name, "cannot log");
	else
		status_warn_errno(answer_name(r), "cannot write");
	return STATUS_TROUBLE;
}

/* One verdict. An exit status. */
static int take(struct run *r, const struct verdict *v)
{
	enum ledger_result result = LEDGER_OK;

	progress_show(&r->progress, ++r->taken);
	/* A process that only says that it has checked it must not write our log, nor name a file. */
	if (v->good && !device_ok(v->facts.cn, strlen(v->facts.cn))) {
		errno = EPROTO;
		status_warn_errno(v->entry, "cannot sign");
		return STATUS_TROUBLE;
	}
	if (v->good && (result = ledger_put(r->ledger, v)) != LEDGER_TWICE)
		return say(r, result);
	r->others += v->other;
	warn_entry(r, v->entry, v->good ? "a second request for this device" : v->reason.text);
	return STATUS_REFUSED;
}

static int begin_answer(struct run *r)
{
	int status;

	if (ledger_begin(r->ledger, r->answers.path[r->answers.each ? r->begun - 1 : 0]) == 0)
		return STATUS_OK;
	status = status_of(errno);
	status_warn_errno(answer_name(r), "cannot write an archive there");
	return status;
}

/* Ends an answer, when there is one to end. An exit status. */
static int end_answer(struct run *r)
{
	if (ledger_count(r->ledger) > 0)
		return say(r, ledger_end(r->ledger));
	status_warn(r->answers.each || r->archives == 1 ? archive_name(r) : NULL,
	    "nothing was signed, and no archive written%s", r->others > 0 && r->others == r->taken ?
	    "; csr-sign wants requests, and cert-import takes certificates" : "");
	ledger_drop(r->ledger);
	return STATUS_REFUSED;
}

/* The next archive of requests begins. An exit status. */
static int begin_archive(struct run *r)
{
	progress_part(&r->progress, r->begun++, r->archives);
	r->damaged = false;
	ledger_next(r->ledger);
	return r->answers.each ? begin_answer(r) : STATUS_OK;
}

/* All was said of the archive at hand. An exit status. */
static int end_archive(struct run *r)
{
	const char *missing = sign_missing(r->sign, r->begun - 1);
	int status = STATUS_OK;

	if (r->damaged)
		return STATUS_REFUSED;
	if (missing != NULL) {
		warn_entry(r, missing, "is in the manifest, but not in the archive");
		status = STATUS_REFUSED;
	}
	return r->answers.each ? status_worst(status, end_answer(r)) : status;
}

/* The archive at hand has no answer; when there is one for all, nor has any. An exit status. */
static int refuse_archive(struct run *r, const char *entry, const char *text)
{
	char line[REASON_MAX + 64];

	snprintf(line, sizeof line, "%s; no archive was written", text);
	warn_entry(r, entry, line);
	ledger_drop(r->ledger);
	r->damaged = true;
	return STATUS_REFUSED;
}

/* All archives. An exit status. */
static int sign_all(struct run *r, struct inspect *in)
{
	enum inspect_result result = INSPECT_END;
	int status = STATUS_OK;
	struct reason why, cannot;
	struct verdict v;

	progress_start(&r->progress, "certificates", 0);
	progress_of_file(&r->progress, r->archives == 1 ? r->file : -1);
	while (status < STATUS_USAGE && (!r->damaged || r->answers.each) &&
	    (result = inspect_next(in, &v, &why)) != INSPECT_END) {
		if (result == INSPECT_FILE && r->begun > 0)
			status = status_worst(status, end_archive(r));
		if (result == INSPECT_FILE && status < STATUS_USAGE) {
			status = status_worst(status, begin_archive(r));
		} else if (result == INSPECT_VERDICT) {
			status = status_worst(status, take(r, &v));
		} else if (result == INSPECT_DAMAGED) {
			status = status_worst(status, refuse_archive(r, "", why.text));
		} else if (result == INSPECT_UNREADABLE) {
			status = status_worst(status, status_of_one(errno));
			reason_errno_of(&cannot, why.text);
			refuse_archive(r, "", cannot.text);
		} else if (result == INSPECT_DIED) {
			status = refuse_archive(r, v.entry, why.text);
			break;
		} else if (result == INSPECT_TROUBLE) {
			status_warn_errno(archive_name(r), "cannot sign");
			status = STATUS_TROUBLE;
		}
	}
	progress_end(&r->progress);
	if (result == INSPECT_END && status < STATUS_USAGE && !(r->damaged && !r->answers.each)) {
		status = status_worst(status, end_archive(r));
		if (!r->answers.each)
			status = status_worst(status, end_answer(r));
	}
	return status;
}

static void complain(const char *object, const char *text)
{
	status_warn(object, "%s", text);
}

/* From the archives that are being unpacked to the answers: all of each or none. An exit status. */
static int run(struct run *r, struct unpack *from, size_t jobs)
{
	const struct inspect_task task = {.begin = sign_begin, .admit = sign_admit, .init = sign_init,
	    .outside = key_is_uri(r->sign->key), .judge = sign_judge, .ctx = r->sign, .mark = &r->sign->mark};
	struct inspect *in = NULL;
	int status = STATUS_OK;

	/* One for all may be a device or a FIFO, which cannot be opened later. */
	if (!r->answers.each && (status = begin_answer(r)) != STATUS_OK) {
		unpack_stop(from);
		return status;
	}
	in = inspect_open(from, &task, jobs);
	secret_wipe(&r->sign->secret);
	confine_beside(r->answers.path[0], -1);
	if (in != NULL) {
		status = sign_all(r, in);
	} else {
		status_warn_errno(NULL, "cannot start");
		status = STATUS_TROUBLE;
	}
	ledger_drop(r->ledger);
	inspect_close(in);
	return status;
}

static struct cert *load_cert(const char *path)
{
	struct reason why;
	struct cert *c = cert_load(path, &why);

	if (c == NULL)
		status_die(status_of_input(why.trouble), path, "%s", why.text);
	return c;
}

struct wanted {
	const char *ca, *cn, *digest, *log, *output, *pass;
	long days, jobs, level;
	bool manifest, no_eku, no_key_ids;
	struct option_texts ra;
};

static void check_options(const struct wanted *want, const struct sign *sign)
{
	if (want->ca == NULL || sign->key == NULL)
		status_usage("wants the CA's certificate and its key");
	if ((want->manifest || sign->no_manifest) && want->ra.n == 0)
		status_usage("--%s wants the certificate of who signs manifests: --ra",
		    want->manifest ? "require-manifest" : "no-manifest");
	if (want->manifest && sign->no_manifest)
		status_usage("--require-manifest and --no-manifest exclude each other");
}

/* The archives of requests and the names of their answers, before any is read and the key is asked for. */
static void check_archives(struct run *r, const char *output)
{
	bool input = false;
	const char *object;
	struct reason why;

	if (r->archives > SIGN_ARCHIVES_MAX)
		status_usage("takes %d archives at most", SIGN_ARCHIVES_MAX);
	for (size_t i = 0; i < r->archives; i++) {
		bool is_input = strcmp(r->archive[i], "-") == 0;

		if (is_input && input)
			status_usage("takes one archive from stdin");
		if (is_input && isatty(STDIN_FILENO))
			status_usage("wants an archive, from a file or on stdin");
		if (!is_input && access(r->archive[i], R_OK) != 0)
			status_die_path(r->archive[i], "cannot open");
		input = input || is_input;
	}
	if (answers_name(&r->answers, output, r->archive, r->archives, &object, &why) != 0)
		status_die(status_of_input(why.trouble), object, "%s", why.text);
	if (r->answers.each && access(output, W_OK | X_OK) != 0)
		status_die_path(output, "cannot write archives there");
}

/* The policy for certificates; loads the certificates of the CA and of those who may sign manifests, which the caller
 * frees. */
static void take_policy(const struct wanted *want, struct sign *sign, struct cert **ca)
{
	if (!issue_digest(want->digest, &sign->policy.digest))
		status_die(STATUS_USAGE, want->digest, "not one of SHA256, SHA384, SHA512");
	sign->policy.days = (int)want->days;
	sign->policy.device_cn = *want->cn == 'd';
	sign->policy.eku = !want->no_eku;
	sign->policy.key_ids = !want->no_key_ids;
	sign->ca = *ca = load_cert(want->ca);
	for (size_t i = 0; i < want->ra.n; i++)
		sign->ra[i] = load_cert(want->ra.text[i]);
}

/* Starts what reads the archives, then loads the CA's key: whatever reads what came from outside has none. */
static struct unpack *start(const struct wanted *want, struct run *r, struct sign *sign)
{
	static const char *const opened[] = {"-"};
	struct unpack_task from = {.fd = STDIN_FILENO, .file = r->archive, .files = r->archives, .apart = true,
	    .limits = untar_limits_default, .most = CSR_MAX_BYTES};
	struct unpack *unpack;
	struct reason why;
	bool of_key;

	from.limits.entry_bytes = MANIFEST_MAX_BYTES;
	if (want->ra.n > 0)
		from.most = MANIFEST_MAX_BYTES;
	if (r->archives == 1 && (r->file = progress_archive(r->archive[0])) >= 0) {
		from.fd = r->file;
		from.file = opened;
	}
	if ((unpack = unpack_start(&from)) == NULL || sign_start_checkers(sign, r->archives) != 0)
		status_die_errno(NULL, "cannot start");
	if (want->pass != NULL && secret_read(&sign->secret, want->pass, &why) != 0)
		status_die(status_of_input(why.trouble), want->pass, "%s", why.text);
	if (sign_prepare(sign, &of_key, &why) != 0)
		status_die(status_of_input(why.trouble), of_key ? sign->key : want->ca, "%s", why.text);
	return unpack;
}

int main(int argc, char *argv[])
{
	static const char *const standard_input[] = {"-"}, *const cns[] = {"device", "request", NULL};
	static const char *const digests[] = {"SHA256", "SHA384", "SHA512", NULL};
	struct wanted want = {.cn = "device", .digest = "SHA256", .days = issue_policy_default.days,
	    .level = 6};
	struct sign sign = {.policy = issue_policy_default, .now = time(NULL), .complain = complain};
	const struct option_spec options[] = {
		OPT_WORD('C', "cn", "WHICH", &want.cn, cns,
		    "CN of certificates: the device name, or the CN of the request"),
		OPT_TEXT('c', "cert", "FILE", &want.ca, "certificate of the CA; required"),
		OPT_TEXT_OF('D', "digest", "DIGEST", &want.digest, digests, "digest of signatures"),
		OPT_NUMBER('d', "days", "N", &want.days, 1, ISSUE_DAYS_MAX,
		    "days that certificates are valid"),
		OPT_NUMBER('j', "jobs", "N", &want.jobs, 1, 256,
		    "number of processes that sign; by default one more than processors"),
		OPT_TEXT('k', "key", "KEY", &sign.key,
		    "the CA's key: a file or a pkcs11: URI; required"),
		OPT_TEXT('l', "log", "FILE", &want.log,
		    "append a line for each certificate to this file"),
		OPT_FLAG('m', "require-manifest", &want.manifest,
		    "refuse archives without a manifest, as --ra does anyway"),
		OPT_TEXT('o', "output", "FILE|DIR", &want.output,
		    "write there instead of to stdout; a directory gets an answer for each "
		    "archive"),
		OPT_CLOCK(&sign.now),
		OPT_TEXT('p', "pass-file", "FILE", &want.pass,
		    "read the pass phrase of the key, or the PIN of the token, from this file"),
		OPT_TEXTS('r', "ra", "FILE", &want.ra,
		    "certificate of a CAPF: also sign requests that it signed, if its manifest "
		    "lists them"),
		OPT_NUMBER('z', "level", "N", &want.level, 1, 9, "compression; 9 is smallest"),
		OPT_FLAG(0, "no-eku", &want.no_eku, "leave out extendedKeyUsage"),
		OPT_FLAG(0, "no-key-ids", &want.no_key_ids, "leave out the key identifiers"),
		OPT_FLAG(0, "no-manifest", &sign.no_manifest,
		    "with --ra, take archives without a manifest"),
		{0},
	};
	int arg = options_parse(argc, argv, options), status;
	struct run r = {.sign = &sign, .log = -1, .file = -1, .log_name = want.log, .archive = standard_input, .archives = 1};
	struct unpack *from;
	struct cert *ca;

	if (arg < argc) {
		r.archive = (const char *const *)argv + arg;
		r.archives = (size_t)(argc - arg);
	}
	check_options(&want, &sign);
	check_archives(&r, want.output);
	take_policy(&want, &sign, &ca);
	from = start(&want, &r, &sign);
	if (want.log != NULL && (r.log = outfile_log_open(want.log)) < 0)
		status_die_path(want.log, "cannot open the log");
	if ((r.ledger = ledger_open(r.log, sign.now, (int)want.level)) == NULL)
		status_die_errno(NULL, "cannot start");
	status = run(&r, from, (size_t)want.jobs);
	ledger_close(r.ledger);
	answers_free(&r.answers);
	sign_free(&sign);
	cert_free(ca);
	for (size_t i = 0; i < want.ra.n; i++)
		cert_free(sign.ra[i]);
	return status;
}
