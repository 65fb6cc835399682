/* SPDX-License-Identifier: ISC */
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>

#include <string.h>

#include "base/utc.h"
#include "x509/cmc.h"
#include "x509/der.h"
#include "x509/key.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"
#include "x509/public_key.h"

#define AGENT_USAGE "1.3.6.1.4.1.311.20.2.1"	/* Certificate Request Agent, szOID_ENROLLMENT_AGENT */
#define REQUEST_MAX (DER_PUT_MAX - 1024)	/* PKIData adds some 400 bytes to a request, most of them the template's name */
#define NAME_VALUE_PAIR "1.3.6.1.4.1.311.13.2.1"	/* szOID_ENROLLMENT_NAME_VALUE_PAIR, MS-WCCE 2.2.2.7.10 */

const char *const cmc_shape_names[] = {[CMC_NONE] = "none", [CMC_AGENT] = "agent", [CMC_BEHALF] = "behalf", NULL};

bool cmc_shape_named(const char *name, enum cmc_shape *shape)
{
	for (size_t i = 0; cmc_shape_names[i] != NULL; i++)
		if (strcmp(name, cmc_shape_names[i]) == 0) {
			*shape = (enum cmc_shape)i;
			return true;
		}
	return false;
}

/* '&' and '=' are between names and values in RegInfo, '%' begins an escape, and '\' has to be one. */
int cmc_check_template(const char *name, struct reason *r)
{
	const unsigned char *p = (const unsigned char *)name;
	size_t left = strlen(name), count = 0;
	unsigned long c;
	int n;

	if (left == 0)
		return reason_set(r, "the name is empty");
	for (; left > 0; p += n, left -= (size_t)n) {
		if (++count > CMC_TEMPLATE_MAX)
			return reason_set(r, "the name has more than %d characters", CMC_TEMPLATE_MAX);
		if ((n = UTF8_getc(p, left < 6 ? (int)left : 6, &c)) <= 0)
			return reason_set(r, "the name is not UTF-8");
		if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c < 0x80 && strchr("&=%\\", (int)c) != NULL))
			return reason_set(r, "the name has a control character or one of & = %% \\");
	}
	return 0;
}

static bool has_agent_usage(X509 *x)
{
	EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	bool found = false;
	char oid[64];

	for (int i = 0; i < sk_ASN1_OBJECT_num(usage) && !found; i++)
		found = OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(usage, i), 1) > 0 &&
		    strcmp(oid, AGENT_USAGE) == 0;
	EXTENDED_KEY_USAGE_free(usage);
	return found;
}

int cmc_check_agent(const struct cert *c, EVP_PKEY *key, time_t now, struct reason *r)
{
	char iso[UTC_ISO + 1];
	int result = -1;

	utc_iso(now < c->not_before ? c->not_before : c->not_after, iso);
	if (now < c->not_before)
		reason_trouble(r, "is not valid before %s", iso);
	else if (now >= c->not_after)
		reason_set(r, "expired on %s", iso);
	else if (!has_agent_usage(c->x509))
		reason_set(r, "is no enrolment agent's: its extendedKeyUsage lacks " AGENT_USAGE);
	else if (!(X509_get_key_usage(c->x509) & KU_DIGITAL_SIGNATURE))
		reason_set(r, "has a keyUsage without digitalSignature");
	else if (EVP_PKEY_eq(X509_get0_pubkey(c->x509), key) != 1)
		reason_set(r, "is not for the agent's key");
	else
		result = public_key_check(X509_get0_pubkey(c->x509), r);
	return openssl_error_end(result, r);
}

int cmc_load_agent(struct cmc *cmc, const char *cert, const char *key, struct secret *secret, time_t now,
    bool *of_key, struct reason *r)
{
	*of_key = false;
	if ((cmc->agent = cert_load(cert, r)) == NULL)
		return -1;
	*of_key = (cmc->key = key_load(key, secret, r)) == NULL;
	if (!*of_key && cmc_check_agent(cmc->agent, cmc->key, now, r) == 0)
		return 0;
	cmc_free_agent(cmc);
	return -1;
}

void cmc_free_agent(struct cmc *cmc)
{
	cert_free(cmc->agent);
	EVP_PKEY_free(cmc->key);
	cmc->agent = NULL;
	cmc->key = NULL;
}

static void put_oid(struct buf *b, const ASN1_OBJECT *oid)
{
	der_put(b, DER_OID, OBJ_get0_data(oid), OBJ_length(oid));
}

/* The PKCS#10, RFC 2986 4.2, its CertificationRequestInfo as it came. The null signature is a digest in the place of
 * the algorithm, and what that digest is. -1 with a reason. */
