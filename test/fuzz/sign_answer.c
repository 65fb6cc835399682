/* SPDX-License-Identifier: ISC */
/* What a phone answers when it was asked to sign its request: which of two keys it has, then the elements. Whatever is
 * taken for a signature or a request makes a request that is checked as one from a file, for this key and name. */
#include <openssl/x509.h>

#include "capf/sign_layout.h"
#include "fuzz.h"
#include "x509/csr_make.h"
#include "x509/openssl_context.h"
#include "x509/public_key.h"
#include "x509/request_proof.h"

#define DEVICE "SEP001122334455"

static struct phone {
	struct bytes spki;
	struct buf info;
	unsigned char hash[32];
} phones[2];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const names[] = {"sep.der", "sepec.der"};
	struct reason r;

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < 2; i++) {
		struct bytes der = fixture(names[i]);
		const unsigned char *p = der.p;
		X509 *x = d2i_X509(NULL, &p, (long)der.len);
		unsigned char *spki = NULL;
		int len = x != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki) : 0;

		law(len > 0);
		phones[i].spki = (struct bytes){spki, (size_t)len};
		law(csr_make_info(phones[i].spki, DEVICE, &phones[i].info, &r) == 0);
		law(openssl_sha256(spki, (size_t)len, phones[i].hash, &r) == 0);
		X509_free(x);
	}
	return 0;
}

static void check(const struct request_proof *p, const struct phone *of, const struct request_proof_found *f)
{
	struct csr *c;
	struct reason r;

	law(f->kind == REQUEST_PROOF_NONE || (f->bytes.len > 0 && f->text[0] != '\0'));
	law((f->hash != NULL && f->kind == REQUEST_PROOF_SIGNATURE) || f->kind != REQUEST_PROOF_SIGNATURE);
	c = request_proof_request(p, f, &r);
	law((c != NULL) == (f->kind >= REQUEST_PROOF_SIGNATURE));
	if (c == NULL)
		return;
	law(c->proof == CSR_OWN && strcmp(c->device, DEVICE) == 0 && memcmp(c->spki, of->hash, sizeof c->spki) == 0);
	csr_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct bytes in = {own, size}, one;
	const struct phone *of = &phones[take(&in) & 1];
	struct request_proof_found best = {.kind = REQUEST_PROOF_NONE};
	enum request_proof_kind before;
	struct sign_answer answer;
	struct reason r;
	struct request_proof *p = request_proof_open(of->spki, DEVICE, (struct bytes){of->info.p, of->info.len}, &r);

	law(p != NULL);
	sign_answer_open(&answer, in);
	while (sign_answer_next(&answer, &one)) {
		law(one.len > 0 && one.p >= own && one.p + one.len <= own + size);
		before = best.kind;
		law(request_proof_look(p, one, &best, &r) == 0 && best.kind >= before);
	}
	check(p, of, &best);
	request_proof_free(p);
	free(own);
	return 0;
}
