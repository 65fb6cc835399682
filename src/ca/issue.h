/* SPDX-License-Identifier: ISC */
/* Makes a phone's certificate from its request, for csr-sign and capf-serve (RFC 5280 4). It opens no file and asks no
 * clock. */
#ifndef ISSUE_H
#define ISSUE_H

#include <stdbool.h>
#include <time.h>

#include "base/reason.h"
#include "x509/cert.h"
#include "x509/csr.h"
#include "x509/key.h"

#define ISSUE_DAYS_MAX 1825	/* what the phones' own system allows for an LSC */

struct issue_policy {
	int days;		/* 1 to ISSUE_DAYS_MAX; never beyond the CA's own end */
	bool device_cn;		/* CN = device name; else the CN of the request as it is */
	bool eku;		/* server auth, client auth, IPsec end system */
	bool key_ids;		/* subject and authority key identifier */
	const char *digest; /* "SHA256", "SHA384", "SHA512"; a longer EC key of the CA has more */
};
extern const struct issue_policy issue_policy_default;

/* The digest of this name, in any case. False when it is none of the three. */
bool issue_digest(const char *name, const char **digest);

/* The issuing CA, with the parts of DER that all its certificates have. */
struct issuer;

/* Checks that the certificate is a CA's, valid now, and that the key is its key. It keeps
 * references of both. NULL with a reason: trouble when the CA is not valid yet. */
struct issuer *issuer_new(const struct cert *ca, EVP_PKEY *key, const struct issue_policy *,
    time_t now, struct reason *);
void issuer_free(struct issuer *);

/* A new certificate, and what the log and the archive need of it. */
struct issued {
	unsigned char *der;	/* the caller's to free */
	size_t der_len;
	unsigned char digest[32];	/* SHA-256 of the DER */
	char serial[FACTS_SERIAL_MAX + 1];
	time_t not_after;
};

/* A phone's certificate: subject CN, then the CA's O, OU, L, ST, C; extensions from policy, nothing
 * from the request but its key and device. Serial: 16 random bytes, positive. It is written as
 * DER, which takes a third of the time that OpenSSL's X509 takes. -1 with a reason. */
int issue_phone(const struct issuer *, const struct csr *, time_t now, struct issued *,
    struct reason *);

#endif
