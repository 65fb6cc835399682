/* SPDX-License-Identifier: ISC */
/* csr-sign: an archive of requests in, an archive of certificates out, on all cores, in one pass. It
 * knows no spool and no network. It believes no request whose signature does not hold, takes nothing from
 * a request but its key and its device, and lets no certificate out that is not in the log. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archive.h"
#include "cert.h"
#include "fileio.h"
#include "intake.h"
#include "manifest.h"
#include "options.h"
#include "outfile.h"
#include "sign.h"
#include "status.h"
#include "when.h"

const char program[] = "csr-sign";
const char synopsis[] =
    "-c cert -k key [-hmV] [-C device|request] [-D digest] [-d days] [-j jobs]\n"
    "                [-l file] [-o file] [-P seconds] [-p file] [-r cert] [-z level]\n"
    "                [--no-eku] [--no-key-ids] [file]";

/* So many certificates go into the log with one fdatasync, and only then into the archive. */
#define GROUP 256

struct output {
	struct archive_writer *archive;
	const char *name;
	int log;		/* -1: none */
	const char *log_name;
	time_t now;
	struct {
		char entry[DEVICE_MAX + sizeof ".der"];
		unsigned char *der;
		size_t len;
	} held[GROUP];
	size_t n;
	struct buf lines;
	bool damaged;		/* what came in: then nothing goes out */
	void *devices;		/* tsearch: whom we have signed for */
	struct progress progress;
	size_t signed_count;
};

/* The log first, then the certificates. An exit status. */
static int let_out(struct output *o)
{
	int status = STATUS_OK;

	if (o->log >= 0 && (o->lines.failed || outfile_log_append(o->log, o->lines.p, o->lines.len) != 0)) {
		status_warn_errno(o->log_name, "cannot log");
		status = STATUS_TROUBLE;
	}
	for (size_t i = 0; i < o->n; i++) {
		if (status == STATUS_OK &&
		    archive_put(o->archive, o->held[i].entry, o->now, o->held[i].der, o->held[i].len) != 0) {
			status_warn_errno(o->name, "cannot write");
			status = STATUS_TROUBLE;
		}
		free(o->held[i].der);
	}
	o->n = 0;
	o->lines.len = 0;
	return status;
}

