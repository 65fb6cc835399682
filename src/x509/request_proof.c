/* SPDX-License-Identifier: ISC */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "x509/csr_make.h"
#include "x509/der.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"
#include "x509/request_proof.h"

#define BLOCK_MAX 1024		/* RSA with 8192 bits */

/* Digests that phones and CAs have; those behind the first one CAs take no more. */
static const struct hash {
	const char *name, *text;
	bool weak;
	unsigned char oid_len, oid[9];
} hashes[] = {
	{"SHA256", "SHA-256", false, 9, {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1}},
	{"SHA384", "SHA-384", false, 9, {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2}},
	{"SHA512", "SHA-512", false, 9, {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3}},
	{"SHA1", "SHA-1", true, 5, {0x2b, 0x0e, 3, 2, 0x1a}},
};
#define HASHES (sizeof hashes / sizeof hashes[0])

/* What the phone may have been given, or have made of it itself. */
enum { INFO, OF_SHA256, OF_SHA512, OF_SHA1, OF_DIGEST_INFO, GIVEN };
static const char *const given_text[GIVEN] = {"the request", "SHA-256 of the request", "SHA-512 of the request",
    "SHA-1 of the request", "DigestInfo of the request"};

struct digest {
	unsigned char p[EVP_MAX_MD_SIZE];
	size_t len;
};

struct request_proof {
	EVP_PKEY *key;
	struct bytes spki, info;
	const char *device;
	struct buf given[GIVEN];
	struct digest digest[GIVEN][HASHES];	/* of each by each */
};

static const struct hash *find_hash(const char *name)
{
	for (size_t i = 0; i < HASHES; i++)
		if (strcmp(hashes[i].name, name) == 0)
			return &hashes[i];
	return NULL;
}

static bool compute(const struct hash *hash, struct bytes in, struct digest *out)
{
	return EVP_Q_digest(openssl_context(), hash->name, NULL, in.p, in.len, out->p, &out->len) == 1;
}

/* DigestInfo, RFC 8017 A.2.4. */
static void put_digest_info(struct buf *b, const struct hash *hash, const struct digest *digest)
{
	size_t from = b->len;

	der_put(b, DER_OID, hash->oid, hash->oid_len);
	der_put(b, DER_NULL, NULL, 0);
	der_wrap(b, from, DER_SEQUENCE);
	der_put(b, DER_OCTET_STRING, digest->p, digest->len);
	der_wrap(b, from, DER_SEQUENCE);
}

int request_proof_data(struct bytes info, const char *name, bool digest_info, struct buf *out, struct reason *r)
{
	const struct hash *hash = name != NULL ? find_hash(name) : NULL;
	struct digest digest;

	openssl_error_forget();
	if (name == NULL)
		buf_put(out, info.p, info.len);
	else if (hash == NULL || !compute(hash, info, &digest))
		return openssl_error_set(r, "%s cannot be computed", name);
	else if (digest_info)
		put_digest_info(out, hash, &digest);
	else
		buf_put(out, digest.p, digest.len);
	return out->failed ? reason_memory(r) : 0;
}

static struct bytes given(const struct request_proof *p, int which)
{
	return (struct bytes){p->given[which].p, p->given[which].len};
}

/* All that a signature could be over. -1 with a reason. */
static int compute_all(struct request_proof *p, struct reason *r)
{
	if (request_proof_data(p->info, NULL, false, &p->given[INFO], r) != 0 ||
	    request_proof_data(p->info, "SHA256", false, &p->given[OF_SHA256], r) != 0 ||
	    request_proof_data(p->info, "SHA512", false, &p->given[OF_SHA512], r) != 0 ||
	    request_proof_data(p->info, "SHA1", false, &p->given[OF_SHA1], r) != 0 ||
	    request_proof_data(p->info, "SHA256", true, &p->given[OF_DIGEST_INFO], r) != 0)
		return -1;
	for (int g = 0; g < GIVEN; g++)
		for (size_t h = 0; h < HASHES; h++)
			if (!compute(&hashes[h], given(p, g), &p->digest[g][h]))
				return openssl_error_set(r, "%s cannot be computed", hashes[h].name);
	return 0;
}

struct request_proof *request_proof_open(struct bytes spki, const char *device, struct bytes info, struct reason *r)
{
	struct request_proof *p = calloc(1, sizeof *p);
	const unsigned char *at = spki.p;

	openssl_error_forget();
	if (p == NULL) {
		reason_memory(r);
		return NULL;
	}
	p->spki = spki;
	p->info = info;
	p->device = device;
	p->key = d2i_PUBKEY_ex(NULL, &at, (long)spki.len, openssl_context(), NULL);
	if (p->key == NULL || at != spki.p + spki.len)
		openssl_error_set(r, "is no public key");
	else if (compute_all(p, r) == 0)
		return p;
	request_proof_free(p);
	return NULL;
}

void request_proof_free(struct request_proof *p)
{
	if (p == NULL)
		return;
	for (int g = 0; g < GIVEN; g++)
		buf_free(&p->given[g]);
	EVP_PKEY_free(p->key);
	free(p);
}

/* Puts it in the place of what was found before, unless that was better. */
static void found(struct request_proof_found *f, enum request_proof_kind kind, struct bytes bytes, const char *scheme,
    const struct hash *hash, const char *over)
{
	if (kind <= f->kind)
		return;
	f->kind = kind;
	f->bytes = bytes;
	f->hash = hash != NULL ? hash->name : NULL;
	snprintf(f->text, sizeof f->text, "%s%s%s%s%s", scheme, hash != NULL ? ", " : "",
	    hash != NULL ? hash->text : "", *over != '\0' ? ", over " : "", over);
}

