/* SPDX-License-Identifier: ISC */
/* ca-init: a CA for labs, tests and small sites: PREFIX.pem and PREFIX.key. A root, a subordinate signed by one
 * whose key is here, or, in two steps, a subordinate of a CA somewhere else: a request for it, and what it sent
 * back. It overwrites nothing, and takes no certificate that it could not sign phones' requests with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/outfile.h"
#include "ca/ca_cert.h"
#include "ca/ca_chain.h"
#include "cli/confine.h"
#include "cli/options.h"
#include "cli/status.h"
#include "x509/cert.h"
#include "x509/key.h"
#include "x509/secret.h"

const char program[] = "ca-init";
const char purpose[] = "make a CA for labs, tests and small sites";
const char synopsis[] = "[-hV] [-c cert -k key [-p file]] [-d days] [-e file] [-L pathlen]\n"
			"               [-n name] [-P seconds] [-t type] prefix\n"
			"       ca-init --request [-hV] [-e file] [-L pathlen] -n name [-t type] prefix\n"
			"       ca-init --complete cert [-hV] [-P seconds] [-p file] prefix [issuer ...]";

#define DAYS 3650
#define MAX_DAYS 14600		/* forty years: beyond that the dates are the smaller worry */

struct asked {
	const char *parent_cert, *parent_key, *pass, *encrypt, *spec, *complete;
	bool request;
	struct ca_profile profile;
	time_t now;
};

struct parent {
	struct cert *cert;	/* NULL: the new CA signs itself */
	EVP_PKEY *key;
};

static EVP_PKEY *load_key(const char *path, const char *pass)
{
	struct secret secret = {0};
	struct reason why;
	EVP_PKEY *key;

	if (pass != NULL && secret_read(&secret, pass, &why) != 0)
		status_die(status_of_input(why.trouble), pass, "%s", why.text);
	if ((key = key_load(path, &secret, &why)) == NULL)
		status_die(status_of_input(why.trouble), path, "%s", why.text);
	secret_wipe(&secret);
	return key;
}

static struct parent load_parent(const struct asked *a)
{
	struct parent p = {0};
	struct reason why;

	if (a->parent_cert == NULL)
		return p;
	if ((p.cert = cert_load(a->parent_cert, &why)) == NULL)
		status_die(status_of_input(why.trouble), a->parent_cert, "%s", why.text);
	p.key = load_key(a->parent_key, a->pass);
	return p;
}

static char *path_of(const char *prefix, const char *suffix)
{
	char *path;

	if (asprintf(&path, "%s%s", prefix, suffix) < 0)
		status_die(STATUS_TROUBLE, prefix, "out of memory");
	return path;
}

static void must_be_free(const char *path)
{
	if (access(path, F_OK) == 0)
		status_die(STATUS_USAGE, path, "exists already");
}

/* Writes the key and then what belongs to it; takes the key back when that fails. */
static void write_pair(const char *prefix, EVP_PKEY *key, const struct secret *secret, const char *suffix,
    const char *text, size_t len)
{
	char *key_path = path_of(prefix, ".key"), *path = path_of(prefix, suffix), *key_text;
	struct reason why;
	size_t key_len;

	if ((key_text = key_pem(key, secret, &key_len, &why)) == NULL)
		status_die(STATUS_TROUBLE, prefix, "%s", why.text);
	/* Not only the key: the other must not be found in the way after it was written. */
	must_be_free(key_path);
	must_be_free(path);
	if (outfile_create(key_path, 0600, key_text, key_len) != 0)
		status_die_path(key_path, "cannot write");
	secret_free(key_text, key_len);
	if (outfile_create(path, 0644, text, len) != 0) {
		/* Alone it is of no use, and would be in the way of the next run. */
		outfile_remove(key_path);
		status_die_path(path, "cannot write");
	}
	free(path);
	free(key_path);
}

/* A new key, with a certificate or a request. */
static void make(const char *prefix, struct asked *a)
{
	struct secret secret = {0};
	struct parent parent = load_parent(a);
	char *text = NULL;
	size_t len = 0;
	struct reason why;
	EVP_PKEY *key;
	X509 *x;

	if (a->encrypt != NULL && secret_read(&secret, a->encrypt, &why) != 0)
		status_die(status_of_input(why.trouble), a->encrypt, "%s", why.text);
	if ((key = key_make(a->spec, &why)) == NULL)
		status_die(status_of_input(why.trouble), a->spec, "%s", why.text);
	if (a->request)
		text = ca_cert_request(&a->profile, key, &len, &why);
	else if ((x = ca_cert_make(&a->profile, key, parent.cert, parent.key, a->now, &why)) != NULL) {
		if ((text = cert_pem(x, &len)) == NULL)
			reason_memory(&why);
		X509_free(x);
	}
	if (text == NULL)
		status_die(status_of_input(why.trouble), a->profile.subject, "%s", why.text);
	confine_beside(prefix, -1);
	write_pair(prefix, key, &secret, a->request ? ".csr" : ".pem", text, len);
	secret_wipe(&secret);
	free(text);
	EVP_PKEY_free(key);
	EVP_PKEY_free(parent.key);
	cert_free(parent.cert);
}

/* The certificate that another CA made for the key beside it, and the CAs above it, when it sent them or they
 * are given: then also the chain, for trust-add. */
