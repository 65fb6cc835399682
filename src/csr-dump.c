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
#include "x509/request_form.h"

const char program[] = "csr-dump";
const char purpose[] = "write the requests that wait into one archive";
const char synopsis[] =
    "[-0hmV] [-F pem|der|cmc|cmc-der|spki] [-f file] [-o file|url] [-p file]\n"
    "                [-s spool] [-z level] [--agent cert --agent-key key]\n"
    "                [--proof own|ra] [--shape none|agent|behalf] [--since time]\n"
    "                [--template name] [device ...]";

/* What became of a request. It is kept where a manifest has its sum, and a signature would be another one the next
 * time. */
struct item {
	bool refused;
	struct buf fresh;
};

struct dump {
	struct spool *spool;
	struct reqid *list;
	struct item *item;	/* one for each of the list */
	size_t n, put;		/* how many there are, and how many the archive has */
	bool refused;		/* some request was */
	bool manifest;
	const char *since;	/* the stamp of the first moment */
	int proof;		/* the kind that was asked for, REQID_CSR or REQID_RA; -1: both */
	struct request_form form;
	EVP_PKEY **vouchers;	/* as the form has them */
};

/* Loads what checking and signing again need. Without a good pair nothing is signed again; with --manifest its
 * signature fails later and says so. */
static void prepare(struct dump *d)
{
	struct reason why;
	struct cert *cert;
	bool good = (d->vouchers = capf_identity_vouchers(d->spool, &why)) != NULL;

	if (good && d->vouchers[1] != NULL && (good = capf_identity_load(d->spool, &cert, &d->form.key, &why) == 0))
		cert_free(cert);
	if (!good && why.trouble)
		status_die(STATUS_TROUBLE, "ca/" CAPF_IDENTITY_PAIR, "%s", why.text);
	d->form.vouchers = d->vouchers;
	if ((d->item = calloc(d->n, sizeof *d->item)) == NULL)
		status_die_errno(NULL, "cannot start");
}

