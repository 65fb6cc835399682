/* SPDX-License-Identifier: ISC */
/* capf.conf: "name = value" lines, a default for everything that is not there. capf.conf(5). */
#ifndef CONF_H
#define CONF_H

#include <stdint.h>
#include <time.h>

#include "base/reason.h"

#define CONF_TEXT_MAX 199	/* libinih reads no longer lines */

enum conf_issuer { CONF_ISSUER_OFFLINE, CONF_ISSUER_ONLINE, CONF_ISSUER_CAPF };
enum conf_proof { CONF_PROOF_RA, CONF_PROOF_PHONE, CONF_PROOF_PHONE_OR_RA };
enum conf_keepalive { CONF_KEEPALIVE_NONE, CONF_KEEPALIVE_IN_PROGRESS, CONF_KEEPALIVE_STATUS_REQUEST };

struct conf {
	uint64_t import_max_entries;
	uint64_t import_max_entry_bytes;
	uint64_t import_max_total_bytes;
	uint64_t import_max_ratio;
	time_t transfer_timeout, transfer_stall;	/* seconds */
	uint64_t transfer_min_speed;	/* bytes a second */
	time_t keep_done, keep_superseded, keep_trace;	/* seconds */
	time_t keepalive;	/* seconds */
	time_t operation_expires;	/* seconds; 0: never */
	unsigned string_digits;	/* of an authentication string that is made here */
	/* capf-serve's */
	char listen[CONF_TEXT_MAX + 1];
	unsigned issuer;	/* enum conf_issuer */
	char issuer_certificate[CONF_TEXT_MAX + 1], issuer_key[CONF_TEXT_MAX + 1];	/* "": CAPF's */
	unsigned issuer_days;
	unsigned csr_proof;	/* enum conf_proof */
	unsigned keepalive_message;	/* enum conf_keepalive */
	unsigned legacy_tls, enable_ipv6, resume, fetch_mic, accept_expired, accept_weak_mic,
	    require_sudi;	/* 0 or 1 */
	time_t handshake_timeout, message_timeout, key_timeout;	/* seconds */
	unsigned key_tries, string_tries;
	unsigned workers;
	char log[CONF_TEXT_MAX + 1];
	unsigned max_connections, max_per_address, max_operations;	/* 0: no limit */
};

/* The defaults, then what the text says. -1 with a reason that names the line: an unknown name is an
 * error, or a typing mistake would pass for a setting. */
int conf_parse(struct conf *, const char *text, struct reason *);
/* The same for the file capf.conf of the spool behind dirfd. */
int conf_load(struct conf *, int dirfd, struct reason *);

/* Calls take for each setting "template.NAME.field" of that file with what is behind "template.", or only
 * for those of one NAME with the field. How many there were; -1 with a reason, take's or our own. */
int conf_templates(int dirfd, const char *name,
    int (*take)(void *ctx, const char *field, const char *value, struct reason *), void *ctx,
    struct reason *);

/* Calls take for each "name = value" line of a text. -1 with a reason that names the line. */
int conf_lines(const char *text,
    int (*take)(void *ctx, const char *name, const char *value, struct reason *), void *ctx,
    struct reason *);

/* The file as capf-init writes it: every setting, commented out, with its default. */
extern const char conf_template[];

#endif
