/* SPDX-License-Identifier: ISC */
/* What bytes that a phone answers prove: signatures over what it was given and over what it may have made of that, in
 * each scheme, and whole requests. Only what makes a request that CAs take counts as one. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string.h>

#include "../tap.h"
#include "x509/csr_make.h"
#include "x509/key.h"
#include "x509/request_proof.h"

#define DEVICE "SEP001122334455"

static struct reason r;

static struct phone {
	EVP_PKEY *key;
	struct bytes spki;
	struct buf info;
	struct request_proof *proof;
} rsa, ec, other;

static struct bytes all(const struct buf *b)
{
	return (struct bytes){b->p, b->len};
}

static void set_up(struct phone *p, const char *spec)
{
	unsigned char *der = NULL;
	int len = 0;

	must((p->key = key_make(spec, &r)) != NULL && (len = i2d_PUBKEY(p->key, &der)) > 0, "a key");
	p->spki = (struct bytes){der, (size_t)len};
	must(csr_make_info(p->spki, DEVICE, &p->info, &r) == 0, r.text);
	must((p->proof = request_proof_open(p->spki, DEVICE, all(&p->info), &r)) != NULL, r.text);
}

static void tear_down(struct phone *p)
{
	request_proof_free(p->proof);
	buf_free(&p->info);
	OPENSSL_free((unsigned char *)(uintptr_t)p->spki.p);
	EVP_PKEY_free(p->key);
}

/* With a digest: it is hashed, or with hashed, is the hash; without: RSA pads what it is. */
static struct bytes sign(EVP_PKEY *key, struct bytes data, const char *md, bool hashed)
{
	static unsigned char sig[1024];
	size_t len = sizeof sig;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *raw = EVP_PKEY_CTX_new(key, NULL);

	if (md != NULL && !hashed)
		must(EVP_DigestSignInit(ctx, NULL, EVP_get_digestbyname(md), NULL, key) == 1 &&
		    EVP_DigestSign(ctx, sig, &len, data.p, data.len) == 1, "a signature");
	else
		must(EVP_PKEY_sign_init(raw) == 1 &&
		    (!EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_CTX_set_rsa_padding(raw, RSA_PKCS1_PADDING) == 1) &&
		    (md == NULL || EVP_PKEY_CTX_set_signature_md(raw, EVP_get_digestbyname(md)) == 1) &&
		    EVP_PKEY_sign(raw, sig, &len, data.p, data.len) == 1, "a raw signature");
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_CTX_free(raw);
	return (struct bytes){sig, len};
}

static void is(const struct phone *p, struct bytes in, enum request_proof_kind kind, const char *text)
{
	struct request_proof_found f = {.kind = REQUEST_PROOF_NONE};
	struct csr *c;
	bool right = request_proof_look(p->proof, in, &f, &r) == 0 && f.kind == kind && strcmp(f.text, text) == 0;

	c = request_proof_request(p->proof, &f, &r);
	right = right && (c != NULL) == (kind >= REQUEST_PROOF_SIGNATURE) &&
	    (c == NULL || (c->proof == CSR_OWN && strcmp(c->device, DEVICE) == 0)) && ERR_peek_error() == 0;
	csr_free(c);
	if (!right)
		printf("# kind %d: %s\n", f.kind, f.text);
	ok(right, "%s", *text != '\0' ? text : "nothing");
}

/* What the phone was given, in a buffer of its own. */
static struct bytes as_given(const struct phone *p, const char *hash, bool digest_info)
{
	static struct buf b;

	b.len = 0;
	must(request_proof_data(all(&p->info), hash, digest_info, &b, &r) == 0, r.text);
	return all(&b);
}

static void data(void)
{
	static const unsigned char prefix[] = {0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0,
	    4, 32};
	unsigned char md[32];
	struct bytes b;

	must(EVP_Digest(rsa.info.p, rsa.info.len, md, NULL, EVP_sha256(), NULL) == 1, "SHA-256");
	b = as_given(&rsa, NULL, false);
	ok(b.len == rsa.info.len && memcmp(b.p, rsa.info.p, b.len) == 0, "the request itself");
	b = as_given(&rsa, "SHA256", false);
	ok(b.len == 32 && memcmp(b.p, md, 32) == 0, "its SHA-256");
	b = as_given(&rsa, "SHA256", true);
	ok(b.len == 51 && memcmp(b.p, prefix, sizeof prefix) == 0 && memcmp(b.p + 19, md, 32) == 0, "DigestInfo");
	ok(as_given(&rsa, "SHA512", false).len == 64 && as_given(&rsa, "SHA1", false).len == 20, "SHA-512 and SHA-1");
}

