/* SPDX-License-Identifier: ISC */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string.h>

#include "../tap.h"
#include "x509/csr.h"
#include "x509/key.h"
#include "x509/pem.h"
#include "x509/public_key.h"

static struct reason r;
static EVP_PKEY *rsa, *other, *ec;

struct der {
	unsigned char *p;
	size_t len;
};

/* A request for key, signed with signer. A CN may be NULL. */
static struct der make(EVP_PKEY *key, EVP_PKEY *signer, const EVP_MD *md, const char *cn,
    const char *cn2)
{
	X509_REQ *req = X509_REQ_new();
	X509_NAME *name = X509_NAME_new();
	struct der d = {0};
	int len;

	X509_NAME_add_entry_by_txt(name, "C", MBSTRING_UTF8, (const unsigned char *)"DE", -1, -1,
	    0);
	if (cn != NULL)
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1,
		    -1, 0);
	if (cn2 != NULL)
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn2,
		    -1, -1, 0);
	X509_REQ_set_subject_name(req, name);
	X509_REQ_set_pubkey(req, key);
	must(X509_REQ_sign(req, signer, md) > 0, "sign a request");
	len = i2d_X509_REQ(req, &d.p);
	must(len > 0, "encode a request");
	d.len = (size_t)len;
	X509_NAME_free(name);
	X509_REQ_free(req);
	return d;
}

static bool refused(const void *data, size_t len, EVP_PKEY *ra, const char *why)
{
	struct csr *c;
	bool right;

	r.text[0] = '\0';
	c = csr_parse(data, len, ra != NULL ? (EVP_PKEY *[]){ra, NULL} : NULL, &r);
	right = c == NULL && strstr(r.text, why) != NULL && ERR_peek_error() == 0;
	if (!right)
		printf("# %s\n", c != NULL ? "taken" : r.text);
	csr_free(c);
	return right;
}

static bool taken(const void *data, size_t len)
{
	struct csr *c = csr_parse(data, len, NULL, &r);

	if (c == NULL)
		printf("# %s\n", r.text);
	csr_free(c);
	return c != NULL;
}

/* Makes, tries and frees. */
static bool refused_made(struct der d, EVP_PKEY *ra, const char *why)
{
	bool right = refused(d.p, d.len, ra, why);

	OPENSSL_free(d.p);
	return right;
}

static void test_good(void)
{
	static const struct {
		const char *cn, *device;
	} names[] = {
	    {"SEP001122334455", "SEP001122334455"},
	    {"CP-8841-SEP001122334455", "SEP001122334455"},
	    {"CSFjdoe", "CSFjdoe"},
	};
	EVP_PKEY *keys[] = {rsa, ec};
	unsigned char spki[32];

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
			struct der d = make(keys[k], keys[k], EVP_sha256(), names[i].cn, NULL);
			struct csr *c = csr_parse(d.p, d.len, NULL, &r), *again;
			size_t len;
			char *pem;

			if (!ok(c != NULL && c->proof == CSR_OWN, "%s is taken", names[i].cn)) {
				printf("# %s\n", r.text);
				continue;
			}
			ok(strcmp(c->device, names[i].device) == 0, "its device is %s",
			    names[i].device);
			ok(public_key_spki(keys[k], spki, &r) == 0 && memcmp(spki, c->spki, 32) == 0,
			    "its key");
			ok(c->der_len == d.len && memcmp(c->der, d.p, d.len) == 0, "its bytes");
			pem = csr_pem(c, &len);
			again = csr_parse(pem, len, NULL, &r);
			ok(strlen(pem) == len && again != NULL && again->der_len == d.len &&
			    memcmp(again->der, d.p, d.len) == 0, "it comes back from PEM");
			csr_free(again);
			free(pem);
			csr_free(c);
			OPENSSL_free(d.p);
		}
}

static void test_ra(void)
{
	struct der d = make(rsa, other, EVP_sha256(), "SEP001122334455", NULL);
	struct csr *c;

	ok(refused(d.p, d.len, NULL, "is not signed with its own key"), "a foreign signature");
	ok(refused(d.p, d.len, ec, "nor by the RA"), "another RA");
	c = csr_parse(d.p, d.len, (EVP_PKEY *[]){other, NULL}, &r);
	ok(c != NULL && c->proof == CSR_RA && c->ra == other, "the RA vouches");
	csr_free(c);
	c = csr_parse(d.p, d.len, (EVP_PKEY *[]){ec, other, NULL}, &r);
	ok(c != NULL && c->proof == CSR_RA && c->ra == other, "the second of two RAs vouches");
	csr_free(c);
	c = csr_parse(d.p, d.len, (EVP_PKEY *[]){NULL}, &r);
	ok(c == NULL && strstr(r.text, "add --ra CAPF.cer"), "an RA that was not named");
	csr_free(c);
	OPENSSL_free(d.p);
	d = make(rsa, rsa, EVP_sha256(), "SEP001122334455", NULL);
	c = csr_parse(d.p, d.len, (EVP_PKEY *[]){other, NULL}, &r);
	ok(c != NULL && c->proof == CSR_OWN && c->ra == NULL, "its own signature comes first");
	csr_free(c);
	d.p[d.len - 1] ^= 1;
	ok(refused(d.p, d.len, other, "nor by the RA"), "a broken signature");
	OPENSSL_free(d.p);
}

