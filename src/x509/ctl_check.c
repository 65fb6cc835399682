/* SPDX-License-Identifier: ISC */
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string.h>

#include "base/utc.h"
#include "x509/cert.h"
#include "x509/ctl_check.h"
#include "x509/name.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"

#define CLOCKS_DIFFER 300	/* seconds by which the clock of another host may be ahead of ours */

struct checking {
	const struct ctl *list;
	time_t now;
	void (*say)(void *ctx, const struct ctl_fault *);
	void *ctx;
	size_t record;		/* the one at hand; 0: the list */
	int result;
	struct reason *why;
};

static bool same(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Says what is wrong; or, when that is trouble, gives up. */
static void find(struct checking *k, const struct reason *why, bool large_key)
{
	struct ctl_fault fault = {k->record, large_key, *why};

	if (why->trouble) {
		*k->why = *why;
		k->result = -1;
	} else if (k->result >= 0) {
		k->result = 1;
		k->say(k->ctx, &fault);
	}
}

/* The same about what is not trouble. */
static void blame(struct checking *k, const char *text)
{
	struct reason why;

	reason_set(&why, "%s", text);
	find(k, &why, false);
}

const struct ctl_record *ctl_signer(const struct ctl *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (ctl_role(&c->record[i]) == CTL_SAST && same(ctl_value(&c->record[i], CTL_SUBJECT), c->subject) &&
		    same(ctl_value(&c->record[i], CTL_ISSUER), c->issuer) &&
		    same(ctl_value(&c->record[i], CTL_SERIAL), c->serial))
			return &c->record[i];
	return NULL;
}

bool ctl_follows(const struct ctl *old, const struct ctl *new)
{
	const struct ctl_record *signer = ctl_signer(new);
	struct bytes cert = signer != NULL ? ctl_value(signer, CTL_CERT) : (struct bytes){NULL, 0};

	for (size_t i = 0; i < old->n && cert.p != NULL; i++)
		if (ctl_role(&old->record[i]) == CTL_SAST && same(ctl_value(&old->record[i], CTL_CERT), cert))
			return true;
	return false;
}

/* The signature, by the key of the signer's record. -1 with a reason. */
static int verify(const struct ctl *c, EVP_PKEY *key, struct reason *why)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	const char *digest = c->digest == CTL_SHA1 ? "SHA1" : "SHA512";
	int result = -1;

	if (md == NULL || EVP_DigestVerifyInit_ex(md, NULL, digest, openssl_context(), NULL, key, NULL) != 1 ||
	    EVP_DigestVerifyUpdate(md, c->before.p, c->before.len) != 1 ||
	    EVP_DigestVerifyUpdate(md, c->behind.p, c->behind.len) != 1)
		openssl_error_set(why, "its signature cannot be checked");
	else if (EVP_DigestVerifyFinal(md, c->signature.p, c->signature.len) != 1)
		reason_set(why, "the signature is wrong");
	else
		result = 0;
	EVP_MD_CTX_free(md);
	return openssl_error_end(result, why);
}

/* The signature, whoever is the signer. -1 with a reason. */
static int check_signature(const struct ctl *c, struct reason *why)
{
	const struct ctl_record *signer = ctl_signer(c);
	struct reason cause;
	struct bytes der;
	struct cert *cert;
	EVP_PKEY *key;
	int result = -1;

	if (signer == NULL)
		return reason_set(why, "the signer has no record with the role SAST, so the signature cannot be checked");
	der = ctl_value(signer, CTL_CERT);
	if (der.p == NULL)
		return reason_set(why, "the signer's record has no certificate, so the signature cannot be checked");
	if ((cert = cert_parse(der.p, der.len, &cause)) == NULL)
		return reason_because(why, &cause, "the signature cannot be checked: the signer's certificate %.150s",
		    cause.text);
	key = X509_get0_pubkey(cert->x509);
	if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		reason_set(why, "the signer's key is not RSA");
	else if ((size_t)EVP_PKEY_get_size(key) != c->signature.len)
		reason_set(why, "the signature has %zu bytes, and the signer's key %d", c->signature.len,
		    EVP_PKEY_get_size(key));
	else
		result = verify(c, key, why);
	cert_free(cert);
	return openssl_error_end(result, why);
}

/* Does a name stand in the record as it stands in the certificate? */
static void check_name(struct checking *k, struct bytes said, const X509_NAME *name, const char *which)
{
	struct buf line = {0};
	struct reason why;

	/* That it is missing was said. */
	if (said.p == NULL)
		return;
	if (name_put_rfc4514(&line, name, &why) != 0)
		find(k, &why, false);
	else if (!same(said, (struct bytes){line.p, line.len}) &&
	    reason_set(&why, "its %s is not the one of its certificate", which) != 0)
		find(k, &why, false);
	buf_free(&line);
}

static void check_dates(struct checking *k, const struct cert *cert)
{
	char iso[UTC_ISO + 1];
	struct reason why;

	utc_iso(k->now < cert->not_before ? cert->not_before : cert->not_after, iso);
	if (k->now < cert->not_before && reason_set(&why, "its certificate is not valid before %s", iso) != 0)
		find(k, &why, false);
	else if (k->now > cert->not_after && reason_set(&why, "its certificate expired on %s", iso) != 0)
		find(k, &why, false);
}

