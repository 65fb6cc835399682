/* SPDX-License-Identifier: ISC */
/* The names in certificates and requests (RFC 5280 4.1.2.4): the common name, which names the phone, and the whole
 * name on one line, as trust-list prints it. */
#ifndef NAME_H
#define NAME_H

#include <openssl/x509.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/facts.h"

/* The one common name, UTF-8. 1; 0 and "" when there is none; -1 with a reason for two, or one that is not text. */
int name_cn(const X509_NAME *, char out[FACTS_CN_MAX + 1], struct reason *);
/* Appends the DER of an RDN with this common name, a UTF8String. */
void name_put_cn(struct buf *, const char *cn);

/* The name as "C=DE, O=x, CN=y", in the order in which it stands, with the escapes of RFC 2253; the caller frees.
 * NULL when out of memory. */
char *name_line(const X509_NAME *);
/* Does the name match a pattern of the shell, by its common name or as name_line writes it? 1; 0; -1 when out of memory. */
int name_matches(const X509_NAME *, const char *pattern);
/* As name_line, with what is not ASCII as UTF-8; control characters stay escaped, others that lie do not. */
char *name_utf8(const X509_NAME *);

/* Appends the name as phones' trust lists have it: the RDNs as in RFC 4514, but in the order in which they stand; UTF-8,
 * without a NUL behind it. -1 with a reason. */
int name_put_rfc4514(struct buf *, const X509_NAME *, struct reason *);

#endif
