/* SPDX-License-Identifier: ISC */
/* Phones' trust lists, made of certificates and signed. Whether a phone takes what comes out, ctl_check says. */
#ifndef CTL_MAKE_H
#define CTL_MAKE_H

#include <openssl/evp.h>

#include <time.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/cert.h"
#include "x509/ctl.h"

/* A record to be. */
struct ctl_entry {
	const struct cert *cert;
	enum ctl_role role;
};

struct ctl_form {
	const char *file;	/* the name inside */
	int minor;		/* of the version of the file; -1: 1.1 when there is an EC key, else 1.0 */
	enum ctl_digest digest;
	time_t time;
};

/* Appends a list of these certificates, signed with the key of one of those with the role SAST. -1 with a reason, which
 * is about entry *entry, or, when that is n, about the list or its key. */
int ctl_make(const struct ctl_entry *, size_t n, const struct ctl_form *, EVP_PKEY *, struct buf *out, size_t *entry,
    struct reason *);

#endif
