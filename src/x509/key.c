/* SPDX-License-Identifier: ISC */
/* Engines are deprecated, but on Debian 12 an engine is the only way to a PKCS#11 token; Debian 13 has a provider. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#ifndef OPENSSL_NO_ENGINE
#include <openssl/engine.h>
#endif
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fileio.h"
#include "x509/key.h"
#include "x509/openssl_error.h"

#define MAX_BYTES 262144	/* an 8192-bit key has 7 KiB; a PKCS#12 may carry a chain besides */
#define ROUNDS 200000	/* of PBKDF2, a tenth of a second; OpenSSL's default is 2048 */

/* For answer(), which OpenSSL calls for a pass phrase, and what became of that. */
struct asking {
	struct secret *secret;
	struct reason *reason;
	bool asked, failed;
	bool token;		/* it is a pkcs11: URI */
	bool provider;		/* which a provider knows, not the engine */
};

/* OpenSSL's pem_password_cb: the length, or -1. */
static int answer(char *buf, int size, int writing, void *arg)
{
	struct asking *a = arg;
	size_t len;

	(void)writing;
	/* It asks again after a wrong PIN, and a token counts those. After -1 it asks by itself, on stdin if need be;
	 * after 0 it gives up. */
	if (a->provider && a->asked)
		return 0;
	a->asked = true;
	if (a->secret->text == NULL &&
	    secret_ask(a->secret, "Pass phrase or PIN of the key: ", a->reason) < 0) {
		a->failed = true;
		return a->provider ? 0 : -1;
	}
	if ((len = strlen(a->secret->text)) > (size_t)size)
		return -1;
	memcpy(buf, a->secret->text, len);
	return (int)len;
}

/* The message when there is no key. Returns -1. */
static int no_key(const struct asking *a, struct reason *r)
{
	unsigned long e = ERR_peek_error();

	if (a->failed) {
		/* answer() has said it */
		ERR_clear_error();
		return -1;
	}
	/* A provider and the engine say the same. */
	if (a->token && !a->asked)
		return openssl_error_set(r, "no such key on the token");
	if (a->asked) {
		ERR_clear_error();
		return reason_set(r, a->token ? "wrong PIN, or no such key on the token" : "wrong pass phrase");
	}
	if (e == 0 || ERR_GET_REASON(e) == ERR_R_UNSUPPORTED) {
		ERR_clear_error();
		return reason_set(r, "holds no private key");
	}
	return openssl_error_set(r, "holds no private key");
}

/* The first private key of a store, which is closed. NULL with a reason. */
static EVP_PKEY *from_store(OSSL_STORE_CTX *store, const struct asking *a, struct reason *r)
{
	EVP_PKEY *key = NULL;
	bool cert = false, public = false;

	while (key == NULL && !OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);

		if (info == NULL) {
			if (OSSL_STORE_error(store))
				break;
			continue;
		}
		switch (OSSL_STORE_INFO_get_type(info)) {
		case OSSL_STORE_INFO_PKEY:
			key = OSSL_STORE_INFO_get1_PKEY(info);
			break;
		case OSSL_STORE_INFO_CERT:
			cert = true;
			break;
		case OSSL_STORE_INFO_PUBKEY:
			public = true;
			break;
		}
		OSSL_STORE_INFO_free(info);
	}
	OSSL_STORE_close(store);
	if (key != NULL)
		ERR_clear_error();
	else if (!a->asked && (cert || public)) {
		reason_set(r, "holds %s, but no private key",
		    cert ? "a certificate" : "a public key");
		ERR_clear_error();
	} else
		no_key(a, r);
	return key;
}

/* A file is read here: a pipe can be read only once, and OpenSSL would list a directory. Its mode is not checked: an
 * administrator may have reasons to let others read it. */
