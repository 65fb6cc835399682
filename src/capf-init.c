/* SPDX-License-Identifier: ISC */
/* capf-init: a new spool, with CAPF's own certificate as phones demand it. In a spool that exists it changes CAPF's
 * certificate and nothing else: for one that it makes and signs (--renew), one that an outside CA signs (--request,
 * --complete), or one that comes with its key (--certificate). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/x509.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "ca/ca_cert.h"
#include "ca/ca_chain.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "site/capf_identity.h"
#include "site/capf_request.h"
#include "site/ctl_made.h"
#include "site/settings.h"
#include "spool/create.h"
#include "spool/journal.h"
#include "spool/recover.h"
#include "spool/spool.h"
#include "spool/stage.h"
#include "x509/cert.h"
#include "x509/key.h"
#include "x509/secret.h"

const char program[] = "capf-init";
const char purpose[] = "make a spool";
const char synopsis[] = "[-hRV] [-d days] [-n name] [-P seconds] [-s spool] [-t type]\n"
			"       capf-init --request [-hV] [-n name] [-P seconds] [-s spool] [-t type]\n"
			"       capf-init --complete cert [-hV] [-P seconds] [-s spool] [issuer ...]\n"
			"       capf-init --certificate cert -k key [-hV] [-P seconds] [-p file] [-s spool] [issuer ...]";

#define DAYS 1825		/* five years, as the phones' own system has it */
#define MAX_DAYS 7300

struct asked {
	const char *spool, *spec, *name, *complete, *certificate, *key, *pass;
	bool renew, request;
	long days;
	time_t now;
};

struct pair {
	EVP_PKEY *key;
	struct cert *cert;
};

static void pair_free(struct pair *p)
{
	EVP_PKEY_free(p->key);
	cert_free(p->cert);
}

/* CN=CAPF-xxxxxxxx and what the user wants behind it; the caller frees. */
static char *make_subject(const char *name)
{
	unsigned random;
	char *subject;

	if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random ||
	    asprintf(&subject, "CN=CAPF-%08x%s%s", random, *name != '\0' ? "," : "", name) < 0)
		status_die_errno("CAPF", "cannot make a name");
	return subject;
}

static EVP_PKEY *make_key(const char *spec)
{
	struct reason why;
	EVP_PKEY *key = key_make(spec, &why);

	if (key == NULL)
		status_die(status_of_input(why.trouble), spec, "cannot make a key: %s", why.text);
	return key;
}

/* A key and a certificate that it signed itself. */
static struct pair make_pair(const struct asked *a)
{
	char *subject = make_subject(a->name);
	struct ca_profile profile = {.subject = subject, .days = (int)a->days, .pathlen = 0};
	struct pair p = {.key = make_key(a->spec)};
	unsigned char *der = NULL;
	struct reason why;
	X509 *x;
	int len;

	if ((x = ca_cert_make(&profile, p.key, NULL, NULL, a->now, &why)) != NULL) {
		if ((len = i2d_X509(x, &der)) > 0)
			p.cert = cert_parse(der, (size_t)len, &why);
		else
			reason_memory(&why);
	}
	if (p.cert == NULL)
		status_die(status_of_input(why.trouble), *a->name != '\0' ? a->name : "CAPF",
		    "cannot make a certificate: %s", why.text);
	OPENSSL_free(der);
	X509_free(x);
	free(subject);
	return p;
}

/* The certificate of this key in a file, checked, up to the issuers when they are given or come with it. */
static struct pair read_pair(EVP_PKEY *key, const char *file, char *const *issuer, time_t now)
{
	struct ca_chain chain;
	struct pair p;
	struct reason why;
	int result;

	if (ca_chain_init(&chain, key) != 0)
		status_die(STATUS_TROUBLE, file, "out of memory");
	if (ca_chain_read(&chain, file, &why) != 0)
		status_die(status_of_input(why.trouble), file, "%s", why.text);
	for (; *issuer != NULL; issuer++)
		if (ca_chain_read(&chain, *issuer, &why) != 0)
			status_die(status_of_input(why.trouble), *issuer, "%s", why.text);
	if ((result = ca_chain_check(&chain, now, &why)) < 0 || capf_identity_fit(chain.own, &why) != 0)
		status_die(status_of_input(why.trouble), file, "%s", why.text);
	if (result > 0 && X509_self_signed(chain.own->x509, 1) != 1)
		status_warn(file, "its signature was not checked; to check it, give the issuer's certificate too");
	p = (struct pair){key, chain.own};
	chain.own = NULL;
	ca_chain_free(&chain);
	return p;
}

/* The pair that --complete or --certificate brings. */
static struct pair bring_pair(const struct asked *a, const struct spool *s, char *const *issuer)
{
	struct secret secret = {0};
	EVP_PKEY *key = NULL;
	struct reason why;
	int result;

