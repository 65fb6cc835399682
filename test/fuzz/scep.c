/* SPDX-License-Identifier: ISC */
/* What a SCEP server answers. The first byte says which: capabilities (c), certificates (l), an answer as it came (r), or
 * the envelope in an answer that a CA has signed (e), which a CA gone bad can send. */
#include <openssl/pem.h>

#include "../unit/online/scep_answer.h"
#include "fuzz.h"
#include "online/scep_message.h"
#include "x509/pkcs7.h"

static struct {
	struct scep_ask ask;
	STACK_OF(X509) *signers;
	EVP_PKEY *ca_key;
} lab;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const names[] = {"ec.pem", "ec.key", "sep.key"};
	BIO *bio[3];
	X509 *ca;

	(void)argc, (void)argv;
	for (size_t i = 0; i < 3; i++) {
		struct bytes data = fixture(names[i]);

		bio[i] = BIO_new_mem_buf(data.p, (int)data.len);
	}
	ca = PEM_read_bio_X509(bio[0], NULL, NULL, NULL);
	lab.ca_key = PEM_read_bio_PrivateKey(bio[1], NULL, NULL, NULL);
	lab.ask.key = PEM_read_bio_PrivateKey(bio[2], NULL, NULL, NULL);
	lab.signers = sk_X509_new_null();
	law(ca != NULL && lab.ca_key != NULL && lab.ask.key != NULL && sk_X509_push(lab.signers, ca) > 0);
	strcpy(lab.ask.transaction, "1");
	for (size_t i = 0; i < 3; i++)
		BIO_free(bio[i]);
	return 0;
}

static void certificates(struct bytes in)
{
	struct reason why = {.text = ""};
	STACK_OF(X509) *list = scep_certificates(in, &why);

	law(list != NULL ? sk_X509_num(list) > 0 && sk_X509_num(list) <= SCEP_CERTIFICATES_MAX : why.text[0] != '\0');
	sk_X509_pop_free(list, X509_free);
}

static void answer(struct bytes in)
{
	static const struct scep_old none;
	struct reason why = {.text = ""};
	struct scep_reply reply;
	struct bytes rest, one;

	if (scep_parse(in, &lab.ask, lab.signers, &none, &reply, &why) != 0) {
		law(why.text[0] != '\0' && reply.certificates.p == NULL);
		return;
	}
	law(reply.signed_by_ca && ends(reply.text, sizeof reply.text) && scep_fail_text(reply.fail) != NULL);
	law((reply.status == SCEP_SUCCESS) == (reply.certificates.len > 0));
	for (const char *p = reply.text; *p != '\0'; p++)
		law(*p >= ' ' && *p < 0x7f);
	for (rest = (struct bytes){reply.certificates.p, reply.certificates.len}; pkcs7_next(&rest, &one);)
		law(one.len > 2);
	law(rest.len == 0);
	buf_free(&reply.certificates);
}

static void envelope(struct bytes in)
{
	struct scep_say say = {.type = "3", .status = "0", .transaction = lab.ask.transaction, .nonce = lab.ask.nonce,
	    .nonce_len = SCEP_NONCE, .signer = sk_X509_value(lab.signers, 0), .key = lab.ca_key, .digest = EVP_sha256(),
	    .raw = in.p, .raw_len = (long)in.len};
	unsigned char *der;
	long len = scep_say(&say, &der);

	answer((struct bytes){der, (size_t)len});
	OPENSSL_free(der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct bytes in = {own, size};
	struct scep_caps caps;

	switch (take(&in)) {
	case 'c':
		scep_caps_parse(in, &caps);
		break;
	case 'l':
		certificates(in);
		break;
	case 'r':
		answer(in);
		break;
	case 'e':
		envelope(in);
	}
	free(own);
	return 0;
}