/* time, serial, device, not-after, key */
static void log_line(struct output *o, const struct verdict *v)
{
	char at[WHEN_ISO + 1], end[WHEN_ISO + 1], key[2 * sizeof v->spki + 1], line[512];
	int n;

	when_iso(o->now, at);
	when_iso(v->not_after, end);
	bytes_hex(v->spki, sizeof v->spki, key);
	n = snprintf(line, sizeof line, "%s\t%s\t%s\t%s\t%s\n", at, v->serial, v->cn, end, key);
	buf_put(&o->lines, line, (size_t)n);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Is this the first certificate for the device? In a flat archive a second would hide the first. */
static int first_time(struct output *o, const char *device)
{
	char *copy = strdup(device), **found;

	if (copy == NULL || (found = tsearch(copy, &o->devices, compare)) == NULL) {
		free(copy);
		return -1;
	}
	if (*found == copy)
		return 1;
	free(copy);
	return 0;
}

/* One verdict. An exit status. */
static int take(struct output *o, const struct verdict *v)
{
	int first = v->good ? first_time(o, v->cn) : 0;

	if (!v->good || first == 0) {
		status_warn(v->entry, "%s", v->good ? "a second request for this device" : v->reason.text);
		return STATUS_REFUSED;
	}
	snprintf(o->held[o->n].entry, sizeof o->held[o->n].entry, "%.*s.der", DEVICE_MAX, v->cn);
	if (first < 0 || (o->held[o->n].der = malloc(v->der_len)) == NULL) {
		status_warn_errno(v->entry, "cannot sign");
		return STATUS_TROUBLE;
	}
	memcpy(o->held[o->n].der, v->der, v->der_len);
	o->held[o->n].len = v->der_len;
	log_line(o, v);
	o->signed_count++;
	progress_show(&o->progress, o->signed_count);
	return ++o->n == GROUP ? let_out(o) : STATUS_OK;
}

/* The whole archive. An exit status. */
static int sign_all(struct output *o, struct intake *in, struct sign *sign, const char *name)
{
	enum intake_result result;
	int status = STATUS_OK;
	struct reason why;
	struct verdict v;

	progress_start(&o->progress, "certificates");
	while (status < STATUS_USAGE && (result = intake_next(in, &v, &why)) != INTAKE_END) {
		if (result == INTAKE_VERDICT) {
			status = status_worst(status, take(o, &v));
		} else if (result == INTAKE_DAMAGED) {
			status_warn(name, "%s; no archive was written", why.text);
			o->damaged = true;
			status = STATUS_REFUSED;
			break;
		} else {
			status_warn_errno(name, "cannot sign");
			status = STATUS_TROUBLE;
		}
	}
	progress_end(&o->progress);
	if (status < STATUS_USAGE && !o->damaged)
		status = status_worst(status, let_out(o));
	if (status < STATUS_USAGE && !o->damaged && sign_missing(sign) != NULL) {
		status_warn(sign_missing(sign), "is in the manifest, but not in the archive");
		status = STATUS_REFUSED;
	}
	return status;
}

static void complain(const char *object, const char *text)
{
	status_warn(object, "%s", text);
}

/* From the archive behind fd to the archive behind out: all of it or none. An exit status. */
static int run(struct output *o, struct sign *sign, int fd, const char *name, const char *path,
    size_t jobs, int level)
{
	const struct intake_task task = {false, sign_admit, sign_init, sign_judge, sign};
	struct archive_limits limits = archive_limits_default;
	struct intake *in = NULL;
	struct outfile out;
	int status = STATUS_TROUBLE;

	limits.entry_bytes = MANIFEST_MAX_BYTES;
	if (outfile_open(&out, path, 0644) != 0) {
		status = status_of(errno);
		status_warn_errno(o->name, "cannot write an archive there");
		return status;
	}
	/* The workers start before the writer, whose buffers they need not have. */
	if ((in = intake_open(fd, &limits, &task, jobs)) == NULL ||
	    (o->archive = archive_create(out.fd, level)) == NULL) {
		status_warn_errno(NULL, "cannot start");
	} else {
		status = sign_all(o, in, sign, name);
		if (o->damaged) {
			status = STATUS_REFUSED;
		} else if (status < STATUS_USAGE && o->signed_count == 0) {
			status_warn(name, "nothing was signed, and no archive written");
			status = STATUS_REFUSED;
		} else if (status < STATUS_USAGE &&
		    (archive_finish(o->archive) != 0 || outfile_commit(&out) != 0)) {
			status_warn_errno(o->name, "cannot write");
			status = STATUS_TROUBLE;
		}
	}
	intake_close(in);
	if (o->archive != NULL)
		archive_discard(o->archive);
	outfile_abort(&out);
	return status;
}

static struct cert *load_cert(const char *path)
{
	struct reason why;
	struct cert *c = cert_load(path, &why);

	if (c == NULL)
		status_die(STATUS_USAGE, path, "%s", why.text);
	return c;
}

int main(int argc, char *argv[])
{
	const char *ca = NULL, *cn = "device", *digest = "SHA256", *log = NULL, *output = NULL, *pass = NULL, *ra = NULL;
	const char *name = "-";
	bool no_eku = false, no_key_ids = false, of_key;
	long days = issue_policy_default.days, jobs = 0, level = 6;
	struct sign sign = {.policy = issue_policy_default, .now = time(NULL), .complain = complain};
	const struct option_spec options[] = {
		{'C', "cn", OPTION_TEXT, &cn, 0, 0},
		{'c', "cert", OPTION_TEXT, &ca, 0, 0},
		{'D', "digest", OPTION_TEXT, &digest, 0, 0},
		{'d', "days", OPTION_NUMBER, &days, 1, ISSUE_DAYS_MAX},
		{'j', "jobs", OPTION_NUMBER, &jobs, 1, 256},
		{'k', "key", OPTION_TEXT, &sign.key, 0, 0},
		{'l', "log", OPTION_TEXT, &log, 0, 0},
		{'m', "require-manifest", OPTION_FLAG, &sign.require_manifest, 0, 0},
		{'o', "output", OPTION_TEXT, &output, 0, 0},
		{'P', "clock", OPTION_CLOCK, &sign.now, 0, 0},
		{'p', "pass-file", OPTION_TEXT, &pass, 0, 0},
		{'r', "ra", OPTION_TEXT, &ra, 0, 0},
		{'z', "level", OPTION_NUMBER, &level, 1, 9},
		{0, "no-eku", OPTION_FLAG, &no_eku, 0, 0},
		{0, "no-key-ids", OPTION_FLAG, &no_key_ids, 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options), fd, status;
	struct output o = {.log = -1, .log_name = log, .now = sign.now};
	struct cert *ca_cert, *ra_cert;
	struct reason why;

	if (ca == NULL || sign.key == NULL)
		status_usage("wants the CA's certificate and its key");
	if (argc - arg > 1)
		status_usage("takes one archive");
	if (strcmp(cn, "device") != 0 && strcmp(cn, "request") != 0)
		status_usage("--cn wants device or request");
	if (sign.require_manifest && ra == NULL)
		status_usage("--require-manifest wants the certificate that signed it: --ra");
	if (arg < argc)
		name = argv[arg];
	if (strcmp(name, "-") == 0 && isatty(STDIN_FILENO))
		status_usage("wants an archive, from a file or on stdin");
	if (!issue_digest(digest, &sign.policy.digest))
		status_die(STATUS_USAGE, digest, "not one of SHA256, SHA384, SHA512");
	sign.policy.days = (int)days;
	sign.policy.device_cn = *cn == 'd';
	sign.policy.eku = !no_eku;
	sign.policy.key_ids = !no_key_ids;
	sign.ca = ca_cert = load_cert(ca);
	sign.ra = ra_cert = ra != NULL ? load_cert(ra) : NULL;
	if (pass != NULL && secret_read(&sign.secret, pass, &why) != 0)
		status_die(STATUS_USAGE, pass, "%s", why.text);
	if (sign_prepare(&sign, &of_key, &why) != 0)
		status_die(STATUS_USAGE, of_key ? sign.key : ca, "%s", why.text);
	o.name = output != NULL && strcmp(output, "-") != 0 ? output : "stdout";
	if (log != NULL && (o.log = outfile_log_open(log)) < 0)
		status_die_path(log, "cannot open the log");
	if ((fd = fileio_open_input(name)) < 0)
		status_die_path(name, "cannot open");
	status = run(&o, &sign, fd, name, output, (size_t)jobs, (int)level);
	buf_free(&o.lines);
	tdestroy(o.devices, free);
	sign_free(&sign);
	cert_free(ca_cert);
	cert_free(ra_cert);
	close(fd);
	return status;
}
