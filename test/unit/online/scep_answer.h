/* SPDX-License-Identifier: ISC */
/* The server's half of SCEP, RFC 8894, over OpenSSL alone: reads requests and writes answers, true ones and others. For
 * scep-server.c and the unit tests; what fails here is the test's own fault, and ends it. */
#ifndef SCEP_ANSWER_H
#define SCEP_ANSWER_H

#include <openssl/cms.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define scep_need(claim) ((claim) ? (void)0 : scep_needed(__LINE__, #claim))

_Noreturn __attribute__((unused)) static void scep_needed(int line, const char *claim)
{
	fprintf(stderr, "scep_answer.h:%d: %s\n", line, claim);
	exit(3);
}

struct scep_question {
	char type[8], transaction[256];
	unsigned char nonce[64];
	int nonce_len;
	X509 *signer;			/* the transport certificate */
	unsigned char *content;		/* decrypted */
	long content_len;
};

struct scep_say {
	const char *type, *status, *fail, *text;	/* NULL: left out */
	const char *transaction;
	const unsigned char *nonce;
	int nonce_len;
	X509 *signer;
	EVP_PKEY *key;
	const EVP_MD *digest;
	X509 *recipient;		/* NULL: no envelope */
	const EVP_CIPHER *cipher;
	OSSL_LIB_CTX *context;		/* which has that cipher; NULL: OpenSSL's own */
	const unsigned char *list;	/* what is in the envelope */
	long list_len;
	const unsigned char *raw;	/* in the place of an envelope */
	long raw_len;
};

static ASN1_OBJECT *scep_oid(int last)
{
	char text[40];

	snprintf(text, sizeof text, "2.16.840.1.113733.1.9.%d", last);
	return OBJ_txt2obj(text, 1);
}

__attribute__((unused)) static const ASN1_STRING *scep_attribute(CMS_SignerInfo *si, int last, int type)
{
	ASN1_OBJECT *oid = scep_oid(last);
	const ASN1_STRING *value = CMS_signed_get0_data_by_OBJ(si, oid, -3, type);

	ASN1_OBJECT_free(oid);
	return value;
}

static void scep_put_attribute(CMS_SignerInfo *si, int last, int type, const void *value, int len)
{
	ASN1_OBJECT *oid = last > 0 ? scep_oid(last) : OBJ_txt2obj("1.3.6.1.5.5.7.24.1", 1);

	scep_need(CMS_signed_add1_attr_by_OBJ(si, oid, type, value, len));
	ASN1_OBJECT_free(oid);
}

static long scep_take(BIO *from, unsigned char **out)
{
	char *p;
	long len = BIO_get_mem_data(from, &p);

	scep_need((*out = malloc((size_t)len + 1)) != NULL);
	if (len > 0)
		memcpy(*out, p, (size_t)len);
	return len;
}

/* A certs-only CMS. */
__attribute__((unused)) static long scep_list(X509 *const *certs, size_t n, unsigned char **der)
{
	PKCS7 *p7 = PKCS7_new();
	int len;

	scep_need(p7 != NULL && PKCS7_set_type(p7, NID_pkcs7_signed) && PKCS7_content_new(p7, NID_pkcs7_data));
	PKCS7_set_detached(p7, 1);
	for (size_t i = 0; i < n; i++)
		scep_need(PKCS7_add_certificate(p7, certs[i]));
	*der = NULL;
	scep_need((len = i2d_PKCS7(p7, der)) > 0);
	PKCS7_free(p7);
	return len;
}

