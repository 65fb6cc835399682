/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ca/sign.h"
#include "process/sandbox.h"
#include "quarantine/judge_csr.h"
#include "quarantine/unpack.h"
#include "x509/csr.h"
#include "x509/pem.h"

#define CHECKER_MEMORY ((uint64_t)8 * MANIFEST_MAX_BYTES)	/* text and signature in several forms */
#define CHECKER_SECONDS 60

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

static int init_checker(void *ctx)
{
	const struct sandbox sb = {.profile = SANDBOX_COMPUTE, .mute = true,
	    .memory = CHECKER_MEMORY, .seconds = CHECKER_SECONDS};

	(void)ctx;
	return sandbox_enter(&sb);
}

/* In the checker: takes the text and the signature, answers with the number of the RA that signed, or 0 and what is
 * wrong. -1 when it cannot tell. */
static int check(void *ctx, struct bytes job, struct buf *out)
{
	const struct sign *s = ctx;
	struct manifest *m = NULL;
	struct reason why = {.text = ""};
	struct bytes text;
	uint8_t ra = 0;

	if (!bytes_get_sized(&job, &text.p, &text.len))
		return -1;
	for (; m == NULL && s->ra[ra] != NULL && !why.trouble; ra++)
		m = manifest_verify(text.p, text.len, job.p, job.len, s->ra[ra], &why);
	buf_put_u8(out, m != NULL ? ra : 0);
	if (m == NULL)
		buf_put_text(out, why.text);
	manifest_free(m);
	return m == NULL && why.trouble ? -1 : 0;
}

int sign_start_checkers(struct sign *s, size_t archives)
{
	const struct workers_task task = {init_checker, check, s, 1 + REASON_MAX + 4};

	if ((s->archive = calloc(archives, sizeof *s->archive)) == NULL)
		return -1;
	s->archives = archives;
	for (size_t i = 0; i < archives && s->ra[0] != NULL; i++)
		if ((s->archive[i].checker = workers_start(1, &task)) == NULL)
			return -1;
	return 0;
}

int sign_prepare(struct sign *s, bool *of_key, struct reason *why)
{
	struct issuer *issuer = load_issuer(s, of_key, why);

	if (issuer == NULL)
		return -1;
	issuer_free(issuer);
	for (size_t i = 0; s->ra[i] != NULL; i++)
		if ((s->ra_key[i] = X509_get0_pubkey(s->ra[i]->x509)) == NULL)
			return reason_set(why, "the RA's certificate has no key that can be used");
	return 0;
}

void sign_free(struct sign *s)
{
	secret_wipe(&s->secret);
	for (size_t i = 0; i < s->archives; i++) {
		manifest_free(s->archive[i].manifest);
		workers_stop(s->archive[i].checker);
		buf_free(&s->archive[i].sums);
	}
	free(s->archive);
}

int sign_init(void *ctx)
{
	/* The token's library needs its files, a socket to its daemon, threads. */
	static const struct sandbox_path all = {AT_FDCWD, "/", SANDBOX_READ | SANDBOX_WRITE};
	static const struct sandbox sb = {.profile = SANDBOX_CLIENT, .path = &all, .paths = 1};
	struct sign *s = ctx;
	struct reason why;
	bool of_key;

	if ((s->issuer = load_issuer(s, &of_key, &why)) == NULL) {
		s->complain(s->key, why.text);
		return -1;
	}
	secret_wipe(&s->secret);
	return key_is_uri(s->key) ? sandbox_enter(&sb) : 0;
}

/* Which RA's the checker's answer says that the signature is; 0 with a reason. */
static uint8_t signer(const struct sign *s, struct bytes answer, struct reason *why)
{
	uint8_t ra;

	reason_set(why, "the signature of " MANIFEST_SUMS " cannot be checked");
	if (!bytes_get_u8(&answer, &ra))
		return 0;
	if (ra == 0)
		bytes_get_text(&answer, why->text, sizeof why->text);
	return ra <= SIGN_RA_MAX && answer.len == 0 && ra > 0 && s->ra[ra - 1] != NULL ? ra : 0;
}

/* Asks the checker; only when it finds nothing wrong are the lines of the text read, here. */
static struct manifest *verify(const struct sign *s, struct sign_archive *a, const struct untar_item *signature,
    struct reason *why)
{
	struct bytes answer = {NULL, 0};
	struct buf job = {0};
	struct reason how;
	bool died;

