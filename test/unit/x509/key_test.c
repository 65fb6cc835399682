/* SPDX-License-Identifier: ISC */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tap.h"
#include "x509/key.h"
#include "x509/public_key.h"
#include "x509/secret.h"

static struct reason r;
static const char *dir;

static void put(const char *name, const void *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0 && write(fd, data, len) == (ssize_t)len && close(fd) == 0, "write a file");
}

/* Loads and compares. */
static bool loads(const char *uri, const char *pass, EVP_PKEY *want)
{
	struct secret s = {pass != NULL ? strdup(pass) : NULL};
	EVP_PKEY *key = key_load(uri, &s, &r);
	bool same = key != NULL && EVP_PKEY_eq(key, want) == 1;

	EVP_PKEY_free(key);
	secret_wipe(&s);
	return same;
}

static bool refuses(const char *uri, const char *pass, const char *why)
{
	struct secret s = {pass != NULL ? strdup(pass) : NULL};
	EVP_PKEY *key;
	bool right;

	r.text[0] = '\0';
	key = key_load(uri, &s, &r);
	right = key == NULL && strstr(r.text, why) != NULL && ERR_peek_error() == 0;
	if (!right)
		printf("# %s: %s\n", uri, r.text);
	EVP_PKEY_free(key);
	secret_wipe(&s);
	return right;
}

static void test_make(void)
{
	static const char *const specs[] = {"rsa:2048", "ec:256", "ec:384", "ec:521"};
	unsigned char a[32], b[32];

	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
		EVP_PKEY *key = key_make(specs[i], &r);
		X509_PUBKEY *pub = NULL;

		ok(key != NULL && public_key_check(key, &r) == 0, "%s is made and good", specs[i]);
		must(key != NULL && X509_PUBKEY_set(&pub, key), "public key");
		ok(public_key_spki(key, a, &r) == 0 && public_key_spki_of(pub, b, &r) == 0 &&
			memcmp(a, b, 32) == 0,
		    "%s has one SHA-256", specs[i]);
		ok(public_key_check_form(pub, &r) == 0, "%s is in its one form", specs[i]);
		X509_PUBKEY_free(pub);
		EVP_PKEY_free(key);
	}
	ok(key_make("rsa:1024", &r) == NULL && strstr(r.text, "rsa:2048"), "rsa:1024 is not made");
	ok(key_make("", &r) == NULL, "nothing is not made");
}

/* An RSA public key of numbers: the modulus of another key plus something, and an exponent. */
static EVP_PKEY *rsa_of(EVP_PKEY *from, BN_ULONG more, const char *exponent)
{
	BIGNUM *n = NULL, *e = NULL;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;

	EVP_PKEY_get_bn_param(from, OSSL_PKEY_PARAM_RSA_N, &n);
	BN_add_word(n, more);
	BN_hex2bn(&e, exponent);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
	params = OSSL_PARAM_BLD_to_param(build);
	must(EVP_PKEY_fromdata_init(ctx) > 0 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) > 0, "a key of numbers");
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	BN_free(e);
	return key;
}

static void test_numbers(void)
{
	static const struct {
		const char *exponent;
		BN_ULONG more;
		const char *why;
	} cases[] = {
	    {"3", 0, NULL}, {"10001", 0, NULL}, {"ffffffffffffffff", 0, NULL}, {"1", 0, "exponent"},
	    {"0", 0, "exponent"}, {"10000", 0, "exponent"}, {"10000000000000001", 0, "exponent"},
	    {"10001", 1, "modulus"},
	};
	EVP_PKEY *from = key_make("rsa:2048", &r);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		EVP_PKEY *key = rsa_of(from, cases[i].more, cases[i].exponent);
		int res = public_key_check(key, &r);

		ok(cases[i].why == NULL ? res == 0
					: res == -1 && strstr(r.text, cases[i].why) != NULL,
		    "exponent %s, modulus plus %d", cases[i].exponent, (int)cases[i].more);
		EVP_PKEY_free(key);
	}
	EVP_PKEY_free(from);
}

static void test_check(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);

	ok(public_key_check(key, &r) == -1 && strstr(r.text, "1024 bits"), "1024 bits are too few");
	EVP_PKEY_free(key);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
	ok(public_key_check(key, &r) == -1 && strstr(r.text, "secp256k1"), "another curve");
	EVP_PKEY_free(key);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	ok(public_key_check(key, &r) == -1 && strstr(r.text, "neither RSA nor EC"), "another algorithm");
	EVP_PKEY_free(key);
	ok(public_key_check(NULL, &r) == -1, "a key that OpenSSL could not read");
}

