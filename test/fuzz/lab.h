/* SPDX-License-Identifier: ISC */
/* The CAs of test/fuzz/data, for harnesses that check certificates. */
#ifndef LAB_H
#define LAB_H

#include "fuzz.h"
#include "x509/trust.h"

/* Both are trusted. It is never freed. */
static const struct trust *lab_trust(void)
{
	static const char *const names[] = {"root.pem", "ec.pem"};
	struct trust *trust = trust_new();

	law(trust != NULL);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct bytes pem = fixture(names[i]);
		struct reason r;
		struct cert *c = cert_parse(pem.p, pem.len, &r);

		law(c != NULL && trust_put(trust, c, &r) == 0);
		cert_free(c);
	}
	return trust;
}

#endif
