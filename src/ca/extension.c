/* SPDX-License-Identifier: ISC */
#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string.h>

#include "ca/extension.h"
#include "x509/der.h"

X509_EXTENSION *extension_make(int nid, const char *value)
{
	return X509V3_EXT_nconf_nid(NULL, NULL, nid, value);
}

/* An extension whose value is a key identifier behind a few bytes of DER. The caller frees. */
static X509_EXTENSION *identifier(int nid, const unsigned char *head, size_t head_len,
    const unsigned char *id, size_t id_len)
{
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	unsigned char der[64];
	X509_EXTENSION *ext = NULL;

	memcpy(der, head, head_len);
	memcpy(der + head_len, id, id_len);
	if (value != NULL && ASN1_OCTET_STRING_set(value, der, (int)(head_len + id_len)))
		ext = X509_EXTENSION_create_by_NID(NULL, nid, 0, value);
	ASN1_OCTET_STRING_free(value);
	return ext;
}

/* RFC 5280 4.2.1.2 (1): SHA-1 of the key's bits. It only tells keys apart; nobody trusts it. */
static int key_id(const X509_PUBKEY *pub, unsigned char out[SHA_DIGEST_LENGTH])
{
	const unsigned char *bits;
	int len;

	return X509_PUBKEY_get0_param(NULL, &bits, &len, NULL, pub) &&
	    EVP_Digest(bits, (size_t)len, out, NULL, EVP_sha1(), NULL);
}

X509_EXTENSION *extension_subject_id(const X509_PUBKEY *pub)
{
	static const unsigned char head[] = {V_ASN1_OCTET_STRING, SHA_DIGEST_LENGTH};
	unsigned char id[SHA_DIGEST_LENGTH];

	if (!key_id(pub, id))
		return NULL;
	return identifier(NID_subject_key_identifier, head, sizeof head, id, sizeof id);
}

X509_EXTENSION *extension_authority_id(const ASN1_OCTET_STRING *own, const X509_PUBKEY *pub)
{
	unsigned char id[SHA_DIGEST_LENGTH], head[4];
	const unsigned char *data = id;
	size_t len = sizeof id;

	if (own != NULL && ASN1_STRING_length(own) > 0 && ASN1_STRING_length(own) <= 32) {
		data = ASN1_STRING_get0_data(own);
		len = (size_t)ASN1_STRING_length(own);
	} else if (!key_id(pub, id))
		return NULL;
	/* RFC 5280 4.2.1.1: a SEQUENCE of [0] keyIdentifier. */
	head[0] = DER_SEQUENCE;
	head[1] = (unsigned char)(len + 2);
	head[2] = V_ASN1_CONTEXT_SPECIFIC;
	head[3] = (unsigned char)len;
	return identifier(NID_authority_key_identifier, head, sizeof head, data, len);
}