static EVP_PKEY *from_file(const char *path, UI_METHOD *ui, struct asking *a, struct reason *r)
{
	unsigned char *data = NULL;
	EVP_PKEY *key = NULL;
	OSSL_STORE_CTX *store;
	BIO *bio = NULL;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	/* Into memory of its full size: a buffer that grows would leave copies behind. */
	if (fd >= 0 && (data = malloc(MAX_BYTES + 1)) != NULL)
		n = fileio_read_full(fd, data, MAX_BYTES + 1);
	if (n < 0)
		reason_errno(r);
	else if (n == 0)
		reason_set(r, "is empty");
	else if (n > MAX_BYTES)
		reason_set(r, "has more than %d bytes", MAX_BYTES);
	else if ((bio = BIO_new_mem_buf(data, (int)n)) == NULL ||
	    (store = OSSL_STORE_attach(bio, "file", NULL, NULL, ui, a, NULL, NULL, NULL)) == NULL)
		openssl_error_set(r, "cannot be read as a key");
	else
		key = from_store(store, a, r);
	BIO_free(bio);
	secret_free(data, MAX_BYTES + 1);
	if (fd >= 0)
		close(fd);
	return key;
}

/* Does a provider know pkcs11: URIs? One that openssl.cnf has not activated is loaded, for good: the key needs it. It
 * is told of the token's library by the variable that the engine takes, too. */
static bool token_provider(void)
{
	const char *module = getenv("PKCS11_MODULE_PATH");
	OSSL_STORE_LOADER *loader = OSSL_STORE_LOADER_fetch(NULL, "pkcs11", NULL);

	if (loader == NULL) {
		if (module != NULL)
			setenv("PKCS11_PROVIDER_MODULE", module, 0);
		/* 1: the default provider stays, although one was loaded by name. */
		if (OSSL_PROVIDER_try_load(NULL, "pkcs11", 1) != NULL)
			loader = OSSL_STORE_LOADER_fetch(NULL, "pkcs11", NULL);
	}
	ERR_clear_error();
	OSSL_STORE_LOADER_free(loader);
	return loader != NULL;
}

/* ENGINE is used for pkcs11: only, and only when no provider knows that scheme. The key keeps the engine alive. The
 * engine asks for the PIN through ui. */
static EVP_PKEY *from_engine(const char *uri, UI_METHOD *ui, struct asking *a, struct reason *r)
{
	EVP_PKEY *key = NULL;
#ifdef OPENSSL_NO_ENGINE
	(void)uri;
	(void)ui;
	(void)a;
	reason_set(r, "OpenSSL's provider for PKCS#11 is not installed");
#else
	ENGINE *e = ENGINE_by_id("pkcs11");

	if (e == NULL) {
		openssl_error_set(r, "neither a provider nor the engine for PKCS#11 is installed");
		return NULL;
	}
	if (!ENGINE_init(e)) {
		ENGINE_free(e);
		openssl_error_set(r, "the PKCS#11 engine does not start");
		return NULL;
	}
	/* It would say on stderr what is said here. */
	ENGINE_ctrl_cmd(e, "QUIET", 0, NULL, NULL, 1);
	key = ENGINE_load_private_key(e, uri, ui, a);
	if (key == NULL)
		no_key(a, r);
	ERR_clear_error();
	ENGINE_finish(e);
	ENGINE_free(e);
#endif
	return key;
}

/* Is each attribute of the path a name and a value (RFC 7512)? The provider skips one that is not, and then takes any
 * key of any token. */
static bool token_uri_sound(const char *uri)
{
	const char *p = strchr(uri, ':') + 1;
	size_t len;

	for (;; p += len + 1) {
		const char *equals = memchr(p, '=', len = strcspn(p, ";?"));

		if (equals == NULL || equals == p)
			return false;
		if (p[len] != ';')
			return true;
	}
}

