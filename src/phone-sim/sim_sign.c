/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "capf/sign_layout.h"
#include "phone-sim/sim_sign.h"

#define SIGNATURE_MAX 1024	/* RSA with 8192 bits */
#define TAG 14			/* of an answer in a tag that nobody knows */

/* The data to be signed, and its form. */
static bool read_request(const struct sim *s, const struct capfmsg *m, enum sign_form *form, struct bytes *data)
{
	struct sign_layout l;

	*form = SIGN_INFO;
	*data = m->signed_data;
	if (!sign_layout_get(s->plan->sign_layout, &l))
		return true;
	*form = l.form;
	return sign_layout_match(&l, m, data);
}

bool sim_sign_knows(const struct sim *s, const struct capfmsg *m)
{
	enum sign_form form;
	struct bytes data;

	return read_request(s, m, &form, &data);
}

/* The digest that goes with a form, or that the server asks for. */
static const EVP_MD *digest(const struct capfmsg *m, enum sign_form form)
{
	if (form == SIGN_SHA1 || m->digest_type == CAPFMSG_SHA1)
		return EVP_sha1();
	if (form == SIGN_SHA512 || m->digest_type == CAPFMSG_SHA512)
		return EVP_sha512();
	return EVP_sha256();
}

/* Signs what is a hash already: with a digest, RSA puts it into a DigestInfo, without one it pads what there is. */
static int sign_hash(EVP_PKEY *key, struct bytes hash, const EVP_MD *md, unsigned char *sig, size_t *len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	int ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
	    (!EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1) &&
	    (md == NULL || EVP_PKEY_CTX_set_signature_md(ctx, md) == 1) &&
	    EVP_PKEY_sign(ctx, sig, len, hash.p, hash.len) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok ? 0 : -1;
}

/* Signs what has to be hashed first. */
static int sign_data(EVP_PKEY *key, struct bytes data, const EVP_MD *md, unsigned char *sig, size_t *len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1 &&
	    EVP_DigestSign(ctx, sig, len, data.p, data.len) == 1;

	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -1;
}

static int sign(const struct sim *s, const struct capfmsg *m, unsigned char *sig, size_t *len)
{
	bool bare = s->plan->sign_answer == SIM_ANSWER_BARE;
	unsigned char hash[EVP_MAX_MD_SIZE];
	enum sign_form form;
	struct bytes data;
	unsigned n;

	read_request(s, m, &form, &data);
	if (form == SIGN_INFO && !bare)
		return sign_data(s->key, data, digest(m, form), sig, len);
	if (form == SIGN_INFO) {
		if (EVP_Digest(data.p, data.len, hash, &n, digest(m, form), NULL) != 1)
			return -1;
		data = (struct bytes){hash, n};
	}
	return sign_hash(s->key, data, bare || form == SIGN_DIGEST_INFO ? NULL : digest(m, form), sig, len);
}

/* A whole request, of the phone's own making. */
static int make_whole(const struct sim *s, struct buf *room)
{
	X509_REQ *req = X509_REQ_new();
	unsigned char *der = NULL;
	int len = -1;

	if (req != NULL && X509_REQ_set_pubkey(req, s->key) == 1 &&
	    X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(req), NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)s->device, -1, -1, 0) == 1 && X509_REQ_sign(req, s->key, EVP_sha256()) > 0)
		len = i2d_X509_REQ(req, &der);
	if (len > 0)
		buf_put(room, der, (size_t)len);
	OPENSSL_free(der);
	X509_REQ_free(req);
	return len > 0 && !room->failed ? 0 : -1;
}

int sim_sign_answer(const struct sim *s, const struct capfmsg *m, struct capfmsg *answer, struct buf *room)
{
	unsigned char sig[SIGNATURE_MAX];
	size_t len = sizeof sig;
	int result = -1;

	if (s->key != NULL && s->plan->sign_answer == SIM_ANSWER_WHOLE)
		result = make_whole(s, room);
	else if (s->key != NULL && (result = sign(s, m, sig, &len)) == 0)
		buf_put(room, sig, len);
	ERR_clear_error();
	if (result != 0 || room->failed)
		return -1;
	*answer = (struct capfmsg){.command = CAPFMSG_SIGN_RESPONSE, .reason = CAPFMSG_DONE,
	    .sha2_digest = CAPFMSG_SHA256};
	capfmsg_add(answer, CAPFMSG_REASON);
	switch (s->plan->sign_answer) {
	case SIM_ANSWER_SHA2:
	case SIM_ANSWER_BARE:
		answer->sha2_signature = (struct bytes){room->p, room->len};
		capfmsg_add(answer, CAPFMSG_SHA2_SIGNED_DATA);
		break;
	case SIM_ANSWER_SIGNED_DATA:
		answer->signed_data = (struct bytes){room->p, room->len};
		capfmsg_add(answer, CAPFMSG_SIGNED_DATA);
		break;
	case SIM_ANSWER_UNKNOWN_TAG:
		answer->unknown[0] = (struct capfmsg_unknown){TAG, {room->p, room->len}};
		answer->unknowns = 1;
		break;
	case SIM_ANSWER_WHOLE:
		answer->certificate = (struct bytes){room->p, room->len};
		capfmsg_add(answer, CAPFMSG_CERTIFICATE);
		break;
	}
	return 0;
}
