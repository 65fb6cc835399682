/* SPDX-License-Identifier: ISC */
/* ctl-make: makes a trust list for phones, signs it, and writes it when ctl_check finds nothing wrong. It replaces no
 * list with one that phones which have the old one would refuse, unless it is told so. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/outfile.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "site/capf_identity.h"
#include "site/ctl_made.h"
#include "spool/journal.h"
#include "x509/cert.h"
#include "x509/ctl.h"
#include "x509/ctl_check.h"
#include "x509/ctl_make.h"
#include "x509/key.h"
#include "x509/secret.h"

const char program[] = "ctl-make";
const char purpose[] = "make a trust list for phones";
const char synopsis[] =
    "-k key --sast cert ... [-hV] [-D digest]\n"
    "                [-P seconds] [-p file] [-s spool] [--app-server cert ...]\n"
    "                [--capf cert ...] [--ccm cert ...] [--ccm-tftp cert ...]\n"
    "                [--file-version version] [--large-keys] [--new-signer]\n"
    "                [--tftp cert ...] [--tvs cert ...] list";

/* In the order in which records are written. */
static const enum ctl_role roles[] = {
	CTL_SAST, CTL_CCM, CTL_CCM_TFTP, CTL_TFTP, CTL_CAPF, CTL_APP_SERVER, CTL_TVS,
};
#define ROLES (sizeof roles / sizeof roles[0])

_Static_assert(OPTION_TEXTS_MAX <= CTL_MADE_CAPF_MAX, "each --capf can be remembered");

/* The words of --digest and --file-version. */
static const char *const digest_names[] = {"SHA1", "SHA512", NULL};
static const enum ctl_digest digests[] = {CTL_SHA1, CTL_SHA512};
static const char *const versions[] = {"1.0", "1.1", NULL};

struct asked {
	const char *key, *pass, *spool, *list;
	int digest, version;
	struct option_texts cert[CTL_TVS + 1];	/* by role */
	bool large_keys, new_signer;
	time_t now;
};

/* The certificates, and where each comes from. */
struct entries {
	struct ctl_entry entry[ROLES * OPTION_TEXTS_MAX + 1];
	const char *from[ROLES * OPTION_TEXTS_MAX + 1];
	size_t n;
};

struct making {
	const struct asked *asked;
	const struct entries *entries;
	bool refused;
};

static void add(struct entries *es, struct cert *cert, enum ctl_role role, const char *from)
{
	es->entry[es->n] = (struct ctl_entry){cert, role};
	es->from[es->n++] = from;
}

/* The certificates of all roles; without one for CAPF, the one that the spool has. */
static void load_certs(const struct asked *a, const struct spool *s, struct entries *es)
{
	struct reason why;
	struct cert *cert;

	for (size_t r = 0; r < ROLES; r++) {
		const struct option_texts *file = &a->cert[roles[r]];

		for (size_t i = 0; i < file->n; i++) {
			if ((cert = cert_load(file->text[i], &why)) == NULL)
				status_die(status_of_input(why.trouble), file->text[i], "%s", why.text);
			add(es, cert, roles[r], file->text[i]);
		}
		if (roles[r] != CTL_CAPF || file->n > 0)
			continue;
		if (capf_identity_load(s, &cert, NULL, &why) != 0)
			status_die(status_of_input(why.trouble), "ca/" CAPF_IDENTITY_PAIR, "%s", why.text);
		add(es, cert, CTL_CAPF, "ca/" CAPF_IDENTITY_CER);
	}
}

static EVP_PKEY *load_key(const struct asked *a)
{
	struct secret secret = {0};
	struct reason why;
	EVP_PKEY *key;

	if (a->pass != NULL && secret_read(&secret, a->pass, &why) != 0)
		status_die(status_of_input(why.trouble), a->pass, "%s", why.text);
	if ((key = key_load(a->key, &secret, &why)) == NULL)
		status_die(status_of_input(why.trouble), a->key, "%s", why.text);
	secret_wipe(&secret);
	return key;
}

/* One thing that is wrong with the new list, of the file that it comes from. */
static void blame(void *ctx, const struct ctl_fault *fault)
{
	struct making *m = ctx;
	const char *from = fault->record > 0 ? m->entries->from[fault->record - 1] : m->asked->list;

	if (fault->large_key && m->asked->large_keys) {
		status_warn(from, "%s", fault->why.text);
		return;
	}
	status_warn(from, "%s%s", fault->why.text, fault->large_key ? " (--large-keys makes such a list)" : "");
	m->refused = true;
}

