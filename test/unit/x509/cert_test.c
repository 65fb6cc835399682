/* SPDX-License-Identifier: ISC */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string.h>

#include "../tap.h"
#include "x509/cert.h"
#include "x509/key.h"
#include "x509/name.h"
#include "x509/pem.h"
#include "x509/public_key.h"
#include "x509/secret.h"

static struct reason r;
static EVP_PKEY *rsa, *ec;

/* What a certificate is made from. Extensions as "name=value" in OpenSSL's words. */
struct plan {
	EVP_PKEY *key;
	const EVP_MD *md;
	const char *cn, *cn2;
	const char *serial;	/* hex */
	int version;
	const char *ext[6];
};
static const struct plan good = {
    .cn = "SEP001122334455",
    .serial = "1234",
    .version = X509_VERSION_3,
    .ext = {"basicConstraints=critical,CA:FALSE",
	"keyUsage=critical,digitalSignature,keyEncipherment"},
};

struct der {
	unsigned char *p;
	size_t len;
};

/* Signed by its own key; chains are another test's matter. */
static X509 *make_x509(struct plan p)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	EVP_PKEY *key = p.key != NULL ? p.key : rsa;
	BIGNUM *serial = NULL;

	if (p.cn != NULL)
		X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
		    (const unsigned char *)p.cn, -1, -1, 0);
	if (p.cn2 != NULL)
		X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
		    (const unsigned char *)p.cn2, -1, -1, 0);
	X509_NAME_add_entry_by_NID(X509_get_issuer_name(x), NID_organizationName, MBSTRING_UTF8,
	    (const unsigned char *)"Someone", -1, -1, 0);
	BN_hex2bn(&serial, p.serial);
	BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x));
	BN_free(serial);
	X509_set_version(x, p.version);
	ASN1_TIME_set(X509_getm_notBefore(x), 1000000000);
	ASN1_TIME_set(X509_getm_notAfter(x), 2600000000);
	X509_set_pubkey(x, key);
	for (int i = 0; i < 6 && p.ext[i] != NULL; i++) {
		char id[64], *value;
		X509_EXTENSION *ext;

		snprintf(id, sizeof id, "%s", p.ext[i]);
		value = strchr(id, '=');
		*value++ = '\0';
		ext = X509V3_EXT_nconf(NULL, NULL, id, value);
		must(ext != NULL, p.ext[i]);
		X509_add_ext(x, ext, -1);
		X509_EXTENSION_free(ext);
	}
	must(X509_sign(x, key, p.md != NULL ? p.md : EVP_sha256()) > 0, "sign");
	return x;
}

static struct der make(struct plan p)
{
	X509 *x = make_x509(p);
	struct der d = {0};
	int len = i2d_X509(x, &d.p);

	must(len > 0, "encode");
	d.len = (size_t)len;
	X509_free(x);
	return d;
}

static bool refused(const void *data, size_t len, const char *why)
{
	struct cert *c;
	bool right;

	r.text[0] = '\0';
	c = cert_parse(data, len, &r);
	right = c == NULL && strstr(r.text, why) != NULL && ERR_peek_error() == 0;
	if (!right)
		printf("# %s\n", c != NULL ? "taken" : r.text);
	cert_free(c);
	return right;
}

/* Does a check say this; "" when it finds nothing wrong? */
static bool check(int (*checker)(const struct cert *, struct reason *), struct plan p,
    const char *why)
{
	struct der d = make(p);
	struct cert *c = cert_parse(d.p, d.len, &r);
	int res = -2;
	bool right;

	if (c != NULL) {
		r.text[0] = '\0';
		res = checker(c, &r);
	}
	right = res == (*why != '\0' ? -1 : 0) && strstr(r.text, why) != NULL &&
	    ERR_peek_error() == 0;
	if (!right)
		printf("# %d %s\n", res, r.text);
	cert_free(c);
	OPENSSL_free(d.p);
	return right;
}

static bool phone(struct plan p, const char *why)
{
	return check(cert_check_phone, p, why);
}

static bool ca(struct plan p, const char *why)
{
	return check(cert_check_ca, p, why);
}

static struct plan with_ext(const char *a, const char *b, const char *c)
{
	struct plan p = good;

	p.ext[0] = a;
	p.ext[1] = b;
	p.ext[2] = c;
	return p;
}

static struct plan with_key(EVP_PKEY *key)
{
	struct plan p = good;

	p.key = key;
	return p;
}

static struct plan with_serial(const char *serial)
{
	struct plan p = good;

	p.serial = serial;
	return p;
}