static void test_policy(void)
{
	EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	EVP_PKEY *curve = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
	EVP_PKEY *pressed = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *explicit = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	const char *cn = "SEP001122334455";

	EVP_PKEY_set_utf8_string_param(pressed, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
	    "compressed");
	EVP_PKEY_set_utf8_string_param(explicit, OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
	ok(refused_made(make(small, small, EVP_sha256(), cn, NULL), NULL, "1024 bits"), "RSA 1024");
	ok(refused_made(make(curve, curve, EVP_sha256(), cn, NULL), NULL, "secp256k1"),
	    "secp256k1");
	ok(refused_made(make(pressed, pressed, EVP_sha256(), cn, NULL), NULL, "compressed"),
	    "a compressed point");
	ok(refused_made(make(explicit, explicit, EVP_sha256(), cn, NULL), NULL, "explicit"),
	    "explicit parameters");
	ok(refused_made(make(ed, ed, NULL, cn, NULL), NULL, "neither RSA nor EC"), "Ed25519");
	ok(refused_made(make(rsa, rsa, EVP_sha1(), cn, NULL), NULL, "SHA-1"), "SHA-1");
	ok(refused_made(make(rsa, rsa, EVP_md5(), cn, NULL), NULL, "MD5"), "MD5");
	ok(refused_made(make(rsa, rsa, EVP_sha256(), NULL, NULL), NULL, "no common name"), "no CN");
	ok(refused_made(make(rsa, rsa, EVP_sha256(), cn, cn), NULL, "two common names"), "two CN");
	ok(refused_made(make(rsa, rsa, EVP_sha256(), "../x", NULL), NULL, "not a device name"),
	    "a path");
	EVP_PKEY_free(small);
	EVP_PKEY_free(curve);
	EVP_PKEY_free(pressed);
	EVP_PKEY_free(explicit);
	EVP_PKEY_free(ed);
}

static void test_form(void)
{
	struct der d = make(rsa, rsa, EVP_sha256(), "SEP001122334455", NULL);
	X509 *cert = X509_new();
	unsigned char *big = calloc(1, CSR_MAX_BYTES + 1), *der = NULL;
	struct csr *c = csr_parse(d.p, d.len, NULL, &r);
	struct bytes file, one;
	char *pem, *text;
	size_t len;
	int n, pieces = 0;

	must(c != NULL, "a good request");
	pem = csr_pem(c, &len);
	text = malloc(3 * len + 100);
	ok(refused("", 0, NULL, "is empty"), "nothing");
	ok(refused("hello", 5, NULL, "neither PEM nor DER"), "junk");
	ok(refused(big, CSR_MAX_BYTES + 1, NULL, "more than"), "too much");
	ok(refused(d.p, d.len - 1, NULL, "cut short"), "cut short");
	memcpy(big, d.p, d.len);
	ok(refused(big, d.len + 3, NULL, "has 3 bytes behind"), "bytes behind");
	memcpy(big + d.len, d.p, d.len);
	ok(refused(big, 2 * d.len, NULL, "two certificate requests"), "two of them");

	/* 30 82 hi lo -> 30 83 00 hi lo, and 30 80 ... 00 00 */
	big[0] = 0x30;
	big[1] = 0x83;
	big[2] = 0;
	memcpy(big + 3, d.p + 2, d.len - 2);
	ok(refused(big, d.len + 1, NULL, "BER"), "a long length");
	big[1] = 0x80;
	memcpy(big + 2, d.p + 4, d.len - 4);
	big[d.len - 2] = big[d.len - 1] = 0;
	ok(refused(big, d.len, NULL, "BER"), "an indefinite length");
	memcpy(text, "Certificate Request:\n    Data:\n", 31);
	memcpy(text + 31, pem, len);
	memcpy(text + 31 + len, "\r\n \n", 4);
	ok(taken(text, len + 35), "text before and space behind PEM");
	memcpy(text + 31 + len, "x", 1);
	ok(refused(text, len + 32, NULL, "behind the certificate request"), "text behind PEM");
	memcpy(text, pem, len);
	memcpy(text + len, pem, len);
	ok(refused(text, 2 * len, NULL, "two certificate requests"), "two in PEM");
	ok(refused(text, len - 8, NULL, "cut short"), "PEM without its end");
	memcpy(text, "\xef\xbb\xbf", 3);
	memcpy(text + 3, pem, len);
	ok(taken(text, len + 3), "a byte order mark before PEM");
	free(pem);
	pem = pem_make("NEW CERTIFICATE REQUEST", d.p, d.len, &len);
	ok(taken(pem, len), "the older label");
	memset(strchr(pem, '\n') + 1, '!', 4);
	ok(refused(pem, len, NULL, "base64"), "broken base64");
	free(pem);

	/* Not a request. */
	X509_set_pubkey(cert, rsa);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 60);
	X509_sign(cert, rsa, EVP_sha256());
	n = i2d_X509(cert, &der);
	ok(refused(der, (size_t)n, NULL, "is a certificate, not"), "a certificate");
	pem = pem_make("CERTIFICATE", der, (size_t)n, &len);
	ok(refused(pem, len, NULL, "is a certificate, not"), "a certificate in PEM");
	free(pem);
	OPENSSL_free(der);
	der = NULL;
	n = i2d_PUBKEY(rsa, &der);
	ok(refused(der, (size_t)n, NULL, "is a public key"), "a public key");
	OPENSSL_free(der);

	/* Several in a file. */
	pem = csr_pem(c, &len);
	memcpy(text, "first\n", 6);
	memcpy(text + 6, pem, len);
	memcpy(text + 6 + len, pem, len);
	memcpy(text + 6 + 2 * len, "the end\n", 8);
	file.p = (unsigned char *)text;
	file.len = 2 * len + 14;
	while (pem_next(&file, &one)) {
		pieces++;
		ok(taken(one.p, one.len), "piece %d", pieces);
	}
	ok(pieces == 2, "two pieces");
	file.p = d.p;
	file.len = d.len;
	ok(pem_next(&file, &one) && one.len == d.len && !pem_next(&file, &one), "DER is one piece");
	file.len = 0;
	ok(!pem_next(&file, &one), "nothing has no piece");

	free(pem);
	free(text);
	free(big);
	X509_free(cert);
	csr_free(c);
	OPENSSL_free(d.p);
}

