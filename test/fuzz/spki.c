/* SPDX-License-Identifier: ISC */
/* A phone's public key, from the network into the process that has the issuing key: what is
 * accepted makes a request that we accept, and a certificate that we would import; and it is this
 * key's and this device's. */
#include "ca/issue.h"
#include "fuzz.h"
#include "quarantine/judge_cert.h"
#include "x509/csr_make.h"
#include "x509/key.h"
#include "x509/openssl_context.h"

#define NOW ((time_t)1800000000)
#define DEVICE "SEP001122334455"

static EVP_PKEY *ra;
static struct cert *ca;
static struct issuer *issuer;
static struct judge_cert rules = {.now = NOW};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct bytes pem = fixture("ec.pem");
	struct secret none = {NULL};
	struct trust *trust = trust_new();
	struct reason r;
	EVP_PKEY *key = key_load(FUZZ_DATA "/ec.key", &none, &r);

	(void)argc;
	(void)argv;
	law((ra = key_load(FUZZ_DATA "/capf.key", &none, &r)) != NULL);
	law((ca = cert_parse(pem.p, pem.len, &r)) != NULL && key != NULL);
	law((issuer = issuer_new(ca, key, &issue_policy_default, NOW, &r)) != NULL);
	law(trust != NULL && trust_put(trust, ca, &r) == 0);
	rules.trust = trust;
	EVP_PKEY_free(key);
	return 0;
}

/* With the RA's signature it goes into the spool, and is read from there. */
static void request(struct bytes spki, const unsigned char digest[32])
{
	struct reason r = {.text = ""};
	struct csr *c = csr_make(spki, DEVICE, ra, &r), *again;

	law(c != NULL && (again = csr_parse(c->der, c->der_len, (EVP_PKEY *[]){ra, NULL}, &r)) != NULL);
	law(again->proof == CSR_RA && strcmp(again->device, DEVICE) == 0);
	law(memcmp(again->spki, digest, 32) == 0);
	csr_free(again);
	csr_free(c);
}

static void certificate(const struct csr *c)
{
	struct issued issued = {.der = NULL};
	struct reason r = {.text = ""};
	struct verdict v = {.good = false};
	struct buf der = {0};

	law(issue_phone(issuer, c, NOW, &issued, &r) == 0);
	judge_cert(&rules, (struct bytes){issued.der, issued.der_len}, &v, &der);
	law(v.good && memcmp(v.facts.spki, c->spki, sizeof v.facts.spki) == 0);
	law(memcmp(v.facts.digest, issued.digest, sizeof v.facts.digest) == 0 && strcmp(v.facts.serial,
	    issued.serial) == 0);
	law(v.facts.not_after == issued.not_after && device_named_by(DEVICE, v.facts.cn));
	law(same((struct bytes){der.p, der.len}, (struct bytes){issued.der, issued.der_len}));
	buf_free(&der);
	free(issued.der);
}

/* Who has these words in his modulus gets no certificate: no file with them is ever taken. */
static bool looks_secret(const uint8_t *data, size_t size)
{
	static const char words[] = "PRIVATE KEY-----";

	return size > 0 && memmem(data, size, words, strlen(words)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size), digest[32];
	struct bytes spki = {own, size};
	struct reason r = {.text = ""};
	struct csr *c = csr_make(spki, DEVICE, NULL, &r);

	law((c == NULL) == (r.text[0] != '\0'));
	if (c != NULL && !looks_secret(data, size)) {
		/* The very bytes that came: two keys that differ have two requests. */
		law(openssl_sha256(own, size, digest, &r) == 0 && memcmp(c->spki, digest,
		    sizeof digest) == 0);
		request(spki, digest);
		certificate(c);
	}
	csr_free(c);
	free(own);
	return 0;
}
