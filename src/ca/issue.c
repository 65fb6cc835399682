/* SPDX-License-Identifier: ISC */
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "ca/extension.h"
#include "ca/issue.h"
#include "ca/rules.h"
#include "x509/der.h"
#include "x509/name.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"
#include "x509/public_key.h"

const struct issue_policy issue_policy_default = {
    .days = ISSUE_DAYS_MAX,
    .device_cn = true,
    .eku = true,
    .key_ids = true,
    .digest = "SHA256",
};

struct issuer {
	EVP_PKEY *key;
	struct issue_policy policy;
	time_t not_before, not_after;
	EVP_MD *md;
	/* DER of what is the same in each certificate. */
	struct buf algor;	/* AlgorithmIdentifier of the signature */
	struct buf issuer;	/* Name */
	struct buf tail;	/* RDNs of the subject behind the CN: the CA's O, OU, L, ST, C */
	struct buf usage_rsa, usage_ec;		/* Extension */
	struct buf extensions;	/* what policy wants besides usage and the subject's identifier */
};

/* Appends what one of OpenSSL's i2d_ functions gave, and frees it. */
static void put_i2d(struct buf *b, unsigned char *der, int len)
{
	if (len <= 0)
		b->failed = true;
	else
		buf_put(b, der, (size_t)len);
	OPENSSL_free(der);
}

static void put_extension(struct buf *b, X509_EXTENSION *ext)
{
	unsigned char *der = NULL;
	int len = ext != NULL ? i2d_X509_EXTENSION(ext, &der) : -1;

	put_i2d(b, der, len);
	X509_EXTENSION_free(ext);
}

/* A relative distinguished name of one attribute. */
static void put_rdn(struct buf *b, const X509_NAME_ENTRY *entry)
{
	unsigned char *der = NULL;
	int len = i2d_X509_NAME_ENTRY(entry, &der);

	if (len > 0)
		der_put(b, DER_SET, der, (size_t)len);
	else
		b->failed = true;
	OPENSSL_free(der);
}

/* The CA's O, OU, L, ST and C in this order: the shape that the phones' own system makes. */
static void put_tail(struct buf *b, const X509_NAME *subject)
{
	static const int order[] = {NID_organizationName, NID_organizationalUnitName,
	    NID_localityName, NID_stateOrProvinceName, NID_countryName};

	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
		for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, order[i], at)) >= 0;)
			put_rdn(b, X509_NAME_get_entry(subject, at));
}

/* RFC 4055 5: NULL behind RSA's; RFC 5758 3.2: nothing behind ECDSA's. False when keys of this kind sign otherwise. */
static bool put_algor(struct buf *b, EVP_PKEY *key, const EVP_MD *md)
{
	int type = EVP_PKEY_get_base_id(key), nid = NID_undef;
	X509_ALGOR *algor;
	unsigned char *der = NULL;
	int len = -1;

	if (!OBJ_find_sigid_by_algs(&nid, EVP_MD_get_type(md), type))
		return false;
	algor = X509_ALGOR_new();
	if (algor != NULL && X509_ALGOR_set0(algor, OBJ_nid2obj(nid),
		type == EVP_PKEY_RSA ? V_ASN1_NULL : V_ASN1_UNDEF, NULL))
		len = i2d_X509_ALGOR(algor, &der);
	put_i2d(b, der, len);
	X509_ALGOR_free(algor);
	return true;
}

bool issue_digest(const char *name, const char **digest)
{
	static const char *const known[] = {"SHA256", "SHA384", "SHA512"};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcasecmp(name, known[i]) == 0) {
			*digest = known[i];
			return true;
		}
	}
	return false;
}

static int check_policy(const struct issue_policy *p, struct reason *r)
{
	const char *digest;

	if (p->days < 1 || p->days > ISSUE_DAYS_MAX)
		return reason_set(r, "%d days are not 1 to %d", p->days, ISSUE_DAYS_MAX);
	if (!issue_digest(p->digest, &digest) || strcmp(digest, p->digest) != 0)
		return reason_set(r, "%s is not SHA256, SHA384 or SHA512", p->digest);
	return 0;
}