static int put_request(struct buf *b, const struct csr *c, struct reason *r)
{
	struct bytes all = {c->der, c->der_len}, rest, info;
	unsigned char signature[1 + 32] = {0};	/* no unused bits */
	size_t whole = b->len, algorithm;
	uint8_t tag;

	if (c->proof == CSR_OWN) {
		buf_put(b, c->der, c->der_len);
		return 0;
	}
	if (!der_take(&all, &tag, &rest) || (info.p = rest.p) == NULL || !der_take(&rest, &tag, &all))
		return reason_set(r, "is not a certificate request");
	info.len = (size_t)(rest.p - info.p);
	if (openssl_sha256(info.p, info.len, signature + 1, r) != 0)
		return -1;
	buf_put(b, info.p, info.len);
	algorithm = b->len;
	put_oid(b, OBJ_nid2obj(NID_sha256));
	der_put(b, DER_NULL, NULL, 0);
	der_wrap(b, algorithm, DER_SEQUENCE);
	der_put(b, DER_BIT_STRING, signature, sizeof signature);
	der_wrap(b, whole, DER_SEQUENCE);
	return 0;
}

static void put_pair(struct buf *b, const char *name, const char *value)
{
	buf_put(b, name, strlen(name));
	buf_put(b, "=", 1);
	buf_put(b, value, strlen(value));
	buf_put(b, "&", 1);
}

/* The control RegInfo, RFC 5272 6.11, when there is anything to say in it. */
static void put_reg_info(struct buf *b, const struct cmc *cmc, const char *device)
{
	static const unsigned char id = 2;
	size_t control = b->len, values, text;

	if (cmc->template == NULL && cmc->shape != CMC_BEHALF)
		return;
	der_put(b, DER_INTEGER, &id, sizeof id);
	put_oid(b, OBJ_nid2obj(NID_id_cmc_regInfo));
	values = text = b->len;
	if (cmc->template != NULL)
		put_pair(b, "CertificateTemplate", cmc->template);
	/* The name of a device needs no escapes. */
	if (cmc->shape == CMC_BEHALF)
		put_pair(b, "requestername", device);
	der_wrap(b, text, DER_OCTET_STRING);
	der_wrap(b, values, DER_SET);
	der_wrap(b, control, DER_SEQUENCE);
}

/* PKIData, RFC 5272 3.2.1, for which libcrypto has no type. -1 with a reason. */
static int put_pki_data(struct buf *b, const struct cmc *cmc, const struct csr *c, struct reason *r)
{
	static const unsigned char id = 1;
	size_t whole = b->len, sequence;

	put_reg_info(b, cmc, c->device);
	der_wrap(b, whole, DER_SEQUENCE);
	sequence = b->len;
	der_put(b, DER_INTEGER, &id, sizeof id);
	if (put_request(b, c, r) != 0)
		return -1;
	der_wrap(b, sequence, DER_CONTEXT_0);	/* tcr */
	der_wrap(b, sequence, DER_SEQUENCE);
	der_put(b, DER_SEQUENCE, NULL, 0);	/* cmsSequence */
	der_put(b, DER_SEQUENCE, NULL, 0);	/* otherMsgSequence */
	der_wrap(b, whole, DER_SEQUENCE);
	return b->failed ? reason_memory(r) : 0;
}

/* BMPString. All that is written in one is ASCII. */
static void put_bmp(struct buf *b, const char *text)
{
	size_t from = b->len;

	for (; *text != '\0'; text++) {
		buf_put_u8(b, 0);
		buf_put_u8(b, (uint8_t)*text);
	}
	der_wrap(b, from, DER_BMP_STRING);
}

/* EnrollmentNameValuePair: who is enrolled on behalf of. */
static void put_requester(struct buf *b, const char *device)
{
	put_bmp(b, "requestername");
	put_bmp(b, device);
	der_wrap(b, 0, DER_SEQUENCE);
}

/* The signed attribute with that. False when it cannot be made. */
static bool add_requester(PKCS7_SIGNER_INFO *si, struct bytes pair)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(NAME_VALUE_PAIR, 1);
	X509_ATTRIBUTE *a = oid == NULL ? NULL :
	    X509_ATTRIBUTE_create_by_OBJ(NULL, oid, V_ASN1_SEQUENCE, pair.p, (int)pair.len);
	bool good = a != NULL && sk_X509_ATTRIBUTE_push(si->auth_attr, a) > 0;

	if (!good)
		X509_ATTRIBUTE_free(a);
	ASN1_OBJECT_free(oid);
	return good;
}

/* The signed attributes, which RFC 5652 5.3 demands when the content is not plain data. libcrypto keeps the order: this
 * one is DER's, by length. False when they cannot be made. */
static bool add_attributes(PKCS7_SIGNER_INFO *si, const unsigned char digest[32], struct bytes requester)
{
	return PKCS7_add_attrib_content_type(si, OBJ_nid2obj(NID_id_cct_PKIData)) &&
	    PKCS7_add1_attrib_digest(si, digest, 32) && (requester.len == 0 || add_requester(si, requester));
}

/* No-Signature: its signature is a digest of what would be signed, and its signer is nobody. RFC 5272 does not say how
 * to name that one; MS-WCCE takes a subjectKeyIdentifier for the phone's signature, so it is a name, the same that
 * .NET's SignedCms writes. False when that cannot be made. */
