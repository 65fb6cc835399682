/* SPDX-License-Identifier: ISC */
/* How a CA is reached: the lines "ca.NAME.field = value" of capf.conf(5), or the options of csr-submit(1). */
#ifndef ONLINE_SETTINGS_H
#define ONLINE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/reason.h"

#define ONLINE_TEXT_MAX 199	/* as settings.h has it */
#define ONLINE_NAME_MAX 60	/* as asked.h has it */
#define ONLINE_PARALLEL_MAX 64

enum online_type { ONLINE_NO_TYPE, ONLINE_EST, ONLINE_SCEP, ONLINE_CMP, ONLINE_CERTSRV };
enum online_lost { ONLINE_LOST_HOLD, ONLINE_LOST_ASK };

struct online_settings {
	char name[ONLINE_NAME_MAX + 1];
	unsigned type;			/* enum online_type */
	char url[ONLINE_TEXT_MAX + 1];	/* where the server is: https://host:port/path */
	char label[ONLINE_TEXT_MAX + 1];	/* est: of the profile, "": none */
	char template[ONLINE_TEXT_MAX + 1];	/* certsrv */
	char jurisdiction[ONLINE_TEXT_MAX + 1];	/* scep: what GetCACert and its like name the CA by */
	char user[ONLINE_TEXT_MAX + 1];
	char password_file[ONLINE_TEXT_MAX + 1];	/* its first line */
	char challenge_file[ONLINE_TEXT_MAX + 1];	/* scep; its first line */
	char ca_file[ONLINE_TEXT_MAX + 1];	/* CAs that the server's own certificate comes from; "": the system's */
	char certificate[ONLINE_TEXT_MAX + 1], key[ONLINE_TEXT_MAX + 1];	/* ours, as a TLS client; a file or pkcs11: */
	char pass_file[ONLINE_TEXT_MAX + 1];	/* of that key, and of those that follow */
	char ra_certificate[ONLINE_TEXT_MAX + 1], ra_key[ONLINE_TEXT_MAX + 1];	/* cmp: who vouches; scep: the transport key */
	char reference[ONLINE_TEXT_MAX + 1], secret_file[ONLINE_TEXT_MAX + 1];	/* cmp: a shared secret and its name */
	char issuer_file[ONLINE_TEXT_MAX + 1];	/* cmp, scep: the CA's certificates, by which its answers are checked */
	char agent[ONLINE_TEXT_MAX + 1], agent_key[ONLINE_TEXT_MAX + 1];	/* certsrv, est: an enrolment agent, for CMC */
	char shape[16];			/* of the CMC: none, agent, behalf; "": agent when there is one */
	unsigned cmc, unproved, des, ntlm;	/* 0 or 1: est fullcmc; requests without proof are sent; single DES is taken;
						 * certsrv also by NTLM and Negotiate */
	unsigned lost;			/* enum online_lost: what becomes of a request whose answer was lost */
	unsigned parallel;		/* requests at once */
	unsigned rate;			/* requests a minute; 0: no limit */
	time_t connect_timeout, timeout;	/* seconds; of one exchange */
};

/* The defaults for the CA of this name. */
void online_settings_init(struct online_settings *, const char *name);
/* Takes one "field = value"; ctx is the settings. -1 with a reason. */
int online_settings_take(void *ctx, const char *field, const char *value, struct reason *);
#define ONLINE_FILES_MAX 12
/* The files that the settings name, which are read when a CA is opened. How many. */
size_t online_settings_files(const struct online_settings *, const char *file[ONLINE_FILES_MAX]);
/* Is there all that every kind wants? -1 with a reason. */
int online_settings_check(const struct online_settings *, struct reason *);

#endif
