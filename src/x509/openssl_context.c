/* SPDX-License-Identifier: ISC */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "x509/openssl_context.h"

#define KEPT_MAX 8	/* algorithms of one kind that are kept; there are at most two */
#define SPKI "structure=SubjectPublicKeyInfo"
#define DECODERS_MAX 128	/* the default provider of OpenSSL 3.5 has 90 */

/* Made once, before its first use, and constant from then on. */
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT, quick_once = CRYPTO_ONCE_STATIC_INIT;
static struct {
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *base;	/* the default provider, in a context of its own */
	EVP_MD *sha256;
	OSSL_ALGORITHM decoder[KEPT_MAX + 1], keymgmt[KEPT_MAX + 1], signature[KEPT_MAX + 1];
} minimal;
static struct {
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *base;	/* as above */
	OSSL_ALGORITHM decoder[DECODERS_MAX + 1];
} quick;

/* Is one of the names in "RSA:rsaEncryption:1.2.840.113549.1.1.1" the wanted one? Case matters
 * not. */
static int named(const char *names, const char *want)
{
	size_t len = strlen(want);

	for (; names != NULL; names = strchr(names, ':')) {
		if (*names == ':')
			names++;
		if (strncasecmp(names, want, len) == 0 && (names[len] == '\0' || names[len] == ':'))
			return 1;
	}
	return 0;
}

/* Copies what is wanted of one operation of the default provider. Returns how many. */
static int keep(int operation, const char *property, OSSL_ALGORITHM *out)
{
	int no_cache = 0, n = 0;
	const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(minimal.base, operation, &no_cache);

	if (no_cache)
		return 0;
	for (; a != NULL && a->algorithm_names != NULL && n < KEPT_MAX; a++)
		if ((named(a->algorithm_names, "RSA") || named(a->algorithm_names, "EC") ||
		    named(a->algorithm_names, "ECDSA")) &&
		    (property == NULL || strstr(a->property_definition, property) != NULL))
			out[n++] = *a;
	return n;
}

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_cache)
{
	(void)provctx;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_DECODER:
		return minimal.decoder;
	case OSSL_OP_KEYMGMT:
		return minimal.keymgmt;
	case OSSL_OP_SIGNATURE:
		return minimal.signature;
	case OSSL_OP_DIGEST:
		return OSSL_PROVIDER_query_operation(minimal.base, operation, no_cache);
	}
	return NULL;
}

static const OSSL_DISPATCH dispatch[] = {
	{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
	{0, NULL},
};

/* The algorithms are the default provider's own, so they run with its context. */
static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provctx)
{
	(void)handle;
	(void)in;
	*out = dispatch;
	*provctx = OSSL_PROVIDER_get0_provider_ctx(minimal.base);
	return 1;
}

static void make(void)
{
	OSSL_LIB_CTX *below = OSSL_LIB_CTX_new(), *ctx = OSSL_LIB_CTX_new();

	if (below != NULL && ctx != NULL &&
	    (minimal.base = OSSL_PROVIDER_load(below, "default")) != NULL &&
	    keep(OSSL_OP_DECODER, SPKI, minimal.decoder) == 2 &&
	    keep(OSSL_OP_KEYMGMT, NULL, minimal.keymgmt) == 2 &&
	    keep(OSSL_OP_SIGNATURE, NULL, minimal.signature) == 2 &&
	    OSSL_PROVIDER_add_builtin(ctx, "minimal", provider_init) &&
	    OSSL_PROVIDER_load(ctx, "minimal") != NULL)
		minimal.ctx = ctx;
	else
		OSSL_LIB_CTX_free(ctx);
	minimal.sha256 = EVP_MD_fetch(minimal.ctx, "SHA2-256", NULL);
}

OSSL_LIB_CTX *openssl_context(void)
{
	CRYPTO_THREAD_run_once(&once, make);
	return minimal.ctx;
}

int openssl_sha256(const void *data, size_t len, unsigned char out[32], struct reason *r)
{
	CRYPTO_THREAD_run_once(&once, make);
	if (minimal.sha256 == NULL || EVP_Digest(data, len, out, NULL, minimal.sha256, NULL) != 1)
		return reason_memory(r);
	return 0;
}

/* Is it a kind of keys that do not sign, or that no certificate of today has? */
static bool is_spare(const char *names)
{
	static const char *const spare[] = {"DH", "DHX", "X25519", "X448", "DSA", "SM2", "ML-KEM-512", "ML-KEM-768",
	    "ML-KEM-1024", "X25519MLKEM768", "X448MLKEM1024"};

	for (size_t i = 0; i < sizeof spare / sizeof spare[0]; i++)
		if (named(names, spare[i]))
			return true;
	return false;
}

static const OSSL_ALGORITHM *query_quick(void *provctx, int operation, int *no_cache)
{
	(void)provctx;
	*no_cache = 0;
	if (operation == OSSL_OP_DECODER)
		return quick.decoder;
	return OSSL_PROVIDER_query_operation(quick.base, operation, no_cache);
}

static int quick_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **provctx)
{
	static const OSSL_DISPATCH calls[] = {
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_quick},
		{0, NULL},
	};

	(void)handle;
	(void)in;
	*out = calls;
	*provctx = OSSL_PROVIDER_get0_provider_ctx(quick.base);
	return 1;
}

static void make_quick(void)
{
	OSSL_LIB_CTX *below = OSSL_LIB_CTX_new(), *ctx = OSSL_LIB_CTX_new();
	const OSSL_ALGORITHM *a = NULL;
	int no_cache = 0, n = 0;

	if (below != NULL && ctx != NULL && (quick.base = OSSL_PROVIDER_load(below, "default")) != NULL)
		a = OSSL_PROVIDER_query_operation(quick.base, OSSL_OP_DECODER, &no_cache);
	for (; a != NULL && a->algorithm_names != NULL && n < DECODERS_MAX; a++)
		if (strstr(a->property_definition, SPKI) != NULL && !is_spare(a->algorithm_names))
			quick.decoder[n++] = *a;
	if (n > 0 && !no_cache && OSSL_PROVIDER_add_builtin(ctx, "quick", quick_init) &&
	    OSSL_PROVIDER_load(ctx, "quick") != NULL)
		quick.ctx = ctx;
	else
		OSSL_LIB_CTX_free(ctx);
}

OSSL_LIB_CTX *openssl_context_quick(void)
{
	CRYPTO_THREAD_run_once(&quick_once, make_quick);
	return quick.ctx;
}
