/* SPDX-License-Identifier: ISC */
#include <openssl/cms.h>
#include <openssl/err.h>

#include <string.h>
#include <time.h>

#include "archive/manifest.h"
#include "ca/ca_cert.h"
#include "../tap.h"

#define MANY 100000

static struct reason r;

static struct cert *capf(EVP_PKEY *key)
{
	const struct ca_profile p = {.subject = "CN=CAPF-12345678", .days = 100, .pathlen = 0};
	X509 *x = ca_cert_make(&p, key, NULL, NULL, time(NULL), &r);
	unsigned char *der = NULL;
	int n = x != NULL ? i2d_X509(x, &der) : -1;
	struct cert *c = n > 0 ? cert_parse(der, (size_t)n, &r) : NULL;

	must(c != NULL, r.text);
	OPENSSL_free(der);
	X509_free(x);
	return c;
}

struct signature {
	unsigned char *p;
	size_t len;
};

static struct signature sign(const char *text, const struct cert *c, EVP_PKEY *key)
{
	struct signature s = {0};

	must(manifest_sign(text, strlen(text), c, key, &s.p, &s.len, &r) == 0, r.text);
	return s;
}

/* Signs a text, and says what reading it gives; "" when it is taken. */
static bool reads(const char *text, const struct cert *c, EVP_PKEY *key, const char *why)
{
	struct signature s = sign(text, c, key);
	struct manifest *m = manifest_verify(text, strlen(text), s.p, s.len, c, &r);
	bool right = *why == '\0' ? m != NULL : m == NULL && strstr(r.text, why) != NULL;

	if (!right)
		printf("# %s\n", m != NULL ? "taken" : r.text);
	manifest_free(m);
	free(s.p);
	return right && ERR_peek_error() == 0;
}

static void test_round(const char *spec)
{
	EVP_PKEY *key = key_make(spec, &r), *foreign = key_make(spec, &r);
	struct cert *c = capf(key), *other = capf(foreign);
	struct manifest *m = manifest_new();
	struct signature s, again;
	const char *text;
	size_t len;

	ok(manifest_add(m, "a.csr", "one", 3) == 0 && manifest_add(m, "b.csr", "two", 3) == 0,
	    "two entries");
	ok(manifest_add(m, "a\nb", "", 0) == -1 && manifest_add(m, "", "", 0) == -1,
	    "names that are none");
	text = manifest_text(m, &len);
	ok(len == 2 * (64 + 2 + 5 + 1) && strncmp(text,
	    "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  a.csr\n", 72) == 0,
	    "the text is as sha256sum makes it");
	s = sign(text, c, key);
	again = sign(text, c, key);
	ok(spec[0] == 'e' || (s.len == again.len && memcmp(s.p, again.p, s.len) == 0),
	    "the same text, the same signature");
	free(again.p);
	ok(manifest_verify(text, len, s.p, s.len, other, &r) == NULL &&
		strstr(r.text, "not signed by"),
	    "another signer is expected");
	ok(manifest_verify(text, len - 1, s.p, s.len, c, &r) == NULL &&
		strstr(r.text, "not signed by"),
	    "a changed text");
	ok(manifest_verify(text, len, s.p, s.len - 1, c, &r) == NULL, "a signature cut short");
	ok(manifest_verify(text, len, "junk", 4, c, &r) == NULL && strstr(r.text, "not a detached"),
	    "junk");
	ok(manifest_verify(text, len, "", 0, c, &r) == NULL, "nothing");
	free(s.p);
	s = sign(text, other, foreign);
	ok(manifest_verify(text, len, s.p, s.len, c, &r) == NULL && ERR_peek_error() == 0,
	    "a foreign key with its own certificate inside");
	free(s.p);
	s = sign(text, c, key);
	manifest_free(m);

	m = manifest_new();
	manifest_add(m, "a.csr", "one", 3);
	manifest_add(m, "b.csr", "two", 3);
	text = manifest_text(m, &len);
	{
		struct manifest *v = manifest_verify(text, len, s.p, s.len, c, &r);

		must(v != NULL, r.text);
		ok(strcmp(manifest_missing(v), "a.csr") == 0, "one is missing");
		ok(manifest_check(v, "a.csr", "onf", 3, &r) == -1 && strstr(r.text, "changed"),
		    "changed");
		ok(manifest_check(v, "a.csr", "one", 3, &r) == 0, "right");
		ok(manifest_check(v, "a.csr", "one", 3, &r) == -1 && strstr(r.text, "twice"),
		    "twice");
		ok(manifest_check(v, "c.csr", "one", 3, &r) == -1 && strstr(r.text, "not listed"),
		    "not listed");
		ok(strcmp(manifest_missing(v), "b.csr") == 0, "the other is missing");
		ok(manifest_check(v, "b.csr", "two", 3, &r) == 0 && manifest_missing(v) == NULL,
		    "none is missing");
		manifest_free(v);
	}
	manifest_free(m);
	free(s.p);
	cert_free(c);
	cert_free(other);
	EVP_PKEY_free(key);
	EVP_PKEY_free(foreign);
}