struct issuer *issuer_new(const struct cert *ca, EVP_PKEY *key, const struct issue_policy *policy,
    time_t now, struct reason *r)
{
	unsigned char *der = NULL;
	struct issuer *i;
	bool known;
	int len;

	if (check_policy(policy, r) < 0 || rules_check_ca(ca, key, now, r) < 0)
		return NULL;
	if ((i = calloc(1, sizeof *i)) == NULL) {
		reason_memory(r);
		return NULL;
	}
	EVP_PKEY_up_ref(i->key = key);
	i->policy = *policy;
	i->not_before = ca->not_before;
	i->not_after = ca->not_after;
	i->md = EVP_MD_fetch(NULL, rules_digest(key, policy->digest), NULL);
	known = i->md != NULL && put_algor(&i->algor, key, i->md);
	len = i2d_X509_NAME(X509_get_subject_name(ca->x509), &der);
	put_i2d(&i->issuer, der, len);
	put_tail(&i->tail, X509_get_subject_name(ca->x509));
	/* Phones refuse secure registration without both of these. For an EC key RFC 8813 forbids
	 * keyEncipherment, which it could not do; keyAgreement takes its place. */
	put_extension(&i->usage_rsa,
	    extension_make(NID_key_usage, "critical,digitalSignature,keyEncipherment"));
	put_extension(&i->usage_ec, extension_make(NID_key_usage,
	    "critical,digitalSignature,keyAgreement"));
	put_extension(&i->extensions, extension_make(NID_basic_constraints, "critical,CA:FALSE"));
	if (policy->eku)
		put_extension(&i->extensions,
		    extension_make(NID_ext_key_usage, "serverAuth,clientAuth,1.3.6.1.5.5.7.3.5"));
	if (policy->key_ids)
		put_extension(&i->extensions, extension_authority_id(X509_get0_subject_key_id(ca->x509),
		    X509_get_X509_PUBKEY(ca->x509)));
	if (!known)
		openssl_error_set(r, "cannot make ready to sign");
	else if (i->algor.failed || i->issuer.failed || i->tail.failed || i->usage_rsa.failed ||
	    i->usage_ec.failed || i->extensions.failed)
		reason_memory(r);
	else
		return i;
	issuer_free(i);
	return NULL;
}

void issuer_free(struct issuer *i)
{
	if (i == NULL)
		return;
	EVP_PKEY_free(i->key);
	EVP_MD_free(i->md);
	buf_free(&i->algor);
	buf_free(&i->issuer);
	buf_free(&i->tail);
	buf_free(&i->usage_rsa);
	buf_free(&i->usage_ec);
	buf_free(&i->extensions);
	free(i);
}

/* RFC 5280 4.1.2.5: two digits of the year before 2050, four from then on. */
static void put_time(struct buf *b, time_t t)
{
	ASN1_TIME *when = ASN1_TIME_set(NULL, t);

	if (when != NULL)
		der_put(b, (unsigned char)ASN1_STRING_type(when), ASN1_STRING_get0_data(when),
		    (size_t)ASN1_STRING_length(when));
	else
		b->failed = true;
	ASN1_TIME_free(when);
}

static void put_validity(struct buf *b, time_t from, time_t to)
{
	size_t validity = b->len;

	put_time(b, from);
	put_time(b, to);
	der_wrap(b, validity, DER_SEQUENCE);
}

static void put_subject(struct buf *b, const struct issuer *i, const struct csr *csr)
{
	const X509_NAME *asked = X509_REQ_get_subject_name(csr->req);
	int at = X509_NAME_get_index_by_NID(asked, NID_commonName, -1);
	size_t subject = b->len;

	if (i->policy.device_cn)
		name_put_cn(b, csr->device);
	else if (at >= 0)
		put_rdn(b, X509_NAME_get_entry(asked, at));
	else
		b->failed = true;
	buf_put(b, i->tail.p, i->tail.len);
	der_wrap(b, subject, DER_SEQUENCE);
}

