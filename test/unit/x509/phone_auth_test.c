/* SPDX-License-Identifier: ISC */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string.h>

#include "../mint.h"
#include "../tap.h"
#include "base/auth_string.h"
#include "x509/key.h"
#include "x509/phone_auth.h"

#define NOW 1800000000	/* 2027-01-15T08:00:00Z */
#define YEAR 31536000
#define DEVICE "SEP001122334455"
#define SESSION 0x01020304

static struct reason r;
static EVP_PKEY *root_key, *rsa_key, *ec_key, *other_key;
static struct cert *root, *nobody, *mic, *lsc, *old, *other, *stranger;
static struct trust *trust;

/* CN signed by issuer, or by itself. */
static struct cert *make(const char *cn, EVP_PKEY *own, const struct cert *issuer, EVP_PKEY *key,
    const EVP_MD *md, time_t from, time_t to)
{
	static const char *const ca[] = {"basicConstraints=critical,CA:TRUE",
	    "keyUsage=critical,digitalSignature,keyCertSign", "subjectKeyIdentifier=hash", NULL};
	static const char *const leaf[] = {"keyUsage=critical,digitalSignature",
	    "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid", NULL};

	return mint(cn, own, issuer, key, md, from, to, issuer != NULL ? leaf : ca);
}

static void set_up(void)
{
	must((root_key = key_make("rsa:2048", &r)) != NULL && (rsa_key = key_make("rsa:2048", &r)) &&
	    (ec_key = key_make("ec:256", &r)) && (other_key = key_make("rsa:2048", &r)), r.text);
	root = make("Manufacturing", root_key, NULL, root_key, EVP_sha256(), NOW - 9 * YEAR,
	    NOW + 9 * YEAR);
	mic = make("CP-8841-" DEVICE, rsa_key, root, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR);
	lsc = make(DEVICE, ec_key, root, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR);
	old = make("CP-8841-" DEVICE, rsa_key, root, root_key, EVP_sha256(), NOW - 2 * YEAR, NOW - YEAR);
	other = make("CP-8841-SEP001122334466", other_key, root, root_key, EVP_sha256(), NOW - YEAR,
	    NOW + YEAR);
	nobody = make("Nobody", other_key, NULL, other_key, EVP_sha256(), NOW - YEAR, NOW + YEAR);
	stranger = make(DEVICE, rsa_key, nobody, other_key, EVP_sha256(), NOW - YEAR, NOW + YEAR);
	must((trust = trust_new()) != NULL && trust_put(trust, root, &r) == 0, r.text);
}

static struct bytes der_of(const struct cert *c)
{
	return (struct bytes){c->der, c->der_len};
}

static struct bytes all(const struct buf *b)
{
	return (struct bytes){b->p, b->len};
}

static void strings(void)
{
	static const unsigned char digits[] = "1234567890123456";

	ok(auth_string_ok("1234") && auth_string_ok("123456789012345"), "4 to 15 digits");
	ok(!auth_string_ok("123") && !auth_string_ok("1234567890123456") &&
	    !auth_string_ok("12 34") && !auth_string_ok(""), "nothing else");
	ok(phone_auth_string_equal("12345", (struct bytes){digits, 5}), "the right string");
	ok(!phone_auth_string_equal("12345", (struct bytes){digits, 4}) &&
	    !phone_auth_string_equal("12345", (struct bytes){digits, 6}) &&
	    !phone_auth_string_equal("12346", (struct bytes){digits, 5}), "others");
	ok(!phone_auth_string_equal("12345", (struct bytes){digits, 16}) &&
	    !phone_auth_string_equal("1234567890123456", (struct bytes){digits, 16}), "too long");
	ok(!phone_auth_string_equal("", (struct bytes){digits, 0}) &&
	    !phone_auth_string_equal("", (struct bytes){NULL, 0}) &&
	    !phone_auth_string_equal("1234", (struct bytes){NULL, 0}), "nothing is never the string");
	ok(!phone_auth_string_equal("1234", (struct bytes){(const unsigned char *)"1234\0", 5}),
	    "a NUL more is another string");
}

/* What a phone would send. */
struct sent {
	struct phone_auth proof;
	struct buf part[4];
};

static struct sent send_proof(const struct cert *c, EVP_PKEY *key, const char *device)
{
	struct sent s = {{.certificate = der_of(c), .sha2_digest = 3}, {{0}}};

	must(phone_auth_sign(key, device, der_of(c), &s.part[0], &s.part[1], &r) == 0, r.text);
	s.proof.sha1 = all(&s.part[0]);
	s.proof.sha2 = all(&s.part[1]);
	return s;
}

