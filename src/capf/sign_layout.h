/* SPDX-License-Identifier: ISC */
/* Messages 22 and 23, by which a phone may sign its request: nobody has described them, so here is a numbered
 * table of what 22 may look like, for the setting sign-layout, capf-probe(1) and phone-sim(1), and what to look at
 * in a 23. */
#ifndef SIGN_LAYOUT_H
#define SIGN_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "capf/capfmsg.h"

/* Settings and transcripts name a layout by its number, from 1, so a number never gets another meaning: new
 * layouts are added behind the last one. */
#define SIGN_LAYOUTS 96
#define SIGN_LAYOUTS_LIKELY 32	/* of these, the first ones: what capf-probe tries unless told otherwise */

/* What the phone is given to sign, by its size on the wire. */
enum sign_form {
	SIGN_INFO,		/* the CertificationRequestInfo, DER */
	SIGN_SHA256,		/* its hash */
	SIGN_DIGEST_INFO,	/* a DER DigestInfo of its SHA-256, RFC 8017 9.2 */
	SIGN_SHA512,
	SIGN_SHA1,
	SIGN_FORMS
};

struct sign_layout {
	uint8_t tag;		/* the element with the data: SIGNED_DATA, 14, 15 or CERTIFICATE */
	enum sign_form form;
	uint8_t digest;		/* DIGEST_TYPE; 0: without */
	bool key_type;		/* with KEY_TYPE */
};

/* False when there is no layout with this number. */
bool sign_layout_get(unsigned number, struct sign_layout *);
/* "SHA-256 of the request in tag 14, DIGEST_TYPE 2". Returns out. */
#define SIGN_LAYOUT_TEXT 96
const char *sign_layout_text(const struct sign_layout *, char out[SIGN_LAYOUT_TEXT]);
/* "SHA-256 of the request" */
const char *sign_form_text(enum sign_form);
/* The hash as OpenSSL calls it; NULL for the CertificationRequestInfo itself. */
const char *sign_form_hash(enum sign_form);

/* SIGN_CERTIFICATE_REQUEST with this data, to be encoded; ec: for KEY_TYPE. */
void sign_layout_put(const struct sign_layout *, bool ec, struct bytes data, struct capfmsg *);
/* Does this SIGN_CERTIFICATE_REQUEST have the layout, nothing left out and nothing added? Then its data. */
bool sign_layout_match(const struct sign_layout *, const struct capfmsg *, struct bytes *data);

/* What in a SIGN_CERTIFICATE_RESPONSE may be a signature or a request: the value of each element, and what is left of
 * it without the length that SHA2_SIGNED_DATA and CERTIFICATE have in front. */
struct sign_answer {
	struct bytes body, element;
	uint8_t tag;		/* of the element */
	unsigned taken;
};

/* From the body of a message. */
void sign_answer_open(struct sign_answer *, struct bytes body);
/* False at the end, or where an element reaches past it. */
bool sign_answer_next(struct sign_answer *, struct bytes *candidate);

#endif
