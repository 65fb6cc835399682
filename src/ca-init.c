/* SPDX-License-Identifier: ISC */
/* ca-init: a CA for labs, tests and small sites: PREFIX.pem and PREFIX.key. A root, or a subordinate
 * signed by one. It overwrites nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cert.h"
#include "issue.h"
#include "key.h"
#include "narrow.h"
#include "options.h"
#include "outfile.h"
#include "status.h"

const char program[] = "ca-init";
const char synopsis[] = "[-hV] [-c cert -k key [-p file]] [-d days] [-e file] [-L pathlen]\n"
			"               [-n name] [-P seconds] [-t type] prefix";

#define DAYS 3650
#define MAX_DAYS 14600		/* forty years: beyond that the dates are the smaller worry */

struct parent {
	struct cert *cert;	/* NULL: the new CA signs itself */
	EVP_PKEY *key;
};

static struct parent load_parent(const char *cert, const char *key, const char *pass)
{
	struct secret secret = {0};
	struct parent p = {0};
	struct reason why;

	if (cert == NULL)
		return p;
	if ((p.cert = cert_load(cert, &why)) == NULL)
		status_die(status_of_given(why.trouble), cert, "%s", why.text);
	if (pass != NULL && secret_read(&secret, pass, &why) != 0)
		status_die(status_of_given(why.trouble), pass, "%s", why.text);
	if ((p.key = key_load(key, &secret, &why)) == NULL)
		status_die(status_of_given(why.trouble), key, "%s", why.text);
	secret_wipe(&secret);
	return p;
}

/* Writes the key and then the certificate; takes the key back when that fails. */
static void write_pair(const char *prefix, EVP_PKEY *key, const struct secret *secret, X509 *x)
{
	char *key_path, *cert_path, *key_text, *cert_text;
	size_t key_len, cert_len;
	struct reason why;

	if (asprintf(&key_path, "%s.key", prefix) < 0 || asprintf(&cert_path, "%s.pem", prefix) < 0 ||
	    (cert_text = cert_pem(x, &cert_len)) == NULL)
		status_die(STATUS_TROUBLE, prefix, "out of memory");
	if ((key_text = key_pem(key, secret, &key_len, &why)) == NULL)
		status_die(STATUS_TROUBLE, prefix, "%s", why.text);
	/* Not only the key: its certificate must not be found in the way after it was written. */
	if (access(key_path, F_OK) == 0 || access(cert_path, F_OK) == 0)
		status_die(STATUS_USAGE, access(key_path, F_OK) == 0 ? key_path : cert_path, "exists already");
	if (outfile_create(key_path, 0600, key_text, key_len) != 0)
		status_die_path(key_path, "cannot write");
	key_pem_free(key_text, key_len);
	if (outfile_create(cert_path, 0644, cert_text, cert_len) != 0) {
		/* Without its certificate it is of no use, and would be in the way of the next run. */
		outfile_remove(key_path);
		status_die_path(cert_path, "cannot write");
	}
	free(cert_text);
	free(cert_path);
	free(key_path);
}

int main(int argc, char *argv[])
{
	const char *parent_cert = NULL, *parent_key = NULL, *parent_pass = NULL, *encrypt = NULL;
	const char *spec = "rsa:2048";
	long days = DAYS, pathlen = -1;
	struct ca_profile profile = {.subject = NULL, .crl_sign = true};
	time_t now = time(NULL);
	const struct option_spec options[] = {
		{'c', "cert", OPTION_TEXT, &parent_cert, 0, 0},
		{'d', "days", OPTION_NUMBER, &days, 1, MAX_DAYS},
		{'e', "encrypt", OPTION_TEXT, &encrypt, 0, 0},
		{'k', "key", OPTION_TEXT, &parent_key, 0, 0},
		{'L', "pathlen", OPTION_NUMBER, &pathlen, 0, 16},
		{'n', "name", OPTION_TEXT, &profile.subject, 0, 0},
		{'P', "clock", OPTION_CLOCK, &now, 0, 0},
		{'p', "pass-file", OPTION_TEXT, &parent_pass, 0, 0},
		{'t', "type", OPTION_TEXT, &spec, 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options);
	struct secret secret = {0};
	struct parent parent;
	struct reason why;
	EVP_PKEY *key;
	X509 *x;

	if (argc - arg != 1)
		status_usage("wants a prefix for its files");
	if ((parent_cert == NULL) != (parent_key == NULL))
		status_usage("--cert and --key, the issuer's, go together");
	if (parent_cert == NULL && parent_pass != NULL)
		status_usage("--pass-file is for the issuer's key");
	if (parent_cert != NULL && profile.subject == NULL)
		status_usage("--name tells a subordinate CA from its issuer");
	if (profile.subject == NULL)
		profile.subject = "CN=Lab CA";
	profile.days = (int)days;
	profile.pathlen = (int)pathlen;
	parent = load_parent(parent_cert, parent_key, parent_pass);
	if (encrypt != NULL && secret_read(&secret, encrypt, &why) != 0)
		status_die(status_of_given(why.trouble), encrypt, "%s", why.text);
	if ((key = key_make(spec, &why)) == NULL)
		status_die(status_of_given(why.trouble), spec, "%s", why.text);
	if ((x = issue_ca(&profile, key, parent.cert, parent.key, now, &why)) == NULL)
		status_die(status_of_given(why.trouble), profile.subject, "%s", why.text);
	narrow_beside(argv[arg], -1);
	write_pair(argv[arg], key, &secret, x);
	secret_wipe(&secret);
	X509_free(x);
	EVP_PKEY_free(key);
	EVP_PKEY_free(parent.key);
	cert_free(parent.cert);
	return status_flush(STATUS_OK);
}