static void test_parse(void)
{
	struct der d = make(good);
	struct cert *c = cert_parse(d.p, d.len, &r), *again;
	unsigned char spki[32], digest[32];
	X509 *dup;
	unsigned char *der = NULL;
	char *pem, *line;
	size_t len;
	int n;

	must(c != NULL, r.text);
	ok(!c->pem && c->der_len == d.len && memcmp(c->der, d.p, d.len) == 0, "its bytes");
	ok(public_key_spki(rsa, spki, &r) == 0 && memcmp(spki, c->spki, 32) == 0, "its key");
	ok(EVP_Digest(d.p, d.len, digest, NULL, EVP_sha256(), NULL) &&
	    memcmp(digest, c->digest, 32) == 0, "its digest");
	ok(strcmp(c->cn, "SEP001122334455") == 0, "its common name");
	ok(strcmp(c->serial, "1234") == 0, "its serial number");
	ok(c->not_before == 1000000000 && c->not_after == 2600000000, "its dates");
	pem = cert_pem(c->x509, &len);
	ok(pem != NULL && strlen(pem) == len, "as PEM");
	again = cert_parse(pem, len, &r);
	ok(again != NULL && again->pem && memcmp(again->digest, digest, 32) == 0, "and back");
	cert_free(again);
	free(pem);
	line = name_line(X509_get_issuer_name(c->x509));
	ok(line != NULL && strcmp(line, "O=Someone") == 0, "its issuer");
	free(line);
	dup = X509_dup(c->x509);
	i2d_re_X509_tbs(dup, NULL);
	n = i2d_X509(dup, &der);
	ok((size_t)n == d.len && memcmp(der, d.p, d.len) == 0,
	    "encoding it again gives the same bytes");
	OPENSSL_free(der);
	X509_free(dup);
	cert_free(c);
	OPENSSL_free(d.p);
}

static void test_name_line(void)
{
	X509_NAME *name = X509_NAME_new();
	char *line;

	X509_NAME_add_entry_by_txt(name, "C", MBSTRING_UTF8, (const unsigned char *)"DE", -1, -1,
	    0);
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
	    (const unsigned char *)"A, B\n\033[31m", -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"y", -1, -1,
	    0);
	line = name_line(name);
	ok(line != NULL && strcmp(line, "C=DE, O=A\\, B\\0A\\1B[31m, CN=y") == 0,
	    "a name, escaped: %s", line);
	free(line);
	X509_NAME_free(name);
}

/* Changes the first place where one pattern stands, and lengthens what is around it by the right
 * amount, so that only the one element is not DER. Lengths around it have two bytes (82 hi lo). */
static struct der replace(struct der d, const char *from, size_t from_len, const char *to,
    size_t to_len)
{
	unsigned char *hit = memmem(d.p, d.len, from, from_len);
	size_t at, more = to_len - from_len;
	struct der out = {malloc(d.len + more), d.len + more};

	must(hit != NULL && out.p != NULL, "find bytes");
	at = (size_t)(hit - d.p);
	memcpy(out.p, d.p, at);
	memcpy(out.p + at, to, to_len);
	memcpy(out.p + at + to_len, hit + from_len, d.len - at - from_len);
	/* Certificate and TBSCertificate. */
	for (size_t i = 2; i <= 6; i += 4) {
		size_t len = (size_t)(out.p[i] << 8 | out.p[i + 1]) + more;

		out.p[i] = (unsigned char)(len >> 8);
		out.p[i + 1] = (unsigned char)len;
	}
	return out;
}

