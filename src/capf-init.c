/* SPDX-License-Identifier: ISC */
/* capf-init: a new spool, with CAPF's own certificate as phones demand it. It never touches a spool that
 * is complete, except that --renew gives it a new certificate, and only that. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "ca/ca_cert.h"
#include "cli/confine.h"
#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "site/capf_identity.h"
#include "site/settings.h"
#include "spool/create.h"
#include "spool/journal.h"
#include "spool/recover.h"
#include "spool/spool.h"
#include "spool/stage.h"
#include "x509/cert.h"
#include "x509/key.h"

const char program[] = "capf-init";
const char synopsis[] = "[-hRV] [-d days] [-n name] [-P seconds] [-s spool] [-t type]";

#define DAYS 1825		/* five years, as the phones' own system has it */
#define MAX_DAYS 7300

struct pair {
	EVP_PKEY *key;
	struct cert *cert;
};

/* A key and a certificate that it signed itself: CN=CAPF-xxxxxxxx. -1 with a reason, which is
 * about *object. */
static int make_pair(struct pair *p, const char *spec, const char *name, int days, time_t now,
    const char **object, struct reason *why)
{
	struct ca_profile profile = {.days = days, .pathlen = 0};
	unsigned char *der = NULL;
	char *subject = NULL;
	unsigned random;
	X509 *x = NULL;
	int len;

	if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random ||
	    asprintf(&subject, "CN=CAPF-%08x%s%s", random, *name != '\0' ? "," : "", name) < 0)
		return reason_errno(why);
	profile.subject = subject;
	*object = spec;
	if ((p->key = key_make(spec, why)) != NULL)
		*object = *name != '\0' ? name : "CAPF";
	if (p->key != NULL &&
	    (x = ca_cert_make(&profile, p->key, NULL, NULL, now, why)) != NULL) {
		if ((len = i2d_X509(x, &der)) > 0)
			p->cert = cert_parse(der, (size_t)len, why);
		else
			reason_memory(why);
	}
	OPENSSL_free(der);
	X509_free(x);
	free(subject);
	return p->cert != NULL ? 0 : -1;
}

/* A new spool, or the one that is to get a new certificate. */
static struct spool *open_or_create(const char *path, bool renew, time_t now)
{
	struct spool *s;

	if (renew)
		return open_spool_to_write(path, now);
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

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *spec = "rsa:2048", *name = "", *object = NULL;
	bool renew = false;
	long days = DAYS;
	time_t now = time(NULL);
	const struct option_spec options[] = {
		{'d', "days", OPTION_NUMBER, &days, 1, MAX_DAYS},
		{'n', "name", OPTION_TEXT, &name, 0, 0},
		{'P', "clock", OPTION_CLOCK, &now, 0, 0},
		{'R', "renew", OPTION_FLAG, &renew, 0, 0},
		{'s', "spool", OPTION_TEXT, &path, 0, 0},
		{'t', "type", OPTION_TEXT, &spec, 0, 0},
		{0},
	};
	struct pair pair = {NULL, NULL};
	struct reason why = {.trouble = false};
	struct buf conf = {0};
	struct spool *s;

	if (options_parse(argc, argv, options) != argc)
		status_usage("takes no arguments");
	/* Before anything is touched: what cannot be made is wrong usage. */
	if (make_pair(&pair, spec, name, (int)days, now, &object, &why) != 0)
		status_die(status_of_input(why.trouble), object, "cannot make a certificate: %s", why.text);
	s = open_or_create(path, renew, now);
	confine_below(SANDBOX_WRITER, s->root, NULL, 0);
	/* What the old certificate vouched for and issued is still about: its .0 file is there before the pair goes. A
	 * pair that is no good leaves nothing to keep. */
	if (renew && capf_identity_check(s, true, &why) != 0 && why.trouble)
		status_die(STATUS_TROUBLE, "CAPF", "cannot keep its old certificate: %s", why.text);
	/* An earlier run may have been cut off after it stored its pair: then that one stays. */
	if (renew || (capf_identity_check(s, true, &why) != 0 && !why.trouble)) {
		if (capf_identity_put(s, pair.cert, pair.key, &why) != 0)
			status_die(STATUS_TROUBLE, "CAPF", "cannot store its certificate: %s", why.text);
		journal_add_text(s, "capf", pair.cert->cn);
	} else if (why.trouble) {
		status_die(STATUS_TROUBLE, "CAPF", "cannot check its certificate: %s", why.text);
	}
	if (journal_flush(s) != 0)
		status_die_errno(SPOOL_JOURNAL, "cannot write");
	/* Last, since it makes the directory a spool. */
	settings_template(&conf);
	if (conf.failed)
		errno = ENOMEM;
	if (!renew && (conf.failed || stage_put_top(s, SPOOL_CONF, conf.p, conf.len) != 0))
		status_die_errno(SPOOL_CONF, "cannot write");
	buf_free(&conf);
	EVP_PKEY_free(pair.key);
	cert_free(pair.cert);
	spool_close(s);
	return status_flush(STATUS_OK);
}
