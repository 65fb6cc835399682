/* SPDX-License-Identifier: ISC */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "x509/der.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"
#include "x509/public_key.h"

/* The SHA-256 of what one of OpenSSL's i2d_ functions gave, which is freed here. */
static int hash_der(unsigned char *der, int len, unsigned char out[32], struct reason *r)
{
	int res = len > 0 ? openssl_sha256(der, (size_t)len, out, r) :
	    openssl_error_set(r, "the public key cannot be encoded");

	OPENSSL_free(der);
	return res;
}

int public_key_spki(EVP_PKEY *key, unsigned char out[32], struct reason *r)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	return hash_der(der, len, out, r);
}

int public_key_spki_of(const X509_PUBKEY *pub, unsigned char out[32], struct reason *r)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(pub, &der);

	return hash_der(der, len, out, r);
}

static int check_rsa(EVP_PKEY *key, struct reason *r)
{
	unsigned char n[1024];
	uint64_t e = 0;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, sizeof n),
	    OSSL_PARAM_construct_uint64(OSSL_PKEY_PARAM_RSA_E, &e), OSSL_PARAM_construct_end()};
	int bits = EVP_PKEY_get_bits(key), odd;
	BIGNUM *bn;

	if (bits < 2048 || bits > 8192)
		return reason_set(r, "has an RSA key of %d bits, not 2048 to 8192", bits);
	/* One of the vendor's own roots has exponent 3; one of more than 64 bits only costs time.
	 * Both in one call, which takes a third of the time of EVP_PKEY_get_bn_param for each. */
	if (!EVP_PKEY_get_params(key, params) || e % 2 == 0 || e == 1) {
		ERR_clear_error();
		return reason_set(r, "has an RSA key with a bad exponent");
	}
	bn = BN_native2bn(n, (int)params[0].return_size, NULL);
	odd = bn != NULL && BN_is_odd(bn);
	BN_free(bn);
	return odd ? 0 : reason_set(r, "has an RSA key with an even modulus");
}

static int check_ec(EVP_PKEY *key, struct reason *r)
{
	char curve[32];
	int explicit = 0;

	if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
		&explicit) &&
	    explicit)
		return reason_set(r, "has an EC key with explicit parameters, not a named curve");
	if (!EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL))
		return openssl_error_set(r, "has an EC key without a named curve");
	if (strcmp(curve, SN_X9_62_prime256v1) != 0 && strcmp(curve, SN_secp384r1) != 0 &&
	    strcmp(curve, SN_secp521r1) != 0)
		return reason_set(r, "has an EC key on %s, not on P-256, P-384 or P-521", curve);
	return 0;
}

int public_key_check(EVP_PKEY *key, struct reason *r)
{
	if (key == NULL)
		return openssl_error_end(reason_set(r,
		    "has a key that is neither RSA nor EC on P-256, P-384 or P-521"), r);
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return openssl_error_end(check_rsa(key, r), r);
	case EVP_PKEY_EC:
		return openssl_error_end(check_ec(key, r), r);
	}
	return reason_set(r, "has a key that is neither RSA nor EC");
}

int public_key_check_form(const X509_PUBKEY *pub, struct reason *r)
{
	const unsigned char *bits;
	const void *param;
	X509_ALGOR *algor;
	ASN1_OBJECT *oid;
	int len, type;

	if (!X509_PUBKEY_get0_param(&oid, &bits, &len, &algor, pub))
		return openssl_error_set(r, "has a key that cannot be read");
	X509_ALGOR_get0(NULL, &type, &param, algor);
	switch (OBJ_obj2nid(oid)) {
	case NID_rsaEncryption:
		/* RFC 3279 2.3.1: NULL, not absent. */
		if (type != V_ASN1_NULL)
			return reason_set(r, "has an RSA key with parameters other than NULL");
		if (!der_exact(bits, (size_t)len, true))
			return reason_set(r, "has an RSA key that is not DER");
		return 0;
	case NID_X9_62_id_ecPublicKey:
		/* RFC 5480 2.1.1: a named curve and nothing else. */
		if (type != V_ASN1_OBJECT)
			return reason_set(r,
			    "has an EC key with explicit parameters, not a named curve");
		if (len < 1 || bits[0] != 0x04)
			return reason_set(r, "has an EC key with a compressed point");
		return 0;
	}
	return reason_set(r, "has a key that is neither RSA nor EC");
}

/* The digest of an RSASSA-PSS signature; its default is SHA-1. */
static int pss_digest(int type, const void *param)
{
	RSA_PSS_PARAMS *pss = NULL;
	const ASN1_OBJECT *oid;
	int nid = NID_sha1;

	if (type == V_ASN1_SEQUENCE) {
		const ASN1_STRING *s = param;
		const unsigned char *p = ASN1_STRING_get0_data(s);

		pss = d2i_RSA_PSS_PARAMS(NULL, &p, ASN1_STRING_length(s));
	}
	if (pss == NULL)
		return NID_undef;
	if (pss->hashAlgorithm != NULL) {
		X509_ALGOR_get0(&oid, NULL, NULL, pss->hashAlgorithm);
		nid = OBJ_obj2nid(oid);
	}
	RSA_PSS_PARAMS_free(pss);
	return nid;
}

int public_key_check_signature(const X509_ALGOR *algor, struct reason *r)
{
	const ASN1_OBJECT *oid;
	const void *param;
	char name[80];
	int type, nid, digest = NID_undef, pkey = NID_undef;

	X509_ALGOR_get0(&oid, &type, &param, algor);
	nid = OBJ_obj2nid(oid);
	if (nid == NID_rsassaPss) {
		digest = pss_digest(type, param);
		pkey = NID_rsaEncryption;
	} else
		OBJ_find_sigid_algs(nid, &digest, &pkey);
	if (pkey == NID_rsaEncryption || pkey == NID_X9_62_id_ecPublicKey)
		switch (digest) {
		case NID_sha256:
		case NID_sha384:
		case NID_sha512:
		case NID_sha3_256:
		case NID_sha3_384:
		case NID_sha3_512:
			return 0;
		case NID_sha1:
			return reason_set(r, "is signed with SHA-1, which is too weak");
		case NID_md5:
			return reason_set(r, "is signed with MD5, which is too weak");
		}
	OBJ_obj2txt(name, sizeof name, oid, 0);
	return reason_set(r, "is signed with %s, not with RSA or ECDSA and SHA-256 or better",
	    name);
}