static void add_sudi(struct sent *s, const struct cert *c, EVP_PKEY *key, uint32_t session)
{
	must(phone_auth_sign_sudi(key, session, der_of(c), &s->part[2], &s->part[3], &r) == 0, r.text);
	s->proof.sudi = true;
	s->proof.sudi_certificate = der_of(c);
	s->proof.sudi_sha1 = all(&s->part[2]);
	s->proof.sudi_sha512 = all(&s->part[3]);
}

static void drop(struct sent *s)
{
	for (size_t i = 0; i < 4; i++)
		buf_free(&s->part[i]);
}

/* Accepted when why is NULL; else refused so. */
static bool says(const struct phone_auth *p, const char *device, bool expired, const char *why)
{
	struct phone_auth_policy policy = {.trust = trust, .now = NOW, .allow_expired = expired};
	struct cert *c;
	bool right;

	r.text[0] = '\0';
	c = phone_auth_check(p, device, SESSION, &policy, &r);
	right = why == NULL ? c != NULL : c == NULL && strstr(r.text, why) != NULL;
	right = right && ERR_peek_error() == 0;
	if (!right)
		printf("# %s%s\n", c != NULL ? "accepted: " : "", r.text);
	cert_free(c);
	return right;
}

static void certificates(void)
{
	struct sent s = send_proof(mic, rsa_key, DEVICE);

	ok(says(&s.proof, DEVICE, false, NULL), "a MIC, RSA");
	ok(says(&s.proof, "SEP001122334466", false, "another device"), "for another device");
	ok(says(&s.proof, "5", false, "another device"), "for the end of its name");
	drop(&s);
	s = send_proof(lsc, ec_key, DEVICE);
	ok(says(&s.proof, DEVICE, false, NULL), "an LSC, EC");
	drop(&s);
	s = send_proof(other, other_key, DEVICE);
	ok(says(&s.proof, DEVICE, false, "another device"), "another device's MIC");
	drop(&s);
	s = send_proof(stranger, rsa_key, DEVICE);
	ok(says(&s.proof, DEVICE, false, "not trusted"), "a CA that is not trusted");
	ok(says(&s.proof, DEVICE, true, "not trusted"), "nor with expired ones allowed");
	drop(&s);
	s = send_proof(old, rsa_key, DEVICE);
	ok(says(&s.proof, DEVICE, false, "expired"), "an expired one");
	ok(says(&s.proof, DEVICE, true, NULL) && strstr(r.text, "has expired") != NULL,
	    "which the settings can allow, with a remark");
	drop(&s);
	s = send_proof(mic, other_key, DEVICE);
	ok(says(&s.proof, DEVICE, false, "SIGNED_DATA that its key"), "somebody else's key");
	drop(&s);
	s = send_proof(mic, rsa_key, "SEP001122334466");
	ok(says(&s.proof, DEVICE, false, "SIGNED_DATA that its key"), "a signature over another name");
	drop(&s);
}

/* What the certificate is for. */
static void usages(void)
{
	static const struct {
		const char *usage, *eku, *why;
	} t[] = {
		{"keyUsage=critical,digitalSignature,keyEncipherment", "extendedKeyUsage=serverAuth,clientAuth", NULL},
		{"keyUsage=critical,digitalSignature", "extendedKeyUsage=anyExtendedKeyUsage", NULL},
		{"keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth", "without clientAuth"},
		{"keyUsage=critical,digitalSignature", "extendedKeyUsage=codeSigning", "without clientAuth"},
		{"keyUsage=critical,keyEncipherment", "extendedKeyUsage=clientAuth", "without digitalSignature"},
		{"basicConstraints=CA:FALSE", "extendedKeyUsage=clientAuth", "has no keyUsage"},
	};

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		const char *const ext[] = {t[i].usage, t[i].eku, "subjectKeyIdentifier=hash",
		    "authorityKeyIdentifier=keyid", NULL};
		struct cert *c = mint(DEVICE, rsa_key, root, root_key, EVP_sha256(), NOW - YEAR, NOW + YEAR, ext);
		struct sent s = send_proof(c, rsa_key, DEVICE);

		ok(says(&s.proof, DEVICE, false, t[i].why), "%s, %s", t[i].usage, t[i].eku);
		drop(&s);
		s = send_proof(mic, rsa_key, DEVICE);
		add_sudi(&s, c, rsa_key, SESSION);
		ok(says(&s.proof, DEVICE, false, t[i].why), "the same in SUDI_DATA");
		drop(&s);
		cert_free(c);
	}
}

