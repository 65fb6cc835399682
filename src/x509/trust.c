/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "x509/name.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"
#include "x509/pem.h"
#include "x509/trust.h"

struct trust {
	X509_STORE *store;
	X509_STORE_CTX *ctx;	/* used again for each certificate */
	size_t count;
};

/* The missing identifier that was forgiven, 0 for none, and where. */
struct forgiven {
	int error, depth;
};

/* Is this an error of form, which a CA may have? Every CA of a chain is in the list, where an administrator has put
 * it by hand: a trust anchor is a name and a key (RFC 5280 6.1.1 (d)), in whatever form its maker wrote it. easy-rsa
 * does not mark basicConstraints as critical, "openssl req -x509" writes no keyUsage, and nobody can forge a
 * certificate by the weak digest of one that is in the list as it is. What limits a CA still counts: its path length,
 * its end, its name constraints, a keyUsage without keyCertSign. */
static bool is_form(int error)
{
	switch (error) {
	case X509_V_ERR_CA_BCONS_NOT_CRITICAL:
	case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
	case X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN:	/* only when there is no keyUsage: trust_put */
	case X509_V_ERR_EMPTY_SUBJECT_ALT_NAME:
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return true;
	}
	return false;
}

/* Verification is strict (X509_V_FLAG_X509_STRICT), but for the form of CAs and for key identifiers, which home-made
 * CAs leave out and phones do not need. */
static int forgive(int good, X509_STORE_CTX *ctx)
{
	struct forgiven *f = X509_STORE_CTX_get_app_data(ctx);
	int error = X509_STORE_CTX_get_error(ctx);

	if (good || f == NULL)
		return good;
	if (X509_STORE_CTX_get_error_depth(ctx) > 0 && is_form(error))
		return 1;
	if (error != X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER &&
	    error != X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER)
		return 0;
	f->error = error;
	f->depth = X509_STORE_CTX_get_error_depth(ctx);
	return 1;
}

struct trust *trust_new(void)
{
	struct trust *t = calloc(1, sizeof *t);
	X509_VERIFY_PARAM *param;

	if (t == NULL)
		return NULL;
	t->store = X509_STORE_new();
	t->ctx = X509_STORE_CTX_new_ex(openssl_context(), NULL);
	if (t->store == NULL || t->ctx == NULL) {
		trust_free(t);
		return NULL;
	}
	param = X509_STORE_get0_param(t->store);
	/* No purpose is set: OpenSSL's would ask the CAs for TLS client or server, and a phone is
	 * both. cert_check_phone looks at its usage, and that a CA is one is checked in any
	 * case. */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_depth(param, TRUST_MAX_DEPTH);
	X509_STORE_set_verify_cb(t->store, forgive);
	return t;
}

void trust_free(struct trust *t)
{
	if (t == NULL)
		return;
	X509_STORE_CTX_free(t->ctx);
	X509_STORE_free(t->store);
	free(t);
}

int trust_put(struct trust *t, const struct cert *c, struct reason *r)
{
	/* A chain may end at whatever is in the store, so no phone may get in. */
	if (cert_check_ca(c, r) < 0)
		return -1;
	if (!X509_STORE_add_cert(t->store, c->x509))
		return openssl_error_set(r, "cannot be added");
	t->count = (size_t)sk_X509_OBJECT_num(X509_STORE_get0_objects(t->store));
	return 0;
}

size_t trust_count(const struct trust *t)
{
	return t->count;
}

bool trust_has(const struct trust *t, const struct cert *c)
{
	const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(t->store);

	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

		if (x != NULL && X509_cmp(x, c->x509) == 0)
			return true;
	}
	return false;
}

/* The beginning of the message when the fault is that of a CA further up; the caller frees. NULL for the certificate
 * itself. */
static char *whose(const X509 *x, int depth)
{
	static const char text[] = "has a CA, ";
	char *name, *out;

	if (depth == 0 || x == NULL || (name = name_line(X509_get_subject_name(x))) == NULL)
		return NULL;
	if ((out = malloc(sizeof text + strlen(name) + 8)) != NULL) {
		strcpy(out, text);
		strcat(out, name);
		strcat(out, ", that ");
	}
	free(name);
	return out;
}

/* The date as on stdout, or "?". */
static const char *date(const ASN1_TIME *when, char out[UTC_ISO + 1])
{
	struct tm tm;

	if (when == NULL || !ASN1_TIME_to_tm(when, &tm))
		return "?";
	utc_iso(timegm(&tm), out);
	return out;
}

