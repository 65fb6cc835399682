/* SPDX-License-Identifier: ISC */
/* Preloaded into a program that signs: says, when it does so, whether others of its user could read its memory. The
 * sandbox is taken away, since it forbids to ask. */
#include <dlfcn.h>
#include <openssl/cms.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/prctl.h>

static void say(void)
{
	fprintf(stderr, "dumpable: %d\n", prctl(PR_GET_DUMPABLE));
}

int X509_sign(X509 *x, EVP_PKEY *key, const EVP_MD *md)
{
	int (*next)(X509 *, EVP_PKEY *, const EVP_MD *) =
	    (int (*)(X509 *, EVP_PKEY *, const EVP_MD *))dlsym(RTLD_NEXT, "X509_sign");

	say();
	return next(x, key, md);
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
