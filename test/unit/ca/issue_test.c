/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string.h>

#include "ca/ca_cert.h"
#include "ca/issue.h"
#include "../tap.h"
#include "x509/name.h"
#include "x509/trust.h"

#define NOW 1800000000
#define DAY 86400

static struct reason r;

/* Encodes and reads again, as it would come from an archive. */
static struct cert *reread(X509 *x)
{
	unsigned char *der = NULL;
	int n;
	struct cert *c;

	if (x == NULL)
		return NULL;
	n = i2d_X509(x, &der);
	must(n > 0, "encode");
	c = cert_parse(der, (size_t)n, &r);
	OPENSSL_free(der);
	X509_free(x);
	return c;
}

/* The same for a phone's, and what was said about it must be true. */
static struct cert *phone(const struct issuer *i, const struct csr *req, time_t now)
{
	struct issued out = {0};
	struct cert *c;

	if (issue_phone(i, req, now, &out, &r) < 0)
		return NULL;
	c = cert_parse(out.der, out.der_len, &r);
	if (c != NULL && (strcmp(c->serial, out.serial) != 0 || c->not_after != out.not_after ||
	    memcmp(c->digest, out.digest, sizeof out.digest) != 0)) {
		reason_set(&r, "what was said about it is wrong");
		cert_free(c);
		c = NULL;
	}
	free(out.der);
	return c;
}

static struct csr *request(EVP_PKEY *key, const char *cn)
{
	X509_REQ *req = X509_REQ_new();
	unsigned char *der = NULL;
	struct csr *c;
	int n;

	X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(req), NID_countryName, MBSTRING_UTF8,
	    (const unsigned char *)"US", -1, -1, 0);
	X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(req), NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)cn, -1, -1, 0);
	X509_REQ_set_pubkey(req, key);
	must(X509_REQ_sign(req, key, EVP_sha256()) > 0, "sign a request");
	n = i2d_X509_REQ(req, &der);
	c = csr_parse(der, (size_t)n, NULL, &r);
	must(c != NULL, r.text);
	OPENSSL_free(der);
	X509_REQ_free(req);
	return c;
}

static struct cert *ca(const char *subject, EVP_PKEY *key, int days)
{
	const struct ca_profile p = {
	    .subject = subject, .days = days, .pathlen = -1, .crl_sign = true};

	return reread(ca_cert_make(&p, key, NULL, NULL, NOW, &r));
}

static bool name_is(const X509_NAME *name, const char *want)
{
	char *line = name_line(name);
	bool same = line != NULL && strcmp(line, want) == 0;

	if (!same)
		printf("# %s\n", line);
	free(line);
	return same;
}

static bool has(const struct cert *c, int nid)
{
	return X509_get_ext_by_NID(c->x509, nid, -1) >= 0;
}

/* Every kind of CA key signs every kind of phone key. */
static void test_phones(void)
{
	static const struct {
		const char *key;
		int md;
	} cas[] = {{"rsa:2048", NID_sha256}, {"ec:256", NID_sha256}, {"ec:384", NID_sha384},
	    {"ec:521", NID_sha512}};
	static const char *const phones[] = {"rsa:2048", "rsa:3072", "ec:256", "ec:384", "ec:521"};

	for (size_t a = 0; a < sizeof cas / sizeof cas[0]; a++) {
		EVP_PKEY *ca_key = key_make(cas[a].key, &r);
		struct cert *root =
		    ca("CN=Lab root,O=Example,OU=Phones,L=Here,ST=There,C=DE", ca_key, 3650);
		struct trust *t = trust_new();
		struct issuer *i;

		if (!ok(root != NULL && trust_put(t, root, &r) == 0, "a CA with %s", cas[a].key))
			printf("# %s\n", r.text);
		i = issuer_new(root, ca_key, &issue_policy_default, NOW, &r);
		must(i != NULL, r.text);
		for (size_t p = 0; p < sizeof phones / sizeof phones[0]; p++) {
			EVP_PKEY *key = key_make(phones[p], &r);
			struct csr *req = request(key, "CP-8841-SEP001122334455");
			struct cert *c = phone(i, req, NOW);
			uint32_t usage;
			int md;

			if (!ok(c != NULL && cert_check_phone(c, &r) == 0 &&
				    trust_verify(t, c, NOW, &r) == 0,
				"%s for %s is strictly right", cas[a].key, phones[p])) {
				printf("# %s\n", r.text);
				continue;
			}
			usage = X509_get_key_usage(c->x509);
			ok(usage == (KU_DIGITAL_SIGNATURE |
			    (phones[p][0] == 'r' ? KU_KEY_ENCIPHERMENT : KU_KEY_AGREEMENT)),
			    "its usage");
			ok(memcmp(c->spki, req->spki, 32) == 0, "its key");
			ok(X509_get_signature_info(c->x509, &md, NULL, NULL, NULL) &&
				md == cas[a].md,
			    "its digest");
			cert_free(c);
			csr_free(req);
			EVP_PKEY_free(key);
		}
		issuer_free(i);
		trust_free(t);
		cert_free(root);
		EVP_PKEY_free(ca_key);
	}
}