	if (a->certificate != NULL) {
		if (a->pass != NULL && secret_read(&secret, a->pass, &why) != 0)
			status_die(status_of_input(why.trouble), a->pass, "%s", why.text);
		if ((key = key_load(a->key, &secret, &why)) == NULL)
			status_die(status_of_input(why.trouble), a->key, "%s", why.text);
		secret_wipe(&secret);
		return read_pair(key, a->certificate, issuer, a->now);
	}
	if ((result = capf_request_load(s, &key, NULL, &why)) < 0)
		status_die(STATUS_TROUBLE, "ca/" CAPF_REQUEST_FILE, "%s", why.text);
	if (result > 0)
		status_die(STATUS_USAGE, a->complete, "no request waits for it; capf-init --request makes one");
	return read_pair(key, a->complete, issuer, a->now);
}

/* Prints the request that waits, or a new one that waits from now on. */
static void request(struct spool *s, const struct asked *a)
{
	struct ca_profile profile = {.pathlen = 0};
	struct buf waiting = {0};
	char *subject, *pem;
	EVP_PKEY *key;
	struct reason why;
	size_t len;
	int result;

	if ((result = capf_request_load(s, &key, &waiting, &why)) < 0)
		status_die(STATUS_TROUBLE, "ca/" CAPF_REQUEST_FILE, "%s", why.text);
	if (result == 0) {
		/* Whoever made it may have died before it was durable. */
		if (spool_sync(s, SPOOL_CA) != 0)
			status_die_errno("ca/" CAPF_REQUEST_FILE, "cannot keep it");
		status_warn("ca/" CAPF_REQUEST_FILE, "this request waits already; remove the file for another one");
		fwrite(waiting.p, 1, waiting.len, stdout);
		EVP_PKEY_free(key);
		buf_free(&waiting);
		return;
	}
	profile.subject = subject = make_subject(a->name);
	key = make_key(a->spec);
	if ((pem = ca_cert_request(&profile, key, &len, &why)) == NULL)
		status_die(status_of_input(why.trouble), *a->name != '\0' ? a->name : "CAPF", "%s", why.text);
	if (capf_request_put(s, key, pem, len, &why) != 0)
		status_die(STATUS_TROUBLE, "ca/" CAPF_REQUEST_FILE, "cannot keep it: %s", why.text);
	fwrite(pem, 1, len, stdout);
	free(subject);
	free(pem);
	EVP_PKEY_free(key);
}

/* Makes the pair CAPF's own. */
static void put_pair(struct spool *s, const struct pair *p)
{
	struct reason why;

	if (capf_identity_put(s, p->cert, p->key, &why) != 0)
		status_die(STATUS_TROUBLE, "CAPF", "cannot store its certificate: %s", why.text);
	journal_add_text(s, "capf", p->cert->cn);
	if (journal_flush(s) != 0)
		status_die_errno(SPOOL_JOURNAL, "cannot write");
}

/* Another pair in place of the one that is there. */
static void replace_pair(struct spool *s, const struct pair *p)
{
	struct cert *old = NULL;
	struct reason why;
	bool same;

	/* What the old certificate vouched for and issued is still about: its .0 file is there before the pair goes. A
	 * pair that is no good leaves nothing to keep. */
	if (capf_identity_check(s, true, &why) != 0 && why.trouble)
		status_die(STATUS_TROUBLE, "CAPF", "cannot keep its old certificate: %s", why.text);
	/* An earlier run may have died before it removed the request. */
	same = capf_identity_load(s, &old, NULL, &why) == 0 && X509_cmp(old->x509, p->cert->x509) == 0;
	cert_free(old);
	if (!same)
		put_pair(s, p);
}

struct lacking {
	const unsigned char *digest;	/* of CAPF's certificate */
	char *first;		/* the path of the first list that lacks it */
	size_t n;
};

static int count_lacking(void *ctx, const struct ctl_made *m, const char *file, const struct reason *why)
{
	struct lacking *l = ctx;

	if (m == NULL) {
		char path[64];

		snprintf(path, sizeof path, "ca/%s", file);
		status_warn(path, "cannot tell whether this trust list has CAPF's new certificate: %s", why->text);
	} else if (!ctl_made_has(m, l->digest)) {
		if (l->n++ == 0 && (l->first = strdup(m->path)) == NULL)
			status_die_errno(NULL, "cannot tell which trust lists lack the new certificate");
	}
	return 0;
}

/* Warns in one line when trust lists that ctl-make has made lack the new certificate. The certificate is in its place, so
 * it is no failure. */
static void warn_lists(const struct spool *s, const struct cert *c)
{
	struct lacking l = {.digest = c->digest};
	struct reason why;

	if (ctl_made_each(s, count_lacking, &l, &why) != 0)
		status_die(STATUS_TROUBLE, NULL, "cannot tell which trust lists lack the new certificate: %s", why.text);
	if (l.n == 1)
		status_warn(l.first, "this trust list lacks CAPF's new certificate: make it again with ctl-make, and let the "
		    "phones load it, before capf-serve gets SIGHUP");
	else if (l.n > 1)
		status_warn(l.first, "this and %zu more trust lists lack CAPF's new certificate: make them again with "
		    "ctl-make, and let the phones load them, before capf-serve gets SIGHUP", l.n - 1);
	free(l.first);
}

