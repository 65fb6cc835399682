/* SPDX-License-Identifier: ISC */
/* Proof of possession in a phone's request (csr-proof = phone): what the phone is given to sign, and what the
 * bytes that it answers prove. capf-serve and capf-probe look at answers in the same way. */
#ifndef REQUEST_PROOF_H
#define REQUEST_PROOF_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/csr.h"

/* Appends what a phone is given: the CertificationRequestInfo itself, its hash ("SHA256", "SHA1", "SHA512"), or
 * the DER DigestInfo of that, RFC 8017 9.2. -1 with a reason. */
int request_proof_data(struct bytes info, const char *hash, bool digest_info, struct buf *, struct reason *);

/* What some bytes are, the best last. */
enum request_proof_kind {
	REQUEST_PROOF_NONE,		/* nothing that has to do with the key */
	REQUEST_PROOF_PADDED,		/* an RSA block by the phone's key, around something unknown */
	REQUEST_PROOF_USELESS,		/* by its key, and no CA can check it, or takes it */
	REQUEST_PROOF_SIGNATURE,	/* the signature of a PKCS#10 request */
	REQUEST_PROOF_WHOLE,		/* a PKCS#10 request for its key and its name */
};

struct request_proof_found {
	enum request_proof_kind kind;
	struct bytes bytes;		/* which these were */
	const char *hash;		/* of SIGNATURE: "SHA256", "SHA384" or "SHA512" */
	char text[128];			/* "RSA with DigestInfo, SHA-256, over the request" */
};

struct request_proof;

/* For the key with this SPKI, and the request that csr_make_info wrote; both and the name are kept, not copied. The
 * caller frees. NULL with a reason. */
struct request_proof *request_proof_open(struct bytes spki, const char *device, struct bytes info, struct reason *);
void request_proof_free(struct request_proof *);

/* Looks at some bytes, and tells what they are when that is better than what was found so far. -1 with a reason when
 * that cannot be told: memory is short. */
int request_proof_look(const struct request_proof *, struct bytes, struct request_proof_found *, struct reason *);

/* The request that a SIGNATURE or a WHOLE one makes, checked as one from a file is. NULL with a reason. */
struct csr *request_proof_request(const struct request_proof *, const struct request_proof_found *, struct reason *);

#endif