static void test_text(void)
{
#define SUM "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
	EVP_PKEY *key = key_make("rsa:2048", &r);
	struct cert *c = capf(key);

	ok(reads("", c, key, ""), "an empty list");
	ok(reads(SUM "  a\n" SUM "  b\n", c, key, ""), "two lines");
	ok(reads(SUM "  a", c, key, "line 1"), "no newline at the end");
	ok(reads(SUM "  a\n\n", c, key, "line 2"), "an empty line");
	ok(reads(SUM "  \n", c, key, "line 1"), "no name");
	ok(reads(SUM " *a\n", c, key, "line 1"), "a star");
	ok(reads(SUM " a\n", c, key, "line 1"), "one space");
	ok(reads("x" SUM "  a\n", c, key, "line 1"), "a digit too many");
	ok(reads(SUM "  a\n" SUM "  b\n" SUM "  a\n", c, key, "twice"), "a name twice");
	cert_free(c);
	EVP_PKEY_free(key);
}

static void test_embedded(void)
{
	EVP_PKEY *key = key_make("rsa:2048", &r);
	struct cert *c = capf(key);
	BIO *bio = BIO_new_mem_buf("", 0);
	CMS_ContentInfo *cms = CMS_sign(c->x509, key, NULL, bio, CMS_BINARY);
	unsigned char *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der);

	must(n > 0, "sign with the content inside");
	ok(manifest_verify("", 0, der, (size_t)n, c, &r) == NULL &&
		strstr(r.text, "not a detached"),
	    "a signature with its own content");
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(bio);
	cert_free(c);
	EVP_PKEY_free(key);
}

static void test_many(void)
{
	EVP_PKEY *key = key_make("rsa:2048", &r);
	struct cert *c = capf(key);
	struct manifest *m = manifest_new(), *v;
	char name[32];
	const char *text;
	unsigned char *sig;
	size_t len, sig_len;
	clock_t begin;
	int wrong = 0;

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "SEP%012X.csr", i);
		wrong += manifest_add(m, name, name, strlen(name)) != 0;
	}
	text = manifest_text(m, &len);
	must(manifest_sign(text, len, c, key, &sig, &sig_len, &r) == 0, r.text);
	begin = clock();
	v = manifest_verify(text, len, sig, sig_len, c, &r);
	must(v != NULL, r.text);
	for (int i = MANY; i-- > 0;) {
		snprintf(name, sizeof name, "SEP%012X.csr", i);
		wrong += manifest_check(v, name, name, strlen(name), &r) != 0;
	}
	ok(wrong == 0 && manifest_missing(v) == NULL, "%d entries", MANY);
	printf("# %.0f ms\n", (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC);
	manifest_free(m);
	manifest_free(v);
	free(sig);
	cert_free(c);
	EVP_PKEY_free(key);
}

int main(void)
{
	test_round("rsa:2048");
	test_round("ec:384");
	test_text();
	test_embedded();
	test_many();
	return tap_done();
}
