/* SPDX-License-Identifier: ISC */
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "issue.h"
#include "key.h"
#include "osslerr.h"
#include "when.h"

#define ISSUE_SKEW 3600		/* how far a phone's clock may be behind ours, in seconds */
#define ISSUE_CA_DAYS_MAX 36500	/* a hundred years: more is a slip of the hand */
#define DAY 86400
#define SERIAL_BYTES 16

const struct issue_policy issue_policy_default = {
    .days = ISSUE_DAYS_MAX,
    .device_cn = true,
    .eku = true,
    .key_ids = true,
    .digest = "SHA256",
};

struct issuer {
	X509 *ca;
	EVP_PKEY *key;
	struct issue_policy policy;
	time_t not_before, not_after;
	EVP_MD *md;
	X509_NAME *tail;	/* O, OU, L, ST, C of the CA's subject */
	/* The extensions that are the same in each certificate; NULL for what policy leaves out. */
	X509_EXTENSION *constraints, *usage_rsa, *usage_ec, *eku, *authority;
};

/* In OpenSSL's words, "critical,CA:FALSE". The caller frees. */
static X509_EXTENSION *extension(int nid, const char *value)
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

static X509_EXTENSION *subject_id(const X509_PUBKEY *pub)
{
	static const unsigned char head[] = {V_ASN1_OCTET_STRING, SHA_DIGEST_LENGTH};
	unsigned char id[SHA_DIGEST_LENGTH];

	if (!key_id(pub, id))
		return NULL;
	return identifier(NID_subject_key_identifier, head, sizeof head, id, sizeof id);
}

/* The CA's own identifier, whatever it was made from; else (NULL) the usual one of its key. */
static X509_EXTENSION *authority_id(const ASN1_OCTET_STRING *own, const X509_PUBKEY *pub)
{
	unsigned char id[SHA_DIGEST_LENGTH], head[4];
	const unsigned char *data = id;
	size_t len = sizeof id;

	if (own != NULL && ASN1_STRING_length(own) > 0 && ASN1_STRING_length(own) <= 32) {
		data = ASN1_STRING_get0_data(own);
		len = (size_t)ASN1_STRING_length(own);
	} else if (!key_id(pub, id))
		return NULL;
	/* SEQUENCE of [0] keyIdentifier. */
	head[0] = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED;
	head[1] = (unsigned char)(len + 2);
	head[2] = V_ASN1_CONTEXT_SPECIFIC;
	head[3] = (unsigned char)len;
	return identifier(NID_authority_key_identifier, head, sizeof head, data, len);
}

/* SHA-256, or what the key of the signer deserves: a longer digest costs nothing there. */
static const char *digest_for(EVP_PKEY *key, const char *wanted)
{
	int bits = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC ? EVP_PKEY_get_bits(key) : 0;

	if (bits > 384)
		return "SHA512";
	if (bits > 256 && strcmp(wanted, "SHA256") == 0)
		return "SHA384";
	return wanted;
}

/* The subject's O, OU, L, ST and C in this order: the shape that the phones' own system makes. */
static X509_NAME *subject_tail(const X509_NAME *subject)
{
	static const int order[] = {NID_organizationName, NID_organizationalUnitName, NID_localityName,
	    NID_stateOrProvinceName, NID_countryName};
	X509_NAME *tail = X509_NAME_new();
	int ok = tail != NULL;

	for (size_t i = 0; ok && i < sizeof order / sizeof order[0]; i++)
		for (int at = -1; ok && (at = X509_NAME_get_index_by_NID(subject, order[i], at)) >= 0;)
			ok = X509_NAME_add_entry(tail, X509_NAME_get_entry(subject, at), -1, 0);
	if (!ok) {
		X509_NAME_free(tail);
		return NULL;
	}
	return tail;
}

static int check_policy(const struct issue_policy *p, struct reason *r)
{
	if (p->days < 1 || p->days > ISSUE_DAYS_MAX)
		return reason_set(r, "%d days are not 1 to %d", p->days, ISSUE_DAYS_MAX);
	if (strcmp(p->digest, "SHA256") != 0 && strcmp(p->digest, "SHA384") != 0 &&
	    strcmp(p->digest, "SHA512") != 0)
		return reason_set(r, "%s is not SHA256, SHA384 or SHA512", p->digest);
	return 0;
}