static void test_form(void)
{
	static const char *const keys[] = {"PKCS#8", "traditional"};
	struct der d = make(good), x;
	unsigned char *big = calloc(1, CERT_MAX_BYTES + 1), *der = NULL;
	struct secret none = {NULL};
	X509_REQ *req = X509_REQ_new();
	char *pem, *key;
	size_t len, key_len;
	int n;

	ok(refused("", 0, "is empty"), "nothing");
	ok(refused("hello", 5, "neither PEM nor DER"), "junk");
	ok(refused("0hello", 6, "neither PEM nor DER"), "junk that begins with 0");
	ok(refused("\x30\x82\x01", 3, "cut short"), "three bytes");
	ok(refused("\x30\x80", 2, "BER"), "two bytes");
	ok(refused("\x30\x03\x02\x01\x00", 5, ""), "a small sequence");
	ok(refused(big, CERT_MAX_BYTES + 1, "more than"), "too much");
	ok(refused(d.p, d.len - 1, "cut short"), "cut short");
	memcpy(big, d.p, d.len);
	ok(refused(big, d.len + 1, "has 1 bytes behind"), "a byte behind");
	memcpy(big + d.len, d.p, d.len);
	ok(refused(big, 2 * d.len, "two certificates"), "two of them");
	n = i2d_PrivateKey(rsa, &der);
	memcpy(big + d.len, der, (size_t)n);
	ok(refused(big, d.len + (size_t)n, "holds a private key behind"), "a private key behind");
	OPENSSL_free(der);

	/* BER: a long length, an indefinite one, a name, a version, a critical FALSE, an
	 * integer. */
	big[0] = 0x30;
	big[1] = 0x83;
	big[2] = 0;
	memcpy(big + 3, d.p + 2, d.len - 2);
	ok(refused(big, d.len + 1, "BER"), "BER: a long length");
	big[1] = 0x80;
	memcpy(big + 2, d.p + 4, d.len - 4);
	big[d.len - 2] = big[d.len - 1] = 0;
	ok(refused(big, d.len, "BER"), "BER: an indefinite length");
	x = replace(d, "\x30\x12\x31\x10\x30\x0e\x06\x03\x55\x04\x0a\x0c\x07", 13,
	    "\x30\x13\x31\x11\x30\x0f\x06\x03\x55\x04\x0a\x0c\x81\x07", 14);
	ok(refused(x.p, x.len, "BER"), "BER: a long length in a name");
	free(x.p);
	x = replace(d, "\x02\x02\x12\x34", 4, "\x02\x03\x00\x12\x34", 5);
	ok(refused(x.p, x.len, "BER"), "BER: a long integer");
	free(x.p);
	x = replace(d, "\x01\x01\xff", 3, "\x01\x01\x01", 3);
	ok(refused(x.p, x.len, "BER"), "BER: another TRUE");
	free(x.p);
	x = replace(d, "\x01\x01\xff", 3, "\x01\x01\x00", 3);
	ok(refused(x.p, x.len, "BER"), "BER: a FALSE written out");
	free(x.p);
	OPENSSL_free(d.p);

	/* What else may come. */
	for (int i = 0; i < 2; i++) {
		EVP_PKEY *k[] = {rsa, ec};

		for (int j = 0; j < 2; j++) {
			PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(k[j]);

			der = NULL;
			n = i == 0 ? i2d_PKCS8_PRIV_KEY_INFO(p8, &der) : i2d_PrivateKey(k[j], &der);
			ok(refused(der, (size_t)n, "is a private key"),
			    "a private key in DER, %s, %d", keys[i], j);
			OPENSSL_free(der);
			PKCS8_PRIV_KEY_INFO_free(p8);
		}
	}
	key = key_pem(rsa, &none, &key_len, &r);
	ok(refused(key, key_len, "is a private key"), "a private key in PEM");
	ok(strlen(r.text) < 60 && strstr(r.text, "MII") == NULL, "the key is not in the reason");
	X509_REQ_set_pubkey(req, rsa);
	X509_REQ_sign(req, rsa, EVP_sha256());
	der = NULL;
	n = i2d_X509_REQ(req, &der);
	ok(refused(der, (size_t)n, "is a certificate request"), "a request");
	pem = pem_make("CERTIFICATE REQUEST", der, (size_t)n, &len);
	ok(refused(pem, len, "is a certificate request"), "a request in PEM");
	free(pem);
	pem = pem_make("CERTIFICATE", der, (size_t)n, &len);
	ok(refused(pem, len, "is a certificate request"), "a request with the wrong label");
	free(pem);
	OPENSSL_free(der);

	d = make(good);
	pem = pem_make("CERTIFICATE", d.p, d.len, &len);
	memcpy(big, pem, len);
	memcpy(big + len, pem, len);
	ok(refused(big, 2 * len, "two certificates"), "two in PEM");
	memcpy(big + len, key, key_len);
	ok(refused(big, len + key_len, "holds a private key"), "a private key behind, in PEM");
	memcpy(big, key, key_len);
	memcpy(big + key_len, pem, len);
	ok(refused(big, len + key_len, "is a private key"), "a private key in front, in PEM");
	memcpy(big, "\0text\n", 6);
	memcpy(big + 6, pem, len);
	ok(refused(big, 6 + len, "not text"), "bytes in front of PEM");
	free(pem);
	secret_free(key, key_len);
	OPENSSL_free(d.p);
	X509_REQ_free(req);
	free(big);
}

