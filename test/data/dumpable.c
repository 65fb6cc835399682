/* SPDX-License-Identifier: ISC */
/* Preloaded into a program that signs: at its end it says how often it, or a process of its own, did so, and whether
 * others of its user could read the memory of any that did. The sandbox is taken away, since it forbids to ask; what
 * such a process prints comes to nobody, so they count in memory that they share. */
#include <dlfcn.h>
#include <openssl/cms.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static pid_t first;
static struct {
	atomic_uint signatures, open;
} *seen;

__attribute__((constructor)) static void begin(void)
{
	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		abort();
	first = getpid();
}

__attribute__((destructor)) static void end(void)
{
	if (getpid() == first)
		fprintf(stderr, "signatures: %s, where others can read: %u\n", seen->signatures > 0 ? "some" : "none",
		    (unsigned)seen->open);
}

static void say(void)
{
	seen->signatures++;
	seen->open += prctl(PR_GET_DUMPABLE) != 0;
}

int X509_sign(X509 *x, EVP_PKEY *key, const EVP_MD *md)
{
	int (*next)(X509 *, EVP_PKEY *, const EVP_MD *) =
	    (int (*)(X509 *, EVP_PKEY *, const EVP_MD *))dlsym(RTLD_NEXT, "X509_sign");

	say();
	return next(x, key, md);
}

int EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *to, size_t *len, const unsigned char *from, size_t n)
{
	int (*next)(EVP_MD_CTX *, unsigned char *, size_t *, const unsigned char *, size_t) =
	    (int (*)(EVP_MD_CTX *, unsigned char *, size_t *, const unsigned char *, size_t))dlsym(RTLD_NEXT,
	    "EVP_DigestSign");

	say();
	return next(ctx, to, len, from, n);
}

CMS_ContentInfo *CMS_sign(X509 *cert, EVP_PKEY *key, STACK_OF(X509) *certs, BIO *data, unsigned flags)
{
	CMS_ContentInfo *(*next)(X509 *, EVP_PKEY *, STACK_OF(X509) *, BIO *, unsigned) =
	    (CMS_ContentInfo *(*)(X509 *, EVP_PKEY *, STACK_OF(X509) *, BIO *, unsigned))dlsym(RTLD_NEXT, "CMS_sign");

	say();
	return next(cert, key, certs, data, flags);
}

int seccomp_load(void *filter)
{
	(void)filter;
	return 0;
}
