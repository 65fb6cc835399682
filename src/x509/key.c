/* SPDX-License-Identifier: ISC */
/* Engines are deprecated, but on Debian 12 an engine is the only way to a PKCS#11 token. On Debian 13 it is a provider. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#ifndef OPENSSL_NO_ENGINE
#include <openssl/engine.h>
#endif
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "x509/der.h"
#include "x509/key.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"

#define KEY_MAX_BYTES 262144	/* an 8192-bit key has 7 KiB; a PKCS#12 may carry a chain besides */
#define SECRET_MAX 512		/* half of what OpenSSL's own prompt takes */
#define KEY_ROUNDS 200000	/* of PBKDF2, a tenth of a second; OpenSSL's default is 2048 */

void key_guard(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}

int secret_read(struct secret *s, const char *path, struct reason *r)
{
	char line[SECRET_MAX + 2];
	size_t len = 0, end;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), saved, res = -1;

	key_guard();
	if (fd < 0)
		return reason_errno(r);
	while (len < sizeof line && ((n = read(fd, line + len, sizeof line - len)) > 0 ||
	    (n < 0 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	saved = errno;
	close(fd);
	for (end = 0; end < len && line[end] != '\n' && line[end] != '\0'; end++)
		;
	if (end > 0 && line[end - 1] == '\r')
		end--;
	errno = saved;
	if (n < 0)
		reason_errno(r);
	else if (end == 0)
		reason_set(r, "the first line is empty");
	else if (end > SECRET_MAX)
		reason_set(r, "the first line has more than %d bytes", SECRET_MAX);
	else {
		secret_wipe(s);
		if ((s->text = strndup(line, end)) != NULL)
			res = 0;
		else
			reason_errno(r);
	}
	OPENSSL_cleanse(line, sizeof line);
	return res;
}

int secret_ask(struct secret *s, const char *prompt, struct reason *r)
{
	char line[SECRET_MAX + 1];
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), ok;
	sigset_t child, before;

	key_guard();
	/* Without a terminal OpenSSL would read stdin, where the archive comes from. */
	if (fd < 0)
		return reason_set(r, "needs a pass phrase, and there is no terminal to ask on");
	close(fd);
	/* OpenSSL catches every signal meanwhile; a child that ends would be taken for an interruption. */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &before);
	ok = EVP_read_pw_string_min(line, 1, SECRET_MAX, prompt, 0) == 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (ok) {
		secret_wipe(s);
		s->text = strdup(line);
	}
	OPENSSL_cleanse(line, sizeof line);
	ERR_clear_error();
	if (!ok)
		return reason_set(r, "no pass phrase was given");
	return s->text != NULL ? 0 : reason_memory(r);
}

void secret_wipe(struct secret *s)
{
	if (s->text != NULL) {
		OPENSSL_cleanse(s->text, strlen(s->text));
		free(s->text);
	}
	s->text = NULL;
}

/* What OpenSSL's question for a pass phrase needs, and what became of it. */
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
	/* It asks again after a wrong PIN, and a token counts those. After -1 it asks by itself, on stdin if need be; after
	 * 0 it gives up. */
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

/* What to say when no key came. Returns -1. */
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

/* A file, read here: a pipe can be read once only, and OpenSSL would list a directory. The file may
 * be readable for others; that is between the administrator and his backup. */
static EVP_PKEY *from_file(const char *path, UI_METHOD *ui, struct asking *a, struct reason *r)
{
	unsigned char *data = NULL;
	EVP_PKEY *key = NULL;
	OSSL_STORE_CTX *store;
	BIO *bio = NULL;
	size_t len = 0;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && (data = malloc(KEY_MAX_BYTES + 1)) != NULL)
		while (len <= KEY_MAX_BYTES &&
		    ((n = read(fd, data + len, KEY_MAX_BYTES + 1 - len)) > 0 ||
			(n < 0 && errno == EINTR)))
			len += n > 0 ? (size_t)n : 0;
	if (data == NULL || n < 0)
		reason_errno(r);
	else if (len == 0)
		reason_set(r, "is empty");
	else if (len > KEY_MAX_BYTES)
		reason_set(r, "has more than %d bytes", KEY_MAX_BYTES);
	else if ((bio = BIO_new_mem_buf(data, (int)len)) == NULL ||
	    (store = OSSL_STORE_attach(bio, "file", NULL, NULL, ui, a, NULL, NULL, NULL)) == NULL)
		openssl_error_set(r, "cannot be read as a key");
	else
		key = from_store(store, a, r);
	BIO_free(bio);
	if (data != NULL)
		OPENSSL_cleanse(data, len);
	free(data);
	if (fd >= 0)
		close(fd);
	return key;
}

