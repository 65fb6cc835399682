/* SPDX-License-Identifier: ISC */
#include <openssl/cms.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <string.h>
#include <strings.h>

#include "base/escape.h"
#include "online/scep_message.h"
#include "x509/der.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"

/* The attributes, RFC 8894 3.2.1. */
#define MESSAGE_TYPE "2.16.840.1.113733.1.9.2"
#define PKI_STATUS "2.16.840.1.113733.1.9.3"
#define FAIL_INFO "2.16.840.1.113733.1.9.4"
#define SENDER_NONCE "2.16.840.1.113733.1.9.5"
#define RECIPIENT_NONCE "2.16.840.1.113733.1.9.6"
#define TRANSACTION_ID "2.16.840.1.113733.1.9.7"
#define FAIL_INFO_TEXT "1.3.6.1.5.5.7.24.1"

#define TRANSPORT_FROM "20200101000000Z"
#define TRANSPORT_UNTIL "20491231235959Z"	/* the last that is written as UTCTime, RFC 5280 4.1.2.5 */
#define ANSWER_MAX (512 * 1024)	/* bytes that OpenSSL is given at once: it makes up to 30 times as many of them */

static bool word_is(struct bytes word, const char *want)
{
	return word.len == strlen(want) && strncasecmp((const char *)word.p, want, word.len) == 0;
}

void scep_caps_parse(struct bytes text, struct scep_caps *caps)
{
	const unsigned char *end = text.p + text.len, *p = text.p;
	bool standard;

	*caps = (struct scep_caps){0};
	while (p < end) {
		struct bytes word = {p, 0};

		while (p < end && *p > ' ')
			p++;
		word.len = (size_t)(p - word.p);
		if (p < end)
			p++;
		/* SCEPStandard stands for three, which a server may leave out then. */
		standard = word_is(word, "SCEPStandard");
		caps->aes |= standard || word_is(word, "AES");
		caps->sha256 |= standard || word_is(word, "SHA-256");
		caps->post |= standard || word_is(word, "POSTPKIOperation");
		caps->des3 |= word_is(word, "DES3");
		caps->sha1 |= word_is(word, "SHA-1");
		caps->sha512 |= word_is(word, "SHA-512");
	}
}

/* A CMS of DER or BER, all of the bytes, in this library context. NULL with a reason. */
static CMS_ContentInfo *read_cms(struct bytes in, OSSL_LIB_CTX *context, int want, const char *what, struct reason *why)
{
	CMS_ContentInfo *cms = NULL;
	const unsigned char *p = in.p;

	if (in.len == 0 || in.len > ANSWER_MAX) {
		reason_set(why, in.len == 0 ? "%s is empty" : "%s is too large", what);
		return NULL;
	}
	if ((cms = CMS_ContentInfo_new_ex(context, NULL)) == NULL)
		reason_memory(why);
	else if (d2i_CMS_ContentInfo(&cms, &p, (long)in.len) == NULL)
		openssl_error_set(why, "%s is no CMS", what), cms = NULL;
	else if (p != in.p + in.len)
		reason_set(why, "%s has something behind it", what);
	else if (OBJ_obj2nid(CMS_get0_type(cms)) != want)
		reason_set(why, "%s is another CMS than %s", what, OBJ_nid2ln(want));
	else
		return cms;
	CMS_ContentInfo_free(cms);
	openssl_error_end(-1, why);
	return NULL;
}

/* The certificates of a CMS that is there for nothing else. NULL with a reason. */
static STACK_OF(X509) *read_list(struct bytes in, const char *what, struct reason *why)
{
	CMS_ContentInfo *cms = read_cms(in, NULL, NID_pkcs7_signed, what, why);
	STACK_OF(X509) *list;

	if (cms == NULL)
		return NULL;
	list = CMS_get1_certs(cms);
	CMS_ContentInfo_free(cms);
	if (sk_X509_num(list) > 0 && sk_X509_num(list) <= SCEP_CERTIFICATES_MAX)
		return list;
	reason_set(why, sk_X509_num(list) > 0 ? "%s has too many certificates" : "%s has no certificate", what);
	sk_X509_pop_free(list, X509_free);
	openssl_error_end(-1, why);
	return NULL;
}

