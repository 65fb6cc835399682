/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/x509.h>

#include <string.h>

#include "../mint.h"
#include "../tap.h"
#include "x509/key.h"
#include "x509/trust.h"

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

/* What a CA in the list may lack, since an administrator has put it there: as the end of a chain, between, and as
 * the issuing CA alone. What is below it may lack nothing. */
static void forms(void)
{
	static const struct {
		const char *what, *ext[5];
		const EVP_MD *(*md)(void);
	} t[] = {
		{"basicConstraints not critical", {"basicConstraints=CA:TRUE", CA_USAGE, SKI, AKI}, EVP_sha256},
		{"no keyUsage", {CA, SKI, AKI}, EVP_sha256},
		{"neither", {"basicConstraints=CA:TRUE", SKI, AKI}, EVP_sha256},
		{"a path length and no keyUsage", {"basicConstraints=CA:TRUE,pathlen:1", SKI, AKI}, EVP_sha256},
		{"an empty list of names", {CA, CA_USAGE, SKI, AKI, "subjectAltName=DER:3000"}, EVP_sha256},
		{"a signature with SHA-1", {CA, CA_USAGE, SKI, AKI}, EVP_sha1},
	};
	static const char *const good_ext[] = {CA, CA_USAGE, SKI, AKI, NULL};
	static const char *const leaf_ext[] = {PHONE_USAGE, SKI, AKI};

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		const char *ext[6] = {NULL}, *bad[7] = {NULL};
		struct cert *root, *mid, *leaf;
		struct trust *t1 = trust_new(), *t2 = trust_new(), *t3 = trust_new();

		memcpy(ext, t[i].ext, sizeof t[i].ext);
		root = mint("Root", root_key, NULL, root_key, t[i].md(), NOW - YEAR, NOW + YEAR, ext);
		must(trust_put(t1, root, &r) == 0, r.text);
		ok(says(t1, phone(root, root_key, NOW - 9, NOW + 9), NOW, 0, ""), "a root with %s", t[i].what);
		ok(says(t1, phone(root, leaf_key, NOW - 9, NOW + 9), NOW, -1, "not signed with the key"),
		    "but not a forgery");
		cert_free(root);
		root = mint("Root", root_key, NULL, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR, good_ext);
		mid = mint("Mid", mid_key, root, root_key, t[i].md(), NOW - YEAR, NOW + YEAR, ext);
		must(trust_put(t2, root, &r) == 0 && trust_put(t2, mid, &r) == 0 && trust_put(t3, mid, &r) == 0,
		    r.text);
		ok(says(t2, phone(mid, mid_key, NOW - 9, NOW + 9), NOW, 0, ""), "between, %s", t[i].what);
		ok(says(t3, phone(mid, mid_key, NOW - 9, NOW + 9), NOW, 0, ""), "alone, %s", t[i].what);
		/* The same fault in what a CA has issued: whatever it is, it does not verify, or is no phone. */
		memcpy(bad, leaf_ext, sizeof leaf_ext);
		for (size_t e = 0, n = 3; e < 5 && ext[e] != NULL; e++)
			if (strcmp(ext[e], CA_USAGE) != 0 && strcmp(ext[e], SKI) != 0 && strcmp(ext[e], AKI) != 0 &&
			    strcmp(ext[e], CA) != 0)
				bad[n++] = ext[e];
		if (strcmp(t[i].what, "no keyUsage") == 0)
			bad[0] = "basicConstraints=CA:FALSE";
		leaf = mint("SEP001122334455", leaf_key, mid, mid_key, t[i].md(), NOW - 9, NOW + 9, bad);
		ok(cert_check_phone(leaf, &r) < 0 || trust_verify(t2, leaf, NOW, &r) < 0, "below, %s: %s",
		    t[i].what, r.text);
		ok(cert_check_phone(leaf, &r) < 0 || trust_verify(t3, leaf, NOW, &r) < 0, "and below it alone");
		/* And nobody but the administrator brings a CA. */
		trust_free(t2);
		t2 = trust_new();
		must(trust_put(t2, root, &r) == 0, r.text);
		ok(says(t2, phone(mid, mid_key, NOW - 9, NOW + 9), NOW, -1, "not trusted: CN=Mid"),
		    "not in the list, %s", t[i].what);
		cert_free(leaf);
		cert_free(mid);
		cert_free(root);
		trust_free(t1);
		trust_free(t2);
		trust_free(t3);
	}
}