/* Each signature counts, down to the bit. */
static void tampered(const struct cert *c, EVP_PKEY *key, const char *what)
{
	struct sent s = send_proof(c, key, DEVICE);
	unsigned char changed[4096];
	struct phone_auth p;
	bool right = true;

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < s.part[k].len; i += 7) {
			s.part[k].p[i] ^= 1u << i % 8;
			right = right && says(&s.proof, DEVICE, false, "its key did not make");
			s.part[k].p[i] ^= 1u << i % 8;
		}
	ok(right && says(&s.proof, DEVICE, false, NULL), "%s: no bit of a signature", what);
	p = s.proof;
	p.sha1.len = 0;
	ok(says(&p, DEVICE, false, "no SIGNED_DATA"), "%s: SHA-1 missing", what);
	p = s.proof;
	p.sha2.len = 0;
	ok(says(&p, DEVICE, false, "no SHA2_SIGNED_DATA"), "%s: SHA-2 missing", what);
	p = s.proof;
	p.sha2 = s.proof.sha1;
	ok(says(&p, DEVICE, false, "SHA2_SIGNED_DATA that"), "%s: the other's signature", what);
	p = s.proof;
	p.sha2_digest = 2;
	ok(says(&p, DEVICE, false, "SHA2_SIGNED_DATA that"), "%s: another digest", what);
	p.sha2_digest = 1;
	ok(says(&p, DEVICE, false, "unknown digest 1"), "%s: SHA-1 twice", what);
	p = s.proof;
	p.certificate.len--;
	ok(says(&p, DEVICE, false, ""), "%s: a certificate that is cut short", what);
	p.certificate.len = 0;
	ok(says(&p, DEVICE, false, "no certificate"), "%s: none", what);
	must(c->der_len < sizeof changed, "room");
	memcpy(changed, c->der, c->der_len);
	changed[c->der_len - 1] ^= 1;
	p.certificate = (struct bytes){changed, c->der_len};
	ok(says(&p, DEVICE, false, ""), "%s: a certificate with another signature", what);
	drop(&s);
}

/* The raw RSA operation on a block of our own making. */
static struct bytes raw(const unsigned char block[256], unsigned char sig[256])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(rsa_key, NULL);
	size_t len = 256;

	must(ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1 &&
	    EVP_PKEY_sign(ctx, sig, &len, block, 256) == 1, "a raw signature");
	EVP_PKEY_CTX_free(ctx);
	return (struct bytes){sig, len};
}

static void make_block(unsigned char block[256], const unsigned char *md, size_t len)
{
	memset(block, 0xff, 256);
	block[0] = 0;
	block[1] = 1;
	block[256 - len - 1] = 0;
	memcpy(block + 256 - len, md, len);
}

/* A signature whose tail is right is not enough: the whole block counts. */
static void padding(void)
{
	static const unsigned char info[] = {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02,
	    0x1a, 0x05, 0x00, 0x04, 0x14};
	struct sent s = send_proof(mic, rsa_key, DEVICE);
	unsigned char md[20], block[256], sig[256], with_info[sizeof info + 20];
	struct buf text = {0};

	buf_put(&text, DEVICE, sizeof DEVICE);
	buf_put(&text, mic->der, mic->der_len);
	must(EVP_Digest(text.p, text.len, md, NULL, EVP_sha1(), NULL) == 1, "SHA-1");
	buf_free(&text);
	make_block(block, md, 20);
	s.proof.sha1 = raw(block, sig);
	ok(says(&s.proof, DEVICE, false, NULL), "the bare hash under type-1 padding");
	ok(s.proof.sha1.len == s.part[0].len && memcmp(sig, s.part[0].p, s.part[0].len) == 0,
	    "is what we sign");
	block[1] = 2;
	s.proof.sha1 = raw(block, sig);
	ok(says(&s.proof, DEVICE, false, "its key"), "type 2");
	make_block(block, md, 20);
	block[100] = 0xfe;
	s.proof.sha1 = raw(block, sig);
	ok(says(&s.proof, DEVICE, false, "its key"), "padding with another byte in it");
	memset(block, 0, 256 - 20);
	s.proof.sha1 = raw(block, sig);
	ok(says(&s.proof, DEVICE, false, "its key"), "no padding");
	make_block(block, md, 20);
	memset(block + 10, 0x41, 256 - 20 - 10);
	block[10] = 0;
	s.proof.sha1 = raw(block, sig);
	ok(says(&s.proof, DEVICE, false, "its key"), "junk between padding and hash");
	memcpy(with_info, info, sizeof info);
	memcpy(with_info + sizeof info, md, 20);
	make_block(block, with_info, sizeof with_info);
	s.proof.sha1 = raw(block, sig);
	ok(says(&s.proof, DEVICE, false, "its key"), "DigestInfo");
	make_block(block, md, 19);
	s.proof.sha1 = raw(block, sig);
	ok(says(&s.proof, DEVICE, false, "its key"), "a hash that is cut short");
	s.proof.sha1 = all(&s.part[0]);
	s.proof.sha1.len--;
	ok(says(&s.proof, DEVICE, false, "its key"), "a signature that is cut short");
	drop(&s);
}

