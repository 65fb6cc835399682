/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "site/trust_store.h"
#include "spool/stage.h"

/* A file of a trust store is PEM under this line; its name is the fingerprint. */
#define DESCRIPTION "# description: "
#define FILE_NAME (2 * 32 + sizeof ".pem")

bool trust_store_named(const char *name, enum spool_dir *d)
{
	if (strcmp(name, "capf") != 0 && strcmp(name, "callmanager") != 0)
		return false;
	*d = name[2] == 'p' ? SPOOL_TRUST_CAPF : SPOOL_TRUST_CALLMANAGER;
	return true;
}

/* Names that are none of ours are skipped; spool-check tells of them. */
static bool is_trusted(const char *name)
{
	return strlen(name) == FILE_NAME - 1 && strcmp(name + FILE_NAME - 5, ".pem") == 0;
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

int trust_store_each(const struct spool *s, enum spool_dir d,
    int (*each)(void *ctx, const char *file, const char *description, const struct cert *,
    const struct reason *), void *ctx, struct reason *why)
{
	char **list, description[256];
	int result = 0;
	size_t n;

	if (spool_names(s, d, is_trusted, &list, &n) != 0) {
		result = reason_trouble(why, "%s: %s", spool_dir_name(d), strerror(errno));
	}
	for (size_t i = 0; i < n; i++) {
		struct reason cause = {.text = ""};
		unsigned char *text = NULL;
		struct cert *c = NULL;
		size_t len;

		if (result == 0) {
			description[0] = '\0';
			if (spool_read(s, d, list[i], &text, &len) != 0) {
				reason_errno(&cause);
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
	return reason_because(g->why, &cause, "%.70s: %s", file, cause.text);
}

struct trust *trust_store_load(const struct spool *s, enum spool_dir d, struct reason *why)
{
	struct gathering g = {trust_new(), why};

	if (g.trust == NULL) {
		reason_memory(why);
		return NULL;
	}
	if (trust_store_each(s, d, gather, &g, why) == 0)
		return g.trust;
	trust_free(g.trust);
	return NULL;
}

int trust_store_add(struct spool *s, enum spool_dir d, const struct cert *c, const char *description)
{
	char name[FILE_NAME], *pem;
	struct buf file = {0};
	size_t len;
	int result = -1;

	bytes_hex(c->digest, sizeof c->digest, name);
	strcat(name, ".pem");
	if ((pem = cert_pem(c->x509, &len)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	buf_put(&file, DESCRIPTION, strlen(DESCRIPTION));
	buf_put(&file, description, strlen(description));
	buf_put(&file, "\n", 1);
	buf_put(&file, pem, len);
	if (file.failed)
		errno = ENOMEM;
	else if (stage_put(s, d, name, file.p, file.len, false) == 0)
		result = 0;
	else if (errno == EEXIST)
		result = 1;
	free(pem);
	buf_free(&file);
	return result;
}