/* What limits a CA counts, though its form does not: no phone of it verifies, or it does not get into the list. */
static void limits(void)
{
	static const char soft[] = "basicConstraints=CA:TRUE";
	static const struct {
		const char *what, *why, *ext[5];	/* of the CA between; no keyUsage unless it is here */
		time_t from, to;
		bool forged;
	} t[] = {
		{"keyUsage without keyCertSign", "without keyCertSign", {soft, "keyUsage=cRLSign", SKI, AKI},
		    NOW - 9, NOW + 9, false},
		{"the same, critical", "without keyCertSign", {soft, "keyUsage=critical,digitalSignature", SKI, AKI},
		    NOW - 9, NOW + 9, false},
		{"CA:FALSE", "is not a CA", {"basicConstraints=CA:FALSE", CA_USAGE, SKI, AKI}, NOW - 9, NOW + 9, false},
		{"no basicConstraints", "is not a CA", {CA_USAGE, SKI, AKI}, NOW - 9, NOW + 9, false},
		{"an unknown critical extension", "unknown critical", {soft, "1.2.3.4=critical,ASN1:NULL", SKI, AKI},
		    NOW - 9, NOW + 9, false},
		{"a critical key identifier", "unknown critical", {soft, "subjectKeyIdentifier=critical,hash", AKI},
		    NOW - 9, NOW + 9, false},
		{"an end that is past", "expired on", {soft, SKI, AKI}, NOW - 9, NOW - 1, false},
		{"a beginning to come", "not valid before", {soft, SKI, AKI}, NOW + 1, NOW + 9, false},
		{"a signature that its root did not make", "not signed with the key", {soft, SKI, AKI}, NOW - 9,
		    NOW + 9, true},
		/* Permitted is O=X alone. */
		{"names that it may not give", "permitted subtree", {soft, SKI, AKI,
		    "nameConstraints=critical,DER:3014A0123010A40E300C310A3008060355040A0C0158"}, NOW - 9, NOW + 9, false},
	};
	static const char *const root_ext[] = {soft, SKI, NULL};
	static const char *const short_ext[] = {"basicConstraints=CA:TRUE,pathlen:0", SKI, NULL};
	static const char *const mid_ext[] = {soft, SKI, AKI, NULL};
	struct cert *root, *mid;
	struct trust *list;

	root = mint("Root", root_key, NULL, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR, root_ext);
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		const char *ext[6] = {NULL};

		memcpy(ext, t[i].ext, sizeof t[i].ext);
		list = trust_new();
		must(trust_put(list, root, &r) == 0, r.text);
		mid = mint("Mid", mid_key, root, t[i].forged ? leaf_key : root_key, EVP_sha256(), t[i].from, t[i].to,
		    ext);
		r.text[0] = '\0';
		if (trust_put(list, mid, &r) < 0)
			ok(strstr(r.text, t[i].why) != NULL, "%s: %s", t[i].what, r.text);
		else
			ok(says(list, phone(mid, mid_key, NOW - 9, NOW + 9), NOW, -1, t[i].why), "%s: %s", t[i].what,
			    r.text);
		cert_free(mid);
		trust_free(list);
	}
	cert_free(root);
	root = mint("Root", root_key, NULL, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR, short_ext);
	mid = mint("Mid", mid_key, root, root_key, EVP_sha256(), NOW - 9, NOW + 9, mid_ext);
	list = trust_new();
	must(trust_put(list, root, &r) == 0 && trust_put(list, mid, &r) == 0, r.text);
	ok(says(list, phone(mid, mid_key, NOW - 9, NOW + 9), NOW, -1, "path length"),
	    "a path length counts, without keyUsage and criticality too");
	ok(says(list, phone(root, root_key, NOW - 9, NOW + 9), NOW, 0, ""), "and allows what it allows");
	cert_free(mid);
	cert_free(root);
	trust_free(list);
}

int main(void)
{
	const char *const ca_ext[] = {CA, CA_USAGE, SKI, NULL};
	const char *const mid_ext[] = {CA, CA_USAGE, SKI, AKI, NULL};
	const char *const bare_ca_ext[] = {CA, CA_USAGE, NULL};
	const char *const pathlen_ext[] = {
	    "basicConstraints=critical,CA:TRUE,pathlen:0", CA_USAGE, SKI, NULL};
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

	forms();
	limits();
	cert_free(root);
	cert_free(mid);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(mid_key);
	EVP_PKEY_free(leaf_key);
	return tap_done();
}
