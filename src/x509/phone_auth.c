/* SPDX-License-Identifier: ISC */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string.h>

#include "base/auth_string.h"
#include "base/device.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"
#include "x509/phone_auth.h"
#include "x509/public_key.h"

#define SIGNATURE_MAX 1024	/* RSA with 8192 bits */

bool phone_auth_string_equal(const char *want, struct bytes got)
{
	unsigned char a[AUTH_STRING_MAX + 1] = {0}, b[AUTH_STRING_MAX + 1] = {0};
	size_t len = strlen(want);
	bool equal;

	if (len == 0 || len > AUTH_STRING_MAX || got.len > AUTH_STRING_MAX)
		return false;
	memcpy(a, want, len);
	if (got.len > 0)
		memcpy(b, got.p, got.len);
	a[AUTH_STRING_MAX] = (unsigned char)len;
	b[AUTH_STRING_MAX] = (unsigned char)got.len;
	equal = CRYPTO_memcmp(a, b, sizeof a) == 0;
	OPENSSL_cleanse(a, sizeof a);
	OPENSSL_cleanse(b, sizeof b);
	return equal;
}

/* The hash that is signed, of two pieces in a row. -1 when OpenSSL cannot. */
static int hash(const char *md_name, struct bytes first, struct bytes second,
    unsigned char out[EVP_MAX_MD_SIZE], size_t *len)
{
	EVP_MD *md = EVP_MD_fetch(openssl_context(), md_name, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned n = 0;
	int ok = md != NULL && ctx != NULL && EVP_DigestInit_ex2(ctx, md, NULL) == 1 &&
	    EVP_DigestUpdate(ctx, first.p, first.len) == 1 &&
	    EVP_DigestUpdate(ctx, second.p, second.len) == 1 &&
	    EVP_DigestFinal_ex(ctx, out, &n) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	*len = n;
	return ok ? 0 : -1;
}

/* RSA: the bare hash under PKCS#1 type-1 padding. With no digest set, OpenSSL checks the whole
 * block and wants exactly these bytes in it. */
static bool set_padding(EVP_PKEY_CTX *ctx, const EVP_PKEY *key)
{
	return !EVP_PKEY_is_a(key, "RSA") ||
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
}

static bool verify_hash(EVP_PKEY *key, const unsigned char *md, size_t len, struct bytes sig)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(openssl_context(), key, NULL);
	/* RFC 8017 8.2.2: an RSA signature is as long as the modulus. */
	bool ok = ctx != NULL && sig.len > 0 &&
	    (!EVP_PKEY_is_a(key, "RSA") || sig.len == (size_t)EVP_PKEY_get_size(key)) &&
	    EVP_PKEY_verify_init(ctx) == 1 && set_padding(ctx, key) &&
	    EVP_PKEY_verify(ctx, sig.p, sig.len, md, len) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* One of the two or four signatures. -1 with a reason. */
static int verify(EVP_PKEY *key, const char *md_name, struct bytes first, struct bytes second,
    struct bytes sig, const char *what, struct reason *r)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	size_t len;

	if (sig.len == 0)
		return reason_set(r, "has no %s", what);
	if (hash(md_name, first, second, md, &len) < 0)
		return openssl_error_set(r, "%s cannot be computed", md_name);
	if (!verify_hash(key, md, len, sig))
		return openssl_error_end(reason_set(r, "has a %s that its key did not make", what), r);
	return 0;
}

/* Verifies the chain now, or, when accept-expired allows that, at the last second of the certificate. */
static int check_chain(const struct cert *c, const struct phone_auth_policy *p, struct reason *r)
{
	bool expired = p->now >= c->not_after;
	time_t when = expired && p->allow_expired ? c->not_after - 1 : p->now;

	struct reason weak;
	bool strong;

	r->text[0] = '\0';
	strong = trust_verify(p->trust, c, when, r) >= 0;
	if (!strong && (!p->allow_weak || trust_verify_weak(p->trust, c, when, &weak) < 0))
		return -1;
	if (!strong || public_key_check(X509_get0_pubkey(c->x509), &weak) < 0)
		reason_set(r, "is weak (SHA-1, or a short key)%s, which the settings allow",
		    expired ? ", and has expired" : "");
	else if (expired)
		reason_set(r, "has expired, which the settings allow");
	return 0;
}

/* Is it an RSA key of a length that old phones have? */
static bool short_key(EVP_PKEY *key)
{
	return EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= 1024 &&
	    EVP_PKEY_get_bits(key) < 2048;
}

/* Reads a certificate, which must be of this device. NULL with a reason. */
static struct cert *read_certificate(struct bytes der, const char *device,
    const struct phone_auth_policy *p, struct reason *r)
{
	struct cert *c = cert_parse(der.p, der.len, r);

	if (c == NULL)
		return NULL;
	if (c->pem)
		reason_set(r, "is PEM instead of DER");
	else if (!device_named_by(device, c->cn))
		reason_set(r, "is another device's certificate");
	else if (cert_check_client(c, r) < 0)
		; /* said already */
	else if (((p->allow_weak && short_key(X509_get0_pubkey(c->x509))) ||
	    public_key_check(X509_get0_pubkey(c->x509), r) == 0) && check_chain(c, p, r) == 0)
		return c;
	cert_free(c);
	return NULL;
}