static void test_policy(EVP_PKEY *ca_key, EVP_PKEY *key)
{
	struct cert *root =
	    ca("C=DE, ST=There, O=Exa\\,mple, CN=Lab root, OU=One, OU=Two", ca_key, 100);
	struct issue_policy p = issue_policy_default;
	struct issuer *i = issuer_new(root, ca_key, &p, NOW, &r);
	struct csr *req = request(key, "M\xc3\xbcnchen-SEP001122334455");
	struct cert *c, *d, *far;
	X509 *again;
	unsigned char *der = NULL;
	int n;

	must(i != NULL, r.text);
	c = phone(i, req, NOW);
	must(c != NULL, r.text);
	ok(name_is(X509_get_subject_name(c->x509),
	    "CN=SEP001122334455, O=Exa\\,mple, OU=One, OU=Two, ST=There, C=DE"), "its subject");
	ok(name_is(X509_get_issuer_name(c->x509),
	       "C=DE, ST=There, O=Exa\\,mple, CN=Lab root, OU=One, OU=Two"),
	    "its issuer");
	ok(strlen(c->serial) == 32 && c->serial[0] < '8' && c->serial[0] >= '4', "its serial: %s",
	    c->serial);
	ok(c->not_before == NOW - 3600, "from an hour ago");
	ok(c->not_after == root->not_after && c->not_after == NOW + 100 * DAY, "not beyond the CA");
	ok(has(c, NID_ext_key_usage) && has(c, NID_subject_key_identifier) &&
	    has(c, NID_authority_key_identifier), "its extensions");
	ok(X509_get_extended_key_usage(c->x509) & XKU_SSL_SERVER &&
	    X509_get_extended_key_usage(c->x509) & XKU_SSL_CLIENT, "its extended usage");
	d = phone(i, req, NOW);
	ok(d != NULL && strcmp(c->serial, d->serial) != 0, "another time, another serial");
	cert_free(d);
	cert_free(c);
	ok(phone(i, req, NOW + 100 * DAY) == NULL && strstr(r.text, "not valid now"),
	    "not when the CA has expired meanwhile");
	issuer_free(i);

	p.days = 10;
	p.device_cn = p.eku = p.key_ids = false;
	p.digest = "SHA512";
	i = issuer_new(root, ca_key, &p, NOW + 600, &r);
	c = phone(i, req, NOW + 600);
	must(c != NULL, r.text);
	ok(strcmp(c->cn, "M\xc3\xbcnchen-SEP001122334455") == 0, "the CN of the request");
	ok(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(X509_get_subject_name(c->x509), 0))->type ==
	    V_ASN1_UTF8STRING, "in its own type");
	ok(c->not_after == NOW + 600 + 10 * DAY, "ten days");
	ok(c->not_before == NOW - 3000 && c->not_before >= root->not_before, "from an hour ago");
	ok(!has(c, NID_ext_key_usage) && !has(c, NID_subject_key_identifier) &&
	    !has(c, NID_authority_key_identifier), "without what policy leaves out");
	again = X509_dup(c->x509);
	i2d_re_X509_tbs(again, NULL);
	n = i2d_X509(again, &der);
	ok((size_t)n == c->der_len && memcmp(der, c->der, c->der_len) == 0,
	    "OpenSSL would have written the same bytes");
	OPENSSL_free(der);
	X509_free(again);
	cert_free(c);
	issuer_free(i);

	/* From 2050 on, dates have four digits. */
	far = ca("CN=Far", ca_key, 20000);
	i = issuer_new(far, ca_key, &issue_policy_default, NOW + 19000L * DAY, &r);
	must(i != NULL, r.text);
	c = phone(i, req, NOW + 19000L * DAY);
	ok(c != NULL && c->not_after == far->not_after &&
		c->not_before == NOW + 19000L * DAY - 3600,
	    "dates after 2049");
	cert_free(c);
	issuer_free(i);
	cert_free(far);

	p.days = 0;
	ok(issuer_new(root, ca_key, &p, NOW, &r) == NULL && strstr(r.text, "days"), "0 days");
	p.days = ISSUE_DAYS_MAX + 1;
	ok(issuer_new(root, ca_key, &p, NOW, &r) == NULL && strstr(r.text, "days"), "1826 days");
	p.days = 1;
	p.digest = "SHA1";
	ok(issuer_new(root, ca_key, &p, NOW, &r) == NULL && strstr(r.text, "SHA1"), "SHA-1");
	p = issue_policy_default;
	ok(issuer_new(root, key, &p, NOW, &r) == NULL && strstr(r.text, "not the key"),
	    "a foreign key");
	ok(issuer_new(root, ca_key, &p, NOW + 101 * DAY, &r) == NULL &&
		strstr(r.text, "expired on") && !r.trouble,
	    "an expired CA");
	ok(issuer_new(root, ca_key, &p, NOW - DAY, &r) == NULL &&
		strstr(r.text, "not valid before") && r.trouble,
	    "a CA of tomorrow, which is valid then");
	csr_free(req);
	cert_free(root);
}

