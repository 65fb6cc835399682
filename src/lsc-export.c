/* SPDX-License-Identifier: ISC */
/* lsc-export: the installed certificates, for those who want to know the phones by them: a directory with a file each,
 * a PEM bundle, or an archive, with the CAs above them if wanted. It reads the spool and changes nothing there; in the
 * directory it replaces only what changed, and removes nothing unless asked, and then only certificates of phones. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archive/tgz.h"
#include "base/fileio.h"
#include "base/outdir.h"
#include "base/outfile.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/devices.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "site/capf_identity.h"
#include "site/lsc.h"
#include "site/trust_store.h"
#include "spool/newest.h"
#include "spool/spool.h"
#include "x509/issuers.h"
#include "x509/name.h"
#include "x509/pem.h"

const char program[] = "lsc-export";
const char purpose[] = "write installed certificates for other systems";
const char synopsis[] =
    "[-0ahnV] [-d directory | -o file] [-F pem|der] [-f file]\n"
    "                  [-P seconds] [-s spool] [--chain | --chain-only]\n"
    "                  [--expires-before time] [--expires-within span]\n"
    "                  [--issuer pattern] [--name pattern] [--prune] [device ...]";

#define ENTRY_MAX (DEVICE_MAX + sizeof ".pem")
/* What may be in a file of the directory: a certificate and all CAs above it, in PEM. */
#define FILE_MAX ((size_t)(ISSUERS_CHAIN_MAX + 1) * 2 * CERT_MAX_BYTES)

struct export {
	struct spool *spool;
	struct devices names;
	struct reqid *list;		/* the newest of each device that may be asked for, sorted */
	size_t n;
	const char *name, *issuer;	/* patterns; NULL: any */
	time_t before;
	bool der, chain, chain_only, dry_run, prune;
	struct issuers cas;
	struct issuers used;		/* of a bundle: the CAs above those that it has, each once */
	const struct cert **first;	/* the same in the order of the devices */
	size_t chosen, put;		/* how many passed the filters, and how many of these were not refused */
	bool refused;			/* something else was: a CA */
	/* Where they go. */
	int dir;			/* -1: none */
	struct tgz *tgz;		/* or NULL */
	struct buf bundle;		/* otherwise */
	struct buf said;		/* of a directory: lines for stdout once they are durable */
};

static int put_pem(struct buf *out, const struct cert *c)
{
	size_t len;
	char *pem = cert_pem(c->x509, &len);

	if (pem == NULL)
		return -1;
	buf_put(out, pem, len);
	free(pem);
	return out->failed ? -1 : 0;
}

static int keep_ca(void *ctx, const char *file, const char *description, const struct cert *c, const struct reason *why)
{
	struct export *x = ctx;
	struct reason cause = *why;

	(void)description;
	if (c != NULL && issuers_add(&x->cas, c, &cause) == 0)
		return 0;
	if (cause.trouble)
		status_die(STATUS_TROUBLE, file, "%s", cause.text);
	/* A certificate whose chain goes through it will be refused; the others need not be. */
	status_warn(file, "%s", cause.text);
	x->refused = true;
	return 0;
}

static int keep_former(void *ctx, const struct cert *c)
{
	struct reason why = {.text = ""};

	return keep_ca(ctx, "ca", NULL, c, &why);
}

/* The CAs that may have issued what is installed: those of both trust stores, and CAPF, now and formerly. */
static void load_cas(struct export *x)
{
	unsigned char *der;
	struct reason why = {.text = ""};
	struct cert *own;
	size_t len;

	if (trust_store_each(x->spool, SPOOL_TRUST_CAPF, keep_ca, x, &why) != 0 ||
	    trust_store_each(x->spool, SPOOL_TRUST_CALLMANAGER, keep_ca, x, &why) != 0 ||
	    capf_identity_former(x->spool, keep_former, x, &why) != 0)
		status_die(STATUS_TROUBLE, NULL, "cannot read the CAs: %s", why.text);
	/* The public file: whoever may not see the key can have this. */
	if (spool_read(x->spool, SPOOL_CA, CAPF_IDENTITY_CER, &der, &len) != 0) {
		if (errno != ENOENT)
			status_die_errno("ca/" CAPF_IDENTITY_CER, "cannot read");
		return;
	}
	own = cert_parse(der, len, &why);
	free(der);
	keep_ca(x, "ca/" CAPF_IDENTITY_CER, NULL, own, &why);
	cert_free(own);
}

/* Adds those that a bundle does not have yet to its CAs. */
static int note_chain(struct export *x, const struct cert *const chain[], int n, struct reason *why)
{
	for (int i = 0; i < n; i++) {
		size_t before = x->used.n;

		if (issuers_add(&x->used, chain[i], why) != 0)
			return -1;
		if (x->used.n > before)
			x->first[before] = chain[i];
	}
	return 0;
}