STACK_OF(X509) *scep_certificates(struct bytes in, struct reason *why)
{
	const unsigned char *p = in.p;
	STACK_OF(X509) *list;
	X509 *x;

	if (der_kind_of(in.p, in.len) != DER_CERT)
		return read_list(in, "the answer to GetCACert", why);
	if ((x = d2i_X509(NULL, &p, (long)in.len)) == NULL || p != in.p + in.len) {
		openssl_error_set(why, "the answer to GetCACert is no certificate");
		X509_free(x);
		return NULL;
	}
	if ((list = sk_X509_new_null()) != NULL && sk_X509_push(list, x) > 0)
		return list;
	sk_X509_free(list);
	X509_free(x);
	reason_memory(why);
	return NULL;
}

/* Serial number: a hash of key and name. False when it cannot be made. */
static bool set_serial(X509 *x, const X509_NAME *subject)
{
	unsigned char *spki = NULL, hash[32];
	const unsigned char *name;
	size_t name_len;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
	struct buf both = {0};
	struct reason none;
	BIGNUM *n = NULL;
	bool good = len > 0 && X509_NAME_get0_der(subject, &name, &name_len);

	if (good) {
		buf_put(&both, spki, (size_t)len);
		buf_put(&both, name, name_len);
		good = !both.failed && openssl_sha256(both.p, both.len, hash, &none) == 0;
	}
	hash[0] = good ? (hash[0] & 0x3f) | 0x40 : 0;	/* positive, and always of the same length */
	good = good && (n = BN_bin2bn(hash, 16, NULL)) != NULL &&
	    BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
	BN_free(n);
	buf_free(&both);
	OPENSSL_free(spki);
	return good;
}

X509 *scep_transport(EVP_PKEY *key, const X509_NAME *subject, struct reason *why)
{
	X509 *x = X509_new();
	X509_EXTENSION *usage = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage,
	    "critical, digitalSignature, keyEncipherment");

	if (x != NULL && usage != NULL && X509_set_version(x, X509_VERSION_3) && X509_set_pubkey(x, key) &&
	    X509_set_subject_name(x, subject) && X509_set_issuer_name(x, subject) && set_serial(x, subject) &&
	    ASN1_TIME_set_string_X509(X509_getm_notBefore(x), TRANSPORT_FROM) &&
	    ASN1_TIME_set_string_X509(X509_getm_notAfter(x), TRANSPORT_UNTIL) &&
	    X509_add_ext(x, usage, -1) && X509_sign(x, key, EVP_sha256()) > 0) {
		X509_EXTENSION_free(usage);
		return x;
	}
	openssl_error_set(why, "no certificate can be made for the transport key");
	X509_EXTENSION_free(usage);
	X509_free(x);
	return NULL;
}

int scep_check_challenge(const struct csr *csr, const char *challenge, struct reason *why)
{
	int at = X509_REQ_get_attr_by_NID(csr->req, NID_pkcs9_challengePassword, -1);
	X509_ATTRIBUTE *a = at >= 0 ? X509_REQ_get_attr(csr->req, at) : NULL;
	const ASN1_TYPE *value = a != NULL ? X509_ATTRIBUTE_get0_type(a, 0) : NULL;
	unsigned char *text = NULL;
	int len, type = value != NULL ? ASN1_TYPE_get(value) : V_ASN1_UNDEF;
	bool same;

	if (value == NULL)
		return reason_set(why, "has no challenge password, and none can be put into what its key has signed: "
		    "make the request with it, or set no challenge-file");
	if (type != V_ASN1_PRINTABLESTRING && type != V_ASN1_UTF8STRING && type != V_ASN1_IA5STRING &&
	    type != V_ASN1_T61STRING && type != V_ASN1_BMPSTRING)
		return reason_set(why, "has a challenge password that is no text");
	if ((len = ASN1_STRING_to_UTF8(&text, value->value.asn1_string)) < 0)
		return openssl_error_set(why, "has a challenge password that is no text");
	same = (size_t)len == strlen(challenge) && CRYPTO_memcmp(text, challenge, (size_t)len) == 0;
	OPENSSL_clear_free(text, (size_t)len);
	return same ? 0 : reason_set(why, "has another challenge password than challenge-file");
}

