/* SPDX-License-Identifier: ISC */
/* Certificate requests: what is accepted is for a legal device, and is accepted again as DER and
 * as PEM. */
#include "fuzz.h"
#include "x509/cert.h"
#include "x509/csr.h"
#include "x509/der.h"

static struct cert *ra;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct bytes pem = fixture("capf.pem");
	struct reason r;

	(void)argc;
	(void)argv;
	law((ra = cert_parse(pem.p, pem.len, &r)) != NULL);
	return 0;
}

static void again(const struct csr *c, const void *data, size_t len)
{
	struct reason r;
	struct csr *d = csr_parse(data, len, (EVP_PKEY *[]){X509_get0_pubkey(ra->x509), NULL}, &r);

	law(d != NULL && d->proof == c->proof && strcmp(d->device, c->device) == 0);
	law(memcmp(d->spki, c->spki, sizeof d->spki) == 0);
	law(same((struct bytes){d->der, d->der_len}, (struct bytes){c->der, c->der_len}));
	csr_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct reason r = {.text = ""};
	struct csr *c = csr_parse(own, size, (EVP_PKEY *[]){X509_get0_pubkey(ra->x509), NULL}, &r), *alone;
	size_t len;
	char *pem;

	if (c != NULL) {
		law(device_ok(c->device, strlen(c->device)));
		law(der_exact(c->der, c->der_len, true));
		law(der_kind_of(c->der, c->der_len) == DER_REQUEST);
		law((pem = csr_pem(c, &len)) != NULL);
		again(c, pem, len);
		again(c, c->der, c->der_len);
		free(pem);
		/* Without an RA only the request's own key counts. */
		alone = csr_parse(own, size, NULL, &r);
		law((alone != NULL) == (c->proof == CSR_OWN));
		csr_free(alone);
		csr_free(c);
	} else {
		law(r.text[0] != '\0');
	}
	free(own);
	return 0;
}
