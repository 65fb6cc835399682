/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "store.h"

/* A file of a trust store is PEM under this line; its name is the fingerprint. */
#define DESCRIPTION "# description: "
#define FILE_NAME (2 * 32 + sizeof ".pem")

static int collect(void *ctx, const char *name)
{
	buf_put_text(ctx, name);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The file names of a directory, sorted; the caller frees each and the list. */
static int list_files(const struct spool *s, enum spool_dir d, char ***list, size_t *n)
{
	struct buf names = {0};
	struct bytes cursor;
	char name[256];
	int result = 0;

	*list = NULL;
	*n = 0;
	if (spool_each(s, d, collect, &names) != 0 || names.failed) {
		buf_free(&names);
		return -1;
	}
	cursor = (struct bytes){names.p, names.len};
	while (result == 0 && bytes_get_text(&cursor, name, sizeof name)) {
		char **grown = reallocarray(*list, *n + 1, sizeof *grown);

		if (grown != NULL)
			*list = grown;
		if (grown == NULL || (grown[*n] = strdup(name)) == NULL)
			result = -1;
		else
			++*n;
	}
	buf_free(&names);
	if (*n > 0)
		qsort(*list, *n, sizeof **list, compare);
	return result;
}

static void copy_description(const unsigned char *text, char *out, size_t size)
{
	size_t len = 0;

	if (strncmp((const char *)text, DESCRIPTION, strlen(DESCRIPTION)) == 0) {
		text += strlen(DESCRIPTION);
		while (text[len] != '\0' && text[len] != '\n' && len + 1 < size)
			len++;
		memcpy(out, text, len);
	}
	out[len] = '\0';
}

int store_each(const struct spool *s, enum spool_dir d,
    int (*each)(void *ctx, const char *file, const char *description, const struct cert *,
    const struct reason *), void *ctx, struct reason *why)
{
	char **list, description[256];
	int result = 0;
	size_t n;

	if (list_files(s, d, &list, &n) != 0)
		result = reason_set(why, "%s: %s", spool_dir_name(d), strerror(errno));
	for (size_t i = 0; i < n; i++) {
		struct reason cause = {""};
		unsigned char *text = NULL;
		struct cert *c = NULL;
		size_t len;

		if (result == 0) {
			description[0] = '\0';
			if (spool_read(s, d, list[i], &text, &len) != 0) {
				reason_set(&cause, "%s", strerror(errno));
			} else {
				copy_description(text, description, sizeof description);
				c = cert_parse(text, len, &cause);
			}
			result = each(ctx, list[i], description, c, &cause);
			cert_free(c);
			free(text);
		}
		free(list[i]);
	}
	free(list);
	return result;
}

struct gathering {
	struct trust *trust;
	struct reason *why;
};

static int gather(void *ctx, const char *file, const char *description, const struct cert *c,
    const struct reason *why)
{
	struct gathering *g = ctx;
	struct reason cause = *why;

	(void)description;
	if (c != NULL && trust_put(g->trust, c, &cause) == 0)
		return 0;
	return reason_set(g->why, "%.70s: %s", file, cause.text);
}

struct trust *store_trust(const struct spool *s, enum spool_dir d, struct reason *why)
{
	struct gathering g = {trust_new(), why};

	if (g.trust == NULL) {
		reason_set(why, "out of memory");
		return NULL;
	}
	if (store_each(s, d, gather, &g, why) == 0)
		return g.trust;
	trust_free(g.trust);
	return NULL;
}

int store_capf(const struct spool *s, struct cert **cert, EVP_PKEY **key, struct reason *why)
{
	struct secret none = {0};
	unsigned char *der;
	char *path;
	size_t len;

	if (spool_read(s, SPOOL_CA, STORE_CER, &der, &len) != 0)
		return reason_set(why, "%s", strerror(errno));
	*cert = cert_parse(der, len, why);
	free(der);
	if (*cert == NULL || key == NULL)
		return *cert != NULL ? 0 : -1;
	if (asprintf(&path, "%s/ca/" STORE_PAIR, s->path) < 0) {
		cert_free(*cert);
		return reason_set(why, "out of memory");
	}
	*key = key_load(path, &none, why);
	free(path);
	if (*key != NULL && X509_check_private_key((*cert)->x509, *key) == 1)
		return 0;
	if (*key != NULL)
		reason_set(why, STORE_CER " is not the certificate of " STORE_PAIR);
	EVP_PKEY_free(*key);
	cert_free(*cert);
	return -1;
}

int store_add(struct spool *s, enum spool_dir d, const struct cert *c, const char *description,
    struct reason *why)
{
	char name[FILE_NAME], *pem;
	struct buf file = {0};
	size_t len;
	int result;

	bytes_hex(c->digest, sizeof c->digest, name);
	strcat(name, ".pem");
	if ((pem = cert_pem(c->x509, &len)) == NULL)
		return reason_set(why, "out of memory");
	buf_put(&file, DESCRIPTION, strlen(DESCRIPTION));
	buf_put(&file, description, strlen(description));
	buf_put(&file, "\n", 1);
	buf_put(&file, pem, len);
	if (file.failed)
		result = reason_set(why, "out of memory");
	else if (spool_put(s, d, name, file.p, file.len, false) == 0)
		result = 0;
	else
		result = errno == EEXIST ? 1 : reason_set(why, "%s", strerror(errno));
	free(pem);
	buf_free(&file);
	return result;
}
