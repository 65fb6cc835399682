/* SPDX-License-Identifier: ISC */
/* fleet: the requests of a fleet of phones, as a tar on stdout, or with -k their keys, as PEM.
 *
 * usage: fleet [-k] [-j jobs] [-o first] number
 *
 * Each has an RSA-2048 key of its own and is signed with it: entries SEP000000000000.csr, PEM. To make so
 * many keys would take minutes, so a pool of primes is made and each pair of them is a key: 142 primes are
 * 10,011 keys. They cost to sign and to verify exactly what others cost. As keys they are worthless, since
 * two that share a prime give each other away: they are for measuring, and nothing else. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define PRIME_BITS 1024
#define PRIME_BYTES (PRIME_BITS / 8)
#define EXPONENT 65537
#define MAX_JOBS 64
#define BLOCK 512		/* of a tar */

struct fleet {
	long number, first;
	int keys_only;
	long primes;
	unsigned char (*prime)[PRIME_BYTES];	/* shared by all workers */
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "fleet: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(111);
}

/* Each worker's share of n things begins here. */
static long share(long n, long worker, long jobs)
{
	return n * worker / jobs;
}

/* A prime that may be half of a key with our exponent. OpenSSL sets the two highest bits, so that any two
 * multiply to 2048 bits. */
static void make_prime(unsigned char out[PRIME_BYTES])
{
	BIGNUM *p = BN_new();

	do {
		if (p == NULL || !BN_generate_prime_ex(p, PRIME_BITS, 0, NULL, NULL, NULL))
			die("cannot make a prime");
	} while (BN_mod_word(p, EXPONENT) == 1);
	BN_bn2binpad(p, out, PRIME_BYTES);
	BN_free(p);
}

/* The key of two primes, all eight numbers of it. */
static EVP_PKEY *make_key(const unsigned char *a, const unsigned char *b, BN_CTX *ctx)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *p = BN_bin2bn(a, PRIME_BYTES, NULL), *q = BN_bin2bn(b, PRIME_BYTES, NULL);
	BIGNUM *n = BN_new(), *e = BN_new(), *d = BN_new(), *phi = BN_new();
	BIGNUM *p1 = BN_dup(p), *q1 = BN_dup(q), *dp = BN_new(), *dq = BN_new(), *qi = BN_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	int ok;

	ok = bld != NULL && pctx != NULL && qi != NULL &&
	    BN_set_word(e, EXPONENT) && BN_sub_word(p1, 1) && BN_sub_word(q1, 1) &&
	    BN_mul(n, p, q, ctx) && BN_mul(phi, p1, q1, ctx) &&
	    BN_mod_inverse(d, e, phi, ctx) != NULL && BN_mod(dp, d, p1, ctx) &&
	    BN_mod(dq, d, q1, ctx) && BN_mod_inverse(qi, q, p, ctx) != NULL &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_D, d) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_FACTOR1, p) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_FACTOR2, q) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_EXPONENT1, dp) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_EXPONENT2, dq) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, qi) &&
	    (params = OSSL_PARAM_BLD_to_param(bld)) != NULL && EVP_PKEY_fromdata_init(pctx) == 1 &&
	    EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_KEYPAIR, params) == 1;
	if (!ok)
		die("cannot make a key");
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(pctx);
	BN_free(p);
	BN_free(q);
	BN_free(n);
	BN_free(e);
	BN_free(d);
	BN_free(phi);
	BN_free(p1);
	BN_free(q1);
	BN_free(dp);
	BN_free(dq);
	BN_free(qi);
	return key;
}

static void put_octal(char *out, int digits, unsigned long n)
{
	while (digits-- > 0) {
		out[digits] = (char)('0' + n % 8);
		n /= 8;
	}
}

/* An entry of a plain ustar. */
static void put_entry(FILE *out, const char *name, const char *data, size_t len, time_t now)
{
	static const char zeros[BLOCK];
	char h[BLOCK] = "";
	unsigned sum = 0;

	snprintf(h, 100, "%s", name);
	strcpy(h + 100, "0000644");
	strcpy(h + 108, "0000000");
	strcpy(h + 116, "0000000");
	put_octal(h + 124, 11, len);
	put_octal(h + 136, 11, (unsigned long)now);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\00000", 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	put_octal(h + 148, 6, sum);
	h[154] = '\0';
	fwrite(h, 1, BLOCK, out);
	fwrite(data, 1, len, out);
	fwrite(zeros, 1, (BLOCK - len % BLOCK) % BLOCK, out);
}

/* The public key in DER. X509_REQ_set_pubkey would find its way there through OpenSSL's encoders, for twice
 * the time that the signature takes. */
