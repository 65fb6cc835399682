/* SPDX-License-Identifier: ISC */
/* How a phone authenticates to capf-serve, with an authentication string or a certificate, and how phone-sim does it:
 * capf-protocol(7). */
#ifndef PHONE_AUTH_H
#define PHONE_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/cert.h"
#include "x509/trust.h"

/* Is what the phone sent the wanted string? In constant time for strings of legal length. False
 * when none is wanted. */
bool phone_auth_string_equal(const char *want, struct bytes got);

/* The elements that a phone sends with its certificate. One that it did not send is empty. */
struct phone_auth {
	struct bytes certificate;	/* DER */
	struct bytes sha1;		/* SIGNED_DATA */
	uint8_t sha2_digest;		/* SHA2_SIGNED_DATA: 2 is SHA-256, 3 is SHA-512 */
	struct bytes sha2;
	bool sudi;			/* SUDI_DATA was there */
	struct bytes sudi_certificate, sudi_sha1, sudi_sha512;
};

struct phone_auth_policy {
	const struct trust *trust;	/* LSC and MIC issuers */
	time_t now;
	bool allow_expired;	/* good at the last moment of its own validity is good enough */
	bool require_sudi;	/* none without SUDI_DATA */
	bool allow_weak;	/* also with SHA-1, and with RSA keys from 1024 bits on */
};

/* Does this authenticate the device, in this session? Both signatures, the chain, the subject,
 * and SUDI_DATA when there is any. NULL with a reason; else the certificate, for the caller to free
 * with cert_free; the reason then has a remark, or is "". */
struct cert *phone_auth_check(const struct phone_auth *, const char *device, uint32_t session,
    const struct phone_auth_policy *, struct reason *);

/* Signatures over a device's name and its certificate, as a phone makes them. -1 with a reason. */
int phone_auth_sign(EVP_PKEY *, const char *device, struct bytes der, struct buf *sha1,
    struct buf *sha512, struct reason *);
/* The same for SUDI_DATA: over the session's id and the certificate. RSA only. */
int phone_auth_sign_sudi(EVP_PKEY *, uint32_t session, struct bytes der, struct buf *sha1,
    struct buf *sha512, struct reason *);

#endif