static bool subject_refused(EVP_PKEY *key, const char *subject, const char *why)
{
	const struct ca_profile p = {.subject = subject, .days = 10, .pathlen = -1};
	X509 *x = ca_cert_make(&p, key, NULL, NULL, NOW, &r);
	bool right = x == NULL && strstr(r.text, why) != NULL && ERR_peek_error() == 0;

	if (!right)
		printf("# %s\n", x != NULL ? "taken" : r.text);
	X509_free(x);
	return right;
}

static void test_ca(EVP_PKEY *ca_key, EVP_PKEY *key)
{
	struct ca_profile p = {.subject = "CN=Sub", .days = 1000, .pathlen = 0};
	struct cert *root = ca("CN=Root", ca_key, 500),
		    *sub = reread(ca_cert_make(&p, key, root, ca_key, NOW, &r));
	struct issue_policy policy = issue_policy_default;
	struct trust *t = trust_new();
	EVP_PKEY *ec = key_make("ec:256", &r);
	struct csr *req = request(ec, "SEP001122334455");
	struct issuer *i;
	struct cert *c;

	must(root != NULL && sub != NULL, r.text);
	ok(cert_check_ca(sub, &r) == 0, "a subordinate CA");
	ok(sub->not_after == root->not_after, "not beyond its parent");
	ok(X509_get_pathlen(sub->x509) == 0 && X509_get_pathlen(root->x509) == -1, "path lengths");
	ok(X509_get_key_usage(root->x509) ==
		    (KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN | KU_CRL_SIGN) &&
		X509_get_key_usage(sub->x509) == (KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN),
	    "usages");
	ok(cert_check_phone(sub, &r) == -1 && strstr(r.text, "CA"), "it is no phone");
	must(trust_put(t, root, &r) == 0 && trust_put(t, sub, &r) == 0, r.text);
	i = issuer_new(sub, key, &policy, NOW, &r);
	must(i != NULL, r.text);
	c = phone(i, req, NOW);
	ok(c != NULL && trust_verify(t, c, NOW, &r) == 0, "the chain of three is strictly right");
	cert_free(c);
	issuer_free(i);
	ok(ca_cert_make(&p, ec, root, key, NOW, &r) == NULL && strstr(r.text, "not the key"),
	    "a foreign parent key");
	p.days = 0;
	ok(ca_cert_make(&p, ec, NULL, NULL, NOW, &r) == NULL, "0 days");
	p.days = 36501;
	ok(ca_cert_make(&p, ec, NULL, NULL, NOW, &r) == NULL, "too many days");

	ok(subject_refused(ec, "", "is empty"), "an empty subject");
	ok(subject_refused(ec, "Root", "no '='"), "no key");
	ok(subject_refused(ec, "CN=", "is empty"), "no value");
	ok(subject_refused(ec, "CN=a,", "comma"), "a comma at the end");
	ok(subject_refused(ec, "CN=a,,O=b", "no '='"), "two commas");
	ok(subject_refused(ec, "CN=a\\", "backslash"), "a backslash at the end");
	ok(subject_refused(ec, "CN=a,X=b", "\"X\""), "an unknown key");
	ok(subject_refused(ec, "CN=a,averyveryverylongkey=b", "no '='"), "a long key");
	ok(subject_refused(ec, "C=Germany", "too long"), "a long country");
	ok(subject_refused(ec,
	       "CN=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too long"),
	    "65 characters");
	csr_free(req);
	trust_free(t);
	cert_free(sub);
	cert_free(root);
	EVP_PKEY_free(ec);
}

int main(void)
{
	EVP_PKEY *ca_key = key_make("rsa:2048", &r), *key = key_make("rsa:2048", &r);

	must(ca_key != NULL && key != NULL, "make keys");
	test_phones();
	test_policy(ca_key, key);
	test_ca(ca_key, key);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(key);
	return tap_done();
}
