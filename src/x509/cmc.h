/* SPDX-License-Identifier: ISC */
/* CMC requests (RFC 5272) about keys that signed nothing: what Microsoft's CA is documented to take from a registration
 * authority (MS-WCCE 2.2.2.6.5, 3.1.1.4.3.1.3 and 3.1.1.4.3.3.3). */
#ifndef CMC_H
#define CMC_H

#include <stdbool.h>
#include <time.h>
#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "x509/cert.h"
#include "x509/csr.h"
#include "x509/secret.h"

#define CMC_TEMPLATE_MAX 64	/* characters, which is the most that Active Directory allows in a common name */

enum cmc_shape {
	CMC_NONE,		/* without a signature that proves anything */
	CMC_AGENT,		/* signed by an enrolment agent */
	CMC_BEHALF,		/* the same, and it names the phone as the one that is enrolled on behalf of */
};

struct cmc {
	enum cmc_shape shape;
	const char *template;	/* of the CA; NULL: it is named elsewhere */
	struct cert *agent;	/* the certificate and the key of the enrolment agent; NULL with CMC_NONE */
	EVP_PKEY *key;
};

extern const char *const cmc_shape_names[];	/* NULL behind the last */
/* "none", "agent", "behalf". False for anything else. */
bool cmc_shape_named(const char *, enum cmc_shape *);

/* May this stand in a request as the name of a template? -1 with a reason. */
int cmc_check_template(const char *, struct reason *);
/* Can this certificate with this key be an enrolment agent now? -1 with a reason. */
int cmc_check_agent(const struct cert *, EVP_PKEY *, time_t now, struct reason *);
/* Loads both, as cert_load and key_load do, and checks them; cmc_free_agent frees them. -1 with a reason, which is about
 * the key when of_key is set. */
int cmc_load_agent(struct cmc *, const char *cert, const char *key, struct secret *, time_t now, bool *of_key,
    struct reason *);
void cmc_free_agent(struct cmc *);

/* Appends the CMC request, DER, for the subject and key of this one, which csr_parse has checked. A request that its
 * own key signed is in it as it is, any other with a null signature. -1 with a reason. */
int cmc_put(const struct cmc *, const struct csr *, struct buf *, struct reason *);

#endif
