/* SPDX-License-Identifier: ISC */
/* A CA that speaks CMP, for the tests: it really issues, over OpenSSL's server side. It answers bytes with bytes;
 * sockets and misbehaviour are its caller's. */
#ifndef CMP_CA_H
#define CMP_CA_H

#include <openssl/cmp.h>
#include <openssl/crmf.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "x509/der.h"

#define CMP_CA_TRANSACTIONS 256	/* open at once; the oldest is forgotten */

struct cmp_ca {
	X509 *cert;		/* the CA, whose key also signs messages unless there is a signer */
	EVP_PKEY *key;
	X509 *signer;
	EVP_PKEY *signer_key;
	X509 *ra;		/* which may vouch; other owners of the CA's certificates may ask, but not vouch */
	const char *reference, *secret;	/* NULL: no MAC. Who knows it may vouch as well */
	int waits;		/* polls before an answer */
	int check_after;	/* seconds, as it says */
	const char *refusal;	/* text of a rejection; NULL: it issues */
	int failure;		/* and its PKIFailureInfo, a bit number */
	bool implicit;		/* it grants implicitConfirm */
	bool unprotected;	/* its errors are */
	bool waits_at_once;	/* it answers questions with "waiting", as if the request had just come */
	bool no_genm, other_key, other_name, refuse_confirmation;
	FILE *log;		/* a line "issued HEX" for each certificate, by SHA-256 of its key; "confirmed HEX" */
	unsigned issued, confirmed, polled, rejected_by_client, greeted;
	struct {
		OSSL_CMP_SRV_CTX *srv;
		unsigned char id[16];
		int waits;
		OSSL_CMP_MSG *request;
		X509 *made;
	} open[CMP_CA_TRANSACTIONS];
	unsigned next;
};

static void cmp_ca_log(struct cmp_ca *ca, const char *word, X509 *x)
{
	unsigned char hash[32], *der = NULL;
	char hex[65];
	int len;

	if (ca->log == NULL || (len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der)) <= 0)
		return;
	EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL);
	bytes_hex(hash, sizeof hash, hex);
	fprintf(ca->log, "%s %s\n", word, hex);
	fflush(ca->log);
	OPENSSL_free(der);
}

/* The key of a CertTemplate, which OpenSSL 3.0 keeps to itself: [6] SubjectPublicKeyInfo. */
static EVP_PKEY *cmp_ca_template_key(OSSL_CRMF_CERTTEMPLATE *template)
{
	unsigned char *der = NULL;
	int len = i2d_OSSL_CRMF_CERTTEMPLATE(template, &der);
	struct bytes in = {der, len > 0 ? (size_t)len : 0}, fields, field;
	EVP_PKEY *key = NULL;
	struct buf spki = {0};
	uint8_t tag;

	if (der_expect(&in, DER_SEQUENCE, &fields))
		while (key == NULL && der_take(&fields, &tag, &field))
			if (tag == 0xa6) {
				const unsigned char *p;

				der_put(&spki, DER_SEQUENCE, field.p, field.len);
				p = spki.p;
				key = d2i_PUBKEY(NULL, &p, (long)spki.len);
			}
	buf_free(&spki);
	OPENSSL_free(der);
	return key;
}

static bool cmp_ca_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX v3;
	X509_EXTENSION *e;
	bool good;

	X509V3_set_ctx(&v3, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
	good = e != NULL && X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	return good;
}

