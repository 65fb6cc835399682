/* SPDX-License-Identifier: ISC */
/* The messages of SCEP, RFC 8894: builds the requests, and reads what a server answers. Opens and sends nothing. */
#ifndef SCEP_MESSAGE_H
#define SCEP_MESSAGE_H

#include <stdbool.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/csr.h"

#define SCEP_TRANSACTION 64	/* hex digits of a SHA-256 */
#define SCEP_NONCE 16
#define SCEP_CERTIFICATES_MAX 16	/* in one answer; a CA, its RA's two and a long chain are eight */
#define SCEP_TEXT_MAX 80	/* of what the CA says: characters */

/* What GetCACaps tells, RFC 8894 3.5.2. */
struct scep_caps {
	bool aes, des3, sha1, sha256, sha512, post;
};

/* Keywords that nobody knows are skipped. */
void scep_caps_parse(struct bytes, struct scep_caps *);

/* The certificates that GetCACert answers: one, or a list in a CMS that signs nothing. The caller frees with
 * sk_X509_pop_free. NULL with a reason. */
STACK_OF(X509) *scep_certificates(struct bytes, struct reason *);

/* The transport certificate that goes with a key of ours, RFC 8894 2.3: signed with that key, and always the same for
 * the same key and subject, so that a poll in another run has the certificate of the request. NULL with a reason. */
X509 *scep_transport(EVP_PKEY *, const X509_NAME *subject, struct reason *);

/* Does the request have a challenge password, and is it this one? -1 with a reason. */
int scep_check_challenge(const struct csr *, const char *challenge, struct reason *);

enum scep_type { SCEP_CERT_REP = 3, SCEP_PKCS_REQ = 19, SCEP_CERT_POLL = 20 };

/* One question: what it is made of, and what its answer has to fit. */
struct scep_ask {
	enum scep_type type;
	char transaction[SCEP_TRANSACTION + 1];
	unsigned char nonce[SCEP_NONCE];
	X509 *certificate;		/* of our transport key, */
	EVP_PKEY *key;			/* and that key: RSA */
	X509 *recipient;		/* the CA's, or its RA's, with an RSA key */
	const EVP_CIPHER *cipher;
	const EVP_MD *digest;
};

/* The transaction id of a request, and a new nonce. -1 with a reason. */
int scep_ask_init(struct scep_ask *, enum scep_type, const struct csr *, struct reason *);
/* Appends the message: the PKCS#10, or for a poll the names of the issuer and of the request's subject. -1 with a
 * reason. */
int scep_put(const struct scep_ask *, const struct csr *, const X509_NAME *issuer, struct buf *, struct reason *);

enum scep_status { SCEP_SUCCESS = 0, SCEP_FAILURE = 2, SCEP_PENDING = 3 };
enum scep_fail {
	SCEP_BAD_ALG = 0, SCEP_BAD_MESSAGE_CHECK = 1, SCEP_BAD_REQUEST = 2, SCEP_BAD_TIME = 3, SCEP_BAD_CERT_ID = 4,
	SCEP_NO_FAIL_INFO,
};

struct scep_reply {
	bool signed_by_ca;		/* set even when the rest cannot be read */
	bool old;			/* it cannot be read because an algorithm is not allowed */
	enum scep_status status;
	enum scep_fail fail;		/* with SCEP_FAILURE */
	char text[SCEP_TEXT_MAX + 1];	/* failInfoText, printable; "": none */
	struct buf certificates;	/* with SCEP_SUCCESS: DER, one behind the other; the caller frees */
};

/* Are old algorithms taken: SHA-1 and older, and single DES with this context, which has OpenSSL's legacy provider? */
struct scep_old {
	bool allowed;
	OSSL_LIB_CTX *context;
};

/* Reads the answer to a question, which has to be signed by the key of one of these certificates, and by no other.
 * -1 with a reason. */
int scep_parse(struct bytes, const struct scep_ask *, STACK_OF(X509) *signers, const struct scep_old *,
    struct scep_reply *, struct reason *);

/* The name of a failInfo, and what it means. */
const char *scep_fail_text(enum scep_fail);

#endif