int scep_ask_init(struct scep_ask *ask, enum scep_type type, const struct csr *csr, struct reason *why)
{
	*ask = (struct scep_ask){.type = type};
	bytes_hex(csr->spki, sizeof csr->spki, ask->transaction);
	if (RAND_bytes(ask->nonce, sizeof ask->nonce) != 1)
		return openssl_error_set(why, "no random number");
	return 0;
}

/* IssuerAndSubject, RFC 8894 3.3.3. -1 with a reason. */
static int put_names(struct buf *out, const X509_NAME *issuer, const X509_NAME *subject, struct reason *why)
{
	const unsigned char *der;
	size_t from = out->len, len;

	if (!X509_NAME_get0_der(issuer, &der, &len))
		return openssl_error_set(why, "the CA's name cannot be written");
	buf_put(out, der, len);
	if (!X509_NAME_get0_der(subject, &der, &len))
		return openssl_error_set(why, "the subject cannot be written");
	buf_put(out, der, len);
	der_wrap(out, from, DER_SEQUENCE);
	return out->failed ? reason_memory(why) : 0;
}

/* Appends the DER of a CMS. -1 with a reason. */
static int put_cms(struct buf *out, const CMS_ContentInfo *cms, struct reason *why)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);

	/* An encoder without memory for a SET leaves it out of order, and says nothing. */
	if (len <= 0 || openssl_error_lack()) {
		OPENSSL_free(der);
		return openssl_error_set(why, "the message cannot be written");
	}
	buf_put(out, der, (size_t)len);
	OPENSSL_free(der);
	return out->failed ? reason_memory(why) : 0;
}

/* EnvelopedData for the recipient. -1 with a reason. */
static int put_envelope(const struct scep_ask *ask, struct bytes content, struct buf *out, struct reason *why)
{
	STACK_OF(X509) *to = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(content.p, (int)content.len);
	CMS_ContentInfo *cms = NULL;
	int result = -1;

	if (to == NULL || in == NULL || sk_X509_push(to, ask->recipient) <= 0)
		reason_memory(why);
	else if ((cms = CMS_encrypt(to, in, ask->cipher, CMS_BINARY)) == NULL)
		openssl_error_set(why, "cannot encrypt for the CA's certificate");
	else
		result = put_cms(out, cms, why);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	sk_X509_free(to);
	return result;
}

static bool add(CMS_SignerInfo *si, const char *oid, int type, const void *value, size_t len)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	bool good = object != NULL && CMS_signed_add1_attr_by_OBJ(si, object, type, value, (int)len);

	ASN1_OBJECT_free(object);
	return good;
}

static bool add_attributes(CMS_SignerInfo *si, const struct scep_ask *ask)
{
	const char *type = ask->type == SCEP_PKCS_REQ ? "19" : "20";

	return add(si, MESSAGE_TYPE, V_ASN1_PRINTABLESTRING, type, strlen(type)) &&
	    add(si, TRANSACTION_ID, V_ASN1_PRINTABLESTRING, ask->transaction, strlen(ask->transaction)) &&
	    add(si, SENDER_NONCE, V_ASN1_OCTET_STRING, ask->nonce, sizeof ask->nonce);
}

