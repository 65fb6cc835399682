/* SPDX-License-Identifier: ISC */
/* csr-sign: an archive of requests in, an archive of certificates out, on all cores, in one pass. It
 * knows no spool and no network. It believes no request whose signature does not hold, and, when it knows an
 * RA, none that a manifest by that RA does not list; takes nothing from a request but its key and its device,
 * and lets no certificate out that is not in the log. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archive/manifest.h"
#include "archive/tgz.h"
#include "archive/untar.h"
#include "base/device.h"
#include "base/fileio.h"
#include "base/outfile.h"
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
const char synopsis[] =
    "-c cert -k key [-hmV] [-C device|request] [-D digest] [-d days] [-j jobs]\n"
    "                [-l file] [-o file] [-P seconds] [-p file] [-r cert ...] [-z level]\n"
    "                [--no-eku] [--no-key-ids] [--no-manifest] [file]";

_Static_assert(OPTION_TEXTS_MAX <= SIGN_RA_MAX, "each --ra has its place");

struct output {
	struct unpack *from;	/* what comes in */
	struct ledger *ledger;
	const char *name, *log_name;
	int log;		/* -1: none */
	bool damaged;		/* what came in: then nothing goes out */
};

/* Says what the ledger could not do. An exit status. */
static int say(const struct output *o, enum ledger_result result)
{
	if (result == LEDGER_OK)
		return STATUS_OK;
	if (result == LEDGER_NO_LOG)
		status_warn_errno(o->log_name, "cannot log");
	else
		status_warn_errno(o->name, "cannot write");
	return STATUS_TROUBLE;
}

/* One verdict. An exit status. */
static int take(const struct output *o, const struct verdict *v)
{
	enum ledger_result result = LEDGER_OK;

	/* A process that only says that it has checked it must not write our log, nor name a file. */
	if (v->good && !device_ok(v->facts.cn, strlen(v->facts.cn))) {
		errno = EPROTO;
		status_warn_errno(v->entry, "cannot sign");
		return STATUS_TROUBLE;
	}
	if (v->good && (result = ledger_put(o->ledger, v)) != LEDGER_TWICE)
		return say(o, result);
	status_warn(v->entry, "%s", v->good ? "a second request for this device" : v->reason.text);
	return STATUS_REFUSED;
}

/* The whole archive. An exit status. */
static int sign_all(struct output *o, struct inspect *in, struct sign *sign, const char *name)
{
	struct progress progress;
	enum inspect_result result;
	int status = STATUS_OK;
	struct reason why;
	struct verdict v;

	progress_start(&progress, "certificates");
	while (status < STATUS_USAGE && !o->damaged && (result = inspect_next(in, &v, &why)) != INSPECT_END) {
		if (result == INSPECT_VERDICT) {
			status = status_worst(status, take(o, &v));
		} else if (result == INSPECT_DAMAGED || result == INSPECT_DIED) {
			status_warn(v.entry[0] != '\0' ? v.entry : name, "%s; no archive was written",
			    why.text);
			o->damaged = true;
			status = STATUS_REFUSED;
		} else {
			status_warn_errno(name, "cannot sign");
			status = STATUS_TROUBLE;
		}
		progress_show(&progress, ledger_count(o->ledger));
	}
	progress_end(&progress);
	if (status >= STATUS_USAGE || o->damaged)
		return status;
	if (sign_missing(sign) != NULL) {
		status_warn(sign_missing(sign), "is in the manifest, but not in the archive");
		status = STATUS_REFUSED;
	}
	return status_worst(status, say(o, ledger_flush(o->ledger)));
}

static void complain(const char *object, const char *text)
{
	status_warn(object, "%s", text);
}

/* Ends the archive, when there is one to end. An exit status. */
static int finish(const struct output *o, struct tgz *w, struct outfile *out, const char *name)
{
	if (o->damaged)
		return STATUS_REFUSED;
	if (ledger_count(o->ledger) == 0) {
		status_warn(name, "nothing was signed, and no archive written");
		return STATUS_REFUSED;
	}
	if (tgz_finish(w) == 0 && outfile_commit(out) == 0)
		return STATUS_OK;
	status_warn_errno(o->name, "cannot write");
	return STATUS_TROUBLE;
}

/* From the archive that is being unpacked to the archive at path: all of it or none. An exit status. */
static int run(struct output *o, struct sign *sign, const char *name, const char *path, size_t jobs,
    int level)
{
	const struct inspect_task task = {sign_admit, sign_init, key_is_uri(sign->key), sign_judge, sign};
	struct tgz *w = NULL;
	struct inspect *in = NULL;
	struct outfile out;
	int status;

	if (outfile_open(&out, path, 0644) != 0) {
		status = status_of(errno);
		status_warn_errno(o->name, "cannot write an archive there");
		unpack_stop(o->from);
		return status;
	}
	/* The workers start before the writer, whose buffers they need not have. */
	in = inspect_open(o->from, &task, jobs);
	secret_wipe(&sign->secret);
	confine_beside(path, -1);
	if (in == NULL || (w = tgz_open(out.fd, level)) == NULL ||
	    (o->ledger = ledger_open(w, o->log, sign->now)) == NULL) {
		status_warn_errno(NULL, "cannot start");
		status = STATUS_TROUBLE;
	} else if ((status = sign_all(o, in, sign, name)) < STATUS_USAGE) {
		status = status_worst(status, finish(o, w, &out, name));
	}
	ledger_close(o->ledger);
	inspect_close(in);
	tgz_free(w);
	outfile_abort(&out);
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
	const char *name;	/* the archive; "-": stdin */
	const char *ca, *cn, *digest, *log, *output, *pass;
	long days, jobs, level;
	bool manifest, no_eku, no_key_ids;
	struct option_texts ra;
};