static void check_key(struct checking *k, const struct cert *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert->x509);
	int kind = key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
	struct reason why;

	if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC)
		blame(k, "its key is neither RSA nor EC");
	else if (kind == EVP_PKEY_EC && k->list->minor == 0)
		blame(k, "its key is EC, which phones take in lists of version 1.1 only");
	else if (kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) > CTL_KEY_BITS_MAX &&
	    reason_set(&why, "its RSA key has %d bits; phones refuse more than %d in a trust list",
	    EVP_PKEY_get_bits(key), CTL_KEY_BITS_MAX) != 0)
		find(k, &why, true);
}

/* A record beside its certificate. */
static void check_cert(struct checking *k, const struct ctl_record *r, const struct cert *cert)
{
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(cert->x509), *signature;
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert->x509);
	struct bytes number = ctl_value(r, CTL_SERIAL);

	X509_get0_signature(&signature, NULL, cert->x509);
	check_name(k, ctl_value(r, CTL_SUBJECT), X509_get_subject_name(cert->x509), "subject");
	check_name(k, ctl_value(r, CTL_ISSUER), X509_get_issuer_name(cert->x509), "issuer");
	if (number.p != NULL && !same(number, (struct bytes){serial->data, (size_t)serial->length}))
		blame(k, "its serial number is not the one of its certificate");
	if (!same(ctl_value(r, CTL_PUBLIC_KEY), (struct bytes){bits->data, (size_t)bits->length}))
		blame(k, "its public key is not the one of its certificate");
	if (!same(ctl_value(r, CTL_CERT_SIGNATURE), (struct bytes){signature->data, (size_t)signature->length}))
		blame(k, "its signature is not the one of its certificate");
	check_key(k, cert);
	check_dates(k, cert);
}

/* Does it say the same as a record before it? */
static bool repeats(const struct ctl *c, size_t i)
{
	const struct ctl_record *r = &c->record[i];

	for (const struct ctl_record *o = c->record; o < r; o++)
		if (ctl_role(o) == ctl_role(r) && same(ctl_value(o, CTL_ISSUER), ctl_value(r, CTL_ISSUER)) &&
		    same(ctl_value(o, CTL_SERIAL), ctl_value(r, CTL_SERIAL)) &&
		    same(ctl_value(o, CTL_CERT), ctl_value(r, CTL_CERT)))
			return true;
	return false;
}

static void check_record(struct checking *k, size_t i)
{
	static const enum ctl_tag always[] = {CTL_SUBJECT, CTL_ISSUER, CTL_SERIAL, CTL_ROLE};
	const struct ctl_record *r = &k->list->record[i];
	struct bytes der = ctl_value(r, CTL_CERT);
	struct cert *cert;
	struct reason why;

	k->record = i + 1;
	for (size_t j = 0; j < sizeof always / sizeof always[0]; j++)
		if (ctl_value(r, always[j]).p == NULL && reason_set(&why, "it lacks its %s", ctl_tag_name(always[j])) != 0)
			find(k, &why, false);
	if (ctl_role(r) >= 0 && ctl_role_name(ctl_role(r)) == NULL && reason_set(&why, "unknown role %d", ctl_role(r)) != 0)
		find(k, &why, false);
	if (repeats(k->list, i))
		blame(k, "the same certificate has the same role in a record before it");
	if (der.p == NULL && ctl_value(r, CTL_CERT_HASH).p == NULL)
		blame(k, "it has neither a certificate nor a hash of one");
	if (der.p == NULL)
		return;
	if ((cert = cert_parse(der.p, der.len, &why)) != NULL) {
		check_cert(k, r, cert);
	} else {
		struct reason cause = why;

		reason_because(&why, &cause, "its certificate %.200s", cause.text);
		find(k, &why, false);
	}
	cert_free(cert);
}

int ctl_check(const struct ctl *c, time_t now, void (*say)(void *ctx, const struct ctl_fault *), void *ctx,
    struct reason *why)
{
	struct checking k = {.list = c, .now = now, .say = say, .ctx = ctx, .why = why};
	char iso[UTC_ISO + 1];
	struct reason cause;
	size_t sasts = 0;

	if (check_signature(c, &cause) != 0)
		find(&k, &cause, false);
	if (!ctl_file_known(c->file))
		blame(&k, "the name inside is neither CTLFile.tlv nor ITLFile.tlv");
	utc_iso((time_t)c->time, iso);
	if ((time_t)c->time > now + CLOCKS_DIFFER && reason_set(&cause, "its time stamp, %s, is in the future", iso) != 0)
		find(&k, &cause, false);
	for (size_t i = 0; i < c->n; i++)
		sasts += ctl_role(&c->record[i]) == CTL_SAST;
	if (sasts > CTL_SASTS_MAX && reason_set(&cause, "it has %zu records with the role SAST, and phones take %d",
	    sasts, CTL_SASTS_MAX) != 0)
		find(&k, &cause, false);
	for (size_t i = 0; i < c->n && k.result >= 0; i++)
		check_record(&k, i);
	return k.result;
}