static bool sign_nothing(PKCS7_SIGNER_INFO *si, const unsigned char digest[32])
{
	unsigned char *der = NULL, signature[32];
	struct reason why;
	int len;
	bool good = ASN1_INTEGER_set(si->version, 1) && ASN1_INTEGER_set(si->issuer_and_serial->serial, 0) &&
	    X509_NAME_add_entry_by_NID(si->issuer_and_serial->issuer, NID_commonName, V_ASN1_PRINTABLESTRING,
	    (const unsigned char *)"Dummy Signer", -1, -1, 0) &&
	    X509_ALGOR_set0(si->digest_alg, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) &&
	    X509_ALGOR_set0(si->digest_enc_alg, OBJ_nid2obj(NID_id_alg_noSignature), V_ASN1_NULL, NULL) &&
	    add_attributes(si, digest, (struct bytes){NULL, 0}) &&
	    (len = ASN1_item_i2d((ASN1_VALUE *)si->auth_attr, &der, ASN1_ITEM_rptr(PKCS7_ATTR_SIGN))) > 0 &&
	    openssl_sha256(der, (size_t)len, signature, &why) == 0 &&
	    ASN1_OCTET_STRING_set(si->enc_digest, signature, sizeof signature);

	OPENSSL_free(der);
	return good;
}

/* Adds a signer, which is written in the order of DER: No-Signature has the shortest name and signature, and so is the
 * first, as MS-WCCE wants it. False when it cannot be made. */
static bool add_signer(PKCS7 *p7, const struct cmc *cmc, const unsigned char digest[32], struct bytes requester)
{
	PKCS7_SIGNER_INFO *si = PKCS7_SIGNER_INFO_new();
	bool good = si != NULL && (cmc == NULL ? sign_nothing(si, digest) :
	    PKCS7_SIGNER_INFO_set(si, cmc->agent->x509, cmc->key, EVP_sha256()) &&
	    add_attributes(si, digest, requester)) && PKCS7_add_signer(p7, si);

	if (!good) {
		PKCS7_SIGNER_INFO_free(si);
		return false;
	}
	return cmc == NULL ||
	    (PKCS7_add_certificate(p7, cmc->agent->x509) && PKCS7_SIGNER_INFO_sign(si));
}

/* SignedData, RFC 5652 5.1, of version 3 because of the content, around PKIData. libcrypto's PKCS#7 is the same in its
 * form; its CMS makes no signer without a key. NULL when it cannot be made. */
static PKCS7 *signed_data(struct bytes content)
{
	PKCS7 *p7 = PKCS7_new(), *inner = PKCS7_new();
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	bool good = p7 != NULL && inner != NULL && octets != NULL &&
	    PKCS7_set_type(p7, NID_pkcs7_signed) && ASN1_INTEGER_set(p7->d.sign->version, 3) &&
	    ASN1_OCTET_STRING_set(octets, content.p, (int)content.len) &&
	    (inner->d.other = ASN1_TYPE_new()) != NULL;

	if (good) {
		ASN1_TYPE_set(inner->d.other, V_ASN1_OCTET_STRING, octets);
		octets = NULL;
		inner->type = OBJ_nid2obj(NID_id_cct_PKIData);
		good = PKCS7_set_content(p7, inner);
		inner = good ? NULL : inner;
	}
	ASN1_OCTET_STRING_free(octets);
	PKCS7_free(inner);
	if (!good) {
		PKCS7_free(p7);
		return NULL;
	}
	return p7;
}

/* The two around each other, DER, which OPENSSL_free frees. The length, or 0 when it cannot be made. */
static int make(const struct cmc *cmc, struct bytes data, struct bytes requester, const unsigned char digest[32],
    unsigned char **der)
{
	PKCS7 *p7 = signed_data(data);
	int len = 0;

	if (p7 != NULL && add_signer(p7, NULL, digest, requester) &&
	    (cmc->shape == CMC_NONE || add_signer(p7, cmc, digest, requester)))
		len = i2d_PKCS7(p7, der);
	PKCS7_free(p7);
	return len;
}

int cmc_put(const struct cmc *cmc, const struct csr *c, struct buf *out, struct reason *r)
{
	unsigned char digest[32], *der = NULL;
	struct buf data = {0}, requester = {0};
	int len = 0, result;

	if (c->der_len > REQUEST_MAX)
		return reason_set(r, "has more than %d bytes, too many for CMC", REQUEST_MAX);
	openssl_error_forget();
	if (cmc->shape == CMC_BEHALF)
		put_requester(&requester, c->device);
	if ((result = put_pki_data(&data, cmc, c, r)) == 0 &&
	    (result = requester.failed ? reason_memory(r) : openssl_sha256(data.p, data.len, digest, r)) == 0) {
		len = make(cmc, (struct bytes){data.p, data.len}, (struct bytes){requester.p, requester.len}, digest, &der);
		/* An encoder without memory for a SET leaves it out of order, and says nothing. */
		if (len <= 0 || openssl_error_lack())
			result = openssl_error_set(r, "cannot make a CMC request");
	}
	if (result == 0) {
		buf_put(out, der, (size_t)len);
		result = out->failed ? reason_memory(r) : 0;
	}
	OPENSSL_free(der);
	buf_free(&requester);
	buf_free(&data);
	return result;
}