/* Is this a CA's certificate, valid now, and the key its key? */
static int check_ca(const struct cert *ca, EVP_PKEY *key, time_t now, struct reason *r)
{
	char iso[WHEN_ISO + 1];

	if (cert_check_ca(ca, r) < 0)
		return -1;
	if (now < ca->not_before) {
		when_iso(ca->not_before, iso);
		return reason_set(r, "is not valid before %s", iso);
	}
	if (now >= ca->not_after) {
		when_iso(ca->not_after, iso);
		return reason_set(r, "expired on %s", iso);
	}
	if (EVP_PKEY_eq(X509_get0_pubkey(ca->x509), key) != 1) {
		ERR_clear_error();
		return reason_set(r, "the key is not the key of this certificate");
	}
	return 0;
}

struct issuer *issuer_new(const struct cert *ca, EVP_PKEY *key, const struct issue_policy *policy,
    time_t now, struct reason *r)
{
	struct issuer *i;

	if (check_policy(policy, r) < 0 || check_ca(ca, key, now, r) < 0)
		return NULL;
	if ((i = calloc(1, sizeof *i)) == NULL) {
		reason_set(r, "out of memory");
		return NULL;
	}
	X509_up_ref(i->ca = ca->x509);
	EVP_PKEY_up_ref(i->key = key);
	i->policy = *policy;
	i->not_before = ca->not_before;
	i->not_after = ca->not_after;
	i->md = EVP_MD_fetch(NULL, digest_for(key, policy->digest), NULL);
	i->tail = subject_tail(X509_get_subject_name(ca->x509));
	i->constraints = extension(NID_basic_constraints, "critical,CA:FALSE");
	/* Phones refuse secure registration without both of these. For an EC key RFC 8813 forbids
	 * keyEncipherment, which it could not do; keyAgreement takes its place. */
	i->usage_rsa = extension(NID_key_usage, "critical,digitalSignature,keyEncipherment");
	i->usage_ec = extension(NID_key_usage, "critical,digitalSignature,keyAgreement");
	if (policy->eku)
		i->eku = extension(NID_ext_key_usage, "serverAuth,clientAuth,1.3.6.1.5.5.7.3.5");
	if (policy->key_ids)
		i->authority = authority_id(X509_get0_subject_key_id(ca->x509),
		    X509_get_X509_PUBKEY(ca->x509));
	if (i->md == NULL || i->tail == NULL || i->constraints == NULL || i->usage_rsa == NULL ||
	    i->usage_ec == NULL || (policy->eku && i->eku == NULL) ||
	    (policy->key_ids && i->authority == NULL)) {
		osslerr_set(r, "cannot make ready to sign");
		issuer_free(i);
		return NULL;
	}
	return i;
}

void issuer_free(struct issuer *i)
{
	if (i == NULL)
		return;
	X509_free(i->ca);
	EVP_PKEY_free(i->key);
	EVP_MD_free(i->md);
	X509_NAME_free(i->tail);
	X509_EXTENSION_free(i->constraints);
	X509_EXTENSION_free(i->usage_rsa);
	X509_EXTENSION_free(i->usage_ec);
	X509_EXTENSION_free(i->eku);
	X509_EXTENSION_free(i->authority);
	free(i);
}

/* 16 random bytes. The highest bit is off, so that it is positive, and the next one on, so that it is
 * never shorter. */
static int set_serial(X509 *x)
{
	unsigned char serial[SERIAL_BYTES];

	if (RAND_bytes(serial, sizeof serial) != 1)
		return 0;
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
	return ASN1_STRING_set(X509_get_serialNumber(x), serial, sizeof serial);
}

/* From an hour ago, for clocks that are slow, but never before the CA itself; never beyond its end. */
static int set_dates(X509 *x, time_t now, int days, time_t first, time_t last)
{
	time_t from = now - ISSUE_SKEW, to = now + (time_t)days * DAY;

	return ASN1_TIME_set(X509_getm_notBefore(x), from > first ? from : first) != NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(x), to < last ? to : last) != NULL;
}

