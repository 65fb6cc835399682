/* SPDX-License-Identifier: ISC */
#include <openssl/x509.h>

#include <string.h>

#include "../tap.h"
#include "x509/csr_make.h"
#include "x509/key.h"
#include "x509/public_key.h"

#define DEVICE "SEP001122334455"

static unsigned char *spki_of(const char *spec, size_t *len)
{
	struct reason r;
	EVP_PKEY *key = key_make(spec, &r);
	unsigned char *der = NULL;
	int n = 0;

	must(key != NULL && (n = i2d_PUBKEY(key, &der)) > 0, spec);
	EVP_PKEY_free(key);
	*len = (size_t)n;
	return der;
}

static EVP_PKEY *make_rsa(unsigned bits)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);

	must(key != NULL, "a key");
	return key;
}

/* What is signed is what OpenSSL itself would have written. */
static bool as_openssl(struct csr *c, struct bytes spki)
{
	X509_REQ *req = X509_REQ_new();
	const unsigned char *p = spki.p;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)spki.len);
	unsigned char *ours = NULL, *theirs = NULL;
	int n, m;
	bool same;

	must(key != NULL && X509_REQ_set_version(req, X509_REQ_VERSION_1) &&
	    X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(req), NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)c->device, -1, -1, 0) && X509_REQ_set_pubkey(req, key), "a request");
	n = i2d_re_X509_REQ_tbs(req, &theirs);
	m = i2d_re_X509_REQ_tbs(c->req, &ours);
	same = n > 0 && n == m && memcmp(ours, theirs, (size_t)n) == 0;
	OPENSSL_free(ours);
	OPENSSL_free(theirs);
	EVP_PKEY_free(key);
	X509_REQ_free(req);
	return same;
}

static void vouches(const char *spec, const char *device, EVP_PKEY *ra, const char *name)
{
	struct reason r = {0};
	size_t len;
	unsigned char *der = spki_of(spec, &len), spki[32];
	struct bytes b = {der, len};
	struct csr *c = csr_make(b, device, ra, &r), *again = NULL;
	const unsigned char *p = der;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)len);

	ok(c != NULL && c->proof == CSR_RA && strcmp(c->device, device) == 0 && as_openssl(c, b) &&
	    EVP_PKEY_eq(X509_REQ_get0_pubkey(c->req), key) == 1 && public_key_spki(key, spki, &r) == 0 &&
	    memcmp(c->spki, spki, sizeof spki) == 0 && (ra != NULL) == (c->der != NULL), "%s", name);
	if (ra != NULL) {
		again = csr_parse(c->der, c->der_len, (EVP_PKEY *[]){ra, NULL}, &r);
		ok(again != NULL && again->proof == CSR_RA && strcmp(again->device, device) == 0 &&
		    memcmp(again->spki, spki, sizeof spki) == 0, "%s: as it is read again", name);
	}
	csr_free(again);
	csr_free(c);
	EVP_PKEY_free(key);
	OPENSSL_free(der);
}

static void refuses(struct bytes spki, const char *why, const char *name)
{
	struct reason r = {0};
	struct csr *c = csr_make(spki, DEVICE, NULL, &r);

	ok(c == NULL && strstr(r.text, why) != NULL, "%s", name);
	if (c != NULL || strstr(r.text, why) == NULL)
		printf("# %s\n", r.text);
	csr_free(c);
}

static void refuses_key(EVP_PKEY *key, const char *why, const char *name)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	must(len > 0, "a public key");
	refuses((struct bytes){der, (size_t)len}, why, name);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
}