/* What is at the list's place. 1; 0 when nothing is; -1 with a reason. The caller frees data. */
static int read_old(const char *path, struct ctl *old, unsigned char **data, struct reason *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), result;
	size_t len;

	*data = NULL;
	*old = (struct ctl){.record = NULL};
	if (fd < 0)
		return errno == ENOENT ? 0 : reason_errno(why);
	result = fileio_read_all(fd, CTL_MAX_BYTES, data, &len) == 0 ? 1 : reason_errno(why);
	close(fd);
	if (result > 0 && ctl_parse(old, (struct bytes){*data, len}, why) != 0)
		result = -1;
	return result;
}

/* Do phones that have the list which is there take this one? */
static void check_signer(struct making *m, const struct ctl *new)
{
	const char *path = m->asked->list;
	unsigned char *data;
	struct ctl old;
	struct reason why;
	int result = read_old(path, &old, &data, &why);

	if (result < 0 && why.trouble)
		status_die(STATUS_TROUBLE, path, "cannot read the list that is there: %s", why.text);
	if (result < 0) {
		status_warn(path, "what is there is no trust list, and stays: %s", why.text);
		m->refused = true;
	} else if (result > 0 && !ctl_follows(&old, new)) {
		status_warn(path, "phones that have the list which is there would refuse this one: there its signer is no SAST;"
		    " --new-signer replaces it all the same");
		m->refused = true;
	}
	ctl_free(&old);
	free(data);
}

/* Ends unless the new list is as phones want it. */
static void check_list(struct making *m, struct bytes list)
{
	struct reason why;
	struct ctl new;

	if (ctl_parse(&new, list, &why) != 0)
		status_die(status_of_item(why.trouble), m->asked->list, "%s; nothing was written", why.text);
	if (ctl_check(&new, m->asked->now, blame, m, &why) < 0)
		status_die(STATUS_TROUBLE, m->asked->list, "cannot check the list: %s", why.text);
	if (!m->asked->new_signer)
		check_signer(m, &new);
	ctl_free(&new);
	if (m->refused)
		status_die(STATUS_REFUSED, m->asked->list, "nothing was written");
}

/* The file behind a path, absolute, links followed; the caller frees. */
static char *absolute(const char *path)
{
	char *real = realpath(path, NULL), *copy, *folder, *leaf, *out = NULL;

	if (real != NULL)
		return real;
	if ((copy = strdup(path)) == NULL)
		status_die_errno(path, "cannot start");
	if ((folder = realpath(dirname(copy), NULL)) == NULL)
		status_die_path(path, "cannot write there");
	leaf = strrchr(path, '/');
	if (asprintf(&out, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, leaf != NULL ? leaf + 1 : path) < 0)
		status_die_errno(path, "cannot start");
	free(folder);
	free(copy);
	return out;
}

/* Writes the list under its name. An exit status. */
static int write_list(const char *path, struct bytes list)
{
	struct outfile out;
	int status = STATUS_OK;

	if (outfile_open(&out, path, 0644) != 0) {
		status = status_of(errno);
		status_warn_errno(path, "cannot write");
		return status;
	}
	if (fileio_write_all(out.fd, list.p, list.len) != 0 || outfile_commit(&out) != 0) {
		status_warn_errno(path, "cannot write");
		status = STATUS_TROUBLE;
	}
	outfile_abort(&out);
	return status;
}

/* Remembers the list in the spool. */
static void remember(struct spool *s, const struct ctl_made *m)
{
	struct reason why;

	if (s != NULL && ctl_made_put(s, m, &why) != 0)
		status_die(STATUS_TROUBLE, m->path, "cannot remember in the spool that it is made: %s", why.text);
}

/* Writes the list, and remembers what it has for CAPF. An exit status. */
static int keep(struct spool *s, const struct asked *a, const struct entries *es, char *path, struct bytes list)
{
	struct ctl_made made = {.path = path, .made = a->now};
	int status;

	/* Two runs for one list would otherwise leave the list of one, and what is remembered of the other. */
	if (s != NULL && ctl_made_lock(s) != 0)
		status_die_errno(path, "cannot lock what the spool remembers of it");
	/* Before the list, and without a certificate: whoever dies between the two has a list that may lack any of them,
	 * and a warning too many is better than none. */
	remember(s, &made);
	if ((status = write_list(a->list, list)) != STATUS_OK)
		return status;
	for (size_t i = 0; i < es->n; i++)
		if (es->entry[i].role == CTL_CAPF)
			memcpy(made.capf[made.n++], es->entry[i].cert->digest, sizeof made.capf[0]);
	remember(s, &made);
	if (s == NULL)
		return STATUS_OK;
	journal_add_text(s, "ctl", path);
	return open_spool_flush(s, STATUS_OK);
}

