/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "server/proof_trust.h"
#include "site/capf_identity.h"
#include "site/trust_store.h"

int proof_trust_put(struct trust *trust, struct bytes issuer, struct reason *why)
{
	struct cert *cert = cert_parse(issuer.p, issuer.len, why);
	int result = cert != NULL ? trust_put(trust, cert, why) : -1;

	cert_free(cert);
	return result;
}

struct former {
	struct trust *trust;
	time_t now;
	struct reason *why;
};

static int put_former(void *ctx, const struct cert *c)
{
	struct former *f = ctx;

	return c->not_after < f->now ? 0 : trust_put(f->trust, c, f->why);
}

struct trust *proof_trust_load(const struct spool *s, struct bytes issuer, const struct cert *own, time_t now,
    struct reason *why)
{
	struct trust *trust = trust_store_load(s, SPOOL_TRUST_CAPF, why);
	struct former f = {trust, now, why};

	if (trust == NULL || issuer.len == 0)
		return trust;
	/* When CAPF issues itself, phones may still authenticate with what its former certificates issued, until these
	 * expire. */
	if (proof_trust_put(trust, issuer, why) == 0 && (issuer.len != own->der_len ||
	    memcmp(issuer.p, own->der, issuer.len) != 0 || capf_identity_former(s, put_former, &f, why) == 0))
		return trust;
	trust_free(trust);
	return NULL;
}