static int refuse(X509_STORE_CTX *ctx, struct reason *r)
{
	int error = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
	const X509 *x = X509_STORE_CTX_get_current_cert(ctx);
	char iso[UTC_ISO + 1], *of = whose(x, depth), *issuer = NULL;
	const char *before = of != NULL ? of : "";

	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		reason_set(r, "%sexpired on %s", before, date(x ? X509_get0_notAfter(x) : NULL,
		    iso));
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		reason_set(r, "%sis not valid before %s", before,
		    date(x ? X509_get0_notBefore(x) : NULL, iso));
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		if (x != NULL)
			issuer = name_line(X509_get_issuer_name(x));
		reason_set(r, "%sis signed by a CA that is not trusted: %s", before,
		    issuer != NULL ? issuer : "?");
		if (issuer == NULL && x != NULL)
			reason_memory(r);
		break;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		reason_set(r, "%sis not signed with the key of the CA that it names", before);
		break;
	default:
		reason_set(r, "%s%s%s", before, of != NULL ? "does not verify: " : "",
		    X509_verify_cert_error_string(error));
	}
	if (of == NULL && depth > 0 && x != NULL)
		reason_memory(r);
	free(issuer);
	free(of);
	return -1;
}

/* Runs OpenSSL's verification once; its result stays in the context. */
static int verify(const struct trust *t, const struct cert *c, time_t now, int level,
    unsigned long flags, struct forgiven *f)
{
	f->error = 0;
	/* No untrusted certificates: intermediates come from the list alone. */
	if (!X509_STORE_CTX_init(t->ctx, t->store, c->x509, NULL))
		return -1;
	X509_STORE_CTX_set_app_data(t->ctx, f);
	X509_STORE_CTX_set_flags(t->ctx, flags);
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(t->ctx), level);
	X509_STORE_CTX_set_time(t->ctx, 0, now);
	return X509_verify_cert(t->ctx);
}

static int verify_at(const struct trust *t, const struct cert *c, time_t now, int level,
    struct reason *r)
{
	struct forgiven f;
	int res;

	res = verify(t, c, now, level, 0, &f);
	/* Each CA was put here by an administrator's own hand, and often it is the issuing one
	 * alone: so it may end a chain without being self-signed (RFC 5280 6.1.1 (d) asks for no
	 * more). But only when a CA in the list lacks its issuer there: else the whole chain
	 * counts, with the root's path length and end. */
	if (res == 0 && X509_STORE_CTX_get_error(t->ctx) == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT) {
		X509_STORE_CTX_cleanup(t->ctx);
		res = verify(t, c, now, level, X509_V_FLAG_PARTIAL_CHAIN, &f);
	}
	if (res < 0)
		openssl_error_set(r, "cannot be verified");
	else if (res == 0)
		res = refuse(t->ctx, r);
	else if (f.error != 0)
		reason_set(r, "%s no %s key identifier", f.depth == 0 ? "has" : "has a CA with",
		    f.error == X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER ? "authority"
									   : "subject");
	else
		res = 0;
	X509_STORE_CTX_cleanup(t->ctx);
	return openssl_error_end(res, r);
}

int trust_verify(const struct trust *t, const struct cert *c, time_t now, struct reason *r)
{
	return verify_at(t, c, now, 2, r);
}

int trust_verify_weak(const struct trust *t, const struct cert *c, time_t now, struct reason *r)
{
	int digest;

	/* OpenSSL's level 0 asks for nothing at all; SHA-1 is below level 1. */
	if (!X509_get_signature_info(c->x509, &digest, NULL, NULL, NULL) || digest == NID_md5 ||
	    digest == NID_md4 || digest == NID_md2)
		return openssl_error_end(reason_set(r, "is signed with a digest older than SHA-1"), r);
	return verify_at(t, c, now, 0, r);
}

int trust_each(const void *data, size_t len,
    int (*each)(void *ctx, size_t number, const struct cert *, const struct reason *), void *ctx)
{
	struct bytes file = {data, len}, one;
	size_t number = 0;
	int res = 0;

	while (res == 0 && pem_next(&file, &one)) {
		struct reason r = {.text = ""};
		struct cert *c = cert_parse(one.p, one.len, &r);

		res = each(ctx, ++number, c, &r);
		cert_free(c);
	}
	return res;
}