static void test_files(void)
{
	EVP_PKEY *rsa = key_make("rsa:2048", &r), *ec = key_make("ec:256", &r);
	struct secret pass = {strdup("correct horse")}, none = {NULL}, got = {NULL};
	unsigned char *der = NULL;
	char *pem, sub[512], words[] = "old words";
	X509 *x = X509_new();
	size_t len;
	BIO *bio;
	int n, fds[2];

	dir = tap_dir();
	must(rsa != NULL && ec != NULL && chdir(dir) == 0, "set up");
	pem = key_pem(rsa, &none, &len, &r);
	ok(pem != NULL && strlen(pem) == len && strstr(pem, "BEGIN PRIVATE KEY"), "PKCS#8 PEM");
	put("plain.pem", pem, len);
	put("pkcs11.pem:a", pem, len);
	put("http:b", pem, len);
	secret_free(pem, len);
	ok(loads("plain.pem", NULL, rsa), "a PEM file loads");
	ok(loads("pkcs11.pem:a", NULL, rsa), "so does one with a colon in its name");
	ok(loads("http:b", NULL, rsa), "so does one that looks like a URI");
	snprintf(sub, sizeof sub, "file:%s/plain.pem", dir);
	ok(loads(sub, NULL, rsa), "a file: URI loads");
	pem = key_pem(rsa, &pass, &len, &r);
	ok(pem != NULL && strstr(pem, "BEGIN ENCRYPTED PRIVATE KEY"), "encrypted PEM");
	put("locked.pem", pem, len);
	secret_free(pem, len);
	ok(loads("locked.pem", "correct horse", rsa), "it loads with its pass phrase");
	ok(refuses("locked.pem", "wrong", "wrong pass phrase"), "not with a wrong one");
	n = i2d_PrivateKey(ec, &der);
	put("ec.der", der, (size_t)n);
	OPENSSL_free(der);
	ok(loads("ec.der", NULL, ec), "traditional DER loads");
	bio = BIO_new_file("old.pem", "w");
	PEM_write_bio_PrivateKey_traditional(bio, ec, EVP_aes_128_cbc(), NULL, 0, NULL, words);
	BIO_free(bio);
	ok(loads("old.pem", "old words", ec), "traditional encrypted PEM loads");
	ok(refuses("old.pem", "wrong", "wrong pass phrase"), "not with a wrong pass phrase");

	X509_set_pubkey(x, rsa);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 60);
	X509_sign(x, rsa, EVP_sha256());
	bio = BIO_new_file("cert.pem", "w");
	PEM_write_bio_X509(bio, x);
	BIO_free(bio);
	bio = BIO_new_file("pub.pem", "w");
	PEM_write_bio_PUBKEY(bio, rsa);
	BIO_free(bio);
	put("empty", "", 0);
	put("junk", "hello, world\n", 13);
	ok(refuses("cert.pem", NULL, "holds a certificate"), "a certificate is told as one");
	ok(refuses("pub.pem", NULL, "holds a public key"), "a public key is told as one");
	ok(refuses("empty", NULL, "is empty"), "an empty file");
	ok(refuses("junk", NULL, "holds no private key"), "junk");
	ok(refuses("absent", NULL, "No such file"), "no file");
	ok(refuses(".", NULL, "Is a directory"), "a directory");
	ok(refuses("nonsense:a", NULL, ""), "an unknown scheme");

	pem = key_pem(ec, &none, &len, &r);
	must(pipe(fds) == 0 && write(fds[1], pem, len) == (ssize_t)len, "pipe");
	close(fds[1]);
	secret_free(pem, len);
	snprintf(sub, sizeof sub, "/dev/fd/%d", fds[0]);
	ok(loads(sub, NULL, ec), "a pipe loads");
	close(fds[0]);

	put("words", "first\r\nsecond\n", 14);
	ok(secret_read(&got, "words", &r) == 0 && strcmp(got.text, "first") == 0, "the first line");
	ok(secret_read(&got, "empty", &r) == -1 && strstr(r.text, "empty"), "no first line");
	ok(secret_read(&got, "absent", &r) == -1 && strstr(r.text, "No such file"),
	    "no secret file");
	secret_wipe(&got);
	ok(got.text == NULL, "wiped");

	secret_wipe(&pass);
	X509_free(x);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	must(chdir("/") == 0, "leave");
	snprintf(sub, sizeof sub, "rm -rf %s", dir);
	must(system(sub) == 0, "clean up");
}

int main(void)
{
	test_make();
	test_check();
	test_numbers();
	test_files();
	return tap_done();
}