static void sudi(void)
{
	struct sent s = send_proof(mic, rsa_key, DEVICE);
	struct phone_auth p;

	add_sudi(&s, mic, rsa_key, SESSION);
	ok(says(&s.proof, DEVICE, false, NULL), "with SUDI_DATA");
	p = s.proof;
	p.sudi_sha512.len = 0;
	ok(says(&p, DEVICE, false, "SUDI_DATA has no SHA-512"), "half of it");
	p.sudi_certificate.len = 0;
	ok(says(&p, DEVICE, false, "SUDI_DATA"), "without its certificate");
	s.part[2].p[9] ^= 1;
	ok(says(&s.proof, DEVICE, false, "SUDI_DATA has a SHA-1 signature that"), "tampered with");
	drop(&s);
	s = send_proof(mic, rsa_key, DEVICE);
	add_sudi(&s, mic, rsa_key, SESSION + 1);
	ok(says(&s.proof, DEVICE, false, "SUDI_DATA has a SHA-1"), "replayed from another session");
	drop(&s);
	s = send_proof(mic, rsa_key, DEVICE);
	add_sudi(&s, mic, rsa_key, 0x04030201);
	ok(says(&s.proof, DEVICE, false, "SUDI_DATA has a SHA-1"), "the id in the other byte order");
	drop(&s);
	s = send_proof(mic, rsa_key, DEVICE);
	add_sudi(&s, other, other_key, SESSION);
	ok(says(&s.proof, DEVICE, false, "SUDI_DATA is another device"), "another device's");
	drop(&s);
	s = send_proof(lsc, ec_key, DEVICE);
	add_sudi(&s, mic, rsa_key, SESSION);
	ok(says(&s.proof, DEVICE, false, NULL), "the MIC's beside an EC LSC");
	s.proof.sudi_certificate = der_of(lsc);
	ok(says(&s.proof, DEVICE, false, "SUDI_DATA has no RSA"), "an EC one");
	ok(phone_auth_sign_sudi(ec_key, 1, der_of(lsc), &s.part[2], &s.part[3], &r) < 0, "nor is it made");
	drop(&s);
}

static void tear_down(void)
{
	struct cert *const certs[] = {root, nobody, mic, lsc, old, other, stranger};
	EVP_PKEY *const pkeys[] = {root_key, rsa_key, ec_key, other_key};

	for (size_t i = 0; i < sizeof certs / sizeof certs[0]; i++)
		cert_free(certs[i]);
	for (size_t i = 0; i < sizeof pkeys / sizeof pkeys[0]; i++)
		EVP_PKEY_free(pkeys[i]);
	trust_free(trust);
}

/* A certificate as old phones have it; refused with why, and with allow_weak too, or not. */
static void weak_one(EVP_PKEY *key, const EVP_MD *md, const char *why, bool never, const char *what)
{
	struct cert *c = make("CP-7960-" DEVICE, key, root, root_key, md, NOW - YEAR, NOW + YEAR);
	struct sent s = send_proof(c, key, DEVICE);
	struct phone_auth_policy policy = {.trust = trust, .now = NOW, .allow_weak = true};
	struct cert *got;

	ok(says(&s.proof, DEVICE, false, why), "%s", what);
	got = phone_auth_check(&s.proof, DEVICE, SESSION, &policy, &r);
	ok((got == NULL) == never && (never || strstr(r.text, "is weak") != NULL) &&
	    ERR_peek_error() == 0, never ? "never" : "which the settings can allow, with a remark");
	cert_free(got);
	s.proof.sha1.len--;
	ok(phone_auth_check(&s.proof, DEVICE, SESSION, &policy, &r) == NULL, "with right signatures only");
	cert_free(c);
	drop(&s);
}

static void weak(void)
{
	EVP_PKEY *bits1024 = EVP_RSA_gen(1024), *bits768 = EVP_RSA_gen(768);

	must(bits1024 != NULL && bits768 != NULL, "short keys");
	weak_one(rsa_key, EVP_sha1(), "too weak", false, "SHA-1");
	weak_one(bits1024, EVP_sha256(), "1024", false, "an RSA key of 1024 bits");
	weak_one(bits768, EVP_sha256(), "768", true, "one of 768 bits");
	weak_one(rsa_key, EVP_md5(), "too weak", true, "MD5");
	EVP_PKEY_free(bits1024);
	EVP_PKEY_free(bits768);
}

int main(void)
{
	set_up();
	strings();
	certificates();
	usages();
	tampered(mic, rsa_key, "RSA");
	tampered(lsc, ec_key, "EC");
	weak();
	padding();
	sudi();
	tear_down();
	return tap_done();
}
