/* SPDX-License-Identifier: ISC */
/* The contexts of OpenSSL that know little: which public keys each reads. */
#include <openssl/err.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <string.h>

#include "../tap.h"
#include "x509/openssl_context.h"

/* Does this context read such a public key, and say of it what was said? */
static bool reads(OSSL_LIB_CTX *ctx, EVP_PKEY *key)
{
	OSSL_LIB_CTX *before = OSSL_LIB_CTX_set0_default(ctx);
	unsigned char *der = NULL;
	const unsigned char *p;
	int len = i2d_PUBKEY(key, &der);
	EVP_PKEY *again = NULL;
	bool same;

	p = der;
	if (len > 0)
		again = d2i_PUBKEY(NULL, &p, len);
	same = again != NULL && EVP_PKEY_get_bits(again) == EVP_PKEY_get_bits(key);
	EVP_PKEY_free(again);
	OPENSSL_free(der);
	OSSL_LIB_CTX_set0_default(before);
	ERR_clear_error();
	return same;
}

/* Does a key of another context sign here? */
static bool signs(OSSL_LIB_CTX *ctx, EVP_PKEY *key)
{
	OSSL_LIB_CTX *before = OSSL_LIB_CTX_set0_default(ctx);
	EVP_MD_CTX *m = EVP_MD_CTX_new();
	unsigned char out[512];
	size_t len = sizeof out;
	bool good = m != NULL && EVP_DigestSignInit(m, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(m, out, &len, (const void *)"words", 5) == 1;

	EVP_MD_CTX_free(m);
	m = EVP_MD_CTX_new();
	good = good && m != NULL && EVP_DigestVerifyInit(m, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestVerify(m, out, len, (const void *)"words", 5) == 1;
	EVP_MD_CTX_free(m);
	OSSL_LIB_CTX_set0_default(before);
	return good;
}

int main(void)
{
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *ec = EVP_EC_gen("P-256");
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *dh = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	OSSL_LIB_CTX *minimal = openssl_context(), *quick = openssl_context_quick();

	ok(minimal != NULL && quick != NULL && minimal != quick, "both contexts are there");
	ok(minimal == openssl_context() && quick == openssl_context_quick(), "and stay the same");
	ok(reads(minimal, rsa) && reads(minimal, ec), "the smallest reads RSA and EC");
	ok(!reads(minimal, ed), "and nothing else");
	ok(reads(quick, rsa) && reads(quick, ec) && reads(quick, ed), "the quick one reads all that sign");
	ok(!reads(quick, dh), "and no others");
	ok(signs(quick, rsa) && signs(quick, ec), "keys of OpenSSL's own context sign in it");
	ok(reads(NULL, dh), "OpenSSL's own context is as it was");
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ed);
	EVP_PKEY_free(dh);
	return tap_done();
}