static X509 *cmp_ca_issue(struct cmp_ca *ca, const X509_NAME *subject, EVP_PKEY *key)
{
	X509 *x = X509_new();
	EVP_PKEY *other = ca->other_key ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256") : NULL;
	X509_NAME *name = X509_NAME_dup(subject);
	unsigned char serial[16];
	BIGNUM *number;

	RAND_bytes(serial, sizeof serial);
	serial[0] &= 0x7f;
	number = BN_bin2bn(serial, sizeof serial, NULL);
	if (ca->other_name) {
		X509_NAME_free(name);
		name = X509_NAME_new();
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"SEPFFFFFFFFFFFF", -1, -1,
		    0);
	}
	BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
	BN_free(number);
	X509_set_version(x, X509_VERSION_3);
	X509_set_issuer_name(x, X509_get_subject_name(ca->cert));
	X509_set_subject_name(x, name);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 365 * 86400L);
	X509_set_pubkey(x, other != NULL ? other : key);
	X509_NAME_free(name);
	EVP_PKEY_free(other);
	if (cmp_ca_extend(x, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
	    cmp_ca_extend(x, ca->cert, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
	    cmp_ca_extend(x, ca->cert, NID_ext_key_usage, "serverAuth,clientAuth,1.3.6.1.5.5.7.3.5") &&
	    cmp_ca_extend(x, ca->cert, NID_subject_key_identifier, "hash") &&
	    cmp_ca_extend(x, ca->cert, NID_authority_key_identifier, "keyid") &&
	    X509_sign(x, ca->key, EVP_sha256()) > 0) {
		ca->issued++;
		cmp_ca_log(ca, "issued", x);
		return x;
	}
	X509_free(x);
	return NULL;
}

/* The transaction that this context belongs to. */
static size_t cmp_ca_find(const struct cmp_ca *ca, const OSSL_CMP_SRV_CTX *srv)
{
	size_t i = 0;

	while (i < CMP_CA_TRANSACTIONS - 1 && ca->open[i].srv != srv)
		i++;
	return i;
}

static OSSL_CMP_PKISI *cmp_ca_request(OSSL_CMP_SRV_CTX *srv, const OSSL_CMP_MSG *request, int id,
    const OSSL_CRMF_MSG *crm, const X509_REQ *p10, X509 **out, STACK_OF(X509) **chain, STACK_OF(X509) **pubs)
{
	struct cmp_ca *ca = OSSL_CMP_SRV_CTX_get0_custom_ctx(srv);
	size_t i = cmp_ca_find(ca, srv);
	EVP_PKEY *key;
	const X509_NAME *name;

	(void)id, (void)pubs;
	if (ca->refusal != NULL && ca->open[i].waits == 0)
		return OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_rejection, 1 << ca->failure, ca->refusal);
	if (ca->open[i].waits > 0) {
		OSSL_CMP_MSG_free(ca->open[i].request);
		ca->open[i].request = OSSL_CMP_MSG_dup(request);
		return OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_waiting, 0, "ask later");
	}
	if (p10 != NULL) {
		key = X509_REQ_get_pubkey((X509_REQ *)(uintptr_t)p10);
		name = X509_REQ_get_subject_name(p10);
	} else {
		OSSL_CRMF_CERTTEMPLATE *template = OSSL_CRMF_MSG_get0_tmpl(crm);

		key = cmp_ca_template_key(template);
		name = OSSL_CRMF_CERTTEMPLATE_get0_subject(template);
	}
	*out = key != NULL && name != NULL ? cmp_ca_issue(ca, name, key) : NULL;
	EVP_PKEY_free(key);
	if (*out == NULL)
		return OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_rejection,
		    1 << OSSL_CMP_PKIFAILUREINFO_badCertTemplate, "no key, or no name");
	X509_free(ca->open[i].made);
	X509_up_ref(*out);
	ca->open[i].made = *out;
	*chain = sk_X509_new_null();
	X509_up_ref(ca->cert);
	sk_X509_push(*chain, ca->cert);
	return OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_accepted, 0, NULL);
}

static int cmp_ca_poll(OSSL_CMP_SRV_CTX *srv, const OSSL_CMP_MSG *request, int id, OSSL_CMP_MSG **again, int64_t *after)
{
	struct cmp_ca *ca = OSSL_CMP_SRV_CTX_get0_custom_ctx(srv);
	size_t i = cmp_ca_find(ca, srv);

	(void)request, (void)id;
	ca->polled++;
	*again = NULL;
	*after = ca->check_after;
	if (!ca->waits_at_once && ca->open[i].waits > 0 && --ca->open[i].waits > 0)
		return 1;
	*again = OSSL_CMP_MSG_dup(ca->open[i].request);
	return *again != NULL;
}

