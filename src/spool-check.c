/* SPDX-License-Identifier: ISC */
/* spool-check: every rule of capf-spool(5), a line for each finding. It changes nothing without --repair,
 * and with it only finishes what was begun: it invents nothing and throws no certificate away. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cert.h"
#include "conf.h"
#include "csr.h"
#include "device.h"
#include "options.h"
#include "spool.h"
#include "state.h"
#include "status.h"
#include "store.h"

const char program[] = "spool-check";
const char synopsis[] = "[-hrVv] [-P seconds] [-s spool]";

struct checking {
	struct spool *spool;
	EVP_PKEY *capf;		/* who vouches for .ra requests; NULL when unknown */
	bool verbose;
	int status;
};

static void find(struct checking *ck, const char *file, const char *what)
{
	char escaped[1024];

	printf("%s\t%s\n", status_escape(file, escaped, sizeof escaped), what);
	ck->status = status_worst(ck->status, STATUS_REFUSED);
}

/* What is merely unfinished is legal, and nothing to worry a cron job with. */
static void tell(void *ctx, enum state_finding finding, const char *file, const char *what)
{
	struct checking *ck = ctx;

	if (finding == STATE_ILLEGAL)
		find(ck, file, what);
	else if (ck->verbose)
		printf("%s\tunfinished: %s\n", file, what);
}

/* Does a request or certificate hold what its name says? -1 with a reason. */
static int check_content(const struct checking *ck, const struct stem *stem, const unsigned char *data,
    size_t len, struct reason *why)
{
	struct csr *csr = NULL;
	struct cert *cert = NULL;
	bool key, device;

	if (stem->kind == STEM_DER) {
		if ((cert = cert_parse(data, len, why)) == NULL)
			return -1;
		key = memcmp(cert->spki, stem->spki, STEM_SPKI) == 0;
		device = device_named_by(stem->device, cert->cn);
	} else {
		if ((csr = csr_parse(data, len, ck->capf, why)) == NULL)
			return -1;
		key = memcmp(csr->spki, stem->spki, STEM_SPKI) == 0;
		device = strcmp(csr->device, stem->device) == 0;
	}
	cert_free(cert);
	csr_free(csr);
	if (!key)
		return reason_set(why, "it has another key than its name says");
	return device ? 0 : reason_set(why, "it is for another device than its name says");
}

static int check_dir(struct checking *ck, enum spool_dir d)
{
	char name[STEM_NAME_MAX + 1], path[STEM_NAME_MAX + 16];
	struct stem *list;
	size_t n, len;

	if (spool_list(ck->spool, d, &list, &n) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		unsigned char *data;
		struct reason why;

		stem_name(&list[i], (enum stem_kind)list[i].kind, name);
		snprintf(path, sizeof path, "%s/%s", spool_dir_name(d), name);
		if (spool_read(ck->spool, d, name, &data, &len) != 0) {
			/* It moved on, or state_check has told already that it is no file. */
			if (errno != ENOENT && errno != ELOOP && errno != EINVAL && errno != EFBIG)
				find(ck, path, strerror(errno));
			continue;
		}
		if (len > 0 && check_content(ck, &list[i], data, len, &why) != 0)
			find(ck, path, why.text);
		free(data);
	}
	free(list);
	return 0;
}

static int check_trusted(void *ctx, const char *file, const char *description, const struct cert *c,
    const struct reason *why)
{
	char hex[2 * sizeof c->digest + 1];
	struct reason cause = *why;

	(void)description;
	if (c == NULL || cert_check_ca(c, &cause) != 0) {
		find(ctx, file, cause.text);
		return 0;
	}
	bytes_hex(c->digest, sizeof c->digest, hex);
	if (strncmp(file, hex, strlen(hex)) != 0)
		find(ctx, file, "it is another certificate than its name says");
	return 0;
}

/* Everything once. -1 with errno when it cannot look. */
static int check(struct checking *ck)
{
	struct cert *own = NULL;
	struct reason why;
	struct conf conf;

	if (conf_load(&conf, ck->spool->root, &why) != 0)
		find(ck, SPOOL_CONF, why.text);
	if (store_check_capf(ck->spool, false, &why) != 0)
		find(ck, "ca/" STORE_PAIR, why.text);
	else if (store_capf(ck->spool, &own, NULL, &why) == 0)
		ck->capf = X509_get0_pubkey(own->x509);
	for (enum spool_dir d = SPOOL_TRUST_CAPF; d <= SPOOL_TRUST_CALLMANAGER; d++)
		if (store_each(ck->spool, d, check_trusted, ck, &why) != 0)
			find(ck, spool_dir_name(d), why.text);
	if (state_check(ck->spool, tell, ck) != 0)
		return -1;
	for (int d = 0; d < SPOOL_STATES; d++)
		if (check_dir(ck, (enum spool_dir)d) != 0)
			return -1;
	ck->capf = NULL;
	cert_free(own);
	return 0;
}

static void repair(struct checking *ck)
{
	struct reason why;
	struct conf conf;
	size_t finished, expired = 0;

	if (state_finish(ck->spool, &finished) != 0)
		status_die_errno(ck->spool->path, "cannot finish what was begun");
	if (conf_load(&conf, ck->spool->root, &why) == 0 &&
	    state_expire(ck->spool, ck->spool->now - conf.keep_done, &expired) != 0)
		status_die_errno("done", "cannot take old requests away");
	store_check_capf(ck->spool, true, &why);
	if (ck->verbose)
		printf("%zu steps finished, %zu answered requests taken away\n", finished, expired);
}

int main(int argc, char *argv[])
{
	const char *path = spool_default();
	struct checking ck = {.status = STATUS_OK};
	time_t now = time(NULL);
	bool mend = false;
	const struct option_spec options[] = {
		{'P', "clock", OPTION_CLOCK, &now, 0, 0},
		{'r', "repair", OPTION_FLAG, &mend, 0, 0},
		{'s', "spool", OPTION_TEXT, &path, 0, 0},
		{'v', "verbose", OPTION_FLAG, &ck.verbose, 0, 0},
		{0},
	};

	if (options_parse(argc, argv, options) != argc)
		status_usage("takes no arguments");
	if ((ck.spool = spool_open(path, program, now)) == NULL)
		status_die_path(path, "cannot open the spool");
	if (mend)
		repair(&ck);
	if (check(&ck) != 0)
		status_die_errno(path, "cannot check");
	spool_close(ck.spool);
	return status_flush(ck.status);
}
