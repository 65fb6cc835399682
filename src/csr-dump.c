/* SPDX-License-Identifier: ISC */
/* csr-dump: the requests that wait, in one flat .tgz, the same bytes every time. Those that a former certificate of
 * CAPF vouched for get today's signature on the way. It changes nothing in the spool, writes no half file and
 * nothing to a terminal. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archive/manifest.h"
#include "archive/tgz.h"
#include "base/outfile.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/devices.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "online/transfer.h"
#include "site/capf_identity.h"
#include "site/settings.h"
#include "spool/newest.h"
#include "spool/spool.h"
#include "x509/csr.h"
#include "x509/csr_make.h"
#include "x509/pem.h"

const char program[] = "csr-dump";
const char synopsis[] =
    "[-0hmV] [-F pem|der] [-f file] [-o file|url] [-s spool] [-z level]\n"
    "                [--proof own|ra] [--since time] [device ...]";

/* A request as it goes into the archive. A signature can be another one each time, so it is made once. */
struct again {
	bool done;
	unsigned char *pem;	/* NULL: as it is in the spool */
	size_t len;
};

struct dump {
	struct spool *spool;
	struct reqid *list;
	size_t n;
	bool der, manifest;
	const char *since;	/* the stamp of the first moment */
	int proof;		/* the kind that was asked for, REQID_CSR or REQID_RA; -1: both */
	/* When CAPF had other certificates before: whose signatures requests may have, today's first, and the key for
	 * a new signature. */
	EVP_PKEY **vouchers, *key;
	struct again *again;	/* one for each of the list */
};

/* Loads what signing again needs. Without a good pair nothing is signed again; with --manifest its signature fails
 * later and says so. */
static void prepare(struct dump *d)
{
	struct reason why;
	struct cert *cert;
	bool good = (d->vouchers = capf_identity_vouchers(d->spool, &why)) != NULL;

	if (good && d->vouchers[1] != NULL && (good = capf_identity_load(d->spool, &cert, &d->key, &why) == 0)) {
		cert_free(cert);
		if ((d->again = calloc(d->n, sizeof *d->again)) == NULL)
			good = reason_memory(&why) == 0;
	}
	if (!good && why.trouble)
		status_die(STATUS_TROUBLE, "ca/" CAPF_IDENTITY_PAIR, "%s", why.text);
}

static void forget(struct dump *d)
{
	for (size_t i = 0; d->again != NULL && i < d->n; i++)
		free(d->again[i].pem);
	free(d->again);
	EVP_PKEY_free(d->key);
	capf_identity_vouchers_free(d->vouchers);
	free(d->list);
}

/* In place of what a former certificate of CAPF vouched for: the same with today's signature, in *data. What nobody
 * of ours vouched for stays as it is, for csr-sign to refuse. -1 with errno. */
static int renew(const struct dump *d, struct again *again, unsigned char **data, size_t *len)
{
	struct reason why;
	struct csr *c;
	int result = 0;

	if (!again->done) {
		if ((c = csr_parse(*data, *len, d->vouchers, &why)) == NULL)
			result = why.trouble ? -1 : 0;
		else if (c->proof == CSR_RA && c->ra != d->vouchers[0] &&
		    (csr_make_again(c, d->key, &why) != 0 ||
		    (again->pem = (unsigned char *)csr_pem(c, &again->len)) == NULL))
			result = -1;
		csr_free(c);
		if (result != 0) {
			errno = ENOMEM;
			return -1;
		}
		again->done = true;
	}
	if (again->pem == NULL)
		return 0;
	free(*data);
	*len = again->len;
	if ((*data = malloc(again->len)) == NULL)
		return -1;
	memcpy(*data, again->pem, again->len);
	return 0;
}

/* Readers skip what they do not know: a link, or something else that nobody of us has put there. */
static bool is_file(const struct dump *d, const struct reqid *reqid)
{
	char name[REQID_NAME_MAX + 1];

	reqid_name(reqid, (enum reqid_kind)reqid->kind, name);
	return spool_is_file(d->spool, SPOOL_CSR, name);
}

/* Keeps, in place, the requests that were asked for. While csr-add or capf-serve supersedes a request, its device has
 * two: then the newest. */
static int choose(struct dump *d, struct devices *names)
{
	size_t kept = 0;
	int status = STATUS_OK;

	for (size_t i = 0; i < d->n; i++) {
		const struct reqid *reqid = &d->list[i];

		if (!newest_in_list(d->list, d->n, i) || strcmp(reqid->stamp, d->since) < 0 ||
		    (d->proof >= 0 && (int)reqid->kind != d->proof) || !devices_want(names, reqid->device))
			continue;
		if (is_file(d, reqid)) {
			d->list[kept++] = *reqid;
		} else {
			status_warn(reqid->device, "its request is not a file; see spool-check");
			status = STATUS_REFUSED;
		}
	}
	d->n = kept;
	return devices_warn_unused(names, "has no pending request to dump", status);
}

