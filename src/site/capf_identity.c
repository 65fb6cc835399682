/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/x509v3.h>

#include "site/capf_identity.h"
#include "spool/stage.h"
#include "x509/key.h"
#include "x509/pem.h"
#include "x509/secret.h"

/* The certificate out of the pair's file, without its key. */
static struct cert *cert_of_pair(const unsigned char *text, size_t len, struct reason *why)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	struct bytes file = {text, len}, one;

	while (pem_next(&file, &one))
		if (memmem(one.p, one.len, begin, strlen(begin)) != NULL)
			return cert_parse(one.p, one.len, why);
	reason_set(why, "holds no certificate");
	return NULL;
}

int capf_identity_load(const struct spool *s, struct cert **cert, EVP_PKEY **key, struct reason *why)
{
	struct secret none = {0};
	unsigned char *text;
	char *path;
	size_t len;

	/* The file has the key. */
	secret_guard();
	if (spool_read(s, SPOOL_CA, CAPF_IDENTITY_PAIR, &text, &len) != 0)
		return reason_errno(why);
	*cert = cert_of_pair(text, len, why);
	secret_free((char *)text, len);
	if (*cert == NULL || key == NULL)
		return *cert != NULL ? 0 : -1;
	if (asprintf(&path, "%s/%s/" CAPF_IDENTITY_PAIR, s->path, spool_dir_name(SPOOL_CA)) < 0) {
		cert_free(*cert);
		return reason_memory(why);
	}
	*key = key_load(path, &none, why);
	free(path);
	if (*key != NULL && X509_check_private_key((*cert)->x509, *key) == 1)
		return 0;
	if (*key != NULL)
		reason_set(why, "its key and its certificate do not match");
	EVP_PKEY_free(*key);
	cert_free(*cert);
	return -1;
}

/* The certificates of CAPF, today's and former ones. */
static bool is_certificate(const char *name)
{
	size_t len = strlen(name);

	return len > 2 && strncmp(name, "CAPF-", 5) == 0 && strcmp(name + len - 2, ".0") == 0;
}

/* A certificate of CAPF from its .0 file; NULL in *c when it is none, or is not the one that the name says. -1 with
 * a reason when that cannot be told. */
static int read_former(const struct spool *s, const char *name, struct cert **c, struct reason *why)
{
	unsigned char *data;
	size_t len;

	*c = NULL;
	if (spool_read(s, SPOOL_CA, name, &data, &len) != 0) {
		reason_errno(why);
		return why->trouble ? -1 : 0;
	}
	*c = cert_parse(data, len, why);
	free(data);
	if (*c == NULL)
		return why->trouble ? -1 : 0;
	if (strlen((*c)->cn) + 2 != strlen(name) || strncmp((*c)->cn, name, strlen((*c)->cn)) != 0 ||
	    X509_get0_pubkey((*c)->x509) == NULL) {
		cert_free(*c);
		*c = NULL;
	}
	return 0;
}

int capf_identity_former(const struct spool *s, int (*each)(void *ctx, const struct cert *), void *ctx,
    struct reason *why)
{
	struct cert *own, *c;
	int result = 0;
	char **list;
	size_t n;

	if (capf_identity_load(s, &own, NULL, why) != 0)
		return -1;
	if (spool_names(s, SPOOL_CA, is_certificate, &list, &n) != 0)
		result = reason_trouble(why, "%s: %s", spool_dir_name(SPOOL_CA), strerror(errno));
	for (size_t i = 0; i < n; i++) {
		if (result == 0 && (result = read_former(s, list[i], &c, why)) == 0 && c != NULL) {
			if (memcmp(c->digest, own->digest, sizeof c->digest) != 0)
				result = each(ctx, c);
			cert_free(c);
		}
		free(list[i]);
	}
	free(list);
	cert_free(own);
	return result;
}

static int is_same(void *ctx, const struct cert *c)
{
	const struct cert *wanted = ctx;

	return memcmp(c->digest, wanted->digest, sizeof c->digest) == 0;
}

int capf_identity_is(const struct spool *s, const struct cert *c, struct reason *why)
{
	struct cert *own;
	bool same;

	if (capf_identity_load(s, &own, NULL, why) != 0)
		return why->trouble ? -1 : 0;
	same = is_same(own, c);
	cert_free(own);
	return same ? 1 : capf_identity_former(s, is_same, (void *)(uintptr_t)c, why);
}

struct vouchers {
	EVP_PKEY **key;
	size_t n;
	struct reason *why;
};

static int add_voucher(void *ctx, const struct cert *c)
{
	struct vouchers *v = ctx;
	EVP_PKEY **grown = reallocarray(v->key, v->n + 2, sizeof *grown);

	if (grown == NULL)
		return reason_memory(v->why);
	v->key = grown;
	if ((v->key[v->n] = X509_get_pubkey(c->x509)) != NULL)
		v->n++;
	v->key[v->n] = NULL;
	return 0;
}