static void complete(const char *prefix, char *const *issuer, int issuers, const struct asked *a)
{
	char *key_path = path_of(prefix, ".key"), *cert_path = path_of(prefix, ".pem");
	char *chain_path = path_of(prefix, "-chain.pem"), *pem;
	struct ca_chain chain;
	struct reason why;
	size_t len;
	int result;

	must_be_free(cert_path);
	must_be_free(chain_path);
	if (ca_chain_init(&chain, load_key(key_path, a->pass)) != 0)
		status_die(STATUS_TROUBLE, prefix, "out of memory");
	for (int i = -1; i < issuers; i++)
		if (ca_chain_read(&chain, i < 0 ? a->complete : issuer[i], &why) != 0)
			status_die(status_of_input(why.trouble), i < 0 ? a->complete : issuer[i], "%s", why.text);
	if ((result = ca_chain_check(&chain, a->now, &why)) < 0)
		status_die(status_of_input(why.trouble), a->complete, "%s", why.text);
	if (strstr(chain.own->cn, "CAPF-") != NULL)
		status_die(STATUS_USAGE, a->complete, "its CN contains CAPF-, which is for CAPF's own certificate");
	if ((pem = cert_pem(chain.own->x509, &len)) == NULL)
		status_die(STATUS_TROUBLE, prefix, "out of memory");
	confine_beside(prefix, -1);
	if (result == 0) {
		struct buf whole = {0};

		buf_put(&whole, pem, len);
		buf_put(&whole, chain.above_pem.p, chain.above_pem.len);
		if (whole.failed)
			status_die(STATUS_TROUBLE, prefix, "out of memory");
		if (outfile_create(chain_path, 0644, whole.p, whole.len) != 0)
			status_die_path(chain_path, "cannot write");
		buf_free(&whole);
	}
	/* Last: where it is, all is. */
	if (outfile_create(cert_path, 0644, pem, len) != 0) {
		if (result == 0)
			outfile_remove(chain_path);
		status_die_path(cert_path, "cannot write");
	}
	if (result != 0)
		status_warn(cert_path, "its signature was not checked; to check it, give the issuer's certificate too");
	free(pem);
	free(cert_path);
	free(chain_path);
	free(key_path);
	EVP_PKEY_free(chain.key);
	ca_chain_free(&chain);
}

/* Ends unless the options fit each other; settles what was left open. */
static void check(struct asked *a, int prefixes, long days, long pathlen)
{
	if (prefixes < 1 || (prefixes > 1 && a->complete == NULL))
		status_usage("wants a prefix for its files");
	if (a->request && a->complete != NULL)
		status_usage("--request and --complete are two steps");
	if ((a->request || a->complete != NULL) && (a->parent_cert != NULL || a->parent_key != NULL))
		status_usage("--cert and --key are of an issuer whose key is here");
	if (a->complete == NULL && (a->parent_cert == NULL) != (a->parent_key == NULL))
		status_usage("--cert and --key, the issuer's, go together");
	if (a->complete == NULL && a->parent_cert == NULL && a->pass != NULL)
		status_usage("--pass-file is for the issuer's key");
	if (a->profile.subject == NULL && a->parent_cert != NULL)
		status_usage("--name tells a subordinate CA from its issuer");
	if (a->profile.subject == NULL && a->request)
		status_usage("--request wants a --name to ask for");
	if (a->profile.subject == NULL)
		a->profile.subject = "CN=Lab CA";
	if (strstr(a->profile.subject, "CAPF-") != NULL)
		status_die(STATUS_USAGE, a->profile.subject, "a name with CAPF- in it is for CAPF's own certificate");
	a->profile.days = (int)days;
	/* A CA that an outside CA signs may issue phones' certificates, and make no further CAs. */
	a->profile.pathlen = pathlen < 0 && a->request ? 0 : (int)pathlen;
}

int main(int argc, char *argv[])
{
	struct asked a = {.spec = "rsa:2048", .profile = {.crl_sign = true}, .now = time(NULL)};
	long days = DAYS, pathlen = -1;
	const struct option_spec options[] = {
		OPT_TEXT('c', "cert", "FILE", &a.parent_cert,
		    "the issuer's certificate, for a subordinate CA"),
		OPT_TEXT(0, "complete", "FILE", &a.complete,
		    "take the certificate that an outside CA made for the request"),
		OPT_NUMBER('d', "days", "N", &days, 1, MAX_DAYS,
		    "days that the certificate is valid"),
		OPT_TEXT('e', "encrypt", "FILE", &a.encrypt,
		    "encrypt the new key with the pass phrase in this file"),
		OPT_TEXT('k', "key", "KEY", &a.parent_key,
		    "the issuer's key: a file or a pkcs11: URI"),
		OPT_NUMBER('L', "pathlen", "N", &pathlen, 0, 16, "CAs that may be below this one"),
		OPT_TEXT('n', "name", "SUBJECT", &a.profile.subject,
		    "the subject, such as CN=Lab root,O=Example; for a root CN=Lab CA by default"),
		OPT_CLOCK(&a.now),
		OPT_TEXT('p', "pass-file", "FILE", &a.pass,
		    "read the pass phrase of the issuer's key, or with --complete of the new "
		    "key, from this file"),
		OPT_FLAG(0, "request", &a.request,
		    "make a key and a request, for an outside CA to sign"),
		OPT_WORD('t', "type", "TYPE", &a.spec, key_specs, "type of the new key"),
		{0},
	};
	int arg = options_parse(argc, argv, options);

	check(&a, argc - arg, days, pathlen);
	if (a.complete != NULL)
		complete(argv[arg], argv + arg + 1, argc - arg - 1, &a);
	else
		make(argv[arg], &a);
	return status_flush(STATUS_OK);
}