static void put_extensions(struct buf *b, const struct issuer *i, const X509_PUBKEY *pub, bool rsa)
{
	const struct buf *usage = rsa ? &i->usage_rsa : &i->usage_ec;
	size_t extensions = b->len;

	buf_put(b, i->extensions.p, i->extensions.len);
	buf_put(b, usage->p, usage->len);
	if (i->policy.key_ids)
		put_extension(b, extension_subject_id(pub));
	der_wrap(b, extensions, DER_SEQUENCE);
	der_wrap(b, extensions, DER_CONTEXT_3);
}

/* TBSCertificate, RFC 5280 4.1, in its order. */
static void put_tbs(struct buf *b, const struct issuer *i, const struct csr *csr,
    const unsigned char serial[RULES_SERIAL], time_t from, time_t to)
{
	static const unsigned char version = X509_VERSION_3;
	const X509_PUBKEY *pub = X509_REQ_get_X509_PUBKEY(csr->req);
	bool rsa = EVP_PKEY_get_base_id(X509_REQ_get0_pubkey(csr->req)) == EVP_PKEY_RSA;
	unsigned char *spki = NULL;
	int spki_len = i2d_X509_PUBKEY(pub, &spki);
	size_t tbs = b->len;

	der_put(b, DER_INTEGER, &version, sizeof version);
	der_wrap(b, tbs, DER_CONTEXT_0);
	der_put(b, DER_INTEGER, serial, RULES_SERIAL);
	buf_put(b, i->algor.p, i->algor.len);
	buf_put(b, i->issuer.p, i->issuer.len);
	put_validity(b, from, to);
	put_subject(b, i, csr);
	put_i2d(b, spki, spki_len);
	put_extensions(b, i, pub, rsa);
	der_wrap(b, tbs, DER_SEQUENCE);
}

/* Signs the TBSCertificate, which the buffer begins with, and appends the signature: a BIT STRING without unused
 * bits. False when OpenSSL cannot. */
static bool put_signature(struct buf *b, const struct issuer *i, size_t tbs_len)
{
	unsigned char sig[1 + 1024] = {0};
	size_t len = sizeof sig - 1;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, i->md, NULL, i->key) == 1 &&
	    EVP_DigestSign(ctx, sig + 1, &len, b->p, tbs_len) == 1;

	EVP_MD_CTX_free(ctx);
	if (ok)
		der_put(b, DER_BIT_STRING, sig, len + 1);
	return ok;
}

int issue_phone(const struct issuer *i, const struct csr *csr, time_t now, struct issued *out,
    struct reason *r)
{
	unsigned char serial[RULES_SERIAL];
	struct buf cert = {0};
	size_t tbs_len;
	time_t from;
	bool ok;

	if (now < i->not_before || now >= i->not_after)
		return reason_set(r, "the CA is not valid now");
	if (public_key_check(X509_REQ_get0_pubkey(csr->req), r) < 0 ||
	    public_key_check_form(X509_REQ_get_X509_PUBKEY(csr->req), r) < 0)
		return -1;
	rules_dates(now, i->policy.days, i->not_before, i->not_after, &from, &out->not_after);
	ok = rules_serial(serial);
	put_tbs(&cert, i, csr, serial, from, out->not_after);
	tbs_len = cert.len;
	buf_put(&cert, i->algor.p, i->algor.len);
	ok = ok && !cert.failed && put_signature(&cert, i, tbs_len);
	der_wrap(&cert, 0, DER_SEQUENCE);
	if (cert.failed)
		reason_memory(r);
	else if (!ok)
		openssl_error_set(r, "cannot be signed");
	if (!ok || cert.failed || openssl_sha256(cert.p, cert.len, out->digest, r) != 0) {
		buf_free(&cert);
		return -1;
	}
	bytes_hex(serial, sizeof serial, out->serial);
	out->der = cert.p;
	out->der_len = cert.len;
	return 0;
}