int scep_put(const struct scep_ask *ask, const struct csr *csr, const X509_NAME *issuer, struct buf *out,
    struct reason *why)
{
	struct buf names = {0}, envelope = {0};
	struct bytes content = {csr->der, csr->der_len};
	BIO *in = NULL;
	CMS_ContentInfo *cms = NULL;
	CMS_SignerInfo *si;
	int result = 0;

	openssl_error_forget();
	if (ask->type == SCEP_CERT_POLL) {
		result = put_names(&names, issuer, X509_REQ_get_subject_name(csr->req), why);
		content = (struct bytes){names.p, names.len};
	}
	if (result == 0 && (result = put_envelope(ask, content, &envelope, why)) == 0) {
		if ((in = BIO_new_mem_buf(envelope.p, (int)envelope.len)) == NULL ||
		    (cms = CMS_sign(NULL, NULL, NULL, in, CMS_PARTIAL | CMS_BINARY)) == NULL ||
		    (si = CMS_add1_signer(cms, ask->certificate, ask->key, ask->digest,
		    CMS_PARTIAL | CMS_NOSMIMECAP)) == NULL ||
		    !add_attributes(si, ask) || !CMS_final(cms, in, NULL, CMS_BINARY))
			result = openssl_error_set(why, "cannot sign with the transport key");
		else
			result = put_cms(out, cms, why);
	}
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	buf_free(&envelope);
	buf_free(&names);
	return openssl_error_end(result, why);
}

/* The one value of the one attribute with this OID: a string of whatever type. False when it is not there once. */
static bool attribute(const CMS_SignerInfo *si, const char *oid, struct bytes *out)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	int at = object != NULL ? CMS_signed_get_attr_by_OBJ(si, object, -1) : -1;
	bool once = at >= 0 && CMS_signed_get_attr_by_OBJ(si, object, at) < 0;
	X509_ATTRIBUTE *a = once ? CMS_signed_get_attr(si, at) : NULL;
	const ASN1_TYPE *value = a != NULL && X509_ATTRIBUTE_count(a) == 1 ? X509_ATTRIBUTE_get0_type(a, 0) : NULL;
	int type = value != NULL ? ASN1_TYPE_get(value) : V_ASN1_UNDEF;

	ASN1_OBJECT_free(object);
	if (type != V_ASN1_PRINTABLESTRING && type != V_ASN1_OCTET_STRING && type != V_ASN1_UTF8STRING &&
	    type != V_ASN1_IA5STRING)
		return false;
	out->p = ASN1_STRING_get0_data(value->value.asn1_string);
	out->len = (size_t)ASN1_STRING_length(value->value.asn1_string);
	return true;
}

static bool attribute_is(const CMS_SignerInfo *si, const char *oid, const void *want, size_t len)
{
	struct bytes value;

	return attribute(si, oid, &value) && value.len == len && memcmp(value.p, want, len) == 0;
}

/* A decimal number in an attribute, of one digit. -1 when there is none. */
static int digit(const CMS_SignerInfo *si, const char *oid)
{
	struct bytes value;

	return attribute(si, oid, &value) && value.len == 1 && value.p[0] >= '0' && value.p[0] <= '9' ?
	    value.p[0] - '0' : -1;
}

/* Is the digest good enough? -1 with a reason. */
static int check_digest(CMS_SignerInfo *si, const struct scep_old *old, struct scep_reply *reply, struct reason *why)
{
	X509_ALGOR *algorithm;
	int nid;

	CMS_SignerInfo_get0_algs(si, NULL, NULL, &algorithm, NULL);
	nid = OBJ_obj2nid(algorithm->algorithm);
	if (nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512)
		return 0;
	if ((nid == NID_sha1 || nid == NID_md5) && old->allowed)
		return 0;
	reply->old = nid == NID_sha1 || nid == NID_md5;
	if (reply->old)
		return reason_set(why, "the CA signs its answer with %s, which is taken only with allow-des",
		    OBJ_nid2sn(nid));
	return reason_set(why, "the CA signs its answer with a digest that we do not take");
}