static void forget(struct dump *d)
{
	for (size_t i = 0; i < d->n; i++)
		buf_free(&d->item[i].fresh);
	free(d->item);
	EVP_PKEY_free(d->form.key);
	capf_identity_vouchers_free(d->vouchers);
	cmc_free_agent(&d->form.cmc);
	free(d->list);
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

/* The entry of one request, appended to out, and its line of the list. STATUS_REFUSED when there is none: it was
 * refused, or deleted just now, which is trouble only when a manifest may list it already. */
static int make(struct dump *d, size_t i, struct buf *out, struct buf *list)
{
	const struct reqid *reqid = &d->list[i];
	struct item *item = &d->item[i];
	unsigned char *data = NULL;
	struct reason why;
	bool fresh;
	size_t len;
	int result;

	if (item->refused)
		return STATUS_REFUSED;
	if (item->fresh.len > 0) {
		buf_put(out, item->fresh.p, item->fresh.len);
		return STATUS_OK;
	}
	if (spool_read_request(d->spool, reqid, &data, &len) != 0) {
		if (errno == ENOENT && !d->manifest)
			return STATUS_REFUSED;
		status_warn_errno(reqid->device, "cannot read its request");
		return STATUS_TROUBLE;
	}
	result = request_form_make(&d->form, reqid->device, reqid->kind == REQID_RA, (struct bytes){data, len}, out,
	    &fresh, list, &why);
	free(data);
	if (result != 0) {
		status_warn(reqid->device, "%s", why.text);
		item->refused = d->refused = true;
		return status_of_item(why.trouble);
	}
	if (fresh && d->manifest)
		buf_put(&item->fresh, out->p, out->len);
	out->failed |= item->fresh.failed;
	return STATUS_OK;
}

/* When the newest of the requests came. */
static time_t newest(const struct dump *d)
{
	time_t last = 0, t;

	for (size_t i = 0; i < d->n; i++)
		if (utc_from_stamp(d->list[i].stamp, &t) && t > last)
			last = t;
	return last;
}

static int put_one(int (*put)(void *, const char *, time_t, const void *, size_t), void *ctx, const char *entry,
    time_t t, const struct buf *data)
{
	errno = ENOMEM;
	if (!data->failed && put(ctx, entry, t, data->p, data->len) == 0)
		return STATUS_OK;
	status_warn_errno("archive", "cannot write");
	return STATUS_TROUBLE;
}

/* Calls put for every request, in order, and then for the list of keys. */
static int each(struct dump *d, int (*put)(void *, const char *, time_t, const void *, size_t), void *ctx)
{
	char entry[DEVICE_MAX + sizeof ".csr"];
	struct buf out = {0}, list = {0};
	struct progress progress;
	int status = STATUS_OK;
	time_t t = 0;

	progress_start(&progress, "requests", d->n);
	request_form_list_head(&list);
	d->put = 0;
	for (size_t i = 0; i < d->n && status != STATUS_TROUBLE; i++) {
		out.len = 0;
		if ((status = make(d, i, &out, &list)) != STATUS_OK)
			continue;
		snprintf(entry, sizeof entry, "%s%s", d->list[i].device, request_form_suffix(d->form.kind));
		utc_from_stamp(d->list[i].stamp, &t);
		status = put_one(put, ctx, entry, t, &out);
		progress_show(&progress, ++d->put);
	}
	progress_end(&progress);
	if (d->form.kind == REQUEST_FORM_SPKI && status != STATUS_TROUBLE)
		status = put_one(put, ctx, REQUEST_FORM_LIST, newest(d), &list);
	buf_free(&out);
	buf_free(&list);
	return status == STATUS_TROUBLE ? status : STATUS_OK;
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
static int put_manifest(struct dump *d, struct tgz *w)
{
	struct manifest *m = manifest_new();
	unsigned char *sig = NULL;
	const char *text;
	size_t len, sig_len;
	time_t t = newest(d);
	int status = STATUS_TROUBLE;
	bool summed;

	summed = m != NULL && each(d, put_sum, m) == STATUS_OK;
	text = summed ? manifest_text(m, &len) : NULL;
	if (m == NULL || (summed && text == NULL)) {
		status_warn(MANIFEST_SUMS, "out of memory");
	} else if (text != NULL && sign(d, text, len, &sig, &sig_len) == 0) {
		if (tgz_put(w, MANIFEST_SUMS, t, text, len) == 0 &&
		    tgz_put(w, MANIFEST_SIGNATURE, t, sig, sig_len) == 0)
			status = STATUS_OK;
		else
			status_warn_errno("archive", "cannot write");
	}
	free(sig);
	manifest_free(m);
	return status;
}

/* The whole archive into fd. */
static int write_archive(struct dump *d, int fd, const char *name, int level)
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
	if (status == STATUS_OK && d->put == 0) {
		status_warn(NULL, "no request is left to dump, and no archive was written");
		status = STATUS_REFUSED;
	}
	if (status == STATUS_OK && tgz_finish(w) != 0) {
		status_warn_errno(name, "cannot write");
		status = STATUS_TROUBLE;
	}
	tgz_free(w);
	return status;
}

/* To a file or stdout: all of it or nothing. */
static int dump_to_file(struct dump *d, const char *output, int level)
{
	const char *name = output != NULL && strcmp(output, "-") != 0 ? output : "stdout";
	struct outfile out;
	int status;

	if (outfile_open(&out, output, 0644) != 0) {
		status = status_of(errno);
		status_warn_errno(name, "cannot write an archive there");
		return status;
	}
	if (d->form.token)
		confine_with_token(-1);
	else
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
static int dump_to_server(struct dump *d, const char *url, int level)
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
	if (d->form.token)
		confine_with_token(-1);
	else
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

/* Most CAs refuse a request that is not signed with its own key, so whoever sends one is told. The other forms do
 * without that signature. */
static void tell_of_vouched(const struct dump *d)
{
	size_t n = 0;

	if (request_form_checks(d->form.kind))
		return;
	for (size_t i = 0; i < d->n; i++)
		n += d->list[i].kind == REQID_RA;
	if (n > 0)
		status_warn(NULL, "%zu of %zu requests have CAPF's signature, not the phone's: sign them with csr-sign --ra,"
		    " or see capf(7)", n, d->n);
}

int main(int argc, char *argv[])
{
	static const char *const proofs[] = {[REQID_CSR] = "own", [REQID_RA] = "ra", NULL};
	const char *path = spool_default();
	struct dump d = {.proof = -1};
	struct request_form_options want = {.format = REQUEST_FORM_PEM, .shape = -1};
	const char *file = NULL, *output = NULL, *object;
	struct reason why;
	char since[UTC_STAMP + 1];
	time_t from = 0;
	bool null = false;
	struct devices names;
	long level = 6;
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &null, "names in the file end with NUL, not newline"),
		OPT_INDEX('F', "format", "FORMAT", &want.format, request_form_names,
		    "format of the entries"),
		OPT_TEXT('f', "file", "FILE", &file,
		    "read device names from this file too; - is stdin"),
		OPT_FLAG('m', "manifest", &d.manifest,
		    "put a list of the entries, signed by CAPF, in front, for csr-sign --ra"),
		OPT_TEXT('o', "output", "FILE|URL", &output,
		    "write there instead of to stdout; ftp://, ftps:// or tftp:// sends it"),
		OPT_TEXT('p', "pass-file", "FILE", &want.pass_file,
		    "read the pass phrase or PIN of the agent's key from this file"),
		OPT_SPOOL(&path),
		OPT_NUMBER('z', "level", "N", &level, 1, 9, "compression; 9 is smallest"),
		OPT_TEXT(0, "agent", "FILE", &want.agent,
		    "certificate of the enrolment agent that signs CMC requests"),
		OPT_TEXT(0, "agent-key", "KEY", &want.agent_key,
		    "the agent's key: a file or a pkcs11: URI"),
		OPT_INDEX(0, "proof", "WHO", &d.proof, proofs,
		    "only requests signed with their own key, or only those CAPF signed"),
		OPT_INDEX(0, "shape", "WHO", &want.shape, cmc_shape_names,
		    "who signs CMC requests: nobody, the agent, or the agent on the phone's "
		    "behalf; by default agent with --agent, else none"),
		OPT_TIME(0, "since", &from, "only requests that came at this time or later"),
		OPT_TEXT(0, "template", "NAME", &want.template,
		    "write this certificate template into each CMC request"),
		{0},
	};
	int arg = options_parse(argc, argv, options), status;

	if (request_form_choose(&d.form, &want, &why) != 0)
		status_usage("%s", why.text);
	devices_from_args(&names, argc - arg, argv + arg, file, null);
	utc_stamp(from, since);
	d.since = since;
	d.spool = open_spool(path, 0);
	if (spool_list(d.spool, SPOOL_CSR, &d.list, &d.n) != 0)
		status_die_errno(path, "cannot list");
	devices_settle(&names, d.spool);
	status = choose(&d, &names);
	if (d.n == 0)
		status_die(STATUS_REFUSED, NULL, "no pending request to dump");
	if (request_form_load_agent(&d.form, &want, time(NULL), &object, &why) != 0)
		status_die(status_of_input(why.trouble), object, "%s", why.text);
	prepare(&d);
	status = status_worst(status, (output != NULL && transfer_is_url(output) ? dump_to_server :
	    dump_to_file)(&d, output, (int)level));
	if (d.refused)
		status = status_worst(status, STATUS_REFUSED);
	if (status != STATUS_TROUBLE)
		tell_of_vouched(&d);
	forget(&d);
	devices_free(&names);
	spool_close(d.spool);
	return status;
}