static void test_phone(void)
{
	static const char usage[] = "keyUsage=critical,digitalSignature,keyEncipherment";
	EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	EVP_PKEY *curve = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
	EVP_PKEY *explicit = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *even = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
	struct plan p;

	EVP_PKEY_set_utf8_string_param(explicit, OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
	ok(phone(good, ""), "a good one, RSA");
	ok(phone(with_key(ec), ""), "a good one, P-256");
	ok(phone(with_key(even), ""), "a good one, P-521");
	ok(phone(with_ext(usage, NULL, NULL), ""), "basicConstraints may be absent");
	p = with_ext("keyUsage=critical,digitalSignature", NULL, NULL);
	ok(phone(p, "without keyEncipherment"), "no keyEncipherment, RSA");
	p.key = ec;
	ok(phone(p, ""), "no keyEncipherment, EC");
	p = with_ext("keyUsage=critical,keyEncipherment", NULL, NULL);
	ok(phone(p, "without digitalSignature"), "no digitalSignature");
	ok(phone(with_ext("basicConstraints=CA:FALSE", NULL, NULL), "has no keyUsage"),
	    "no keyUsage");
	ok(phone(with_ext("basicConstraints=critical,CA:TRUE", usage, NULL), "is a CA"), "CA:TRUE");
	ok(phone(with_ext("keyUsage=digitalSignature,keyEncipherment,keyCertSign", NULL, NULL),
	       "is a CA"),
	    "keyCertSign");
	ok(phone(with_ext(usage, usage, NULL), "twice"), "an extension twice");
	ok(phone(with_ext(usage, "1.2.3.4=critical,ASN1:NULL", NULL),
	       "unknown critical extension: 1.2.3.4"),
	    "an unknown critical extension");
	ok(phone(with_ext(usage, "1.2.3.4=ASN1:NULL", NULL), ""),
	    "an unknown one that is not critical");
	ok(phone(with_ext(usage, "basicConstraints=DER:0401", NULL), "broken"),
	    "a broken extension");
	ok(phone(with_ext(usage, "extendedKeyUsage=clientAuth", NULL), ""), "for a client");
	ok(phone(with_ext(usage, "extendedKeyUsage=critical,serverAuth", NULL), ""), "for a server");
	ok(phone(with_ext(usage, "extendedKeyUsage=codeSigning,anyExtendedKeyUsage", NULL), ""), "for all");
	ok(phone(with_ext(usage, "extendedKeyUsage=codeSigning,emailProtection", NULL),
	       "extendedKeyUsage without clientAuth or serverAuth"),
	    "for something else");
	ok(phone(with_ext(usage, "extendedKeyUsage=1.2.3.4", NULL), "extendedKeyUsage without"),
	    "for something that nobody knows");
	ok(phone(with_ext(usage, "extendedKeyUsage=critical,DER:3000", NULL), "extendedKeyUsage without"),
	    "for nothing");
	p = good;
	p.md = EVP_sha1();
	ok(phone(p, "is signed with SHA-1"), "SHA-1");
	p.md = EVP_md5();
	ok(phone(p, "is signed with MD5"), "MD5");
	p.md = EVP_sha224();
	ok(phone(p, "is signed with"), "SHA-224");
	p.md = EVP_sha512();
	ok(phone(p, ""), "SHA-512");
	ok(phone(with_key(small), "1024 bits"), "RSA 1024");
	ok(phone(with_key(curve), "secp256k1"), "another curve");
	ok(phone(with_key(explicit), "explicit"), "explicit parameters");
	ok(phone(with_serial("0"), "serial number 0"), "serial number 0");
	ok(phone(with_serial("7fffffffffffffffffffffffffffffffffffffff"), ""), "20 octets");
	p = good;
	p.version = X509_VERSION_1;
	p.ext[0] = NULL;
	ok(phone(p, "version 1"), "version 1");
	EVP_PKEY_free(small);
	EVP_PKEY_free(curve);
	EVP_PKEY_free(explicit);
	EVP_PKEY_free(even);
}

static bool client(struct plan p, const char *why)
{
	return check(cert_check_client, p, why);
}

/* What a phone proves itself with. */
static void test_client(void)
{
	static const char usage[] = "keyUsage=critical,digitalSignature";

	ok(client(with_ext(usage, NULL, NULL), ""), "digitalSignature is enough");
	ok(client(with_ext(usage, "extendedKeyUsage=serverAuth,clientAuth", NULL), ""), "with clientAuth");
	ok(client(with_ext(usage, "extendedKeyUsage=anyExtendedKeyUsage", NULL), ""), "with any");
	ok(client(with_ext(usage, "extendedKeyUsage=serverAuth", NULL), "without clientAuth"),
	    "a server's does not prove a client");
	ok(client(with_ext("keyUsage=keyEncipherment", NULL, NULL), "without digitalSignature"),
	    "one that may not sign");
	ok(client(with_ext(NULL, NULL, NULL), "has no keyUsage"), "one that does not say what it may");
	ok(client(with_ext(usage, "basicConstraints=CA:TRUE", NULL), "is a CA"), "a CA is no client");
}

static void test_values(void)
{
	struct plan p = with_serial("ffffffffffffffffffffffffffffffffffffffff");
	struct der d = make(p);
	struct cert *c;

	ok(refused(d.p, d.len, "more than 20 octets"), "a long serial number");
	OPENSSL_free(d.p);
	d = make(with_serial("-5"));
	ok(refused(d.p, d.len, "negative"), "a negative serial number");
	OPENSSL_free(d.p);
	p = good;
	p.cn2 = "SEP001122334456";
	d = make(p);
	ok(refused(d.p, d.len, "two common names"), "two common names");
	OPENSSL_free(d.p);
	p.cn = p.cn2 = NULL;
	d = make(p);
	c = cert_parse(d.p, d.len, &r);
	ok(c != NULL && c->cn[0] == '\0', "no common name is taken");
	cert_free(c);
	OPENSSL_free(d.p);
}

static void test_ca(void)
{
	static const char is[] = "basicConstraints=critical,CA:TRUE";
	struct plan sha1 = with_ext(is, "keyUsage=keyCertSign", NULL), old = sha1, unnamed = sha1;

	old.version = X509_VERSION_1;
	unnamed.cn = NULL;
	sha1.md = EVP_sha1();
	ok(ca(with_ext(is, "keyUsage=critical,digitalSignature,keyCertSign", NULL), ""),
	    "a good CA");
	ok(ca(sha1, ""), "a root may be signed with SHA-1");
	ok(ca(good, "is not a CA"), "a phone");
	ok(ca(with_ext(is, NULL, NULL), ""), "a CA without keyUsage");
	ok(ca(with_ext("basicConstraints=CA:TRUE", NULL, NULL), ""), "one whose basicConstraints are not critical");
	ok(ca(with_ext("basicConstraints=critical,CA:FALSE", NULL, NULL), "is not a CA"), "CA:FALSE");
	ok(ca(with_ext(NULL, NULL, NULL), "is not a CA"), "no extension at all");
	ok(ca(old, "version 1"), "extensions in version 1");
	ok(ca(unnamed, "no subject"), "no name");
	ok(ca(with_ext(is, "keyUsage=cRLSign", NULL), "without keyCertSign"),
	    "a CA that may not sign");
	ok(ca(with_ext("keyUsage=keyCertSign", NULL, NULL), "is not a CA"), "keyCertSign alone");
}

static void test_damage(void)
{
	struct der d = make(with_key(ec));
	unsigned char *copy = malloc(d.len);
	size_t taken = 0, wrong = 0;

	for (size_t i = 0; i < d.len * 8; i++) {
		struct cert *c;
		unsigned char *der = NULL;
		int n;

		memcpy(copy, d.p, d.len);
		copy[i / 8] ^= (unsigned char)(1 << i % 8);
		if ((c = cert_parse(copy, d.len, &r)) == NULL)
			continue;
		taken++;
		i2d_re_X509_tbs(c->x509, NULL);
		n = i2d_X509(c->x509, &der);
		if (n < 0 || (size_t)n != d.len || memcmp(der, copy, d.len) != 0) {
			wrong++;
			printf("# bit %zu\n", i);
		}
		OPENSSL_free(der);
		cert_check_phone(c, &r);
		cert_free(c);
	}
	ok(taken > 0 && wrong == 0, "what is taken with a wrong bit encodes to the same bytes: %zu",
	    taken);
	for (size_t i = 0; i < d.len; i++) {
		memcpy(copy, d.p, i);
		if (!refused(copy, i, ""))
			wrong++;
	}
	ok(wrong == 0, "every byte counts");
	free(copy);
	OPENSSL_free(d.p);
}

int main(void)
{
	rsa = key_make("rsa:2048", &r);
	ec = key_make("ec:256", &r);
	must(rsa != NULL && ec != NULL, "make keys");
	test_parse();
	test_name_line();
	test_form();
	test_phone();
	test_client();
	test_values();
	test_ca();
	test_damage();
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	return tap_done();
}