/* The content of one file, appended; in a bundle the CAs come at its end. -1 with a reason. */
static int make(struct export *x, const struct cert *c, struct buf *out, struct reason *why)
{
	const struct cert *chain[ISSUERS_CHAIN_MAX];
	bool files = x->dir >= 0 || x->tgz != NULL;
	int n = 0;

	if ((x->chain || x->chain_only) && (n = issuers_chain(&x->cas, c, x->spool->now, chain, why)) < 0)
		return -1;
	if (x->der) {
		buf_put(out, c->der, c->der_len);
		return out->failed ? reason_memory(why) : 0;
	}
	if (!x->chain_only && put_pem(out, c) != 0)
		return reason_memory(why);
	if (!files)
		return note_chain(x, chain, n, why);
	for (int i = 0; i < n; i++)
		if (put_pem(out, chain[i]) != 0)
			return reason_memory(why);
	return 0;
}

static int put_in_directory(struct export *x, const char *entry, const struct buf *data)
{
	int differs = outdir_differs(x->dir, entry, data->p, data->len);

	if (differs < 0 && errno == EINVAL) {
		status_warn(entry, "is no plain file, and stays; move it away");
		return STATUS_REFUSED;
	}
	if (differs < 0 || (differs > 0 && !x->dry_run && outdir_put(x->dir, entry, 0644, data->p, data->len) != 0)) {
		status_warn_errno(entry, "cannot write");
		return STATUS_TROUBLE;
	}
	if (differs > 0) {
		buf_put(&x->said, "written\t", strlen("written\t"));
		buf_put(&x->said, entry, strlen(entry));
		buf_put(&x->said, "\n", 1);
	}
	return STATUS_OK;
}

static int put(struct export *x, const struct reqid *reqid, const struct buf *data)
{
	char entry[ENTRY_MAX];
	time_t t = 0;

	snprintf(entry, sizeof entry, "%s.%s", reqid->device, x->der ? "der" : "pem");
	if (x->dir >= 0)
		return put_in_directory(x, entry, data);
	if (x->tgz != NULL) {
		utc_from_stamp(reqid->stamp, &t);
		if (tgz_put(x->tgz, entry, t, data->p, data->len) == 0)
			return STATUS_OK;
		status_warn_errno("archive", "cannot write");
		return STATUS_TROUBLE;
	}
	buf_put(&x->bundle, data->p, data->len);
	if (!x->bundle.failed)
		return STATUS_OK;
	status_warn(NULL, "out of memory");
	return STATUS_TROUBLE;
}

/* One device. What a filter leaves out gets an empty name. */
static int export_one(struct export *x, struct reqid *reqid, struct buf *out)
{
	struct reason why;
	struct cert *c = lsc_read(x->spool, SPOOL_INSTALLED, reqid, &why);
	int status, good = 1;

	if (c == NULL) {
		status = errno == 0 ? STATUS_REFUSED : STATUS_TROUBLE;
		status_warn(reqid->device, errno == ENOENT ? "its certificate went away meanwhile; run this again" :
		    "its installed certificate: %s", why.text);
		return status;
	}
	if (c->not_after >= x->before || (x->issuer != NULL && (good = name_matches(X509_get_issuer_name(c->x509), x->issuer)) == 0)) {
		cert_free(c);
		reqid->device[0] = '\0';
		return STATUS_OK;
	}
	x->chosen++;
	out->len = 0;
	if (good < 0)
		reason_memory(&why);
	if (good < 0 || make(x, c, out, &why) != 0) {
		status_warn(reqid->device, why.trouble ? "%s" : "%s; trust-add it to capf, or go without the chain", why.text);
		status = status_of_item(why.trouble);
	} else {
		status = put(x, reqid, out);
		x->put += status == STATUS_OK;
	}
	cert_free(c);
	return status;
}

/* All of the list, and leaves those there that no filter left out. */
static int export_all(struct export *x)
{
	struct buf out = {0};
	int status = STATUS_OK;
	size_t kept = 0;

	for (size_t i = 0; i < x->n && status != STATUS_TROUBLE; i++) {
		status = status_worst(status, export_one(x, &x->list[i], &out));
		if (x->list[i].device[0] != '\0')
			x->list[kept++] = x->list[i];
	}
	x->n = kept;
	buf_free(&out);
	return x->refused ? status_worst(status, STATUS_REFUSED) : status;
}