static int set_subject(X509 *x, const struct issuer *i, const struct csr *csr)
{
	X509_NAME *name = X509_get_subject_name(x);
	const X509_NAME *asked = X509_REQ_get_subject_name(csr->req);
	int ok, at;

	if (i->policy.device_cn)
		ok = X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
		    (const unsigned char *)csr->device, (int)strlen(csr->device), -1, 0);
	else
		ok = (at = X509_NAME_get_index_by_NID(asked, NID_commonName, -1)) >= 0 &&
		    X509_NAME_add_entry(name, X509_NAME_get_entry(asked, at), -1, 0);
	for (int n = 0; ok && n < X509_NAME_entry_count(i->tail); n++)
		ok = X509_NAME_add_entry(name, X509_NAME_get_entry(i->tail, n), -1, 0);
	return ok;
}

/* The request's key as it is written there. X509_set_pubkey would have it encoded and decoded again. */
static int set_key(X509 *x, const X509_PUBKEY *from)
{
	const unsigned char *bits;
	const void *param;
	X509_ALGOR *algor;
	ASN1_OBJECT *oid, *curve = NULL;
	unsigned char *copy;
	int len, type;

	if (!X509_PUBKEY_get0_param(&oid, &bits, &len, &algor, from))
		return 0;
	X509_ALGOR_get0(NULL, &type, &param, algor);
	if (type == V_ASN1_OBJECT && (curve = OBJ_dup(param)) == NULL)
		return 0;
	copy = OPENSSL_memdup(bits, (size_t)len);
	oid = OBJ_dup(oid);
	if (copy != NULL && oid != NULL &&
	    X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x), oid, type, curve, copy, len))
		return 1;
	OPENSSL_free(copy);
	ASN1_OBJECT_free(oid);
	ASN1_OBJECT_free(curve);
	return 0;
}

static int set_extensions(X509 *x, const struct issuer *i, const X509_PUBKEY *pub, bool rsa)
{
	X509_EXTENSION *subject = NULL;
	int ok = X509_add_ext(x, i->constraints, -1) &&
	    X509_add_ext(x, rsa ? i->usage_rsa : i->usage_ec, -1) &&
	    (i->eku == NULL || X509_add_ext(x, i->eku, -1));

	if (ok && i->policy.key_ids) {
		subject = subject_id(pub);
		ok = subject != NULL && X509_add_ext(x, subject, -1) && X509_add_ext(x, i->authority, -1);
		X509_EXTENSION_free(subject);
	}
	return ok;
}

X509 *issue_phone(const struct issuer *i, const struct csr *csr, time_t now, struct reason *r)
{
	X509_PUBKEY *pub = X509_REQ_get_X509_PUBKEY(csr->req);
	EVP_PKEY *key = X509_REQ_get0_pubkey(csr->req);
	X509 *x;

	if (now < i->not_before || now >= i->not_after) {
		reason_set(r, "the CA is not valid now");
		return NULL;
	}
	if (key_check(key, r) < 0 || key_check_form(pub, r) < 0)
		return NULL;
	x = X509_new();
	if (x == NULL || !X509_set_version(x, X509_VERSION_3) || !set_serial(x) ||
	    !X509_set_issuer_name(x, X509_get_subject_name(i->ca)) ||
	    !set_dates(x, now, i->policy.days, i->not_before, i->not_after) || !set_subject(x, i, csr) ||
	    !set_key(x, pub) ||
	    !set_extensions(x, i, pub, EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) ||
	    X509_sign(x, i->key, i->md) <= 0) {
		osslerr_set(r, "cannot be signed");
		X509_free(x);
		return NULL;
	}
	ERR_clear_error();
	return x;
}

/* The next "KEY=value" of a subject, taken off: its value without backslashes. -1 with a reason. */
static int next_part(const char **text, char *key, size_t key_size, char *value, size_t value_size,
    struct reason *r)
{
	const char *p = *text;
	size_t n = 0;

	while (*p == ' ')
		p++;
	while (*p != '=' && *p != ',' && *p != '\0' && n < key_size - 1)
		key[n++] = *p++;
	key[n] = '\0';
	if (*p++ != '=')
		return reason_set(r, "the subject has no '=' behind \"%s\"", key);
	for (n = 0; *p != '\0' && *p != ','; p++) {
		if (*p == '\\' && *++p == '\0')
			return reason_set(r, "the subject ends in a backslash");
		if (n == value_size - 1)
			return reason_set(r, "the subject's %s is too long", key);
		value[n++] = *p;
	}
	value[n] = '\0';
	if (n == 0)
		return reason_set(r, "the subject's %s is empty", key);
	if (*p == ',' && *++p == '\0')
		return reason_set(r, "the subject ends in a comma");
	*text = p;
	return 0;
}