static EVP_PKEY *from_uri(const char *uri, UI_METHOD *ui, struct asking *a, struct reason *r)
{
	OSSL_STORE_CTX *store;

	a->token = strncasecmp(uri, "pkcs11:", 7) == 0;
	if (a->token && !token_uri_sound(uri)) {
		reason_set(r, "is not a PKCS#11 URI, such as pkcs11:token=ca;object=ca");
		return NULL;
	}
	a->provider = a->token && token_provider();
	if (a->token && !a->provider)
		return from_engine(uri, ui, a, r);
	store = OSSL_STORE_open(uri, ui, a, NULL, NULL);
	if (store == NULL) {
		/* The first error is that of a loader which was not meant; the last is about the address. */
		reason_set(r, "cannot be opened: %s", ERR_reason_error_string(ERR_peek_last_error()));
		ERR_clear_error();
		return NULL;
	}
	return from_store(store, a, r);
}

/* Does it begin with a scheme, and is it not the name of a file that there is? */
bool key_is_uri(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	if (len < 2 || s[len] != ':')
		return false;
	return strncasecmp(s, "pkcs11:", 7) == 0 || access(s, F_OK) != 0;
}

EVP_PKEY *key_load(const char *uri, struct secret *secret, struct reason *r)
{
	struct asking a = {.secret = secret, .reason = r};
	UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(answer, 0);
	EVP_PKEY *key = NULL;

	secret_guard();
	ERR_clear_error();
	if (ui == NULL)
		reason_memory(r);
	else if (key_is_uri(uri))
		key = from_uri(uri, ui, &a, r);
	else
		key = from_file(uri, ui, &a, r);
	UI_destroy_method(ui);
	openssl_error_end(key != NULL ? 0 : -1, r);
	return key;
}

const char *const key_specs[] = {"rsa:2048", "rsa:3072", "rsa:4096", "ec:256", "ec:384", "ec:521", NULL};

EVP_PKEY *key_make(const char *spec, struct reason *r)
{
	static const struct {
		size_t bits;
		const char *curve;
	} known[] = {{2048, NULL}, {3072, NULL}, {4096, NULL}, {0, "P-256"}, {0, "P-384"}, {0, "P-521"}};
	EVP_PKEY *key;

	secret_guard();
	for (size_t i = 0; key_specs[i] != NULL; i++) {
		if (strcmp(spec, key_specs[i]) != 0)
			continue;
		key = known[i].curve != NULL ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", known[i].curve) :
		    EVP_PKEY_Q_keygen(NULL, NULL, "RSA", known[i].bits);
		if (key == NULL)
			openssl_error_set(r, "cannot make a key");
		return key;
	}
	reason_set(r, "not one of rsa:2048, rsa:3072, rsa:4096, ec:256, ec:384, ec:521");
	return NULL;
}

char *key_pem(EVP_PKEY *key, const struct secret *secret, size_t *len, struct reason *r)
{
	PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
	X509_SIG *locked = NULL;
	BIO *bio = BIO_new(BIO_s_secmem());
	char *pem = NULL, *data;
	long n;
	int ok = plain != NULL && bio != NULL;

	if (ok && secret != NULL && secret->text != NULL) {
		locked = PKCS8_encrypt(-1, EVP_aes_256_cbc(), secret->text,
		    (int)strlen(secret->text), NULL, 0, ROUNDS, plain);
		ok = locked != NULL && PEM_write_bio_PKCS8(bio, locked);
	} else if (ok)
		ok = PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, plain);
	if (ok && (n = BIO_get_mem_data(bio, &data)) > 0 && (pem = malloc((size_t)n + 1)) != NULL) {
		memcpy(pem, data, (size_t)n);
		pem[n] = '\0';
		*len = (size_t)n;
	}
	if (!ok)
		openssl_error_set(r, "the key cannot be written");
	else if (pem == NULL)
		reason_memory(r);
	PKCS8_PRIV_KEY_INFO_free(plain);
	X509_SIG_free(locked);
	BIO_free(bio);
	return pem;
}