static void with_rsa(void)
{
	struct bytes sig;

	is(&rsa, sign(rsa.key, all(&rsa.info), "SHA256", false), REQUEST_PROOF_SIGNATURE,
	    "RSA with DigestInfo, SHA-256, over the request");
	is(&rsa, sign(rsa.key, all(&rsa.info), "SHA384", false), REQUEST_PROOF_SIGNATURE,
	    "RSA with DigestInfo, SHA-384, over the request");
	is(&rsa, sign(rsa.key, all(&rsa.info), "SHA512", false), REQUEST_PROOF_SIGNATURE,
	    "RSA with DigestInfo, SHA-512, over the request");
	is(&rsa, sign(rsa.key, all(&rsa.info), "SHA1", false), REQUEST_PROOF_USELESS,
	    "RSA with DigestInfo, SHA-1, over the request");
	is(&rsa, sign(rsa.key, as_given(&rsa, "SHA256", false), "SHA256", true), REQUEST_PROOF_SIGNATURE,
	    "RSA with DigestInfo, SHA-256, over the request");
	is(&rsa, sign(rsa.key, as_given(&rsa, "SHA256", true), NULL, false), REQUEST_PROOF_SIGNATURE,
	    "RSA with DigestInfo, SHA-256, over the request");
	is(&rsa, sign(rsa.key, as_given(&rsa, "SHA256", false), NULL, false), REQUEST_PROOF_USELESS,
	    "RSA without DigestInfo, SHA-256, over the request");
	is(&rsa, sign(rsa.key, as_given(&rsa, "SHA256", false), "SHA256", false), REQUEST_PROOF_USELESS,
	    "RSA with DigestInfo, SHA-256, over SHA-256 of the request");
	is(&rsa, sign(rsa.key, as_given(&rsa, "SHA256", true), "SHA1", false), REQUEST_PROOF_USELESS,
	    "RSA with DigestInfo, SHA-1, over DigestInfo of the request");
	is(&rsa, sign(rsa.key, rsa.spki, "SHA256", false), REQUEST_PROOF_PADDED, "RSA, over something unknown");
	is(&rsa, sign(other.key, all(&rsa.info), "SHA256", false), REQUEST_PROOF_NONE, "");
	sig = sign(rsa.key, all(&rsa.info), "SHA256", false);
	sig.len--;
	is(&rsa, sig, REQUEST_PROOF_NONE, "");
	sig.len = 0;
	is(&rsa, sig, REQUEST_PROOF_NONE, "");
	is(&rsa, rsa.spki, REQUEST_PROOF_NONE, "");
}

static void with_ec(void)
{
	struct bytes sig;

	is(&ec, sign(ec.key, all(&ec.info), "SHA256", false), REQUEST_PROOF_SIGNATURE, "ECDSA, SHA-256, over the request");
	is(&ec, sign(ec.key, all(&ec.info), "SHA384", false), REQUEST_PROOF_SIGNATURE, "ECDSA, SHA-384, over the request");
	is(&ec, sign(ec.key, as_given(&ec, "SHA256", false), "SHA256", true), REQUEST_PROOF_SIGNATURE,
	    "ECDSA, SHA-256, over the request");
	is(&ec, sign(ec.key, as_given(&ec, "SHA256", false), "SHA512", false), REQUEST_PROOF_USELESS,
	    "ECDSA, SHA-512, over SHA-256 of the request");
	is(&ec, sign(ec.key, all(&ec.info), "SHA1", false), REQUEST_PROOF_USELESS, "ECDSA, SHA-1, over the request");
	is(&ec, sign(ec.key, ec.spki, "SHA256", false), REQUEST_PROOF_NONE, "");
	sig = sign(ec.key, all(&ec.info), "SHA256", false);
	sig.len--;
	is(&ec, sig, REQUEST_PROOF_NONE, "");
}

/* A request as any program makes it: DER, or PEM. */
static void whole(const struct phone *p, EVP_PKEY *key, const char *cn, enum request_proof_kind kind, const char *text)
{
	X509_REQ *req = X509_REQ_new();
	unsigned char *der = NULL;
	BIO *pem = BIO_new(BIO_s_mem());
	char *at;
	int len = 0;

	X509_REQ_set_pubkey(req, key);
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "O", MBSTRING_ASC, (const unsigned char *)"Example",
	    -1, -1, 0);
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1,
	    0);
	must(X509_REQ_sign(req, key, EVP_sha256()) > 0 && (len = i2d_X509_REQ(req, &der)) > 0 &&
	    PEM_write_bio_X509_REQ(pem, req) == 1, "a request");
	is(p, (struct bytes){der, (size_t)len}, kind, text);
	len = (int)BIO_get_mem_data(pem, &at);
	is(p, (struct bytes){(unsigned char *)at, (size_t)len}, kind, text);
	OPENSSL_free(der);
	X509_REQ_free(req);
	BIO_free(pem);
}

static void best_of_several(void)
{
	struct request_proof_found f = {.kind = REQUEST_PROOF_NONE};

	request_proof_look(rsa.proof, sign(rsa.key, all(&rsa.info), "SHA1", false), &f, &r);
	request_proof_look(rsa.proof, sign(rsa.key, all(&rsa.info), "SHA512", false), &f, &r);
	request_proof_look(rsa.proof, sign(rsa.key, rsa.spki, "SHA256", false), &f, &r);
	ok(f.kind == REQUEST_PROOF_SIGNATURE && strcmp(f.hash, "SHA512") == 0, "the best of several stays");
}

int main(void)
{
	struct bytes cut;

	set_up(&rsa, "rsa:2048");
	set_up(&ec, "ec:384");
	set_up(&other, "rsa:2048");
	data();
	with_rsa();
	with_ec();
	whole(&rsa, rsa.key, DEVICE, REQUEST_PROOF_WHOLE, "a whole PKCS#10 request");
	whole(&ec, ec.key, DEVICE, REQUEST_PROOF_WHOLE, "a whole PKCS#10 request");
	whole(&rsa, rsa.key, "SEP001122334456", REQUEST_PROOF_USELESS, "a whole PKCS#10 request with another name");
	whole(&rsa, other.key, DEVICE, REQUEST_PROOF_NONE, "");
	best_of_several();
	cut = rsa.spki;
	cut.len--;
	ok(request_proof_open(cut, DEVICE, all(&rsa.info), &r) == NULL && strstr(r.text, "public key") != NULL,
	    "a key that is cut short");
	tear_down(&rsa);
	tear_down(&ec);
	tear_down(&other);
	return tap_done();
}