/* Does a provider know pkcs11: URIs? One that openssl.cnf has not activated is loaded, for good: the key needs it. It is
 * told of the token's library by the variable that the engine takes, too. */
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

/* The fence around ENGINE: used for pkcs11: only, and only when no provider knows that scheme. The
 * key keeps the engine alive. The engine asks for the PIN through ui. */
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

	key_guard();
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

EVP_PKEY *key_make(const char *spec, struct reason *r)
{
	static const struct {
		const char *spec;
		size_t bits;
		const char *curve;
	} known[] = {
	    {"rsa:2048", 2048, NULL}, {"rsa:3072", 3072, NULL}, {"rsa:4096", 4096, NULL},
	    {"ec:256", 0, "P-256"}, {"ec:384", 0, "P-384"}, {"ec:521", 0, "P-521"},
	};
	EVP_PKEY *key;

	key_guard();
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(spec, known[i].spec) != 0)
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
		    (int)strlen(secret->text), NULL, 0, KEY_ROUNDS, plain);
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

void key_pem_free(char *pem, size_t len)
{
	if (pem != NULL)
		OPENSSL_cleanse(pem, len);
	free(pem);
}

int key_spki(EVP_PKEY *key, unsigned char out[32], struct reason *r)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	int res = len > 0 ? openssl_sha256(der, (size_t)len, out, r) :
	    openssl_error_set(r, "the public key cannot be encoded");
	OPENSSL_free(der);
	return res;
}

int key_spki_of(const X509_PUBKEY *pub, unsigned char out[32], struct reason *r)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(pub, &der);
	int res = len > 0 ? openssl_sha256(der, (size_t)len, out, r) :
	    openssl_error_set(r, "the public key cannot be encoded");

	OPENSSL_free(der);
	return res;
}

static int check_rsa(EVP_PKEY *key, struct reason *r)
{
	unsigned char n[1024];
	uint64_t e = 0;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, sizeof n),
	    OSSL_PARAM_construct_uint64(OSSL_PKEY_PARAM_RSA_E, &e), OSSL_PARAM_construct_end()};
	int bits = EVP_PKEY_get_bits(key), odd;
	BIGNUM *bn;

	if (bits < 2048 || bits > 8192)
		return reason_set(r, "has an RSA key of %d bits, not 2048 to 8192", bits);
	/* One of the vendor's own roots has exponent 3; one of more than 64 bits only costs time.
	 * Both in one call, which takes a third of the time of EVP_PKEY_get_bn_param for each. */
	if (!EVP_PKEY_get_params(key, params) || e % 2 == 0 || e == 1) {
		ERR_clear_error();
		return reason_set(r, "has an RSA key with a bad exponent");
	}
	bn = BN_native2bn(n, (int)params[0].return_size, NULL);
	odd = bn != NULL && BN_is_odd(bn);
	BN_free(bn);
	return odd ? 0 : reason_set(r, "has an RSA key with an even modulus");
}

static int check_ec(EVP_PKEY *key, struct reason *r)
{
	char curve[32];
	int explicit = 0;

	if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
		&explicit) &&
	    explicit)
		return reason_set(r, "has an EC key with explicit parameters, not a named curve");
	if (!EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL))
		return openssl_error_set(r, "has an EC key without a named curve");
	if (strcmp(curve, SN_X9_62_prime256v1) != 0 && strcmp(curve, SN_secp384r1) != 0 &&
	    strcmp(curve, SN_secp521r1) != 0)
		return reason_set(r, "has an EC key on %s, not on P-256, P-384 or P-521", curve);
	return 0;
}