static bool same(struct bytes a, const void *p, size_t len)
{
	return a.len == len && memcmp(a.p, p, len) == 0;
}

/* A hash of the request makes it a request's signature, as long as CAs take that hash. */
static enum request_proof_kind worth(int over, const struct hash *hash)
{
	return over == INFO && !hash->weak ? REQUEST_PROOF_SIGNATURE : REQUEST_PROOF_USELESS;
}

static bool is_digest_info(struct bytes block, const struct hash *hash, const struct digest *digest)
{
	struct buf b = {0};
	bool is;

	put_digest_info(&b, hash, digest);
	is = !b.failed && same(block, b.p, b.len);
	buf_free(&b);
	return is;
}

/* What was in the padding of an RSA signature. */
static void look_at_block(const struct request_proof *p, struct bytes block, struct bytes sig,
    struct request_proof_found *f)
{
	found(f, REQUEST_PROOF_PADDED, sig, "RSA, over something unknown", NULL, "");
	for (int g = 0; g < GIVEN; g++) {
		if (g != OF_DIGEST_INFO && same(block, p->given[g].p, p->given[g].len))
			found(f, REQUEST_PROOF_USELESS, sig, "RSA without DigestInfo", NULL, given_text[g]);
		for (size_t h = 0; h < HASHES; h++)
			if (is_digest_info(block, &hashes[h], &p->digest[g][h]))
				found(f, worth(g, &hashes[h]), sig, "RSA with DigestInfo", &hashes[h], given_text[g]);
			else if (same(block, p->digest[g][h].p, p->digest[g][h].len))
				found(f, REQUEST_PROOF_USELESS, sig, "RSA without DigestInfo", &hashes[h],
				    given_text[g]);
	}
}

static void look_rsa(const struct request_proof *p, struct bytes sig, struct request_proof_found *f)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(openssl_context(), p->key, NULL);
	unsigned char block[BLOCK_MAX];
	size_t len = sizeof block;

	/* RFC 8017 8.2.2: a signature is as long as the modulus. Without a digest set, the padding of type 1 is
	 * checked, and all that is in it comes back. */
	if (ctx != NULL && sig.len == (size_t)EVP_PKEY_get_size(p->key) && sig.len <= sizeof block &&
	    EVP_PKEY_verify_recover_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_verify_recover(ctx, block, &len, sig.p, sig.len) == 1)
		look_at_block(p, (struct bytes){block, len}, sig, f);
	EVP_PKEY_CTX_free(ctx);
}

static void look_ecdsa(const struct request_proof *p, struct bytes sig, struct request_proof_found *f)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(openssl_context(), p->key, NULL);

	if (ctx != NULL && der_is_sequence(sig) && EVP_PKEY_verify_init(ctx) == 1)
		for (int g = 0; g < GIVEN; g++) {
			for (size_t h = 0; h < HASHES; h++)
				if (EVP_PKEY_verify(ctx, sig.p, sig.len, p->digest[g][h].p, p->digest[g][h].len) == 1)
					found(f, worth(g, &hashes[h]), sig, "ECDSA", &hashes[h], given_text[g]);
			if (EVP_PKEY_verify(ctx, sig.p, sig.len, p->given[g].p, p->given[g].len) == 1)
				found(f, REQUEST_PROOF_USELESS, sig, "ECDSA without a hash", NULL, given_text[g]);
		}
	EVP_PKEY_CTX_free(ctx);
}

/* A request of its own making. */
static void look_whole(const struct request_proof *p, struct bytes in, struct request_proof_found *f)
{
	unsigned char spki[32];
	struct reason why;
	struct csr *c = csr_parse(in.p, in.len, NULL, &why);

	if (c == NULL)
		return;
	if (openssl_sha256(p->spki.p, p->spki.len, spki, &why) == 0 && memcmp(spki, c->spki, sizeof spki) == 0) {
		if (strcmp(c->device, p->device) == 0)
			found(f, REQUEST_PROOF_WHOLE, in, "a whole PKCS#10 request", NULL, "");
		else
			found(f, REQUEST_PROOF_USELESS, in, "a whole PKCS#10 request with another name", NULL, "");
	}
	csr_free(c);
}

int request_proof_look(const struct request_proof *p, struct bytes in, struct request_proof_found *f,
    struct reason *r)
{
	openssl_error_forget();
	if (in.len == 0)
		return 0;
	if (EVP_PKEY_is_a(p->key, "RSA"))
		look_rsa(p, in, f);
	else
		look_ecdsa(p, in, f);
	if (der_kind_of(in.p, in.len) == DER_REQUEST || in.p[0] == '-')
		look_whole(p, in, f);
	if (openssl_error_lack())
		return reason_memory(r);
	openssl_error_end(0, r);
	return 0;
}

struct csr *request_proof_request(const struct request_proof *p, const struct request_proof_found *f,
    struct reason *r)
{
	switch (f->kind) {
	case REQUEST_PROOF_SIGNATURE:
		return csr_make_signed(p->spki, p->device, f->bytes, f->hash, r);
	case REQUEST_PROOF_WHOLE:
		return csr_parse(f->bytes.p, f->bytes.len, NULL, r);
	default:
		reason_set(r, "is not signed with its own key");
		return NULL;
	}
}