/* The phone signs; for each length of the request there is, so that none has another form. */
static void signs(const char *spec, const char *hash)
{
	struct reason r = {0};
	EVP_PKEY *key = key_make(spec, &r);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char *der = NULL, sig[1024];
	char device[DEVICE_MAX + 1] = "";
	struct buf info = {0};
	bool good = true;
	int len = 0;

	must(key != NULL && ctx != NULL && (len = i2d_PUBKEY(key, &der)) > 0, spec);
	for (size_t n = 0; n < DEVICE_MAX && good; n++) {
		struct bytes spki = {der, (size_t)len};
		size_t sig_len = sizeof sig;
		struct csr *c;

		device[n] = 'x';
		info.len = 0;
		good = csr_make_info(spki, device, &info, &r) == 0 &&
		    EVP_DigestSignInit(ctx, NULL, EVP_get_digestbyname(hash), NULL, key) == 1 &&
		    EVP_DigestSign(ctx, sig, &sig_len, info.p, info.len) == 1 &&
		    (c = csr_make_signed(spki, device, (struct bytes){sig, sig_len}, hash, &r)) != NULL;
		if (!good)
			break;
		good = c->proof == CSR_OWN && strcmp(c->device, device) == 0 && as_openssl(c, spki);
		csr_free(c);
		sig[sig_len / 2] ^= 1;
		c = csr_make_signed(spki, device, (struct bytes){sig, sig_len}, hash, &r);
		good = good && c == NULL && strstr(r.text, "own key") != NULL;
		csr_free(c);
	}
	ok(good, "%s, signed by the phone with %s%s%s", spec, hash, good ? "" : ": ", good ? "" : r.text);
	buf_free(&info);
	OPENSSL_free(der);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

int main(void)
{
	char longest[DEVICE_MAX + 1];
	unsigned char *der, two[2048], big[8192] = {0};
	EVP_PKEY *rsa = make_rsa(2048), *ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	size_t len;

	memset(longest, 'a', DEVICE_MAX);
	longest[DEVICE_MAX] = '\0';
	vouches("rsa:2048", DEVICE, NULL, "RSA, unsigned");
	vouches("rsa:4096", DEVICE, NULL, "RSA with 4096 bits");
	vouches("ec:256", "x", NULL, "EC, and the shortest name");
	vouches("ec:521", longest, NULL, "P-521, and the longest name");
	vouches("rsa:2048", DEVICE, rsa, "RSA, by an RA with RSA");
	vouches("ec:384", longest, rsa, "EC, by an RA with RSA");
	vouches("rsa:3072", DEVICE, ec, "RSA, by an RA with EC");
	signs("rsa:2048", "SHA256");
	signs("rsa:2048", "SHA512");
	signs("rsa:2048", "SHA384");
	signs("ec:256", "SHA256");
	signs("ec:256", "SHA512");
	signs("ec:384", "SHA256");
	signs("ec:384", "SHA512");
	signs("ec:521", "SHA256");
	signs("ec:521", "SHA512");

	der = spki_of("rsa:2048", &len);
	must(2 * len + 2 <= sizeof two, "room");
	refuses((struct bytes){NULL, 0}, "no public key", "nothing");
	refuses((struct bytes){(const unsigned char *)"\x30\x00", 2}, "no public key", "an empty sequence");
	refuses((struct bytes){big, sizeof big}, "too long", "far too much");
	for (size_t cut = 1; cut < len; cut = 2 * cut + 1)
		refuses((struct bytes){der, len - cut}, "no public key", "a part of a key");
	memcpy(two, der, len);
	memcpy(two + len, der, len);
	refuses((struct bytes){two, 2 * len}, "no public key", "two keys");
	memcpy(two + len, "\xa0\x00", 2);
	refuses((struct bytes){two, len + 2}, "no public key", "a key, and attributes");
	/* The outer length with a byte that it does not need. */
	memcpy(two, "\x30\x83\x00", 3);
	memcpy(two + 3, der + 2, len - 2);
	refuses((struct bytes){two, len + 1}, "not DER", "a length that is not the shortest");
	OPENSSL_free(der);
	refuses_key(make_rsa(1024), "", "1024 bits");
	refuses_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "", "a key that no phone has");
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	return tap_done();
}