static int cmp_ca_confirm(OSSL_CMP_SRV_CTX *srv, const OSSL_CMP_MSG *request, int id, const ASN1_OCTET_STRING *hash,
    const OSSL_CMP_PKISI *status)
{
	struct cmp_ca *ca = OSSL_CMP_SRV_CTX_get0_custom_ctx(srv);
	size_t i = cmp_ca_find(ca, srv);
	char text[OSSL_CMP_PKISI_BUFLEN];
	ASN1_OCTET_STRING *want = ca->open[i].made != NULL ? X509_digest_sig(ca->open[i].made, NULL, NULL) : NULL;
	bool same = want != NULL && ASN1_OCTET_STRING_cmp(want, hash) == 0;

	(void)request, (void)id;
	ASN1_OCTET_STRING_free(want);
	if (ca->refuse_confirmation || !same)
		return 0;
	if (status != NULL && OSSL_CMP_snprint_PKIStatusInfo(status, text, sizeof text) != NULL &&
	    strstr(text, "rejection") != NULL) {
		ca->rejected_by_client++;
		return 1;
	}
	ca->confirmed++;
	cmp_ca_log(ca, "confirmed", ca->open[i].made);
	return 1;
}

/* Tells the CA's certificate to who asks for caCerts. */
static int cmp_ca_genm(OSSL_CMP_SRV_CTX *srv, const OSSL_CMP_MSG *request, const STACK_OF(OSSL_CMP_ITAV) *in,
    STACK_OF(OSSL_CMP_ITAV) **out)
{
	struct cmp_ca *ca = OSSL_CMP_SRV_CTX_get0_custom_ctx(srv);
	struct buf der = {0};
	unsigned char *one = NULL;
	ASN1_TYPE *value;
	ASN1_STRING *list;
	int len;

	(void)request;
	ca->greeted++;
	if (ca->no_genm || (*out = sk_OSSL_CMP_ITAV_new_null()) == NULL)
		return 0;
	if (sk_OSSL_CMP_ITAV_num(in) == 0 || (len = i2d_X509(ca->cert, &one)) <= 0)
		return 1;
	value = ASN1_TYPE_new();
	list = ASN1_STRING_new();
	der_put(&der, DER_SEQUENCE, one, (size_t)len);
	ASN1_STRING_set(list, der.p, (int)der.len);
	ASN1_TYPE_set(value, V_ASN1_SEQUENCE, list);
	sk_OSSL_CMP_ITAV_push(*out, OSSL_CMP_ITAV_create(OBJ_nid2obj(NID_id_it_caCerts), value));
	OPENSSL_free(one);
	buf_free(&der);
	return 1;
}

static void cmp_ca_error(OSSL_CMP_SRV_CTX *srv, const OSSL_CMP_MSG *request, const OSSL_CMP_PKISI *status,
    const ASN1_INTEGER *code, const OSSL_CMP_PKIFREETEXT *details)
{
	(void)srv, (void)request, (void)status, (void)code, (void)details;
}

static X509_STORE *cmp_ca_store(X509 *x)
{
	X509_STORE *store = X509_STORE_new();

	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	X509_STORE_add_cert(store, x);
	return store;
}

/* Did the RA protect it? */
static bool cmp_ca_is_ra(const struct cmp_ca *ca, const OSSL_CMP_MSG *request)
{
	OSSL_CMP_CTX *ctx = OSSL_CMP_CTX_new(NULL, NULL);
	bool good = false;

	OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_LOG_VERBOSITY, OSSL_CMP_LOG_EMERG);
	if (ca->secret != NULL)
		OSSL_CMP_CTX_set1_secretValue(ctx, (const unsigned char *)ca->secret, (int)strlen(ca->secret));
	if (ca->ra != NULL)
		OSSL_CMP_CTX_set0_trustedStore(ctx, cmp_ca_store(ca->ra));
	good = OSSL_CMP_validate_msg(ctx, request) == 1;
	OSSL_CMP_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