/* A request's bytes as they go into the archive; the caller frees. It may move while we work: then it
 * is found where it went. */
static int content(const struct dump *d, const struct reqid *reqid, unsigned char **data, size_t *len)
{
	static const enum spool_dir places[] = {SPOOL_CSR, SPOOL_SUPERSEDED, SPOOL_DONE};
	char name[REQID_NAME_MAX + 1];
	unsigned char *der;
	struct reason why;
	bool pem;
	int result = -1;

	reqid_name(reqid, (enum reqid_kind)reqid->kind, name);
	for (size_t i = 0; i < sizeof places / sizeof places[0] && result != 0; i++)
		if ((result = spool_read(d->spool, places[i], name, data, len)) != 0 && errno != ENOENT)
			return -1;
	if (result == 0 && reqid->kind == REQID_RA && d->again != NULL &&
	    renew(d, &d->again[reqid - d->list], data, len) != 0) {
		free(*data);
		*data = NULL;
		return -1;
	}
	if (result != 0 || !d->der)
		return result;
	der = pem_unwrap(*data, *len, DER_REQUEST, true, len, &pem, &why);
	free(*data);
	*data = der;
	if (der == NULL)
		errno = EBADMSG;
	return der != NULL ? 0 : -1;
}

/* Calls put for every request, in order. One that was deleted meanwhile is left out. */
static int each(const struct dump *d, int (*put)(void *, const char *, time_t, const void *, size_t),
    void *ctx)
{
	struct progress progress;
	int status = STATUS_OK;

	progress_start(&progress, "requests");
	for (size_t i = 0; i < d->n && status == STATUS_OK; i++) {
		const struct reqid *reqid = &d->list[i];
		char entry[DEVICE_MAX + sizeof ".csr"];
		unsigned char *data = NULL;
		time_t t = 0;
		size_t len;

		if (content(d, reqid, &data, &len) != 0) {
			/* Deleted just now: nothing to dump, unless a manifest may list it already. */
			if (errno == ENOENT && !d->manifest)
				continue;
			status_warn_errno(reqid->device, "cannot read its request");
			return STATUS_TROUBLE;
		}
		snprintf(entry, sizeof entry, "%s.csr", reqid->device);
		utc_from_stamp(reqid->stamp, &t);
		if (put(ctx, entry, t, data, len) != 0) {
			status_warn_errno("archive", "cannot write");
			status = STATUS_TROUBLE;
		}
		free(data);
		progress_show(&progress, i + 1);
	}
	progress_end(&progress);
	return status;
}

static int put_sum(void *ctx, const char *name, time_t mtime, const void *data, size_t len)
{
	(void)mtime;
	return manifest_add(ctx, name, data, len);
}

static int put_entry(void *ctx, const char *name, time_t mtime, const void *data, size_t len)
{
	return tgz_put(ctx, name, mtime, data, len);
}

/* CAPF's signature over the manifest; the caller frees. */
static int sign(const struct dump *d, const char *text, size_t len, unsigned char **sig,
    size_t *sig_len)
{
	struct cert *cert;
	struct reason why;
	EVP_PKEY *key;
	int result;

	if (capf_identity_load(d->spool, &cert, &key, &why) != 0) {
		status_warn("ca/" CAPF_IDENTITY_PAIR, "%s", why.text);
		return -1;
	}
	if ((result = manifest_sign(text, len, cert, key, sig, sig_len, &why)) != 0)
		status_warn(MANIFEST_SUMS, "%s", why.text);
	cert_free(cert);
	EVP_PKEY_free(key);
	return result;
}

/* SHA256SUMS and its signature come first, so that csr-sign knows each entry before it signs it. */
static int put_manifest(const struct dump *d, struct tgz *w)
{
	struct manifest *m = manifest_new();
	unsigned char *sig = NULL;
	const char *text;
	size_t len, sig_len;
	time_t newest = 0, t;
	int status = STATUS_TROUBLE;
	bool summed;

	for (size_t i = 0; i < d->n; i++)
		if (utc_from_stamp(d->list[i].stamp, &t) && t > newest)
			newest = t;
	summed = m != NULL && each(d, put_sum, m) == STATUS_OK;
	text = summed ? manifest_text(m, &len) : NULL;
	if (m == NULL || (summed && text == NULL)) {
		status_warn(MANIFEST_SUMS, "out of memory");
	} else if (text != NULL && sign(d, text, len, &sig, &sig_len) == 0) {
		if (tgz_put(w, MANIFEST_SUMS, newest, text, len) == 0 &&
		    tgz_put(w, MANIFEST_SIGNATURE, newest, sig, sig_len) == 0)
			status = STATUS_OK;
		else
			status_warn_errno("archive", "cannot write");
	}
	free(sig);
	manifest_free(m);
	return status;
}