/* A new spool. An earlier run may have been cut off after it stored its pair: then that one stays. */
static void create(struct spool *s, const struct pair *p)
{
	struct reason why = {.trouble = false};
	struct buf settings = {0};

	if (capf_identity_check(s, true, &why) != 0) {
		if (why.trouble)
			status_die(STATUS_TROUBLE, "CAPF", "cannot check its certificate: %s", why.text);
		put_pair(s, p);
	}
	/* Last, since it makes the directory a spool. */
	settings_template(&settings);
	if (settings.failed)
		errno = ENOMEM;
	if (settings.failed || stage_put_top(s, SPOOL_CONF, settings.p, settings.len) != 0)
		status_die_errno(SPOOL_CONF, "cannot write");
	buf_free(&settings);
}

static struct spool *create_or_resume(const char *path, time_t now)
{
	struct spool *s;

	open_spool_as_owner(path);
	if ((s = create_spool(path, program, now)) == NULL) {
		if (errno == EEXIST)
			status_die(STATUS_USAGE, path, "a spool is here already; --renew makes it a new certificate");
		if (errno == ENOTEMPTY)
			status_die(STATUS_USAGE, path, "something else is here");
		status_die_path(path, "cannot make a spool");
	}
	if (recover_finish(s, NULL) != 0)
		status_die_errno(path, "cannot finish what an earlier run left");
	return s;
}

/* Ends unless the options fit each other. */
static void check(const struct asked *a, int arguments)
{
	if (a->renew + a->request + (a->complete != NULL) + (a->certificate != NULL) > 1)
		status_usage("--renew, --request, --complete and --certificate are four ways; take one");
	if ((a->certificate == NULL) != (a->key == NULL))
		status_usage("--certificate and --key go together");
	if (a->key != NULL && strncmp(a->key, "pkcs11:", 7) == 0)
		status_usage("--key is copied into the spool, so it cannot be in a token");
	if (a->pass != NULL && a->key == NULL)
		status_usage("--pass-file is for --key");
	if (arguments > 0 && a->complete == NULL && a->certificate == NULL)
		status_usage("takes no arguments");
}

int main(int argc, char *argv[])
{
	struct asked a = {.spool = spool_default(), .spec = "rsa:2048", .name = "", .days = DAYS, .now = time(NULL)};
	const struct option_spec options[] = {
		OPT_TEXT(0, "certificate", "FILE", &a.certificate,
		    "use this certificate, with the key of --key"),
		OPT_TEXT(0, "complete", "FILE", &a.complete,
		    "take the certificate that an outside CA made for the request"),
		OPT_NUMBER('d', "days", "N", &a.days, 1, MAX_DAYS,
		    "days that the certificate is valid"),
		OPT_TEXT('k', "key", "FILE", &a.key,
		    "the private key of --certificate, PEM or DER"),
		OPT_TEXT('n', "name", "SUBJECT", &a.name,
		    "the subject after the CN, such as OU=Phones,O=Example"),
		OPT_CLOCK(&a.now),
		OPT_TEXT('p', "pass-file", "FILE", &a.pass,
		    "read the pass phrase of the key from this file"),
		OPT_FLAG('R', "renew", &a.renew,
		    "make a new key and a new self-signed certificate in a spool that exists"),
		OPT_FLAG(0, "request", &a.request,
		    "make a new key and write a request for an outside CA to stdout"),
		OPT_SPOOL(&a.spool),
		OPT_WORD('t', "type", "TYPE", &a.spec, key_specs, "type of the new key"),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	bool brought = a.complete != NULL || a.certificate != NULL;
	struct pair pair = {NULL, NULL};
	struct reason why;
	struct spool *s;

	check(&a, argc - arg);
	/* Before anything is touched: what cannot be made is wrong usage. */
	if (!brought && !a.request)
		pair = make_pair(&a);
	s = brought || a.request || a.renew ? open_spool_to_write(a.spool, a.now) : create_or_resume(a.spool, a.now);
	if (brought)
		pair = bring_pair(&a, s, argv + arg);
	confine_below(SANDBOX_WRITER, s->root, NULL, 0);
	if (a.request)
		request(s, &a);
	else if (brought || a.renew)
		replace_pair(s, &pair);
	else
		create(s, &pair);
	/* Last: until the pair is there, the key of the request is needed. */
	if (a.complete != NULL && capf_request_remove(s, &why) != 0)
		status_die(STATUS_TROUBLE, "ca/" CAPF_REQUEST_FILE, "cannot remove it: %s", why.text);
	if (brought || a.renew)
		warn_lists(s, pair.cert);
	pair_free(&pair);
	spool_close(s);
	return status_flush(STATUS_OK);
}
