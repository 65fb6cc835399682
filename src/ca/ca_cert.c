/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

#include "ca/ca_cert.h"
#include "ca/extension.h"
#include "ca/rules.h"
#include "x509/openssl_error.h"
#include "x509/pem.h"
#include "x509/public_key.h"

#define DAYS_MAX 36500	/* a hundred years; more is a mistyped number */

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
	char key[16], value[FACTS_CN_MAX + 1];
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
	ext[0] = extension_make(NID_basic_constraints, constraints);
	ext[1] = extension_make(NID_key_usage, p->crl_sign ? "critical,digitalSignature,keyCertSign,cRLSign" :
	    "critical,digitalSignature,keyCertSign");
	ext[2] = extension_subject_id(pub);
	for (size_t i = 0; i < sizeof ext / sizeof ext[0]; i++) {
		ok = ok && ext[i] != NULL && X509v3_add_ext(all, ext[i], -1) != NULL;
		X509_EXTENSION_free(ext[i]);
	}
	return ok;
}

static bool set_ca_extensions(X509 *x, const struct ca_profile *p, X509 *parent)
{
	STACK_OF(X509_EXTENSION) *all = NULL;
	X509_EXTENSION *authority = parent != NULL ?
	    extension_authority_id(X509_get0_subject_key_id(parent), X509_get_X509_PUBKEY(parent)) :
	    extension_authority_id(NULL, X509_get_X509_PUBKEY(x));
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

char *ca_cert_request(const struct ca_profile *p, EVP_PKEY *key, size_t *len, struct reason *r)
{
	STACK_OF(X509_EXTENSION) *all = NULL;
	EVP_MD *md = EVP_MD_fetch(NULL, rules_digest(key, "SHA256"), NULL);
	X509_REQ *req = X509_REQ_new();
	char *pem = NULL;

	if (req == NULL)
		reason_memory(r);
	else if (public_key_check(key, r) < 0 || read_subject(X509_REQ_get_subject_name(req), p->subject, r) < 0)
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

X509 *ca_cert_make(const struct ca_profile *p, EVP_PKEY *key, const struct cert *parent,
    EVP_PKEY *parent_key, time_t now, struct reason *r)
{
	EVP_PKEY *signer = parent != NULL ? parent_key : key;
	EVP_MD *md;
	X509 *x;
	unsigned char serial[RULES_SERIAL];
	time_t from, to, first = parent != NULL ? parent->not_before : now - RULES_SKEW;
	time_t last = parent != NULL ? parent->not_after : now + (time_t)DAYS_MAX * RULES_DAY;

	if (p->days < 1 || p->days > DAYS_MAX) {
		reason_set(r, "%d days are not 1 to %d", p->days, DAYS_MAX);
		return NULL;
	}
	if (parent != NULL && rules_check_ca(parent, signer, now, r) < 0)
		return NULL;
	if (public_key_check(key, r) < 0)
		return NULL;
	if ((x = X509_new()) == NULL) {
		reason_memory(r);
		return NULL;
	}
	if (read_subject(X509_get_subject_name(x), p->subject, r) < 0) {
		X509_free(x);
		return NULL;
	}
	rules_dates(now, p->days, first, last, &from, &to);
	md = EVP_MD_fetch(NULL, rules_digest(signer, "SHA256"), NULL);
	if (md == NULL || !X509_set_version(x, X509_VERSION_3) || !rules_serial(serial) ||
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
