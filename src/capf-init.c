/* SPDX-License-Identifier: ISC */
/* capf-init: a new spool, with CAPF's own certificate as phones demand it. It never touches a spool that
 * is complete, except that --renew gives it a new certificate, and only that. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "cert.h"
#include "conf.h"
#include "issue.h"
#include "key.h"
#include "options.h"
#include "spool.h"
#include "state.h"
#include "status.h"
#include "store.h"

const char program[] = "capf-init";
const char synopsis[] = "[-hRV] [-d days] [-k key] [-n name] [-P seconds] [-s spool]";

#define DAYS 1825		/* five years, as the phones' own system has it */
#define MAX_DAYS 7300

/* A key and a certificate that it signed itself: CN=CAPF-xxxxxxxx. -1 with a reason. */
static int make_pair(struct spool *s, const char *spec, const char *name, int days, struct reason *why)
{
	struct ca_profile profile = {.days = days, .pathlen = 0};
	EVP_PKEY *key = NULL;
	X509 *x = NULL;
	struct cert *c = NULL;
	unsigned char *der = NULL;
	char *subject = NULL;
	unsigned random;
	int len, result = -1;

	if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random ||
	    asprintf(&subject, "CN=CAPF-%08x%s%s", random, *name != '\0' ? "," : "", name) < 0)
		return reason_set(why, "%s", strerror(errno));
	profile.subject = subject;
	if ((key = key_make(spec, why)) != NULL &&
	    (x = issue_ca(&profile, key, NULL, NULL, s->now, why)) != NULL &&
	    (len = i2d_X509(x, &der)) > 0 && (c = cert_parse(der, (size_t)len, why)) != NULL)
		result = store_put_capf(s, c, key, why);
	if (result == 0)
		spool_log_text(s, "capf", c->cn);
	cert_free(c);
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(key);
	free(subject);
	return result;
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *spec = "rsa:2048", *name = "";
	bool renew = false;
	long days = DAYS;
	time_t now = time(NULL);
	const struct option_spec options[] = {
		{'d', "days", OPTION_NUMBER, &days, 1, MAX_DAYS},
		{'k', "key", OPTION_TEXT, &spec, 0, 0},
		{'n', "name", OPTION_TEXT, &name, 0, 0},
		{'P', "clock", OPTION_CLOCK, &now, 0, 0},
		{'R', "renew", OPTION_FLAG, &renew, 0, 0},
		{'s', "spool", OPTION_TEXT, &path, 0, 0},
		{0},
	};
	struct reason why;
	struct spool *s;

	if (options_parse(argc, argv, options) != argc)
		status_usage("takes no arguments");
	s = renew ? spool_open(path, program, now) : spool_create(path, program, now);
	if (s == NULL && !renew && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR))
		status_die(STATUS_USAGE, path, errno == EEXIST ?
		    "a spool is here already; --renew makes it a new certificate" : "something else is here");
	if (s == NULL)
		status_die_path(path, renew ? "cannot open the spool" : "cannot make a spool");
	if (state_finish(s, NULL) != 0)
		status_die_errno(path, "cannot finish what an earlier run left");
	/* An earlier run may have been cut off after it made the pair: then that one stays. */
	if ((renew || store_check_capf(s, true, &why) != 0) &&
	    make_pair(s, spec, name, (int)days, &why) != 0)
		status_die(STATUS_TROUBLE, "CAPF", "cannot make a certificate: %s", why.text);
	if (!renew && spool_put_top(s, SPOOL_CONF, conf_template, strlen(conf_template)) != 0)
		status_die_errno(SPOOL_CONF, "cannot write");
	if (spool_log_flush(s) != 0)
		status_die_errno(SPOOL_JOURNAL, "cannot write");
	spool_close(s);
	return status_flush(STATUS_OK);
}
