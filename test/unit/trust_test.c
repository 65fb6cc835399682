/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/x509.h>

#include <string.h>

#include "key.h"
#include "mint.h"
#include "tap.h"
#include "trust.h"

#define NOW 1800000000	/* 2027-01-15T08:00:00Z */
#define YEAR 31536000
#define CA "basicConstraints=critical,CA:TRUE"
#define CA_USAGE "keyUsage=critical,digitalSignature,keyCertSign"
#define PHONE_USAGE "keyUsage=critical,digitalSignature,keyEncipherment"
#define SKI "subjectKeyIdentifier=hash"
#define AKI "authorityKeyIdentifier=keyid"

static struct reason r;
static EVP_PKEY *root_key, *mid_key, *leaf_key;

static struct cert *phone(const struct cert *issuer, EVP_PKEY *key, time_t from, time_t to)
{
	const char *const ext[] = {PHONE_USAGE, SKI, AKI, NULL};

	return mint("SEP001122334455", leaf_key, issuer, key, EVP_sha256(), from, to, ext);
}

/* Checks, compares the answer and the reason, and frees the certificate. */
static bool says(struct trust *t, struct cert *c, time_t now, int want, const char *why)
{
	int res;
	bool right;

	r.text[0] = '\0';
	res = trust_verify(t, c, now, &r);
	right = res == want && strstr(r.text, why) != NULL && ERR_peek_error() == 0;
	if (!right)
		printf("# %d %s\n", res, r.text);
	cert_free(c);
	return right;
}

struct seen {
	size_t good, bad;
};

static int count(void *ctx, size_t number, const struct cert *c, const struct reason *why)
{
	struct seen *s = ctx;

	if (c != NULL)
		s->good++;
	else if (why->text[0] != '\0')
		s->bad++;
	return number == 5;
}

