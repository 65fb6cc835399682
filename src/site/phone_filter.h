/* SPDX-License-Identifier: ISC */
/* Which phones a command is for, besides their names: the conditions of phone-list(1), which phone-set(1) and
 * phone-del(1) take with --where. All that are set must hold. */
#ifndef PHONE_FILTER_H
#define PHONE_FILTER_H

#include "site/phonebook.h"
#include "x509/cert.h"

struct phone_filter {
	const char *name, *description, *issuer;	/* patterns, fnmatch(3); NULL: any */
	const char *key;		/* of the certificate: rsa, ec, rsa-2048, ec-384; NULL: any */
	const char *string;		/* NULL: any */
	int operation, status, lsc, auth, key_order;	/* -1: any */
	time_t before;			/* the certificate expires before it; -1: at any time */
	bool stale;			/* only those that have a stale certificate */
};

/* The directories that phone_filter_match wants in its index. */
#define PHONE_FILTER_DIRS PHONEBOOK_DIRS

/* Any phone. */
void phone_filter_init(struct phone_filter *);
/* Conditions more, "field=value"; the texts must stay. -1 with a reason that names what is possible. */
int phone_filter_add_all(struct phone_filter *, const char *const text[], size_t n, time_t now, struct reason *);
/* The condition key=value alone. */
int phone_filter_key(struct phone_filter *, const char *key, struct reason *);
/* Has it a condition, apart from the name? */
bool phone_filter_reads(const struct phone_filter *);
/* Does the name match? */
bool phone_filter_name(const struct phone_filter *, const char *device);
/* Does the phone match? 1; 0; -1 with a reason, when its certificate cannot be read. A certificate that had to be read
 * is left in *cert, which the caller frees; cert may be NULL. */
int phone_filter_match(const struct phone_filter *, const struct spool *, const struct index *, const struct phone *,
    const struct phone_state *, struct cert **cert, struct reason *);

#endif