static void check_options(const struct wanted *want, const struct sign *sign, int archives)
{
	if (want->ca == NULL || sign->key == NULL)
		status_usage("wants the CA's certificate and its key");
	if (archives > 1)
		status_usage("takes one archive");
	if (strcmp(want->cn, "device") != 0 && strcmp(want->cn, "request") != 0)
		status_usage("--cn wants device or request");
	if ((want->manifest || sign->no_manifest) && want->ra.n == 0)
		status_usage("--%s wants the certificate of who signs manifests: --ra",
		    want->manifest ? "require-manifest" : "no-manifest");
	if (want->manifest && sign->no_manifest)
		status_usage("--require-manifest and --no-manifest exclude each other");
	if (strcmp(want->name, "-") == 0 && isatty(STDIN_FILENO))
		status_usage("wants an archive, from a file or on stdin");
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

/* Starts what reads the archive, then loads the CA's key: whatever reads what came from outside has none. */
static struct unpack *start(const struct wanted *want, struct sign *sign)
{
	struct unpack_task from = {.limits = untar_limits_default, .most = CSR_MAX_BYTES};
	struct unpack *unpack;
	struct reason why;
	bool of_key;

	if ((from.fd = fileio_open_input(want->name)) < 0)
		status_die_path(want->name, "cannot open");
	from.limits.entry_bytes = MANIFEST_MAX_BYTES;
	if (want->ra.n > 0)
		from.most = MANIFEST_MAX_BYTES;
	if ((unpack = unpack_start(&from)) == NULL || sign_start_checker(sign) != 0)
		status_die_errno(NULL, "cannot start");
	close(from.fd);
	if (want->pass != NULL && secret_read(&sign->secret, want->pass, &why) != 0)
		status_die(status_of_input(why.trouble), want->pass, "%s", why.text);
	if (sign_prepare(sign, &of_key, &why) != 0)
		status_die(status_of_input(why.trouble), of_key ? sign->key : want->ca, "%s", why.text);
	return unpack;
}

int main(int argc, char *argv[])
{
	struct wanted want = {.name = "-", .cn = "device", .digest = "SHA256", .days = issue_policy_default.days,
	    .level = 6};
	struct sign sign = {.policy = issue_policy_default, .now = time(NULL), .complain = complain};
	const struct option_spec options[] = {
		{'C', "cn", OPTION_TEXT, &want.cn, 0, 0},
		{'c', "cert", OPTION_TEXT, &want.ca, 0, 0},
		{'D', "digest", OPTION_TEXT, &want.digest, 0, 0},
		{'d', "days", OPTION_NUMBER, &want.days, 1, ISSUE_DAYS_MAX},
		{'j', "jobs", OPTION_NUMBER, &want.jobs, 1, 256},
		{'k', "key", OPTION_TEXT, &sign.key, 0, 0},
		{'l', "log", OPTION_TEXT, &want.log, 0, 0},
		{'m', "require-manifest", OPTION_FLAG, &want.manifest, 0, 0},
		{'o', "output", OPTION_TEXT, &want.output, 0, 0},
		{'P', "clock", OPTION_CLOCK, &sign.now, 0, 0},
		{'p', "pass-file", OPTION_TEXT, &want.pass, 0, 0},
		{'r', "ra", OPTION_TEXTS, &want.ra, 0, 0},
		{'z', "level", OPTION_NUMBER, &want.level, 1, 9},
		{0, "no-eku", OPTION_FLAG, &want.no_eku, 0, 0},
		{0, "no-key-ids", OPTION_FLAG, &want.no_key_ids, 0, 0},
		{0, "no-manifest", OPTION_FLAG, &sign.no_manifest, 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options), status;
	struct output o = {.log = -1};
	struct cert *ca;

	if (arg < argc)
		want.name = argv[arg];
	check_options(&want, &sign, argc - arg);
	take_policy(&want, &sign, &ca);
	o.from = start(&want, &sign);
	o.name = want.output != NULL && strcmp(want.output, "-") != 0 ? want.output : "stdout";
	o.log_name = want.log;
	if (want.log != NULL && (o.log = outfile_log_open(want.log)) < 0)
		status_die_path(want.log, "cannot open the log");
	status = run(&o, &sign, want.name, want.output, (size_t)want.jobs, (int)want.level);
	sign_free(&sign);
	cert_free(ca);
	for (size_t i = 0; i < want.ra.n; i++)
		cert_free(sign.ra[i]);
	return status;
}