EVP_PKEY **capf_identity_vouchers(const struct spool *s, struct reason *why)
{
	struct vouchers v = {.why = why};
	struct cert *own;
	int result;

	if (capf_identity_load(s, &own, NULL, why) != 0)
		return NULL;
	result = add_voucher(&v, own);
	cert_free(own);
	if (result == 0 && capf_identity_former(s, add_voucher, &v, why) == 0)
		return v.key;
	capf_identity_vouchers_free(v.key);
	return NULL;
}

void capf_identity_vouchers_free(EVP_PKEY **key)
{
	for (size_t i = 0; key != NULL && key[i] != NULL; i++)
		EVP_PKEY_free(key[i]);
	free(key);
}

int capf_identity_fit(const struct cert *c, struct reason *why)
{
	if (cert_check_ca(c, why) != 0)
		return -1;
	if (!(X509_get_key_usage(c->x509) & KU_DIGITAL_SIGNATURE))
		return reason_set(why, "has a keyUsage without digitalSignature");
	if (X509_get_extension_flags(c->x509) & EXFLAG_XKUSAGE &&
	    !(X509_get_extended_key_usage(c->x509) & (XKU_SSL_SERVER | XKU_ANYEKU)))
		return reason_set(why, "has an extended key usage without TLS server authentication");
	if (strncmp(c->cn, "CAPF-", 5) != 0 || c->cn[5] == '\0' ||
	    c->cn[strspn(c->cn, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")] != '\0')
		return reason_set(why, "its CN is not CAPF- and letters, digits, '-', '.' or '_'");
	return 0;
}

/* The .0 file: PEM, named after the CN. */
static int put_copies(struct spool *s, const struct cert *c, struct reason *why)
{
	char name[FACTS_CN_MAX + sizeof ".0"];
	size_t len;
	char *pem;
	int result;

	snprintf(name, sizeof name, "%s.0", c->cn);
	if (strchr(name, '/') != NULL)
		return reason_set(why, "its CN cannot be a file name");
	if ((pem = cert_pem(c->x509, &len)) == NULL)
		return reason_memory(why);
	result = stage_put(s, SPOOL_CA, name, pem, len, true);
	free(pem);
	if (result == 0)
		result = stage_put(s, SPOOL_CA, CAPF_IDENTITY_CER, c->der, c->der_len, true);
	return result == 0 ? 0 : reason_errno(why);
}

int capf_identity_put(struct spool *s, const struct cert *c, EVP_PKEY *key, struct reason *why)
{
	const struct secret none = {0};
	struct buf pair = {0};
	size_t key_len, cert_len;
	char *pem, *cert = cert_pem(c->x509, &cert_len);
	int result;

	if ((pem = key_pem(key, &none, &key_len, why)) == NULL || cert == NULL) {
		free(cert);
		return cert == NULL ? reason_memory(why) : -1;
	}
	buf_put(&pair, pem, key_len);
	buf_put(&pair, cert, cert_len);
	if (pair.failed)
		result = reason_memory(why);
	else if ((result = stage_put(s, SPOOL_CA, CAPF_IDENTITY_PAIR, pair.p, pair.len, true)) != 0)
		reason_errno(why);
	secret_free(pem, key_len);
	secret_free((char *)pair.p, pair.len);
	free(cert);
	/* The pair is what counts; whoever dies before the copies are made leaves them to spool-check. */
	return result == 0 ? put_copies(s, c, why) : -1;
}

/* Is this file in ca/ this very certificate? 1, 0, or -1 with a reason when that cannot be told. */
static int is_copy(const struct spool *s, const char *name, const struct cert *c, struct reason *why)
{
	unsigned char *data;
	struct cert *copy;
	size_t len;
	bool same;

	if (spool_read(s, SPOOL_CA, name, &data, &len) != 0) {
		reason_errno(why);
		return why->trouble ? -1 : 0;
	}
	copy = cert_parse(data, len, why);
	same = copy != NULL && memcmp(copy->digest, c->digest, sizeof c->digest) == 0;
	free(data);
	if (copy == NULL && why->trouble)
		return -1;
	cert_free(copy);
	return same;
}

int capf_identity_check(struct spool *s, bool repair, struct reason *why)
{
	char name[FACTS_CN_MAX + sizeof ".0"];
	struct cert *c;
	EVP_PKEY *key;
	int result;

	if (capf_identity_load(s, &c, &key, why) != 0)
		return -1;
	snprintf(name, sizeof name, "%s.0", c->cn);
	if ((result = is_copy(s, CAPF_IDENTITY_CER, c, why)) > 0)
		result = is_copy(s, name, c, why);
	if (result == 1) {
		result = 0;
		/* The program that made them may have died before they were durable. */
		if (repair && spool_sync(s, SPOOL_CA) != 0)
			result = reason_errno(why);
	} else if (result == 0) {
		reason_set(why, "%s and %.60s are not the certificate of " CAPF_IDENTITY_PAIR, CAPF_IDENTITY_CER, name);
		result = repair ? put_copies(s, c, why) : 1;
	}
	EVP_PKEY_free(key);
	cert_free(c);
	return result;
}