static const char *leaf_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* Ends unless the options fit each other; the form of the list. */
static struct ctl_form check(const struct asked *a, int arguments)
{
	struct ctl_form form = {.time = a->now, .minor = a->version, .digest = digests[a->digest]};

	if (arguments != 1)
		status_usage("wants the name of one list");
	if (a->key == NULL || a->cert[CTL_SAST].n == 0)
		status_usage("wants the signer's certificate, --sast, and its key");
	if ((form.file = ctl_file_name(leaf_of(a->list))) == NULL)
		status_die(STATUS_USAGE, a->list, "phones ask for CTLFile.tlv, ITLFile.tlv, CTLSEP<MAC>.tlv and "
		    "ITLSEP<MAC>.tlv; give the list such a name");
	return form;
}

/* Reads the certificates and the key, confines this process, and signs the list. */
static void make_list(const struct asked *a, const struct ctl_form *form, const struct spool *s, struct entries *es,
    struct buf *list)
{
	int root = s != NULL ? s->root : -1;
	struct reason why;
	EVP_PKEY *key;
	size_t at;

	load_certs(a, s, es);
	key = load_key(a);
	if (key_is_uri(a->key))
		confine_with_token(root);
	else
		confine_below_and_beside(root, a->list);
	if (ctl_make(es->entry, es->n, form, key, list, &at, &why) != 0)
		status_die(status_of_input(why.trouble), at < es->n ? es->from[at] : a->key, "%s; nothing was written",
		    why.text);
	EVP_PKEY_free(key);
}

int main(int argc, char *argv[])
{
	const char *usual = spool_default();
	struct asked a = {.spool = usual, .digest = 1, .version = -1, .now = time(NULL)};
	const struct option_spec options[] = {
		OPT_TEXTS(0, "app-server", "FILE", &a.cert[CTL_APP_SERVER], "a certificate with the role APP-SERVER"),
		OPT_TEXTS(0, "capf", "FILE", &a.cert[CTL_CAPF],
		    "a certificate with the role CAPF, in place of the one in the spool"),
		OPT_TEXTS(0, "ccm", "FILE", &a.cert[CTL_CCM], "a certificate with the role CCM, a call manager"),
		OPT_TEXTS(0, "ccm-tftp", "FILE", &a.cert[CTL_CCM_TFTP],
		    "a certificate with the role CCM+TFTP, a call manager that is the TFTP server too"),
		OPT_INDEX('D', "digest", "DIGEST", &a.digest, digest_names, "digest of the signature"),
		OPT_INDEX(0, "file-version", "VERSION", &a.version, versions,
		    "version of the file; by default 1.1 with an EC key, else 1.0"),
		OPT_TEXT('k', "key", "KEY", &a.key,
		    "the key of a --sast certificate, which signs: a file or a pkcs11: URI"),
		OPT_FLAG(0, "large-keys", &a.large_keys, "allow RSA keys that are larger than phones accept"),
		OPT_FLAG(0, "new-signer", &a.new_signer,
		    "replace the list that is there, whoever signed it"),
		OPT_CLOCK(&a.now),
		OPT_TEXT('p', "pass-file", "FILE", &a.pass,
		    "read the pass phrase or PIN of the key from this file"),
		OPT_TEXTS(0, "sast", "FILE", &a.cert[CTL_SAST],
		    "a certificate with the role SAST, which signs lists; two at most"),
		OPT_SPOOL(&a.spool),
		OPT_TEXTS(0, "tftp", "FILE", &a.cert[CTL_TFTP], "a certificate with the role TFTP"),
		OPT_TEXTS(0, "tvs", "FILE", &a.cert[CTL_TVS], "a certificate with the role TVS"),
		{0},
	};
	int arg = options_parse(argc, argv, options), status;
	struct entries es = {.n = 0};
	struct making m = {.asked = &a, .entries = &es};
	struct buf list = {0};
	struct spool *s = NULL;
	struct ctl_form form;
	char *path;

	a.list = argv[arg];
	form = check(&a, argc - arg);
	path = absolute(a.list);
	/* A certificate of CAPF that is given needs no spool; then nothing is remembered, unless one is named. */
	if (a.spool != usual || a.cert[CTL_CAPF].n == 0)
		s = open_spool_to_write(a.spool, a.now);
	make_list(&a, &form, s, &es, &list);
	check_list(&m, (struct bytes){list.p, list.len});
	status = keep(s, &a, &es, path, (struct bytes){list.p, list.len});
	for (size_t i = 0; i < es.n; i++)
		cert_free((struct cert *)(uintptr_t)es.entry[i].cert);
	buf_free(&list);
	free(path);
	spool_close(s);
	return status_flush(status);
}
