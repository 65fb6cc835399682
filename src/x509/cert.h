/* SPDX-License-Identifier: ISC */
/* Certificates that cert-import, trust-add, lsc-list and capf-serve read from anybody, RFC 5280: cert_parse checks the
 * form, cert_check_* what a phone or a CA must have. */
#ifndef CERT_H
#define CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <openssl/x509.h>

#include "base/reason.h"
#include "x509/facts.h"

#define CERT_MAX_BYTES 65536	/* a phone certificate has 1 to 2 KiB */

struct cert {
	X509 *x509;
	bool pem;			/* it came as PEM */
	unsigned char *der;
	size_t der_len;
	unsigned char spki[32];		/* SHA-256 of the SubjectPublicKeyInfo */
	unsigned char digest[32];	/* SHA-256 of the DER */
	char cn[FACTS_CN_MAX + 1];	/* of the subject, UTF-8; "" when there is none */
	char serial[FACTS_SERIAL_MAX + 1];	/* lower-case hex */
	time_t not_before, not_after;
};

/* One certificate, exact DER (the end pointer meets, re-encoding gives the same bytes), or PEM with
 * nothing else of importance beside it. A private key, a request, two certificates are refused as
 * what they are. NULL with a reason. */
struct cert *cert_parse(const void *, size_t, struct reason *);
void cert_free(struct cert *);
/* The same from a file ("-": stdin). */
struct cert *cert_load(const char *path, struct reason *);

/* Policy for a phone's certificate, apart from its chain: key, serial, not a CA, key usages. -1 with
 * a reason. */
int cert_check_phone(const struct cert *, struct reason *);
/* Policy for a certificate that a phone proves itself with: not a CA, and its usages let it sign, as a
 * client. -1 with a reason. */
int cert_check_client(const struct cert *, struct reason *);
/* Policy for a CA: CA:TRUE, and certificate signing unless it has no keyUsage. -1 with a reason. */
int cert_check_ca(const struct cert *, struct reason *);

/* Does it say that it is a CA's, which may sign certificates? Of a CA nothing else is checked here. */
bool cert_is_ca(const struct cert *);

/* What the certificate says; its der is the certificate's. */
void cert_facts(const struct cert *, struct facts *);

/* One certificate as PEM, NUL-terminated; the caller frees. NULL when out of memory. */
char *cert_pem(X509 *, size_t *len);

#endif
