/* SPDX-License-Identifier: ISC */
/* The settings of a spool, capf.conf(5): reading them, their defaults, and the text of a new capf.conf. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/bytes.h"
#include "base/reason.h"

#define SETTINGS_TEXT_MAX 199	/* libinih reads no longer lines */
#define SETTINGS_SIGN_LAYOUT_MAX 96	/* SIGN_LAYOUTS */

enum settings_issuer { SETTINGS_ISSUER_OFFLINE, SETTINGS_ISSUER_ONLINE, SETTINGS_ISSUER_CAPF };
enum settings_proof { SETTINGS_PROOF_RA, SETTINGS_PROOF_PHONE, SETTINGS_PROOF_PHONE_OR_RA };
enum settings_trace { SETTINGS_TRACE_OFF, SETTINGS_TRACE_SESSIONS, SETTINGS_TRACE_MESSAGES };
enum settings_keepalive { SETTINGS_KEEPALIVE_NONE, SETTINGS_KEEPALIVE_IN_PROGRESS, SETTINGS_KEEPALIVE_STATUS_REQUEST };

struct settings {
	uint64_t import_max_entries;
	uint64_t import_max_entry_bytes;
	uint64_t import_max_total_bytes;
	uint64_t import_max_ratio;
	time_t transfer_timeout, transfer_stall;	/* seconds */
	uint64_t transfer_min_speed;	/* bytes a second */
	time_t keep_done, keep_superseded, keep_installed, keep_trace;	/* seconds */
	time_t keepalive;	/* seconds */
	time_t operation_expires;	/* seconds; 0: never */
	unsigned string_digits;	/* of an authentication string that is made here */
	/* capf-serve's */
	char listen[SETTINGS_TEXT_MAX + 1];
	unsigned issuer;	/* enum settings_issuer */
	char online_ca[SETTINGS_TEXT_MAX + 1];	/* "": the only one */
	char issuer_certificate[SETTINGS_TEXT_MAX + 1], issuer_key[SETTINGS_TEXT_MAX + 1];	/* "": CAPF's */
	unsigned issuer_days;
	unsigned csr_proof;	/* enum settings_proof */
	unsigned sign_layout;	/* a number of capf/sign_layout.h */
	unsigned keepalive_message;	/* enum settings_keepalive */
	unsigned legacy_tls, enable_ipv6, resume, fetch_mic, accept_expired, accept_weak_mic,
	    require_sudi;	/* 0 or 1 */
	time_t handshake_timeout, message_timeout, key_timeout;	/* seconds */
	unsigned key_tries, string_tries;
	unsigned workers;
	char log[SETTINGS_TEXT_MAX + 1];
	unsigned trace;		/* enum settings_trace */
	char trace_devices[SETTINGS_TEXT_MAX + 1];	/* names, or beginnings with a '*' behind; "": all */
	uint64_t trace_max_bytes;
	unsigned max_connections, max_per_address, max_operations;	/* 0: no limit */
};

/* The defaults, then what the text says. -1 with a reason that names the line: an unknown name is an
 * error, or a typing mistake would pass for a setting. */
int settings_parse(struct settings *, const char *text, struct reason *);
/* The same for the file capf.conf of the spool behind dirfd. */
int settings_load(struct settings *, int dirfd, struct reason *);

/* By trace-devices, are sessions of this device traced? */
bool settings_trace_device(const struct settings *, const char *device);

/* Calls take for each setting "WORD.NAME.field" of that file with what is behind "WORD.", or only for those of one NAME
 * with the field. The words are template and ca. How many there were; -1 with a reason, take's or our own. */
int settings_named(int dirfd, const char *word, const char *name,
    int (*take)(void *ctx, const char *field, const char *value, struct reason *), void *ctx,
    struct reason *);

/* The text of a new capf.conf, as capf-init writes it: every setting, commented out, with its default. */
void settings_template(struct buf *);

#endif
