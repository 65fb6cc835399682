/* SPDX-License-Identifier: ISC */
/* The CA certificates of ca-init and capf-init: a root, a subordinate, and the request for an outside CA. */
#ifndef CA_CERT_H
#define CA_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <openssl/x509.h>

#include "base/reason.h"
#include "x509/cert.h"

struct ca_profile {
	const char *subject;	/* "CN=Lab root,O=Example,C=DE" */
	int days;
	int pathlen;		/* -1: none */
	bool crl_sign;		/* keyUsage cRLSign besides digitalSignature and keyCertSign */
};

/* A CA's certificate for key, signed by itself, or by parent with its key when both are given.
 * NULL with a reason. */
X509 *ca_cert_make(const struct ca_profile *, EVP_PKEY *key, const struct cert *parent,
    EVP_PKEY *parent_key, time_t now, struct reason *);

/* A request for such a certificate, for an outside CA: it asks for the subject, and for the same constraints, usage
 * and key identifier, which that CA may grant or not. PEM; the caller frees. NULL with a reason. */
char *ca_cert_request(const struct ca_profile *, EVP_PKEY *key, size_t *len, struct reason *);

#endif