/* The whole archive into fd. */
static int write_archive(const struct dump *d, int fd, const char *name, int level)
{
	struct tgz *w = tgz_open(fd, level);
	int status = STATUS_OK;

	if (w == NULL) {
		status_warn_errno(NULL, "cannot start an archive");
		return STATUS_TROUBLE;
	}
	if (d->manifest)
		status = put_manifest(d, w);
	if (status == STATUS_OK)
		status = each(d, put_entry, w);
	if (status == STATUS_OK && tgz_finish(w) != 0) {
		status_warn_errno(name, "cannot write");
		status = STATUS_TROUBLE;
	}
	tgz_free(w);
	return status;
}

/* To a file or stdout: all of it or nothing. */
static int dump_to_file(const struct dump *d, const char *output, int level)
{
	const char *name = output != NULL && strcmp(output, "-") != 0 ? output : "stdout";
	struct outfile out;
	int status;

	if (outfile_open(&out, output, 0644) != 0) {
		status = status_of(errno);
		status_warn_errno(name, "cannot write an archive there");
		return status;
	}
	confine_beside(output, d->spool->root);
	status = write_archive(d, out.fd, name, level);
	if (status == STATUS_OK && outfile_commit(&out) != 0) {
		status_warn_errno(name, "cannot write");
		status = STATUS_TROUBLE;
	}
	outfile_abort(&out);
	return status;
}

/* To a server, once it is whole. */
static int dump_to_server(const struct dump *d, const char *url, int level)
{
	char *shown = transfer_public(url);
	int fd = transfer_buffer(), status;
	struct transfer_limits limits;
	struct reason why;
	struct settings settings;

	if (fd < 0 || shown == NULL) {
		status_warn_errno(shown, "cannot make an archive");
		free(shown);
		return STATUS_TROUBLE;
	}
	if (settings_load(&settings, d->spool->root, &why) != 0)
		status_die(status_of_input(why.trouble), SPOOL_CONF, "%s", why.text);
	limits = (struct transfer_limits){(long)settings.transfer_timeout, (long)settings.transfer_min_speed,
	    (long)settings.transfer_stall};
	confine_online(SANDBOX_READ, d->spool->root, false);
	status = write_archive(d, fd, shown, level);
	if (status == STATUS_OK && transfer_send(url, fd, &limits, &why) != 0) {
		status_warn(shown, "cannot send: %s", why.text);
		status = STATUS_TROUBLE;
	}
	close(fd);
	free(shown);
	return status;
}

/* Most CAs refuse a request that is not signed with its own key, so whoever sends one is told. */
static void tell_of_vouched(const struct dump *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->list[i].kind == REQID_RA;
	if (n > 0)
		status_warn(NULL, "%zu of %zu requests have CAPF's signature, not the phone's: sign them with csr-sign --ra,"
		    " or see capf(7)", n, d->n);
}

static int proof_named(const char *name)
{
	if (name == NULL)
		return -1;
	if (strcmp(name, "own") != 0 && strcmp(name, "ra") != 0)
		status_usage("--proof wants own or ra");
	return strcmp(name, "own") == 0 ? REQID_CSR : REQID_RA;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	struct dump d = {0};
	const char *file = NULL, *format = "pem", *output = NULL, *proof = NULL;
	char since[UTC_STAMP + 1];
	time_t from = 0;
	bool null = false;
	struct devices names;
	long level = 6;
	const struct option_spec options[] = {
		{'0', "null", OPTION_FLAG, &null, 0, 0},
		{'F', "format", OPTION_TEXT, &format, 0, 0},
		{'f', "file", OPTION_TEXT, &file, 0, 0},
		{'m', "manifest", OPTION_FLAG, &d.manifest, 0, 0},
		{'o', "output", OPTION_TEXT, &output, 0, 0},
		{'s', "spool", OPTION_TEXT, &path, 0, 0},
		{'z', "level", OPTION_NUMBER, &level, 1, 9},
		{0, "proof", OPTION_TEXT, &proof, 0, 0},
		{0, "since", OPTION_TIME, &from, 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options), status;

	d.der = strcmp(format, "der") == 0;
	if (!d.der && strcmp(format, "pem") != 0)
		status_usage("--format wants pem or der");

	devices_from_args(&names, argc - arg, argv + arg, file, null);
	utc_stamp(from, since);
	d.since = since;
	d.proof = proof_named(proof);
	d.spool = open_spool(path, 0);
	if (spool_list(d.spool, SPOOL_CSR, &d.list, &d.n) != 0)
		status_die_errno(path, "cannot list");
	status = choose(&d, &names);
	if (d.n == 0)
		status_die(STATUS_REFUSED, NULL, "no pending request to dump");
	prepare(&d);
	status = status_worst(status, (output != NULL && transfer_is_url(output) ? dump_to_server :
	    dump_to_file)(&d, output, (int)level));
	if (status != STATUS_TROUBLE)
		tell_of_vouched(&d);
	forget(&d);
	devices_free(&names);
	spool_close(d.spool);
	return status;
}
