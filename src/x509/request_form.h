/* SPDX-License-Identifier: ISC */
/* The forms in which csr-dump hands a request to a CA: as it is, as CMC, or its public key alone. */
#ifndef REQUEST_FORM_H
#define REQUEST_FORM_H

#include <stdbool.h>
#include <time.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/cmc.h"

#define REQUEST_FORM_LIST "keys.tsv"	/* the list of the keys in an archive */

enum request_form_kind {
	REQUEST_FORM_PEM,
	REQUEST_FORM_DER,
	REQUEST_FORM_CMC,
	REQUEST_FORM_CMC_DER,
	REQUEST_FORM_SPKI,
};

struct request_form {
	enum request_form_kind kind;
	EVP_PKEY *const *vouchers;	/* CAPF's keys, today's first, for csr_parse; NULL: none is known */
	EVP_PKEY *key;		/* today's, which signs again what former ones signed; NULL: nothing is signed again */
	struct cmc cmc;
	bool token;		/* the agent's key is in one */
};

extern const char *const request_form_names[];	/* of the kinds; NULL behind the last */

/* The arguments of csr-dump's options; NULL: not given. */
struct request_form_options {
	int format;		/* enum request_form_kind */
	int shape;		/* enum cmc_shape; -1: not given */
	const char *agent, *agent_key, *pass_file, *template;
};

/* Chooses the form. -1 with a reason: something contradicts something, or the template has an illegal name. */
int request_form_choose(struct request_form *, const struct request_form_options *, struct reason *);
/* Loads the agent, if there is one; cmc_free_agent frees it. -1 with a reason, which is about object. */
int request_form_load_agent(struct request_form *, const struct request_form_options *, time_t now,
    const char **object, struct reason *);
/* What stands behind the device in the name of an entry. */
const char *request_form_suffix(enum request_form_kind);
/* Is it made of a request that has been read and checked, so that it can be refused? */
bool request_form_checks(enum request_form_kind);

/* The request of this device, read from the spool, in its form, appended to out. fresh: a key has signed it, and may
 * sign it otherwise the next time. With REQUEST_FORM_SPKI its line of the list is appended to list. -1 with a reason. */
int request_form_make(const struct request_form *, const char *device, bool vouched, struct bytes request,
    struct buf *out, bool *fresh, struct buf *list, struct reason *);
/* Appends the first line of the list, the names of its columns. */
void request_form_list_head(struct buf *);

#endif