/* "CN=Lab root,O=Example,C=DE" into name; -1 with a reason. */
static int read_subject(X509_NAME *name, const char *text, struct reason *r)
{
	static const char *const known[] = {"C", "ST", "L", "O", "OU", "CN"};
	char key[16], value[CERT_CN_MAX + 1];
	size_t k;

	if (*text == '\0')
		return reason_set(r, "the subject is empty");
	while (*text != '\0') {
		if (next_part(&text, key, sizeof key, value, sizeof value, r) < 0)
			return -1;
		for (k = 0; k < sizeof known / sizeof known[0] && strcmp(key, known[k]) != 0; k++)
			;
		if (k == sizeof known / sizeof known[0])
			return reason_set(r, "the subject has \"%s\", not one of C, ST, L, O, OU, CN", key);
		/* OpenSSL knows how long each may be. */
		if (!X509_NAME_add_entry_by_txt(name, key, MBSTRING_UTF8, (const unsigned char *)value, -1,
		    -1, 0))
			return osslerr_set(r, "the subject's %s", key);
	}
	return 0;
}

static int add_extension(X509 *x, X509_EXTENSION *ext)
{
	int ok = ext != NULL && X509_add_ext(x, ext, -1);

	X509_EXTENSION_free(ext);
	return ok;
}

static int set_ca_extensions(X509 *x, const struct ca_profile *p, X509 *parent)
{
	char constraints[64] = "critical,CA:TRUE";
	X509_EXTENSION *authority = parent != NULL ? authority_id(X509_get0_subject_key_id(parent),
	    X509_get_X509_PUBKEY(parent)) : authority_id(NULL, X509_get_X509_PUBKEY(x));
	int ok;

	if (p->pathlen >= 0)
		snprintf(constraints, sizeof constraints, "critical,CA:TRUE,pathlen:%d", p->pathlen);
	ok = add_extension(x, extension(NID_basic_constraints, constraints)) &&
	    add_extension(x, extension(NID_key_usage, p->crl_sign ?
	    "critical,digitalSignature,keyCertSign,cRLSign" : "critical,digitalSignature,keyCertSign")) &&
	    add_extension(x, subject_id(X509_get_X509_PUBKEY(x))) &&
	    authority != NULL && X509_add_ext(x, authority, -1);
	X509_EXTENSION_free(authority);
	return ok;
}

X509 *issue_ca(const struct ca_profile *p, EVP_PKEY *key, const struct cert *parent,
    EVP_PKEY *parent_key, time_t now, struct reason *r)
{
	EVP_PKEY *signer = parent != NULL ? parent_key : key;
	EVP_MD *md;
	X509 *x;
	time_t first = parent != NULL ? parent->not_before : now - ISSUE_SKEW;
	time_t last = parent != NULL ? parent->not_after : now + (time_t)ISSUE_CA_DAYS_MAX * DAY;

	if (p->days < 1 || p->days > ISSUE_CA_DAYS_MAX) {
		reason_set(r, "%d days are not 1 to %d", p->days, ISSUE_CA_DAYS_MAX);
		return NULL;
	}
	if (parent != NULL && check_ca(parent, signer, now, r) < 0)
		return NULL;
	if (key_check(key, r) < 0)
		return NULL;
	if ((x = X509_new()) == NULL) {
		reason_set(r, "out of memory");
		return NULL;
	}
	if (read_subject(X509_get_subject_name(x), p->subject, r) < 0) {
		X509_free(x);
		return NULL;
	}
	md = EVP_MD_fetch(NULL, digest_for(signer, "SHA256"), NULL);
	if (md == NULL || !X509_set_version(x, X509_VERSION_3) || !set_serial(x) ||
	    !X509_set_issuer_name(x, X509_get_subject_name(parent != NULL ? parent->x509 : x)) ||
	    !set_dates(x, now, p->days, first, last) || !X509_set_pubkey(x, key) ||
	    !set_ca_extensions(x, p, parent != NULL ? parent->x509 : NULL) ||
	    X509_sign(x, signer, md) <= 0) {
		osslerr_set(r, "cannot be signed");
		X509_free(x);
		x = NULL;
	}
	EVP_MD_free(md);
	ERR_clear_error();
	return x;
}
