/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "x509/issuers.h"
#include "x509/name.h"
#include "x509/openssl_error.h"

int issuers_add(struct issuers *is, const struct cert *c, struct reason *why)
{
	if (!cert_is_ca(c))
		return 0;
	for (size_t i = 0; i < is->n; i++)
		if (memcmp(is->cert[i]->digest, c->digest, sizeof c->digest) == 0)
			return 0;
	if (is->n == is->cap) {
		size_t more = is->cap > 0 ? 2 * is->cap : 16;
		struct cert **grown = reallocarray(is->cert, more, sizeof *grown);

		if (grown == NULL)
			return reason_memory(why);
		is->cert = grown;
		is->cap = more;
	}
	if ((is->cert[is->n] = cert_parse(c->der, c->der_len, why)) == NULL)
		return -1;
	is->n++;
	return 0;
}

void issuers_free(struct issuers *is)
{
	for (size_t i = 0; i < is->n; i++)
		cert_free(is->cert[i]);
	free(is->cert);
	*is = (struct issuers){0};
}

static bool issued(const struct cert *ca, const struct cert *c)
{
	bool good = X509_check_issued(ca->x509, c->x509) == X509_V_OK &&
	    X509_verify(c->x509, X509_get0_pubkey(ca->x509)) == 1;

	ERR_clear_error();
	return good;
}

static bool valid(const struct cert *c, time_t now)
{
	return c->not_before <= now && now <= c->not_after;
}

/* Is a the better one of two that have issued the same? */
static bool better(const struct cert *a, const struct cert *b, time_t now)
{
	if (valid(a, now) != valid(b, now))
		return valid(a, now);
	return a->not_before > b->not_before;
}

static int missing(const struct cert *c, struct reason *why)
{
	char *issuer = name_line(X509_get_issuer_name(c->x509));

	if (issuer == NULL)
		return reason_memory(why);
	reason_set(why, "its chain lacks the CA %.180s", issuer);
	free(issuer);
	/* Without memory OpenSSL finds no signature good. */
	return openssl_error_end(-1, why);
}

int issuers_chain(const struct issuers *is, const struct cert *c, time_t now,
    const struct cert *chain[ISSUERS_CHAIN_MAX], struct reason *why)
{
	int n = 0;

	/* What has signed itself is a root. */
	while (!issued(c, c)) {
		const struct cert *found = NULL;

		for (size_t i = 0; i < is->n; i++)
			if (issued(is->cert[i], c) && (found == NULL || better(is->cert[i], found, now)))
				found = is->cert[i];
		if (found == NULL)
			return missing(c, why);
		/* Cross-certificates can lead round in a circle. */
		if (n == ISSUERS_CHAIN_MAX)
			return reason_set(why, "its chain has more than %d CAs", ISSUERS_CHAIN_MAX);
		c = chain[n++] = found;
	}
	return n;
}