/* Finds the key that signed. CMS looks for the certificate that the signer names; we try each, for a CA's certificate
 * may have been renewed with the same key. -1 with a reason. */
static int find_signer(CMS_SignerInfo *si, STACK_OF(X509) *signers, struct reason *why)
{
	for (int i = 0; i < sk_X509_num(signers); i++) {
		CMS_SignerInfo_set1_signer_cert(si, sk_X509_value(signers, i));
		if (CMS_SignerInfo_verify(si) == 1)
			return openssl_error_end(0, why);
		openssl_error_end(0, why);
	}
	reason_set(why, "the answer is signed neither by the CA nor by its RA: look at issuer-file");
	return openssl_error_end(-1, why);
}

/* Checks the signature, and whether this answers our question. The content, which may be none, is appended. -1 with a
 * reason. */
static int open_signed(CMS_ContentInfo *cms, const struct scep_ask *ask, STACK_OF(X509) *signers,
    const struct scep_old *old, CMS_SignerInfo **one, BIO *content, struct scep_reply *reply, struct reason *why)
{
	STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(cms);
	ASN1_OCTET_STRING **inside = CMS_get0_content(cms);
	BIO *none = NULL;
	int verified;

	if (sk_CMS_SignerInfo_num(infos) != 1)
		return reason_set(why, "the answer does not have one signer");
	*one = sk_CMS_SignerInfo_value(infos, 0);
	/* Without signed attributes the signature would be about other bytes. */
	if (CMS_signed_get_attr_count(*one) <= 0)
		return reason_set(why, "the answer has no signed attributes");
	/* Whose it is comes first: what an answer of nobody's is signed with does not matter. */
	if (find_signer(*one, signers, why) != 0 || check_digest(*one, old, reply, why) != 0)
		return -1;
	if ((inside == NULL || *inside == NULL) && (none = BIO_new_mem_buf("", 0)) == NULL)
		return reason_memory(why);
	verified = CMS_verify(cms, NULL, NULL, none, content, CMS_NO_SIGNER_CERT_VERIFY | CMS_NOINTERN | CMS_BINARY);
	BIO_free(none);
	if (verified != 1)
		return openssl_error_set(why, "the answer is not what was signed");
	if (!attribute_is(*one, MESSAGE_TYPE, "3", 1))
		return reason_set(why, "the answer is no CertRep");
	if (!attribute_is(*one, TRANSACTION_ID, ask->transaction, strlen(ask->transaction)))
		return reason_set(why, "the answer is for another transaction");
	if (!attribute_is(*one, RECIPIENT_NONCE, ask->nonce, sizeof ask->nonce))
		return reason_set(why, "the answer is to another message: its nonce is not ours");
	reply->signed_by_ca = true;
	return 0;
}

/* Does the envelope have single DES? OpenSSL does not tell, and says no more than "unsupported". */
static bool has_des(struct bytes der)
{
	static const unsigned char oid[] = {DER_OID, 5, 0x2b, 0x0e, 0x03, 0x02, 0x07};

	return der.len > 0 && memmem(der.p, der.len, oid, sizeof oid) != NULL;
}

static int put_certificates(struct bytes in, struct buf *out, struct reason *why)
{
	STACK_OF(X509) *list = read_list(in, "what the CA sent as certificates", why);

	if (list == NULL)
		return -1;
	for (int i = 0; i < sk_X509_num(list); i++) {
		unsigned char *der = NULL;
		int len = i2d_X509(sk_X509_value(list, i), &der);

		if (len > 0)
			buf_put(out, der, (size_t)len);
		else
			out->failed = true;
		OPENSSL_free(der);
	}
	sk_X509_pop_free(list, X509_free);
	return out->failed ? reason_memory(why) : 0;
}

/* The certificates in an EnvelopedData for our key. -1 with a reason. */
static int open_envelope(struct bytes in, const struct scep_ask *ask, const struct scep_old *old,
    struct scep_reply *reply, struct reason *why)
{
	bool des = has_des(in);
	CMS_ContentInfo *cms;
	BIO *plain = NULL;
	struct bytes list;
	char *p;
	int result = -1;