/* False when it is no question, or not for this key. */
__attribute__((unused)) static int scep_read(const unsigned char *der, long len, EVP_PKEY *key,
    struct scep_question *q)
{
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &der, len), *inner;
	BIO *content = BIO_new(BIO_s_mem()), *plain = BIO_new(BIO_s_mem());
	CMS_SignerInfo *si;
	const ASN1_STRING *type, *transaction, *nonce;
	STACK_OF(X509) *signers;
	int good = 0;

	memset(q, 0, sizeof *q);
	if (cms == NULL || sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms)) != 1 ||
	    CMS_verify(cms, NULL, NULL, NULL, content, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) != 1)
		goto out;
	si = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
	type = scep_attribute(si, 2, V_ASN1_PRINTABLESTRING);
	transaction = scep_attribute(si, 7, V_ASN1_PRINTABLESTRING);
	nonce = scep_attribute(si, 5, V_ASN1_OCTET_STRING);
	if (type == NULL || transaction == NULL || nonce == NULL || ASN1_STRING_length(nonce) > (int)sizeof q->nonce)
		goto out;
	snprintf(q->type, sizeof q->type, "%.*s", ASN1_STRING_length(type), ASN1_STRING_get0_data(type));
	snprintf(q->transaction, sizeof q->transaction, "%.*s", ASN1_STRING_length(transaction),
	    ASN1_STRING_get0_data(transaction));
	q->nonce_len = ASN1_STRING_length(nonce);
	memcpy(q->nonce, ASN1_STRING_get0_data(nonce), (size_t)q->nonce_len);
	signers = CMS_get0_signers(cms);
	q->signer = sk_X509_value(signers, 0);
	X509_up_ref(q->signer);
	sk_X509_free(signers);
	if ((inner = d2i_CMS_bio(content, NULL)) != NULL) {
		good = CMS_decrypt(inner, key, NULL, NULL, plain, CMS_BINARY);
		CMS_ContentInfo_free(inner);
		q->content_len = scep_take(plain, &q->content);
	}
out:
	BIO_free(content);
	BIO_free(plain);
	CMS_ContentInfo_free(cms);
	return good;
}

static long scep_envelope(const struct scep_say *say, unsigned char **der)
{
	STACK_OF(X509) *to = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(say->list, (int)say->list_len);
	CMS_ContentInfo *cms;
	int len;

	sk_X509_push(to, say->recipient);
	scep_need((cms = CMS_encrypt_ex(to, in, say->cipher, CMS_BINARY, say->context, NULL)) != NULL);
	*der = NULL;
	scep_need((len = i2d_CMS_ContentInfo(cms, der)) > 0);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	sk_X509_free(to);
	return len;
}

__attribute__((unused)) static long scep_say(const struct scep_say *say, unsigned char **der)
{
	unsigned char *envelope = NULL;
	long inside = say->recipient != NULL ? scep_envelope(say, &envelope) : 0;
	BIO *in = say->raw != NULL ? BIO_new_mem_buf(say->raw, (int)say->raw_len) :
	    BIO_new_mem_buf(envelope != NULL ? (void *)envelope : "", (int)inside);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, in, CMS_PARTIAL | CMS_BINARY);
	CMS_SignerInfo *si = CMS_add1_signer(cms, say->signer, say->key, say->digest, CMS_PARTIAL | CMS_NOSMIMECAP);
	const struct { int last; const char *value; } words[] = {
		{2, say->type}, {3, say->status}, {4, say->fail}, {7, say->transaction},
	};
	int len;

	scep_need(si != NULL);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].value != NULL)
			scep_put_attribute(si, words[i].last, V_ASN1_PRINTABLESTRING, words[i].value, (int)strlen(words[i].value));
	if (say->text != NULL)
		scep_put_attribute(si, 0, V_ASN1_UTF8STRING, say->text, (int)strlen(say->text));
	if (say->nonce != NULL)
		scep_put_attribute(si, 6, V_ASN1_OCTET_STRING, say->nonce, say->nonce_len);
	scep_put_attribute(si, 5, V_ASN1_OCTET_STRING, "0123456789abcdef", 16);
	scep_need(CMS_final(cms, in, NULL, CMS_BINARY));
	*der = NULL;
	scep_need((len = i2d_CMS_ContentInfo(cms, der)) > 0);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	OPENSSL_free(envelope);
	return len;
}

#endif