/* Keeps the newest of each device that names and --name want. */
static void choose(struct export *x)
{
	size_t kept = 0;

	for (size_t i = 0; i < x->n; i++)
		if (newest_in_list(x->list, x->n, i) && devices_want(&x->names, x->list[i].device) &&
		    (x->name == NULL || fnmatch(x->name, x->list[i].device, 0) == 0))
			x->list[kept++] = x->list[i];
	x->n = kept;
}

/* --- A directory. */

static int compare(const void *device, const void *reqid)
{
	return strcmp(device, ((const struct reqid *)reqid)->device);
}

static bool is_exported(const struct export *x, const char *device)
{
	return bsearch(device, x->list, x->n, sizeof *x->list, compare) != NULL;
}

/* Is this the certificate of this phone, as this program writes it? What else lies there, a CA's for example, is
 * somebody's. 1, 0, or -1 with errno. */
static int is_phones(const struct export *x, const char *entry, const char *device)
{
	struct bytes file, one;
	struct reason why = {.text = ""};
	struct cert *c = NULL;
	unsigned char *data;
	int found;

	if (fileio_slurp(x->dir, entry, FILE_MAX, &data, &file.len) != 0)
		return errno == ENOMEM || errno == EIO ? -1 : 0;
	file.p = data;
	if (pem_next(&file, &one))
		c = cert_parse(one.p, one.len, &why);
	found = c != NULL && !cert_is_ca(c) && device_named_by(device, c->cn);
	cert_free(c);
	free(data);
	errno = ENOMEM;
	return c == NULL && why.trouble ? -1 : found;
}

static int prune_one(void *ctx, const char *entry)
{
	const char *dot = strrchr(entry, '.');
	char device[DEVICE_MAX + 1];
	struct export *x = ctx;
	size_t len = dot != NULL ? (size_t)(dot - entry) : 0;
	int ours;

	if (len == 0 || len > DEVICE_MAX || strcmp(dot + 1, x->der ? "der" : "pem") != 0 || !device_ok(entry, len))
		return 0;
	memcpy(device, entry, len);
	device[len] = '\0';
	if (is_exported(x, device) || (ours = is_phones(x, entry, device)) == 0)
		return 0;
	if (ours < 0)
		return -1;
	if (!x->dry_run && outdir_remove(x->dir, entry) != 0 && errno != ENOENT)
		return -1;
	buf_put(&x->said, "removed\t", strlen("removed\t"));
	buf_put(&x->said, entry, strlen(entry));
	buf_put(&x->said, "\n", 1);
	return 0;
}

/* Whatever became of the run, what was written is made durable, and only then told. */
static int end_directory(struct export *x, const char *path, int status)
{
	if (x->prune && status != STATUS_TROUBLE && x->chosen > 0 && outdir_each(x->dir, prune_one, x) != 0) {
		status_warn_errno(path, "cannot remove what is left over");
		status = STATUS_TROUBLE;
	}
	if (!x->dry_run && outdir_sync(x->dir) != 0) {
		status_warn_errno(path, "cannot write");
		return STATUS_TROUBLE;
	}
	if (x->said.failed) {
		status_warn(NULL, "out of memory; all was done, and not all is listed");
		status = STATUS_TROUBLE;
	}
	if (x->said.len > 0)
		fwrite(x->said.p, 1, x->said.len, stdout);
	return status;
}

static int to_directory(struct export *x, const char *path)
{
	struct sandbox_path allowed[2];
	int status;

	if ((x->dir = outdir_open(path)) < 0 && errno == EWOULDBLOCK)
		status_die(STATUS_TROUBLE, path, "another lsc-export is at work there");
	if (x->dir < 0)
		status_die_path(path, "cannot open the directory");
	allowed[0] = (struct sandbox_path){x->spool->root, NULL, SANDBOX_READ};
	allowed[1] = (struct sandbox_path){x->dir, NULL, SANDBOX_READ | (x->dry_run ? 0 : SANDBOX_WRITE)};
	confine_to(SANDBOX_WRITER, allowed, 2);
	if (!x->dry_run && outdir_sweep(x->dir) != 0)
		status_die_errno(path, "cannot remove what a killed run left");
	if (x->chain)
		load_cas(x);
	status = end_directory(x, path, export_all(x));
	close(x->dir);
	return status;
}

/* --- A bundle or an archive. */

static int end_bundle(struct export *x, int fd)
{
	for (size_t i = 0; i < x->used.n; i++)
		if (put_pem(&x->bundle, x->first[i]) != 0) {
			errno = ENOMEM;
			return -1;
		}
	return fileio_write_all(fd, x->bundle.p, x->bundle.len);
}