	reply->old = des && !old->allowed;
	if (reply->old)
		return reason_set(why,
		    "the CA encrypts its answer with single DES, which is taken only with allow-des");
	if ((cms = read_cms(in, des ? old->context : NULL, NID_pkcs7_enveloped, "what the CA encrypted", why)) == NULL)
		return -1;
	if ((plain = BIO_new(BIO_s_mem())) == NULL)
		reason_memory(why);
	else if (!CMS_decrypt(cms, ask->key, NULL, NULL, plain, CMS_BINARY))
		openssl_error_set(why, "the CA's answer cannot be decrypted with our transport key");
	else {
		list.len = (size_t)BIO_get_mem_data(plain, &p);
		list.p = (unsigned char *)p;
		result = put_certificates(list, &reply->certificates, why);
	}
	BIO_free(plain);
	CMS_ContentInfo_free(cms);
	return openssl_error_end(result, why);
}

/* Printable, and cut to fit. */
static void copy_text(struct bytes in, char out[SCEP_TEXT_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < in.len && n + ESCAPE_LEN <= SCEP_TEXT_MAX; i++) {
		if (in.p[i] >= ' ' && in.p[i] < 0x7f)
			out[n++] = (char)in.p[i];
		else
			n += escape_put(in.p[i], out + n);
	}
	out[n] = '\0';
}

int scep_parse(struct bytes in, const struct scep_ask *ask, STACK_OF(X509) *signers, const struct scep_old *old,
    struct scep_reply *reply, struct reason *why)
{
	CMS_ContentInfo *cms;
	CMS_SignerInfo *si = NULL;
	BIO *content = NULL;
	struct bytes inside, text;
	char *p;
	int result = -1, status, fail;

	openssl_error_forget();
	*reply = (struct scep_reply){.fail = SCEP_NO_FAIL_INFO};
	if ((cms = read_cms(in, NULL, NID_pkcs7_signed, "the answer", why)) == NULL)
		return -1;
	if ((content = BIO_new(BIO_s_mem())) == NULL)
		reason_memory(why);
	else if (open_signed(cms, ask, signers, old, &si, content, reply, why) == 0) {
		status = digit(si, PKI_STATUS);
		reply->status = (enum scep_status)status;
		result = 0;
		if (status == SCEP_SUCCESS) {
			inside.len = (size_t)BIO_get_mem_data(content, &p);
			inside.p = (unsigned char *)p;
			result = open_envelope(inside, ask, old, reply, why);
		} else if (status == SCEP_FAILURE) {
			fail = digit(si, FAIL_INFO);
			if (fail >= SCEP_BAD_ALG && fail < SCEP_NO_FAIL_INFO)
				reply->fail = (enum scep_fail)fail;
			if (attribute(si, FAIL_INFO_TEXT, &text))
				copy_text(text, reply->text);
		} else if (status != SCEP_PENDING)
			result = reason_set(why, "the answer has no status that we know");
	}
	if (result != 0)
		buf_free(&reply->certificates);
	BIO_free(content);
	CMS_ContentInfo_free(cms);
	return openssl_error_end(result, why);
}

const char *scep_fail_text(enum scep_fail fail)
{
	static const char *const texts[] = {
		[SCEP_BAD_ALG] = "badAlg: it does not take the algorithm",
		[SCEP_BAD_MESSAGE_CHECK] = "badMessageCheck: a signature does not hold, or it cannot decrypt",
		[SCEP_BAD_REQUEST] = "badRequest: not permitted, or not supported",
		[SCEP_BAD_TIME] = "badTime: our clock and its clock differ",
		[SCEP_BAD_CERT_ID] = "badCertId: it knows no such certificate",
		[SCEP_NO_FAIL_INFO] = "without a reason",
	};

	return texts[fail];
}
