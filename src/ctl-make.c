/* SPDX-License-Identifier: ISC */
/* ctl-make: makes a trust list for phones, signs it, and writes it when ctl_check finds nothing wrong. It replaces no list
 * with one that phones which have the old one would refuse, unless it is told so. */
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
const char synopsis[] =
    "-k key --sast cert [-hV] [-D digest] [-P seconds] [-p file] [-s spool]\n"
    "                [--app-server cert] [--capf cert] [--ccm cert] [--ccm-tftp cert]\n"
    "                [--file-version version] [--large-keys] [--new-signer] [--sast cert]\n"
    "                [--tftp cert] [--tvs cert] list";

/* In the order in which records are written. */
static const enum ctl_role roles[] = {
	CTL_SAST, CTL_CCM, CTL_CCM_TFTP, CTL_TFTP, CTL_CAPF, CTL_APP_SERVER, CTL_TVS,
};
#define ROLES (sizeof roles / sizeof roles[0])

_Static_assert(OPTION_TEXTS_MAX <= CTL_MADE_CAPF_MAX, "each --capf can be remembered");

struct asked {
	const char *key, *pass, *digest, *version, *spool, *list;
	struct option_texts cert[ROLES];
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
		for (size_t i = 0; i < a->cert[r].n; i++) {
			if ((cert = cert_load(a->cert[r].text[i], &why)) == NULL)
				status_die(status_of_input(why.trouble), a->cert[r].text[i], "%s", why.text);
			add(es, cert, roles[r], a->cert[r].text[i]);
		}
		if (roles[r] != CTL_CAPF || a->cert[r].n > 0)
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
	struct ctl_form form = {.time = a->now, .minor = -1};

	if (arguments != 1)
		status_usage("wants the name of one list");
	if (a->key == NULL || a->cert[0].n == 0)
		status_usage("wants the signer's certificate, --sast, and its key");
	if ((form.file = ctl_file_name(leaf_of(a->list))) == NULL)
		status_die(STATUS_USAGE, a->list, "phones ask for CTLFile.tlv, ITLFile.tlv, CTLSEP<MAC>.tlv and "
		    "ITLSEP<MAC>.tlv; give the list such a name");
	if (strcmp(a->digest, "SHA1") != 0 && strcmp(a->digest, "SHA512") != 0)
		status_usage("--digest wants SHA1 or SHA512");
	form.digest = strcmp(a->digest, "SHA1") == 0 ? CTL_SHA1 : CTL_SHA512;
	if (a->version != NULL && strcmp(a->version, "1.0") != 0 && strcmp(a->version, "1.1") != 0)
		status_usage("--file-version wants 1.0 or 1.1");
	if (a->version != NULL)
		form.minor = a->version[2] - '0';
	return form;
}

int main(int argc, char *argv[])
{
	struct asked a = {.digest = "SHA512", .now = time(NULL)};
	static struct entries es;
	const struct option_spec options[] = {
		{0, "app-server", OPTION_TEXTS, &a.cert[5], 0, 0},
		{0, "capf", OPTION_TEXTS, &a.cert[4], 0, 0},
		{0, "ccm", OPTION_TEXTS, &a.cert[1], 0, 0},
		{0, "ccm-tftp", OPTION_TEXTS, &a.cert[2], 0, 0},
		{'D', "digest", OPTION_TEXT, &a.digest, 0, 0},
		{0, "file-version", OPTION_TEXT, &a.version, 0, 0},
		{'k', "key", OPTION_TEXT, &a.key, 0, 0},
		{0, "large-keys", OPTION_FLAG, &a.large_keys, 0, 0},
		{0, "new-signer", OPTION_FLAG, &a.new_signer, 0, 0},
		{'P', "clock", OPTION_CLOCK, &a.now, 0, 0},
		{'p', "pass-file", OPTION_TEXT, &a.pass, 0, 0},
		{0, "sast", OPTION_TEXTS, &a.cert[0], 0, 0},
		{'s', "spool", OPTION_TEXT, &a.spool, 0, 0},
		{0, "tftp", OPTION_TEXTS, &a.cert[3], 0, 0},
		{0, "tvs", OPTION_TEXTS, &a.cert[6], 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options), status;
	struct making m = {.asked = &a, .entries = &es};
	struct buf list = {0};
	struct spool *s = NULL;
	struct ctl_form form;
	struct reason why;
	EVP_PKEY *key;
	char *path;
	size_t at;

	a.list = argv[arg];
	form = check(&a, argc - arg);
	path = absolute(a.list);
	/* A certificate of CAPF that is given needs no spool; then nothing is remembered, unless one is named. */
	if (a.spool != NULL || a.cert[4].n == 0)
		s = open_spool_to_write(a.spool != NULL ? a.spool : spool_default(), a.now);
	load_certs(&a, s, &es);
	key = load_key(&a);
	if (key_is_uri(a.key))
		confine_with_token(s != NULL ? s->root : -1);
	else
		confine_below_and_beside(s != NULL ? s->root : -1, a.list);
	if (ctl_make(es.entry, es.n, &form, key, &list, &at, &why) != 0)
		status_die(status_of_input(why.trouble), at < es.n ? es.from[at] : a.key, "%s; nothing was written",
		    why.text);
	EVP_PKEY_free(key);
	check_list(&m, (struct bytes){list.p, list.len});
	status = keep(s, &a, &es, path, (struct bytes){list.p, list.len});
	for (size_t i = 0; i < es.n; i++)
		cert_free((struct cert *)(uintptr_t)es.entry[i].cert);
	buf_free(&list);
	free(path);
	spool_close(s);
	return status_flush(status);
}