static OSSL_CMP_SRV_CTX *cmp_ca_context(struct cmp_ca *ca)
{
	OSSL_CMP_SRV_CTX *srv = OSSL_CMP_SRV_CTX_new(NULL, NULL);
	OSSL_CMP_CTX *ctx = OSSL_CMP_SRV_CTX_get0_cmp_ctx(srv);

	OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_LOG_VERBOSITY, OSSL_CMP_LOG_EMERG);
	OSSL_CMP_SRV_CTX_init(srv, ca, cmp_ca_request, NULL, cmp_ca_genm, cmp_ca_error, cmp_ca_confirm, cmp_ca_poll);
	OSSL_CMP_SRV_CTX_set_grant_implicit_confirm(srv, ca->implicit);
	OSSL_CMP_SRV_CTX_set_send_unprotected_errors(srv, ca->unprotected);
	OSSL_CMP_CTX_set1_cert(ctx, ca->signer != NULL ? ca->signer : ca->cert);
	OSSL_CMP_CTX_set1_pkey(ctx, ca->signer != NULL ? ca->signer_key : ca->key);
	if (ca->secret != NULL)
		OSSL_CMP_CTX_set1_secretValue(ctx, (const unsigned char *)ca->secret, (int)strlen(ca->secret));
	OSSL_CMP_CTX_set0_trustedStore(ctx, cmp_ca_store(ca->cert));
	if (ca->ra != NULL)
		X509_STORE_add_cert(OSSL_CMP_CTX_get0_trustedStore(ctx), ca->ra);
	return srv;
}

static void cmp_ca_forget(struct cmp_ca *ca, size_t i)
{
	OSSL_CMP_SRV_CTX_free(ca->open[i].srv);
	OSSL_CMP_MSG_free(ca->open[i].request);
	X509_free(ca->open[i].made);
	memset(&ca->open[i], 0, sizeof ca->open[i]);
}

/* Its transaction, a new one if there is none of this name. */
static size_t cmp_ca_transaction(struct cmp_ca *ca, const OSSL_CMP_MSG *request)
{
	ASN1_OCTET_STRING *id = OSSL_CMP_HDR_get0_transactionID(OSSL_CMP_MSG_get0_header(request));
	size_t i;

	for (i = 0; i < CMP_CA_TRANSACTIONS; i++)
		if (ca->open[i].srv != NULL && id != NULL && ASN1_STRING_length(id) == 16 &&
		    memcmp(ASN1_STRING_get0_data(id), ca->open[i].id, 16) == 0)
			return i;
	i = ca->next++ % CMP_CA_TRANSACTIONS;
	cmp_ca_forget(ca, i);
	ca->open[i].srv = cmp_ca_context(ca);
	ca->open[i].waits = ca->waits;
	if (id != NULL && ASN1_STRING_length(id) == 16)
		memcpy(ca->open[i].id, ASN1_STRING_get0_data(id), 16);
	return i;
}

/* Appends the answer to a message. False when that is no message, or has no answer. */
__attribute__((unused)) static bool cmp_ca_answer(struct cmp_ca *ca, struct bytes in, struct buf *out)
{
	const unsigned char *p = in.p;
	OSSL_CMP_MSG *request = d2i_OSSL_CMP_MSG(NULL, &p, (long)in.len), *answer;
	unsigned char *der = NULL;
	size_t i;
	int len;

	if (request == NULL)
		return false;
	i = cmp_ca_transaction(ca, request);
	OSSL_CMP_SRV_CTX_set_accept_raverified(ca->open[i].srv, cmp_ca_is_ra(ca, request));
	answer = OSSL_CMP_SRV_process_request(ca->open[i].srv, request);
	OSSL_CMP_MSG_free(request);
	len = answer != NULL ? i2d_OSSL_CMP_MSG(answer, &der) : -1;
	if (len > 0)
		buf_put(out, der, (size_t)len);
	OPENSSL_free(der);
	OSSL_CMP_MSG_free(answer);
	ERR_clear_error();
	return len > 0;
}

__attribute__((unused)) static void cmp_ca_free(struct cmp_ca *ca)
{
	for (size_t i = 0; i < CMP_CA_TRANSACTIONS; i++)
		cmp_ca_forget(ca, i);
}

#endif