static int to_file(struct export *x, const char *output, bool archive)
{
	const char *name = output != NULL && strcmp(output, "-") != 0 ? output : "stdout";
	bool terminal = strcmp(name, "stdout") == 0 && !archive && isatty(STDOUT_FILENO);
	struct outfile out = {.fd = STDOUT_FILENO};
	int status;

	/* PEM is text, and may be looked at. */
	if (!terminal && outfile_open(&out, output, 0644) != 0) {
		status = status_of(errno);
		status_warn_errno(name, "cannot write there");
		return status;
	}
	confine_beside(output, x->spool->root);
	if (x->chain || x->chain_only)
		load_cas(x);
	if ((x->first = calloc(x->cas.n + 1, sizeof *x->first)) == NULL ||
	    (archive && (x->tgz = tgz_open(out.fd, 6)) == NULL))
		status_die_errno(NULL, "cannot start");
	status = export_all(x);
	if (status != STATUS_TROUBLE && x->put > 0 &&
	    ((archive ? tgz_finish(x->tgz) : end_bundle(x, out.fd)) != 0 || outfile_commit(&out) != 0)) {
		status_warn_errno(name, "cannot write");
		status = STATUS_TROUBLE;
	}
	outfile_abort(&out);
	tgz_free(x->tgz);
	return status;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *file = NULL, *output = NULL, *directory = NULL, *format = "pem";
	struct export x = {.before = UTC_LAST + 1, .dir = -1};
	time_t now = time(NULL), span = -1;
	bool null = false, archive = false;
	static const char *const formats[] = {"pem", "der", NULL};
	const struct option_spec options[] = {
		OPT_FLAG('0', "null", &null, "names in the file of -f end with NUL"),
		OPT_FLAG('a', "archive", &archive, "write a .tgz with a file for each device"),
		OPT_TEXT('d', "directory", "DIR", &directory, "keep a file for each device in this directory"),
		OPT_WORD('F', "format", "FORMAT", &format, formats, "form of the certificates"),
		OPT_TEXT('f', "file", "FILE", &file, "read device names from this file, \"-\" for standard input"),
		OPT_FLAG('n', "dry-run", &x.dry_run, "with -d, say what would change, and change nothing"),
		OPT_TEXT('o', "output", "FILE", &output, "write to this file instead of standard output"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_FLAG(0, "chain", &x.chain, "add the CAs above each certificate"),
		OPT_FLAG(0, "chain-only", &x.chain_only, "write these CAs alone, for a server that verifies phones"),
		OPT_TIME(0, "expires-before", &x.before, "only certificates that expire before this time"),
		OPT_SPAN(0, "expires-within", &span, "only certificates that expire within this time, or have expired"),
		OPT_TEXT(0, "issuer", "PATTERN", &x.issuer, "only certificates of a matching issuer, by common or whole name"),
		OPT_TEXT(0, "name", "PATTERN", &x.name, "only devices with a matching name"),
		OPT_FLAG(0, "prune", &x.prune, "with -d, remove the certificates of all other devices"),
		{0},
	};
	int arg = options_parse(argc, argv, options), status;

	x.der = strcmp(format, "der") == 0;
	if (directory != NULL && (output != NULL || archive))
		status_usage("--directory goes neither with --output nor with --archive");
	if (directory == NULL && (x.prune || x.dry_run))
		status_usage("--prune and --dry-run are for --directory");
	if (x.der && directory == NULL && !archive)
		status_usage("only PEM can be a bundle: DER wants --directory or --archive");
	if (x.der && (x.chain || x.chain_only))
		status_usage("only PEM can have a chain");
	if (x.chain_only && (x.chain || directory != NULL || archive))
		status_usage("--chain-only makes a bundle of CAs, and goes with neither --chain, --directory nor --archive");
	if (span >= 0 && now + span < x.before)
		x.before = now + span;
	devices_from_args(&x.names, argc - arg, argv + arg, file, null);
	x.spool = open_spool(path, now);
	if (spool_list(x.spool, SPOOL_INSTALLED, &x.list, &x.n) != 0)
		status_die_errno(path, "cannot list");
	devices_settle(&x.names, x.spool);
	choose(&x);
	status = directory != NULL ? to_directory(&x, directory) : to_file(&x, output, archive);
	status = devices_warn_unused(&x.names, "has no installed certificate", status);
	if (x.chosen == 0 && status == STATUS_OK) {
		status_warn(NULL, "no installed certificate to export");
		status = STATUS_REFUSED;
	}
	devices_free(&x.names);
	issuers_free(&x.cas);
	issuers_free(&x.used);
	buf_free(&x.bundle);
	buf_free(&x.said);
	free(x.first);
	free(x.list);
	spool_close(x.spool);
	return status_flush(status);
}