int main(void)
{
	const char *const ca_ext[] = {CA, CA_USAGE, SKI, NULL};
	const char *const mid_ext[] = {CA, CA_USAGE, SKI, AKI, NULL};
	const char *const bare_ca_ext[] = {CA, CA_USAGE, NULL};
	const char *const pathlen_ext[] = {
	    "basicConstraints=critical,CA:TRUE,pathlen:0", CA_USAGE, SKI, NULL};
	const char *const soft_ext[] = {"basicConstraints=CA:TRUE", CA_USAGE, SKI, NULL};
	const char *const bare_ext[] = {PHONE_USAGE, NULL};
	const char *const no_aki_ext[] = {PHONE_USAGE, SKI, NULL};
	struct cert *root, *mid, *c, *chain[8];
	struct trust *t = trust_new();
	struct seen seen = {0};
	char *pem, *file;
	size_t len;

	root_key = key_make("rsa:2048", &r);
	mid_key = key_make("ec:384", &r);
	leaf_key = key_make("rsa:2048", &r);
	must(t != NULL && root_key && mid_key && leaf_key, "set up");
	root = mint("Root", root_key, NULL, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR, ca_ext);
	mid =
	    mint("Mid", mid_key, root, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR / 2, mid_ext);

	ok(says(t, phone(root, root_key, NOW - 9, NOW + 9), NOW, -1, "not trusted: CN=Root"),
	    "an empty list");
	ok(trust_put(t, root, &r) == 0 && trust_count(t) == 1, "a root is put in");
	ok(trust_put(t, root, &r) == 0 && trust_count(t) == 1, "twice is once");
	c = phone(root, root_key, NOW - 9, NOW + 9);
	ok(trust_put(t, c, &r) == -1 && strstr(r.text, "not a CA"), "a phone is not");
	ok(says(t, c, NOW, 0, ""), "a phone verifies");
	ok(says(t, phone(root, root_key, NOW - 9, NOW + 9), NOW + 10, -1,
	       "expired on 2027-01-15T08:00:09Z"),
	    "it expires");
	ok(says(t, phone(root, root_key, NOW - 9, NOW + 9), NOW - 10, -1,
	    "is not valid before 2027-01-15T07:59:51Z"), "it begins");
	ok(says(t, phone(root, root_key, NOW - 9, NOW + 2 * YEAR), NOW + YEAR + 1, -1,
	    "has a CA, CN=Root, that expired on"), "its CA expires");
	ok(says(t, phone(root, leaf_key, NOW - 9, NOW + 9), NOW, -1, "not signed with the key"),
	    "a foreign signature");
	ok(says(t, phone(mid, mid_key, NOW - 9, NOW + 9), NOW, -1, "not trusted: CN=Mid"),
	    "an intermediate that is not in the list");
	ok(trust_put(t, mid, &r) == 0 && trust_count(t) == 2, "the intermediate is put in");
	ok(says(t, phone(mid, mid_key, NOW - 9, NOW + 9), NOW, 0, ""), "a chain of two");
	ok(says(t, mint("x", leaf_key, root, root_key, EVP_sha256(), NOW - 9, NOW + 9, bare_ext),
	       NOW, 1, "no authority key identifier"),
	    "no key identifiers: a remark");
	ok(says(t, mint("x", leaf_key, root, root_key, EVP_sha256(), NOW - 9, NOW + 9, no_aki_ext),
	       NOW, 1, "no authority key identifier"),
	    "no authority key identifier: a remark");
	ok(says(t, mint("x", leaf_key, root, root_key, EVP_sha256(), NOW - 9, NOW + 9, bare_ext),
	       NOW + 10, -1, "expired on"),
	    "but a remark forgives nothing else");
	ok(says(t, mint("x", leaf_key, root, root_key, EVP_sha1(), NOW - 9, NOW + 9, mid_ext + 2),
	       NOW, -1, "too weak"),
	    "SHA-1 is too weak");
	trust_free(t);

	t = trust_new();
	must(trust_put(t, mid, &r) == 0, "the issuing CA alone");
	ok(says(t, phone(mid, mid_key, NOW - 9, NOW + 9), NOW, 0, ""),
	    "the issuing CA alone is enough");
	ok(says(t, phone(root, root_key, NOW - 9, NOW + 9), NOW, -1, "not trusted: CN=Root"),
	    "but only for what it issued");
	trust_free(t);

	t = trust_new();
	c = mint("Bare", root_key, NULL, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR,
	    bare_ca_ext);
	must(trust_put(t, c, &r) == 0, "a CA without key identifier");
	ok(says(t, mint("x", leaf_key, c, root_key, EVP_sha256(), NOW - 9, NOW + 9, bare_ext), NOW,
	       1, "key identifier"),
	    "a CA without key identifier: a remark");
	cert_free(c);
	c = mint("Soft", root_key, NULL, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR, soft_ext);
	must(trust_put(t, c, &r) == 0, "a CA with basicConstraints not critical");
	ok(says(t, phone(c, root_key, NOW - 9, NOW + 9), NOW, -1, "not marked critical"),
	    "strict otherwise");
	cert_free(c);
	c = mint("Short", root_key, NULL, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR,
	    pathlen_ext);
	cert_free(mid);
	mid = mint("Mid", mid_key, c, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR / 2, mid_ext);
	must(trust_put(t, c, &r) == 0 && trust_put(t, mid, &r) == 0, "a CA with pathlen:0");
	ok(says(t, phone(mid, mid_key, NOW - 9, NOW + 9), NOW, -1, "path length"),
	    "a chain too long for a CA");
	cert_free(c);
	trust_free(t);

	t = trust_new();
	for (size_t i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof name, "CA %zu", i);
		chain[i] = mint(name, root_key, i > 0 ? chain[i - 1] : NULL, root_key, EVP_sha256(),
		    NOW - YEAR, NOW + YEAR, i > 0 ? mid_ext : ca_ext);
		must(trust_put(t, chain[i], &r) == 0, "a long chain");
	}
	ok(says(t, phone(chain[TRUST_MAX_DEPTH], root_key, NOW - 9, NOW + 9), NOW, 0, ""),
	    "as deep as may be");
	ok(says(t, phone(chain[7], root_key, NOW - 9, NOW + 9), NOW, -1, ""),
	    "deeper than may be: %s", r.text);
	for (size_t i = 0; i < 8; i++)
		cert_free(chain[i]);
	trust_free(t);

	pem = cert_pem(root->x509, &len);
	file = calloc(1, 3 * len + 100);
	strcpy(file, "# bundle\n");
	strcat(file, pem);
	strcat(file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	strcat(file, pem);
	strcat(file, "the end\n");
	ok(trust_each(file, strlen(file), count, &seen) == 0 && seen.good == 2 && seen.bad == 1,
	    "a bundle of three, one of them broken");
	memset(&seen, 0, sizeof seen);
	ok(trust_each(root->der, root->der_len, count, &seen) == 0 && seen.good == 1, "one in DER");
	memset(&seen, 0, sizeof seen);
	ok(trust_each("junk", 4, count, &seen) == 0 && seen.good == 0 && seen.bad == 1, "junk");
	free(file);
	free(pem);

	cert_free(root);
	cert_free(mid);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(mid_key);
	EVP_PKEY_free(leaf_key);
	return tap_done();
}
