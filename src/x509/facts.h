/* SPDX-License-Identifier: ISC */
/* What cert-import, csr-add and csr-sign go by once a certificate or a request was read: plain data, without OpenSSL,
 * so that one process can tell it to another. */
#ifndef FACTS_H
#define FACTS_H

#include <stddef.h>
#include <time.h>

#define FACTS_CN_MAX 256	/* 64 characters (RFC 5280 ub-common-name) of four bytes */
#define FACTS_SERIAL_MAX 40	/* 20 octets in hex, RFC 5280 4.1.2.2 */

struct facts {
	unsigned char spki[32];		/* SHA-256 of the SubjectPublicKeyInfo */
	char cn[FACTS_CN_MAX + 1];	/* of a certificate; of a request the device */
	/* These are of a certificate alone. */
	unsigned char digest[32];	/* SHA-256 of the DER */
	char serial[FACTS_SERIAL_MAX + 1];	/* lower-case hex */
	time_t not_after;
	/* The whole; it belongs to whoever gave these facts. */
	const unsigned char *der;
	size_t der_len;
};

#endif
