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
#include <strings.h>

#include "base/bytes.h"
#include "base/utc.h"
#include "ca/issue.h"
#include "x509/der.h"
#include "x509/key.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"

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

/* One element of DER with the lengths that it needs; a body of up to 64 KiB. */
static void put_element(struct buf *b, unsigned char tag, const void *body, size_t len)
{
	buf_put_u8(b, tag);
	if (len >= 0x100) {
		buf_put_u8(b, 0x82);
		buf_put_u8(b, (uint8_t)(len >> 8));
	} else if (len >= 0x80)
		buf_put_u8(b, 0x81);
	buf_put_u8(b, (uint8_t)len);
	buf_put(b, body, len);
	b->failed |= len > 0xffff;
}

/* What one of OpenSSL's i2d_ functions gave, which is freed here. */
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
		put_element(b, V_ASN1_SET | V_ASN1_CONSTRUCTED, der, (size_t)len);
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

/* Is this a CA's certificate, valid now, and the key its key? One that has not begun is trouble: the clock of a host
 * without a battery is behind until somebody sets it, and a true one comes there by itself. To one that has ended
 * nobody but its owner can do anything. */
static int check_ca(const struct cert *ca, EVP_PKEY *key, time_t now, struct reason *r)
{
	char iso[UTC_ISO + 1], at[UTC_ISO + 1];

	if (cert_check_ca(ca, r) < 0)
		return -1;
	if (now < ca->not_before) {
		utc_iso(ca->not_before, iso);
		utc_iso(now, at);
		return reason_trouble(r, "is not valid before %s, and the clock says %s", iso, at);
	}
	if (now >= ca->not_after) {
		utc_iso(ca->not_after, iso);
		return reason_set(r, "expired on %s", iso);
	}
	if (EVP_PKEY_eq(X509_get0_pubkey(ca->x509), key) != 1)
		return openssl_error_end(reason_set(r, "the key is not the key of this certificate"), r);
	return 0;
}