static int set_pubkey(X509_REQ *req, EVP_PKEY *key)
{
	static const unsigned char head[] = {0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00};
	static const unsigned char tail[] = {0x02, 0x03, 0x01, 0x00, 0x01};
	const int len = sizeof head + 2 * PRIME_BYTES + sizeof tail;
	unsigned char *der = OPENSSL_malloc((size_t)len);
	BIGNUM *n = NULL;
	int ok;

	ok = der != NULL && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
	    BN_bn2binpad(n, der + sizeof head, 2 * PRIME_BYTES) == 2 * PRIME_BYTES;
	BN_free(n);
	if (!ok)
		return 0;
	memcpy(der, head, sizeof head);
	memcpy(der + len - sizeof tail, tail, sizeof tail);
	return X509_PUBKEY_set0_param(X509_REQ_get_X509_PUBKEY(req), OBJ_nid2obj(NID_rsaEncryption),
	    V_ASN1_NULL, NULL, der, len);
}

static void put_request(FILE *out, EVP_PKEY *key, long device, time_t now)
{
	X509_REQ *req = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char cn[32], name[48], *pem;
	X509_NAME *subject;
	long len;

	snprintf(cn, sizeof cn, "SEP%012lX", device);
	snprintf(name, sizeof name, "%s.csr", cn);
	if (req == NULL || bio == NULL || (subject = X509_REQ_get_subject_name(req)) == NULL ||
	    !X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (unsigned char *)"Example", -1, -1, 0) ||
	    !X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (unsigned char *)cn, -1, -1, 0) ||
	    !set_pubkey(req, key) || X509_REQ_sign(req, key, EVP_sha256()) <= 0 ||
	    !PEM_write_bio_X509_REQ(bio, req) || (len = BIO_get_mem_data(bio, &pem)) <= 0)
		die("cannot make a request");
	put_entry(out, name, pem, (size_t)len, now);
	BIO_free(bio);
	X509_REQ_free(req);
}

static void put_key(FILE *out, EVP_PKEY *key)
{
	if (!PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL))
		die("cannot write a key");
}

/* The requests from one number up to another. The pairs are counted through: (0,1) (0,2) (1,2) (0,3) and
 * so on, so that each is there once. */
static void make_requests(const struct fleet *f, long from, long to, FILE *out)
{
	BN_CTX *ctx = BN_CTX_new();
	time_t now = time(NULL);
	long a = from, b = 1;

	if (ctx == NULL)
		die("out of memory");
	while (a >= b)
		a -= b++;
	for (long i = from; i < to; i++) {
		EVP_PKEY *key = make_key(f->prime[a], f->prime[b], ctx);

		if (f->keys_only)
			put_key(out, key);
		else
			put_request(out, key, f->first + i, now);
		EVP_PKEY_free(key);
		if (++a == b) {
			a = 0;
			b++;
		}
	}
	BN_CTX_free(ctx);
	if (fflush(out) != 0)
		die("cannot write");
}

static void reap(long jobs)
{
	for (int status; jobs > 0; jobs--)
		if (wait(&status) < 0 || status != 0)
			die("a worker failed");
}

static void make_primes(struct fleet *f, long jobs)
{
	f->prime = mmap(NULL, (size_t)f->primes * PRIME_BYTES, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f->prime == MAP_FAILED)
		die("out of memory");
	for (long w = 0; w < jobs; w++) {
		pid_t pid = fork();

		if (pid < 0)
			die("cannot fork");
		if (pid != 0)
			continue;
		for (long i = share(f->primes, w, jobs); i < share(f->primes, w + 1, jobs); i++)
			make_prime(f->prime[i]);
		_exit(0);
	}
	reap(jobs);
}

static void copy(FILE *in, FILE *out)
{
	char buf[65536];
	size_t n;

	rewind(in);
	while ((n = fread(buf, 1, sizeof buf, in)) > 0)
		fwrite(buf, 1, n, out);
}

int main(int argc, char *argv[])
{
	static const char end[2 * BLOCK];
	struct fleet f = {.primes = 2};
	long jobs = sysconf(_SC_NPROCESSORS_ONLN);
	FILE *part[MAX_JOBS];
	int opt;

	while ((opt = getopt(argc, argv, "j:ko:")) != -1) {
		if (opt == 'j')
			jobs = atol(optarg);
		else if (opt == 'k')
			f.keys_only = 1;
		else if (opt == 'o')
			f.first = atol(optarg);
		else
			return 100;
	}
	if (argc - optind != 1 || (f.number = atol(argv[optind])) < 1) {
		fprintf(stderr, "usage: fleet [-k] [-j jobs] [-o first] number\n");
		return 100;
	}
	jobs = jobs < 1 ? 1 : jobs > MAX_JOBS ? MAX_JOBS : jobs;
	while (f.primes * (f.primes - 1) / 2 < f.number)
		f.primes++;
	make_primes(&f, jobs);
	for (long w = 0; w < jobs; w++) {
		pid_t pid;

		if ((part[w] = tmpfile()) == NULL || (pid = fork()) < 0)
			die("cannot start a worker");
		if (pid == 0) {
			make_requests(&f, share(f.number, w, jobs), share(f.number, w + 1, jobs), part[w]);
			_exit(0);
		}
	}
	reap(jobs);
	for (long w = 0; w < jobs; w++)
		copy(part[w], stdout);
	if (!f.keys_only)
		fwrite(end, 1, sizeof end, stdout);
	if (fflush(stdout) != 0 || ferror(stdout))
		die("cannot write");
	return 0;
}
