/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/utc.h"
#include "ca/ca_chain.h"

int ca_chain_init(struct ca_chain *c, EVP_PKEY *key)
{
	*c = (struct ca_chain){.key = key, .above = trust_new()};
	return c->above != NULL ? 0 : -1;
}

void ca_chain_free(struct ca_chain *c)
{
	cert_free(c->own);
	trust_free(c->above);
	buf_free(&c->above_pem);
	*c = (struct ca_chain){.key = NULL};
}

static int put_above(struct ca_chain *c, const struct cert *cert, struct reason *why)
{
	char *pem;
	size_t len;

	if (trust_put(c->above, cert, why) != 0)
		return -1;
	if ((pem = cert_pem(cert->x509, &len)) == NULL)
		return reason_memory(why);
	buf_put(&c->above_pem, pem, len);
	free(pem);
	return c->above_pem.failed ? reason_memory(why) : 0;
}

struct reading {
	struct ca_chain *chain;
	struct reason why;
};

/* Ours is known by its key; all others are above it. */
static int take(void *ctx, size_t number, const struct cert *cert, const struct reason *unread)
{
	struct reading *r = ctx;
	struct ca_chain *c = r->chain;
	struct reason why;

	if (cert == NULL)
		return reason_because(&r->why, unread, "certificate %zu %.200s", number, unread->text);
	if (EVP_PKEY_eq(X509_get0_pubkey(cert->x509), c->key) != 1) {
		ERR_clear_error();
		return put_above(c, cert, &why) == 0 ? 0 :
		    reason_because(&r->why, &why, "certificate %zu %.200s", number, why.text);
	}
	if (c->own != NULL)
		return memcmp(c->own->digest, cert->digest, sizeof cert->digest) == 0 ? 0 :
		    reason_set(&r->why, "there are two certificates for this key");
	return (c->own = cert_parse(cert->der, cert->der_len, &r->why)) != NULL ? 0 : -1;
}

int ca_chain_read(struct ca_chain *c, const char *path, struct reason *why)
{
	struct reading r = {.chain = c};
	unsigned char *data = NULL;
	int fd = fileio_open_input(path), result = -1;
	size_t len;

	if (fd < 0 || fileio_read_all(fd, CA_CHAIN_FILE_MAX, &data, &len) != 0)
		reason_errno(&r.why);
	else if (len == 0)
		reason_set(&r.why, "is empty");
	else
		result = trust_each(data, len, take, &r);
	free(data);
	if (fd >= 0)
		close(fd);
	return result == 0 ? 0 : reason_because(why, &r.why, "%.250s", r.why.text);
}

int ca_chain_check(const struct ca_chain *c, time_t now, struct reason *why)
{
	char iso[UTC_ISO + 1];

	if (c->own == NULL)
		return reason_set(why, "no certificate here is for this key");
	if (cert_check_ca(c->own, why) != 0)
		return -1;
	utc_iso(now < c->own->not_before ? c->own->not_before : c->own->not_after, iso);
	if (now < c->own->not_before)
		return reason_trouble(why, "is not valid before %s", iso);
	if (now >= c->own->not_after)
		return reason_set(why, "expired on %s", iso);
	if (trust_count(c->above) == 0)
		return 1;
	return trust_verify(c->above, c->own, now, why) >= 0 ? 0 : -1;
}