struct issuer *issuer_new(const struct cert *ca, EVP_PKEY *key, const struct issue_policy *policy,
    time_t now, struct reason *r)
{
	unsigned char *der = NULL;
	struct issuer *i;
	bool known;
	int len;

	if (check_policy(policy, r) < 0 || check_ca(ca, key, now, r) < 0)
		return NULL;
	if ((i = calloc(1, sizeof *i)) == NULL) {
		reason_memory(r);
		return NULL;
	}
	EVP_PKEY_up_ref(i->key = key);
	i->policy = *policy;
	i->not_before = ca->not_before;
	i->not_after = ca->not_after;
	i->md = EVP_MD_fetch(NULL, digest_for(key, policy->digest), NULL);
	known = i->md != NULL && put_algor(&i->algor, key, i->md);
	len = i2d_X509_NAME(X509_get_subject_name(ca->x509), &der);
	put_i2d(&i->issuer, der, len);
	put_tail(&i->tail, X509_get_subject_name(ca->x509));
	/* Phones refuse secure registration without both of these. For an EC key RFC 8813 forbids
	 * keyEncipherment, which it could not do; keyAgreement takes its place. */
	put_extension(&i->usage_rsa,
	    extension(NID_key_usage, "critical,digitalSignature,keyEncipherment"));
	put_extension(&i->usage_ec, extension(NID_key_usage,
	    "critical,digitalSignature,keyAgreement"));
	put_extension(&i->extensions, extension(NID_basic_constraints, "critical,CA:FALSE"));
	if (policy->eku)
		put_extension(&i->extensions,
		    extension(NID_ext_key_usage, "serverAuth,clientAuth,1.3.6.1.5.5.7.3.5"));
	if (policy->key_ids)
		put_extension(&i->extensions, authority_id(X509_get0_subject_key_id(ca->x509),
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

/* 16 random bytes. The highest bit is off, so that it is positive, and the next one on, so that it
 * is never shorter. */
static int make_serial(unsigned char serial[SERIAL_BYTES])
{
	if (RAND_bytes(serial, SERIAL_BYTES) != 1)
		return 0;
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
	return 1;
}

/* From an hour ago, for clocks that are slow, but never before the CA itself; never beyond its
 * end. */
static void make_dates(time_t now, int days, time_t first, time_t last, time_t *from, time_t *to)
{
	*from = now - ISSUE_SKEW > first ? now - ISSUE_SKEW : first;
	*to = now + (time_t)days * DAY < last ? now + (time_t)days * DAY : last;
}

/* RFC 5280 4.1.2.5: two digits of the year before 2050, four from then on. */
static void put_time(struct buf *b, time_t t)
{
	ASN1_TIME *when = ASN1_TIME_set(NULL, t);

	if (when != NULL)
		put_element(b, (unsigned char)ASN1_STRING_type(when), ASN1_STRING_get0_data(when),
		    (size_t)ASN1_STRING_length(when));
	else
		b->failed = true;
	ASN1_TIME_free(when);
}

static void put_validity(struct buf *b, time_t from, time_t to)
{
	struct buf times = {0};

	put_time(&times, from);
	put_time(&times, to);
	put_element(b, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, times.p, times.len);
	b->failed |= times.failed;
	buf_free(&times);
}

static void put_subject(struct buf *b, const struct issuer *i, const struct csr *csr)
{
	static const unsigned char cn[] = {V_ASN1_OBJECT, 3, 0x55, 0x04, 0x03};
	const X509_NAME *asked = X509_REQ_get_subject_name(csr->req);
	struct buf name = {0};

	if (i->policy.device_cn) {
		struct buf attribute = {0}, set = {0};

		buf_put(&attribute, cn, sizeof cn);
		put_element(&attribute, V_ASN1_UTF8STRING, csr->device, strlen(csr->device));
		put_element(&set, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, attribute.p, attribute.len);
		put_element(&name, V_ASN1_SET | V_ASN1_CONSTRUCTED, set.p, set.len);
		name.failed |= attribute.failed | set.failed;
		buf_free(&attribute);
		buf_free(&set);
	} else {
		int at = X509_NAME_get_index_by_NID(asked, NID_commonName, -1);

		if (at >= 0)
			put_rdn(&name, X509_NAME_get_entry(asked, at));
		else
			name.failed = true;
	}
	buf_put(&name, i->tail.p, i->tail.len);
	put_element(b, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, name.p, name.len);
	b->failed |= name.failed;
	buf_free(&name);
}

static void put_extensions(struct buf *b, const struct issuer *i, const X509_PUBKEY *pub, bool rsa)
{
	const struct buf *usage = rsa ? &i->usage_rsa : &i->usage_ec;
	struct buf all = {0}, sequence = {0};

	buf_put(&all, i->extensions.p, i->extensions.len);
	buf_put(&all, usage->p, usage->len);
	if (i->policy.key_ids)
		put_extension(&all, subject_id(pub));
	put_element(&sequence, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, all.p, all.len);
	put_element(b, V_ASN1_CONTEXT_SPECIFIC | V_ASN1_CONSTRUCTED | 3, sequence.p, sequence.len);
	b->failed |= all.failed | sequence.failed;
	buf_free(&all);
	buf_free(&sequence);
}

/* TBSCertificate, RFC 5280 4.1, in its order. */
static void put_tbs(struct buf *b, const struct issuer *i, const struct csr *csr,
    const unsigned char serial[SERIAL_BYTES], time_t from, time_t to)
{
	static const unsigned char version3[] = {0xa0, 3, V_ASN1_INTEGER, 1, X509_VERSION_3};
	const X509_PUBKEY *pub = X509_REQ_get_X509_PUBKEY(csr->req);
	bool rsa = EVP_PKEY_get_base_id(X509_REQ_get0_pubkey(csr->req)) == EVP_PKEY_RSA;
	unsigned char *spki = NULL;
	int spki_len = i2d_X509_PUBKEY(pub, &spki);
	struct buf body = {0};

	buf_put(&body, version3, sizeof version3);
	put_element(&body, V_ASN1_INTEGER, serial, SERIAL_BYTES);
	buf_put(&body, i->algor.p, i->algor.len);
	buf_put(&body, i->issuer.p, i->issuer.len);
	put_validity(&body, from, to);
	put_subject(&body, i, csr);
	put_i2d(&body, spki, spki_len);
	put_extensions(&body, i, pub, rsa);
	put_element(b, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, body.p, body.len);
	b->failed |= body.failed;
	buf_free(&body);
}

/* The signature as the BIT STRING's body: no unused bits, then the bytes. */
static int put_signature(struct buf *b, const struct issuer *i, const struct buf *tbs)
{
	unsigned char sig[1 + 1024] = {0};
	size_t len = sizeof sig - 1;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, i->md, NULL, i->key) == 1 &&
	    EVP_DigestSign(ctx, sig + 1, &len, tbs->p, tbs->len) == 1;

	EVP_MD_CTX_free(ctx);
	if (ok)
		put_element(b, V_ASN1_BIT_STRING, sig, len + 1);
	return ok;
}

int issue_phone(const struct issuer *i, const struct csr *csr, time_t now, struct issued *out,
    struct reason *r)
{
	unsigned char serial[SERIAL_BYTES];
	struct buf body = {0}, whole = {0};
	time_t from;
	bool full;
	int ok;

	if (now < i->not_before || now >= i->not_after)
		return reason_set(r, "the CA is not valid now");
	if (key_check(X509_REQ_get0_pubkey(csr->req), r) < 0 ||
	    key_check_form(X509_REQ_get_X509_PUBKEY(csr->req), r) < 0)
		return -1;
	make_dates(now, i->policy.days, i->not_before, i->not_after, &from, &out->not_after);
	ok = make_serial(serial);
	put_tbs(&body, i, csr, serial, from, out->not_after);
	ok = ok && !body.failed;
	if (ok) {
		struct buf tbs = body;

		buf_put(&body, i->algor.p, i->algor.len);
		tbs.p = body.p;
		ok = !body.failed && put_signature(&body, i, &tbs);
	}
	put_element(&whole, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, body.p, body.len);
	full = body.failed || whole.failed;
	ok = ok && !full;
	if (!ok)
		full ? reason_memory(r) : openssl_error_set(r, "cannot be signed");
	ok = ok && openssl_sha256(whole.p, whole.len, out->digest, r) == 0;
	buf_free(&body);
	if (!ok) {
		buf_free(&whole);
		return -1;
	}
	bytes_hex(serial, sizeof serial, out->serial);
	out->der = whole.p;
	out->der_len = whole.len;
	return 0;
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
			return reason_set(r,
			    "the subject has \"%s\", not one of C, ST, L, O, OU, CN", key);
		/* OpenSSL knows how long each may be. */
		if (!X509_NAME_add_entry_by_txt(name, key, MBSTRING_UTF8,
			(const unsigned char *)value, -1, -1, 0))
			return openssl_error_set(r, "the subject's %s", key);
	}
	return 0;
}

/* basicConstraints, keyUsage and the key's identifier, for a certificate or a request. False when one cannot be
 * made. */
static bool ca_extensions(STACK_OF(X509_EXTENSION) **all, const struct ca_profile *p, const X509_PUBKEY *pub)
{
	char constraints[64] = "critical,CA:TRUE";
	X509_EXTENSION *ext[3];
	bool ok = true;

	if (p->pathlen >= 0)
		snprintf(constraints, sizeof constraints, "critical,CA:TRUE,pathlen:%d", p->pathlen);
	ext[0] = extension(NID_basic_constraints, constraints);
	ext[1] = extension(NID_key_usage, p->crl_sign ? "critical,digitalSignature,keyCertSign,cRLSign" :
	    "critical,digitalSignature,keyCertSign");
	ext[2] = subject_id(pub);
	for (size_t i = 0; i < sizeof ext / sizeof ext[0]; i++) {
		ok = ok && ext[i] != NULL && X509v3_add_ext(all, ext[i], -1) != NULL;
		X509_EXTENSION_free(ext[i]);
	}
	return ok;
}

static bool set_ca_extensions(X509 *x, const struct ca_profile *p, X509 *parent)
{
	STACK_OF(X509_EXTENSION) *all = NULL;
	X509_EXTENSION *authority = parent != NULL ? authority_id(X509_get0_subject_key_id(parent),
	    X509_get_X509_PUBKEY(parent)) : authority_id(NULL, X509_get_X509_PUBKEY(x));
	bool ok = authority != NULL && ca_extensions(&all, p, X509_get_X509_PUBKEY(x)) &&
	    X509v3_add_ext(&all, authority, -1) != NULL;

	for (int i = 0; ok && i < sk_X509_EXTENSION_num(all); i++)
		ok = X509_add_ext(x, sk_X509_EXTENSION_value(all, i), -1);
	X509_EXTENSION_free(authority);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	return ok;
}

static char *request_pem(X509_REQ *req, size_t *len, struct reason *r)
{
	unsigned char *der = NULL;
	int n = i2d_X509_REQ(req, &der);
	char *pem = n > 0 ? pem_make("CERTIFICATE REQUEST", der, (size_t)n, len) : NULL;

	OPENSSL_free(der);
	if (pem == NULL)
		reason_memory(r);
	return pem;
}

char *issue_ca_request(const struct ca_profile *p, EVP_PKEY *key, size_t *len, struct reason *r)
{
	STACK_OF(X509_EXTENSION) *all = NULL;
	EVP_MD *md = EVP_MD_fetch(NULL, digest_for(key, "SHA256"), NULL);
	X509_REQ *req = X509_REQ_new();
	char *pem = NULL;

	if (req == NULL)
		reason_memory(r);
	else if (key_check(key, r) < 0 || read_subject(X509_REQ_get_subject_name(req), p->subject, r) < 0)
		; /* said already */
	else if (md == NULL || !X509_REQ_set_version(req, X509_REQ_VERSION_1) || !X509_REQ_set_pubkey(req, key) ||
	    !ca_extensions(&all, p, X509_REQ_get_X509_PUBKEY(req)) || !X509_REQ_add_extensions(req, all) ||
	    X509_REQ_sign(req, key, md) <= 0)
		openssl_error_set(r, "cannot make a request");
	else
		pem = request_pem(req, len, r);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	X509_REQ_free(req);
	EVP_MD_free(md);
	openssl_error_end(pem != NULL ? 0 : -1, r);
	return pem;
}

X509 *issue_ca(const struct ca_profile *p, EVP_PKEY *key, const struct cert *parent,
    EVP_PKEY *parent_key, time_t now, struct reason *r)
{
	EVP_PKEY *signer = parent != NULL ? parent_key : key;
	EVP_MD *md;
	X509 *x;
	unsigned char serial[SERIAL_BYTES];
	time_t from, to, first = parent != NULL ? parent->not_before : now - ISSUE_SKEW;
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
		reason_memory(r);
		return NULL;
	}
	if (read_subject(X509_get_subject_name(x), p->subject, r) < 0) {
		X509_free(x);
		return NULL;
	}
	make_dates(now, p->days, first, last, &from, &to);
	md = EVP_MD_fetch(NULL, digest_for(signer, "SHA256"), NULL);
	if (md == NULL || !X509_set_version(x, X509_VERSION_3) || !make_serial(serial) ||
	    !ASN1_STRING_set(X509_get_serialNumber(x), serial, sizeof serial) ||
	    !X509_set_issuer_name(x, X509_get_subject_name(parent != NULL ? parent->x509 : x)) ||
	    !ASN1_TIME_set(X509_getm_notBefore(x), from) ||
	    !ASN1_TIME_set(X509_getm_notAfter(x), to) || !X509_set_pubkey(x, key) ||
	    !set_ca_extensions(x, p, parent != NULL ? parent->x509 : NULL) ||
	    X509_sign(x, signer, md) <= 0) {
		openssl_error_set(r, "cannot be signed");
		X509_free(x);
		x = NULL;
	}
	EVP_MD_free(md);
	openssl_error_end(x != NULL ? 0 : -1, r);
	return x;
}
