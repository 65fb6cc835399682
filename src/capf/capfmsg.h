/* SPDX-License-Identifier: ISC */
/* CAPF's messages, capf-protocol(7): bytes to struct and back, in both directions. */
#ifndef CAPFMSG_H
#define CAPFMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/device.h"
#include "base/reason.h"

#define CAPFMSG_HEADER 8
/* Two certificates of 4 KiB and four signatures of 4096-bit keys are 10 KiB. */
#define CAPFMSG_BODY_MAX 16384
#define CAPFMSG_VERSION 3	/* what a server offers, and the highest there is */
#define CAPFMSG_UNKNOWN_MAX 8

enum capfmsg_command {
	CAPFMSG_AUTH_REQUEST = 1,
	CAPFMSG_AUTH_RESPONSE,
	CAPFMSG_KEY_REQUEST,
	CAPFMSG_KEY_RESPONSE,
	CAPFMSG_STORE_REQUEST = 9,
	CAPFMSG_STORE_RESPONSE,
	CAPFMSG_FETCH_REQUEST,
	CAPFMSG_FETCH_RESPONSE,
	CAPFMSG_DELETE_REQUEST,
	CAPFMSG_DELETE_RESPONSE,
	CAPFMSG_END,
	CAPFMSG_RETRY_LATER,
	CAPFMSG_IN_PROGRESS,
	CAPFMSG_STATUS_REQUEST,
	CAPFMSG_STATUS_RESPONSE,
	CAPFMSG_ABORT_REQUEST,
	CAPFMSG_ABORT_RESPONSE,
	CAPFMSG_SIGN_REQUEST,
	CAPFMSG_SIGN_RESPONSE,
};

enum capfmsg_tag {
	CAPFMSG_REASON = 1,
	CAPFMSG_REASON_INFO,
	CAPFMSG_CERT_TYPE,
	CAPFMSG_CERTIFICATE,
	CAPFMSG_CERT_ID,
	CAPFMSG_SIGNED_DATA,
	CAPFMSG_VERSION_TAG,
	CAPFMSG_AUTH_TYPE,
	CAPFMSG_PUBLIC_KEY,
	CAPFMSG_KEY_SIZE,
	CAPFMSG_PASSWORD,
	CAPFMSG_RETRY_DELAY,
	CAPFMSG_DEVICE_NAME,
	CAPFMSG_SUDI_DATA = 16,
	CAPFMSG_KEY_TYPE,
	CAPFMSG_CURVE,
	CAPFMSG_DIGEST_TYPE,
	CAPFMSG_SHA2_SIGNED_DATA,
};

enum { CAPFMSG_NOTHING = 0, CAPFMSG_DONE = 1, CAPFMSG_REFUSED = 7, CAPFMSG_NO_DEVICE = 9 };
enum { CAPFMSG_LSC = 1, CAPFMSG_MIC = 2 };
enum { CAPFMSG_RSA = 0, CAPFMSG_EC = 1 };
enum { CAPFMSG_P256 = 0, CAPFMSG_P384 = 1, CAPFMSG_P521 = 2 };
enum { CAPFMSG_SHA1 = 1, CAPFMSG_SHA256 = 2, CAPFMSG_SHA512 = 3 };

/* An element with a tag that has no name here. */
struct capfmsg_unknown {
	uint8_t tag;
	struct bytes value;
};

/* One message. An element is there when its bit is set in has; the rest of the struct is zero. */
struct capfmsg {
	uint8_t command;
	uint32_t session;
	uint32_t has;			/* 1u << tag: capfmsg_has, capfmsg_add */
	uint8_t reason, cert_type, version, auth_type, key_type, curve;
	uint16_t key_size, digest_type;
	uint32_t retry_delay;
	char device[DEVICE_MAX + 1];
	/* These point into the bytes that were decoded, or wherever the one who encodes has them. */
	struct bytes reason_info, cert_id;
	struct bytes password;		/* without the NUL; empty is the same as none */
	struct bytes certificate;	/* DER, unwrapped */
	struct bytes public_key, signed_data;
	uint8_t sha2_digest;		/* CAPFMSG_SHA512; and the signature */
	struct bytes sha2_signature;
	struct bytes sudi_certificate, sudi_sha1, sudi_sha512;
	/* Elements with unknown tags, in their order: the first few, and how many there were. */
	struct capfmsg_unknown unknown[CAPFMSG_UNKNOWN_MAX];
	size_t unknowns;
	bool reversed;			/* encode the elements in the opposite order, for tests */
};

static inline bool capfmsg_has(const struct capfmsg *m, enum capfmsg_tag tag)
{
	return (m->has >> tag & 1) != 0;
}

static inline void capfmsg_add(struct capfmsg *m, enum capfmsg_tag tag)
{
	m->has |= 1u << tag;
}

/* Looks at what has come so far of a message. 0: more is needed before one can tell; -1 with
 * a reason: this will never be a message, known from the first wrong byte; else the length of the
 * whole, header and body. */
int capfmsg_length(struct bytes, struct reason *);

/* One whole message, header and body and nothing behind it. Elements in any order; which of them a
 * command needs is for the caller to say. -1 with a reason. */
int capfmsg_decode(struct bytes, struct capfmsg *, struct reason *);

/* Appends the message in one piece. -1 with a reason: too long, an illegal name, or no memory; the
 * buffer is then as it was. */
int capfmsg_encode(const struct capfmsg *, struct buf *, struct reason *);

/* "AUTH_REQUEST", or "command 5". For logs. */
const char *capfmsg_name(uint8_t command);
/* "DEVICE_NAME", or NULL for a tag that nobody knows. */
const char *capfmsg_tag_name(uint8_t tag);
/* Takes the next element off a body, which is what follows the header. False, and takes nothing, when there is none
 * that is whole. */
bool capfmsg_next(struct bytes *body, uint8_t *tag, struct bytes *value);

#endif