	buf_put_sized(&job, a->sums.p, a->sums.len);
	buf_put(&job, signature->data, signature->len);
	if (!job.failed && workers_put(a->checker, job.p, job.len) == 0 && workers_flush(a->checker) == 0 &&
	    workers_next(a->checker, &answer) == 1) {
		a->ra = signer(s, answer, why);
	} else {
		/* A manifest that crashes the checker does it again; after another end a retry may succeed. */
		died = !job.failed && errno == EPIPE && unpack_death(workers_signal(a->checker), &how);
		(died ? reason_set : reason_trouble)(why, "the signature of " MANIFEST_SUMS " cannot be checked");
	}
	buf_free(&job);
	return a->ra > 0 ? manifest_read(a->sums.p, a->sums.len, why) : NULL;
}

/* The manifest stands in front: the sums, then the signature over them. */
static enum inspect_admission read_manifest(const struct sign *s, struct sign_archive *a, const struct untar_item *e,
    struct reason *why)
{
	bool sums = strcmp(e->name, MANIFEST_SUMS) == 0;

	if (a->entries == 1 && sums) {
		buf_put(&a->sums, e->data, e->len);
		return INSPECT_SKIP;
	}
	if (a->sums.failed) {
		reason_memory(why);
		return INSPECT_ABORT;
	}
	if (a->entries == 2 && strcmp(e->name, MANIFEST_SIGNATURE) == 0 && a->sums.len > 0) {
		a->manifest = verify(s, a, e, why);
		return a->manifest != NULL ? INSPECT_SKIP : INSPECT_ABORT;
	}
	if (a->sums.len > 0)
		reason_set(why, "stands where the signature of " MANIFEST_SUMS " should be");
	else if (manifest_is_part(e->name))
		reason_set(why, "is part of a manifest that does not begin the archive");
	else
		reason_set(why, "the archive does not begin with a signed manifest (csr-dump --manifest); "
		    "--no-manifest signs it all the same");
	return INSPECT_ABORT;
}

void sign_begin(void *ctx)
{
	struct sign *s = ctx;

	s->begun++;
}

enum inspect_admission sign_admit(void *ctx, const struct untar_item *e, struct reason *why)
{
	struct sign *s = ctx;
	struct sign_archive *a = &s->archive[s->begun - 1];

	a->entries++;
	s->mark = a->ra;
	if (a->manifest != NULL)
		return manifest_check(a->manifest, e->name, e->data, e->len, why) == 0 ? INSPECT_JUDGE :
		    INSPECT_REFUSE;
	/* Without an RA a manifest's signature cannot be checked. */
	if (s->ra[0] == NULL)
		return judge_csr_admit(NULL, e, why);
	if (s->no_manifest && a->sums.len == 0 && !manifest_is_part(e->name))
		return INSPECT_JUDGE;
	return read_manifest(s, a, e, why);
}

/* Its request, when its archive may hold it: a manifest speaks for no RA but its own. NULL with a reason. */
static struct csr *read_request(const struct sign *s, struct bytes data, struct reason *why)
{
	struct csr *csr = csr_parse(data.p, data.len, s->ra_key, why);

	if (csr == NULL || csr->proof == CSR_OWN || s->mark == 0 ||
	    EVP_PKEY_eq(csr->ra, s->ra_key[s->mark - 1]) == 1)
		return csr;
	reason_set(why, "is vouched for by another RA than the one that signed the manifest");
	csr_free(csr);
	return NULL;
}

void sign_judge(void *ctx, struct bytes data, struct verdict *v, struct buf *out)
{
	struct sign *s = ctx;
	struct csr *csr = read_request(s, data, &v->reason);
	struct issued c;

	v->other = csr == NULL && pem_kind(data) == DER_CERT;
	if (csr != NULL && issue_phone(s->issuer, csr, s->now, &c, &v->reason) == 0) {
		v->good = v->read = true;
		csr_facts(csr, &v->facts);
		memcpy(v->facts.digest, c.digest, sizeof c.digest);
		memcpy(v->facts.serial, c.serial, sizeof c.serial);
		v->facts.not_after = c.not_after;
		buf_put(out, c.der, c.der_len);
		free(c.der);
	}
	csr_free(csr);
}

const char *sign_missing(const struct sign *s, size_t archive)
{
	const struct manifest *m = s->archive[archive].manifest;

	return m != NULL ? manifest_missing(m) : NULL;
}