/* Two attributes in the wrong order, signed like that: a SET OF in DER is sorted. */
static void test_order(void)
{
	static const unsigned char oids[2][9] = {
	    {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x02},
	    {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07}};
	X509_REQ *req = X509_REQ_new();
	X509_NAME *name = X509_NAME_new();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char *at[2], swap[64], *sig;
	struct der d = {0};
	size_t sig_len = 256, len;

	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"SEP001122334455", -1, -1, 0);
	X509_REQ_set_subject_name(req, name);
	X509_REQ_set_pubkey(req, rsa);
	must(X509_REQ_add1_attr_by_txt(req, "unstructuredName", MBSTRING_UTF8, (const unsigned char *)"a", 1) == 1 &&
	    X509_REQ_add1_attr_by_txt(req, "challengePassword", MBSTRING_UTF8, (const unsigned char *)"b", 1) == 1 &&
	    X509_REQ_sign(req, rsa, EVP_sha256()) > 0, "sign a request with attributes");
	d.len = (size_t)i2d_X509_REQ(req, &d.p);
	ok(taken(d.p, d.len), "two attributes");
	for (size_t i = 0; i < 2; i++) {
		at[i] = memmem(d.p, d.len, oids[i], sizeof oids[i]);
		must(at[i] != NULL, "an attribute");
		at[i] -= 4;
	}
	len = at[0][1] + 2u;
	must(at[1] == at[0] + len && at[1][1] + 2u == len && len <= sizeof swap, "attributes of one length");
	memcpy(swap, at[0], len);
	memcpy(at[0], at[1], len);
	memcpy(at[1], swap, len);
	/* The signature is last, and over all between the first header and its own algorithm. */
	sig = d.p + d.len - sig_len;
	must(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, rsa) == 1 &&
	    EVP_DigestSign(ctx, sig, &sig_len, d.p + 4, 4 + (size_t)(d.p[6] << 8 | d.p[7])) == 1, "sign it again");
	ok(refused(d.p, d.len, NULL, "is BER instead of DER"), "two attributes in the wrong order");
	EVP_MD_CTX_free(ctx);
	X509_NAME_free(name);
	X509_REQ_free(req);
	OPENSSL_free(d.p);
}

/* Whatever is cut off or changed by one bit, the parser answers, and what it takes is unchanged in
 * what counts. */
static void test_damage(void)
{
	struct der d = make(ec, ec, EVP_sha256(), "SEP001122334455", NULL);
	unsigned char *copy = malloc(d.len);
	size_t wrong = 0;

	for (size_t i = 0; i < d.len * 8; i++) {
		struct csr *c;

		memcpy(copy, d.p, d.len);
		copy[i / 8] ^= (unsigned char)(1 << i % 8);
		c = csr_parse(copy, d.len, NULL, &r);
		wrong += c != NULL;
		csr_free(c);
	}
	ok(wrong == 0, "every bit counts");
	for (size_t i = 0; i < d.len; i++) {
		struct csr *c;

		memcpy(copy, d.p, i);
		c = csr_parse(copy, i, NULL, &r);
		wrong += c != NULL;
		csr_free(c);
	}
	ok(wrong == 0, "every byte counts");
	free(copy);
	OPENSSL_free(d.p);
}

int main(void)
{
	rsa = key_make("rsa:2048", &r);
	other = key_make("rsa:2048", &r);
	ec = key_make("ec:256", &r);
	must(rsa != NULL && other != NULL && ec != NULL, "make keys");
	test_good();
	test_ra();
	test_policy();
	test_form();
	test_order();
	test_damage();
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(other);
	EVP_PKEY_free(ec);
	return tap_done();
}
