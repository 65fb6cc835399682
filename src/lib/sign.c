/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "csr.h"
#include "sign.h"

static struct issuer *load_issuer(struct sign *s, bool *of_key, struct reason *why)
{
	EVP_PKEY *key = key_load(s->key, &s->secret, why);
	struct issuer *issuer = NULL;

	*of_key = key == NULL;
	if (key != NULL)
		issuer = issuer_new(s->ca, key, &s->policy, s->now, why);
	EVP_PKEY_free(key);
	return issuer;
}

int sign_prepare(struct sign *s, bool *of_key, struct reason *why)
{
	struct issuer *issuer = load_issuer(s, of_key, why);

	if (issuer == NULL)
		return -1;
	issuer_free(issuer);
	if (s->ra != NULL && (s->ra_key = X509_get0_pubkey(s->ra->x509)) == NULL)
		return reason_set(why, "the RA's certificate has no key that can be used");
	return 0;
}

void sign_free(struct sign *s)
{
	secret_wipe(&s->secret);
	manifest_free(s->manifest);
	buf_free(&s->sums);
}

int sign_init(void *ctx)
{
	struct sign *s = ctx;
	struct reason why;
	bool of_key;

	if ((s->issuer = load_issuer(s, &of_key, &why)) != NULL)
		return 0;
	s->complain(s->key, why.text);
	return -1;
}

/* The manifest stands in front: the sums, then the signature over them. */
static enum intake_admission read_manifest(struct sign *s, const struct archive_item *e,
    struct reason *why)
{
	bool sums = strcmp(e->name, MANIFEST_SUMS) == 0;

	if (s->entries == 1 && sums) {
		buf_put(&s->sums, e->data, e->len);
		return INTAKE_SKIP;
	}
	if (s->entries == 2 && strcmp(e->name, MANIFEST_SIGNATURE) == 0 && s->sums.len > 0) {
		s->manifest = manifest_verify(s->sums.p, s->sums.len, e->data, e->len, s->ra, why);
		return s->manifest != NULL ? INTAKE_SKIP : INTAKE_ABORT;
	}
	reason_set(why, "does not begin with a signed manifest");
	return INTAKE_ABORT;
}

enum intake_admission sign_admit(void *ctx, const struct archive_item *e, struct reason *why)
{
	struct sign *s = ctx;

	s->entries++;
	if (s->require_manifest && s->manifest == NULL)
		return read_manifest(s, e, why);
	if (s->manifest != NULL)
		return manifest_check(s->manifest, e->name, e->data, e->len, why) == 0 ? INTAKE_JUDGE :
		    INTAKE_REFUSE;
	return strcmp(e->name, MANIFEST_SUMS) == 0 || strcmp(e->name, MANIFEST_SIGNATURE) == 0 ?
	    INTAKE_SKIP : INTAKE_JUDGE;
}

void sign_judge(void *ctx, struct bytes data, struct verdict *v, struct buf *out)
{
	struct sign *s = ctx;
	struct csr *csr = csr_parse(data.p, data.len, s->ra_key, &v->reason);
	struct issued c;

	if (csr != NULL && issue_phone(s->issuer, csr, s->now, &c, &v->reason) == 0) {
		v->good = v->read = true;
		memcpy(v->spki, csr->spki, sizeof v->spki);
		memcpy(v->digest, c.digest, sizeof v->digest);
		memcpy(v->cn, csr->device, strlen(csr->device) + 1);
		memcpy(v->serial, c.serial, sizeof v->serial);
		v->not_after = c.not_after;
		buf_put(out, c.der, c.der_len);
		free(c.der);
	}
	csr_free(csr);
}

const char *sign_missing(const struct sign *s)
{
	return s->manifest != NULL ? manifest_missing(s->manifest) : NULL;
}