int key_check(EVP_PKEY *key, struct reason *r)
{
	if (key == NULL)
		return openssl_error_end(reason_set(r,
		    "has a key that is neither RSA nor EC on P-256, P-384 or P-521"), r);
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return openssl_error_end(check_rsa(key, r), r);
	case EVP_PKEY_EC:
		return openssl_error_end(check_ec(key, r), r);
	}
	return reason_set(r, "has a key that is neither RSA nor EC");
}

int key_check_form(const X509_PUBKEY *pub, struct reason *r)
{
	const unsigned char *bits;
	const void *param;
	X509_ALGOR *algor;
	ASN1_OBJECT *oid;
	int len, type;

	if (!X509_PUBKEY_get0_param(&oid, &bits, &len, &algor, pub))
		return openssl_error_set(r, "has a key that cannot be read");
	X509_ALGOR_get0(NULL, &type, &param, algor);
	switch (OBJ_obj2nid(oid)) {
	case NID_rsaEncryption:
		/* RFC 3279 2.3.1: NULL, not absent. */
		if (type != V_ASN1_NULL)
			return reason_set(r, "has an RSA key with parameters other than NULL");
		if (!der_exact(bits, (size_t)len, true))
			return reason_set(r, "has an RSA key that is not DER");
		return 0;
	case NID_X9_62_id_ecPublicKey:
		/* RFC 5480 2.1.1: a named curve and nothing else. */
		if (type != V_ASN1_OBJECT)
			return reason_set(r,
			    "has an EC key with explicit parameters, not a named curve");
		if (len < 1 || bits[0] != 0x04)
			return reason_set(r, "has an EC key with a compressed point");
		return 0;
	}
	return reason_set(r, "has a key that is neither RSA nor EC");
}

/* The digest of an RSASSA-PSS signature; its default is SHA-1. */
static int pss_digest(int type, const void *param)
{
	RSA_PSS_PARAMS *pss = NULL;
	const ASN1_OBJECT *oid;
	int nid = NID_sha1;

	if (type == V_ASN1_SEQUENCE) {
		const ASN1_STRING *s = param;
		const unsigned char *p = ASN1_STRING_get0_data(s);

		pss = d2i_RSA_PSS_PARAMS(NULL, &p, ASN1_STRING_length(s));
	}
	if (pss == NULL)
		return NID_undef;
	if (pss->hashAlgorithm != NULL) {
		X509_ALGOR_get0(&oid, NULL, NULL, pss->hashAlgorithm);
		nid = OBJ_obj2nid(oid);
	}
	RSA_PSS_PARAMS_free(pss);
	return nid;
}

int key_check_signature(const X509_ALGOR *algor, struct reason *r)
{
	const ASN1_OBJECT *oid;
	const void *param;
	char name[80];
	int type, nid, digest = NID_undef, pkey = NID_undef;

	X509_ALGOR_get0(&oid, &type, &param, algor);
	nid = OBJ_obj2nid(oid);
	if (nid == NID_rsassaPss) {
		digest = pss_digest(type, param);
		pkey = NID_rsaEncryption;
	} else
		OBJ_find_sigid_algs(nid, &digest, &pkey);
	if (pkey == NID_rsaEncryption || pkey == NID_X9_62_id_ecPublicKey)
		switch (digest) {
		case NID_sha256:
		case NID_sha384:
		case NID_sha512:
		case NID_sha3_256:
		case NID_sha3_384:
		case NID_sha3_512:
			return 0;
		case NID_sha1:
			return reason_set(r, "is signed with SHA-1, which is too weak");
		case NID_md5:
			return reason_set(r, "is signed with MD5, which is too weak");
		}
	OBJ_obj2txt(name, sizeof name, oid, 0);
	return reason_set(r, "is signed with %s, not with RSA or ECDSA and SHA-256 or better",
	    name);
}