static struct bytes little_endian(uint32_t n, unsigned char out[4])
{
	for (size_t i = 0; i < 4; i++, n >>= 8)
		out[i] = n & 0xff;
	return (struct bytes){out, 4};
}

/* The name with its NUL. */
static struct bytes name_of(const char *device)
{
	return (struct bytes){(const unsigned char *)device, strlen(device) + 1};
}

/* The one element that is tied to the session: a certificate of the same device, and two signatures
 * over the id and its DER. */
static int check_sudi(const struct phone_auth *proof, const char *device, uint32_t session,
    const struct phone_auth_policy *p, struct reason *r)
{
	unsigned char id[4];
	struct bytes first = little_endian(session, id);
	struct cert *c = read_certificate(proof->sudi_certificate, device, p, r);
	EVP_PKEY *key;
	int res;

	if (c == NULL)
		return -1;
	key = X509_get0_pubkey(c->x509);
	if (!EVP_PKEY_is_a(key, "RSA"))
		res = reason_set(r, "has no RSA key");
	else
		res = verify(key, "SHA1", first, proof->sudi_certificate, proof->sudi_sha1,
		    "SHA-1 signature", r);
	if (res == 0)
		res = verify(key, "SHA512", first, proof->sudi_certificate, proof->sudi_sha512,
		    "SHA-512 signature", r);
	cert_free(c);
	return res;
}

struct cert *phone_auth_check(const struct phone_auth *proof, const char *device, uint32_t session,
    const struct phone_auth_policy *p, struct reason *r)
{
	const char *sha2 = proof->sha2_digest == 3 ? "SHA512" : "SHA256";
	struct reason sudi;
	struct cert *c;
	EVP_PKEY *key;

	openssl_error_forget();
	if (proof->certificate.len == 0) {
		reason_set(r, "there is no certificate");
		return NULL;
	}
	if (proof->sha2_digest != 2 && proof->sha2_digest != 3 && proof->sha2.len > 0) {
		reason_set(r, "has a SHA2_SIGNED_DATA with the unknown digest %u",
		    proof->sha2_digest);
		return NULL;
	}
	if ((c = read_certificate(proof->certificate, device, p, r)) == NULL)
		return NULL;
	key = X509_get0_pubkey(c->x509);
	if (verify(key, "SHA1", name_of(device), proof->certificate, proof->sha1, "SIGNED_DATA",
		r) < 0 ||
	    verify(key, sha2, name_of(device), proof->certificate, proof->sha2, "SHA2_SIGNED_DATA",
		r) < 0) {
		cert_free(c);
		return NULL;
	}
	if (!proof->sudi && p->require_sudi) {
		reason_set(r, "has no SUDI_DATA, which require-sudi wants");
		cert_free(c);
		return NULL;
	}
	if (proof->sudi && check_sudi(proof, device, session, p, &sudi) < 0) {
		reason_because(r, &sudi, "SUDI_DATA %.200s", sudi.text);
		cert_free(c);
		return NULL;
	}
	return c;
}

static int sign(EVP_PKEY *key, const char *md_name, struct bytes first, struct bytes second,
    struct buf *out, struct reason *r)
{
	unsigned char md[EVP_MAX_MD_SIZE], sig[SIGNATURE_MAX];
	size_t md_len, len = sizeof sig;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	int ok = ctx != NULL && hash(md_name, first, second, md, &md_len) == 0 &&
	    EVP_PKEY_sign_init(ctx) == 1 && set_padding(ctx, key) &&
	    EVP_PKEY_sign(ctx, sig, &len, md, md_len) == 1;

	EVP_PKEY_CTX_free(ctx);
	if (!ok)
		return openssl_error_set(r, "cannot be signed");
	buf_put(out, sig, len);
	return out->failed ? reason_memory(r) : 0;
}

int phone_auth_sign(EVP_PKEY *key, const char *device, struct bytes der, struct buf *sha1,
    struct buf *sha512, struct reason *r)
{
	if (sign(key, "SHA1", name_of(device), der, sha1, r) < 0)
		return -1;
	return sign(key, "SHA512", name_of(device), der, sha512, r);
}

int phone_auth_sign_sudi(EVP_PKEY *key, uint32_t session, struct bytes der, struct buf *sha1,
    struct buf *sha512, struct reason *r)
{
	unsigned char id[4];
	struct bytes first = little_endian(session, id);

	if (!EVP_PKEY_is_a(key, "RSA"))
		return reason_set(r, "SUDI_DATA needs an RSA key");
	if (sign(key, "SHA1", first, der, sha1, r) < 0)
		return -1;
	return sign(key, "SHA512", first, der, sha512, r);
}
