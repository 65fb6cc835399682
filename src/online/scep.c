/* SPDX-License-Identifier: ISC */
#include <openssl/provider.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fileio.h"
#include "online/scep.h"
#include "online/scep_ca.h"
#include "online/scep_message.h"
#include "x509/key.h"
#include "x509/name.h"
#include "x509/openssl_error.h"
#include "x509/secret.h"
#include "x509/trust.h"

#define MESSAGE "application/x-pki-message"
#define RUN_KEY "rsa:2048"
#define MARK 16			/* hex digits in a ticket that tell one transport key from another */

struct scep {
	EVP_PKEY *key;			/* the transport key; NULL: not made yet */
	X509 *certificate;		/* its certificate; NULL: one is made for each request */
	struct secret challenge;
	STACK_OF(X509) *pinned;		/* issuer-file; NULL: none */
	struct scep_old old;
	OSSL_PROVIDER *providers[2];	/* of old.context */
	bool met;			/* what follows is known */
	struct scep_caps caps;
	struct scep_ca ca;
};

static int allows(const struct online_settings *settings, enum csr_proof proof, struct reason *why)
{
	if (proof == CSR_OWN || settings->unproved)
		return 0;
	return reason_set(why, "its own key did not sign it, which SCEP demands; ways out: a subordinate CA (ca-init "
	    "--request), CMP, certsrv or EST with an enrolment agent, phones that sign (capf-probe), or --send-unproved");
}

static int pin(void *ctx, size_t number, const struct cert *c, const struct reason *bad)
{
	STACK_OF(X509) *list = ctx;

	(void)number, (void)bad;
	if (c == NULL || !X509_up_ref(c->x509))
		return -1;
	if (sk_X509_push(list, c->x509) > 0)
		return 0;
	X509_free(c->x509);
	return -1;
}

static int load_pinned(struct scep *own, const char *path, struct reason *why)
{
	unsigned char *data = NULL;
	struct reason bad;
	size_t len;
	int result;

	if (fileio_read_path(path, &data, &len, &bad) != 0)
		return reason_because(why, &bad, "issuer-file: %s: %s", path, bad.text);
	if ((own->pinned = sk_X509_new_null()) == NULL) {
		free(data);
		return reason_memory(why);
	}
	result = trust_each(data, len, pin, own->pinned);
	free(data);
	if (result == 0 && sk_X509_num(own->pinned) > 0)
		return 0;
	reason_set(why, "issuer-file: %s: has something that is no certificate", path);
	return openssl_error_end(-1, why);
}
