/* SPDX-License-Identifier: ISC */
/* What a CA answers over CMP, with the HTTP of this file. The first byte says what is asked, and the rest is one answer
 * behind the other, each with its length: as it is, or as the body of a message that is protected as it should be. */
#include <openssl/cmp.h>
#include <openssl/crmf.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

#include "fuzz.h"
#include "online/cmp.h"
#include "online/cmp_message.h"
#include "x509/der.h"
#include "x509/pkcs7.h"
#include "x509/public_key.h"

#define CONTEXT(n) (0xa0 | (n))
#define SECRET "s3cret"

static struct csr *csr;
static struct bytes left;
static bool protect, greet_well;
static unsigned exchanges;

struct http *http_open(const struct http_settings *s, struct reason *why)
{
	(void)s, (void)why;
	return malloc(1);
}

void http_close(struct http *h)
{
	free(h);
}

static void put_context(struct buf *out, uint8_t n, struct bytes octets)
{
	size_t from = out->len;

	der_put(out, DER_OCTET_STRING, octets.p, octets.len);
	der_wrap(out, from, CONTEXT(n));
}

static void put_nobody(struct buf *out)
{
	size_t from = out->len;

	der_put(out, DER_SEQUENCE, NULL, 0);
	der_wrap(out, from, CONTEXT(4));
}

/* The message with this body that answers ours, protected by the secret. */
static void put_protected(struct buf *out, const struct cmp_message *ours, struct bytes body)
{
	static const unsigned char two = 2;
	OSSL_CRMF_PBMPARAMETER *pbm = OSSL_CRMF_pbmp_new(NULL, 16, NID_sha256, 100, NID_hmac_sha1);
	unsigned char *der = NULL, *mac = NULL, bits[65] = {0};
	size_t from, len = 0;
	int n = i2d_OSSL_CRMF_PBMPARAMETER(pbm, &der);
	struct buf whole = {0};

	law(n > 0);
	der_put(out, DER_INTEGER, &two, 1);
	put_nobody(out);
	put_nobody(out);
	from = out->len;
	/* id-PasswordBasedMac, 1.2.840.113533.7.66.13 */
	der_put(out, DER_OID, "\x2a\x86\x48\x86\xf6\x7d\x07\x42\x0d", 9);
	buf_put(out, der, (size_t)n);
	der_wrap(out, from, DER_SEQUENCE);
	der_wrap(out, from, CONTEXT(1));
	put_context(out, 4, ours->transaction);
	put_context(out, 5, (struct bytes){(const unsigned char *)"0123456789abcdef", 16});
	put_context(out, 6, ours->nonce);
	der_wrap(out, 0, DER_SEQUENCE);
	buf_put(out, body.p, body.len);
	buf_put(&whole, out->p, out->len);
	der_wrap(&whole, 0, DER_SEQUENCE);
	law(whole.failed || OSSL_CRMF_pbm_new(NULL, NULL, pbm, whole.p, whole.len, (const unsigned char *)SECRET,
	    strlen(SECRET), &mac, &len));
	law(len < sizeof bits);
	memcpy(bits + 1, mac, len);
	from = out->len;
	der_put(out, DER_BIT_STRING, bits, len + 1);
	der_wrap(out, from, DER_CONTEXT_0);
	der_wrap(out, 0, DER_SEQUENCE);
	OPENSSL_free(der);
	OPENSSL_free(mac);
	OSSL_CRMF_PBMPARAMETER_free(pbm);
	buf_free(&whole);
}

enum http_result http_exchange(struct http *h, const struct http_ask *ask, struct http_answer *answer,
    struct reason *why)
{
	static const unsigned char good[] = {CONTEXT(22), 2, DER_SEQUENCE, 0};
	struct cmp_message ours;
	struct bytes in;
	uint8_t high, low;

	(void)h;
	exchanges++;
	law(cmp_message_read(ask->body, &ours) && ours.protected && ours.transaction.len == CMP_ID &&
	    ours.nonce.len == CMP_ID);
	strcpy(answer->type, "application/pkixcmp");
	answer->status = 200;
	if (ours.body == CMP_GENM && greet_well) {
		put_protected(&answer->body, &ours, (struct bytes){good, sizeof good});
		return HTTP_ANSWERED;
	}
	if (left.len == 0) {
		reason_set(why, "hangs up");
		return HTTP_NO_ANSWER;
	}
	high = take(&left);
	low = take(&left);
	in = take_some(&left, (size_t)high << 8 | low);
	if (protect)
		put_protected(&answer->body, &ours, in);
	else
		buf_put(&answer->body, in.p, in.len);
	return HTTP_ANSWERED;
}

static bool printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static void judge(struct online_answer *a)
{
	struct bytes all = {a->certificates.p, a->certificates.len}, one;
	struct cmp_ticket ticket;

	if (a->outcome == ONLINE_ISSUED) {
		law(pkcs7_next(&all, &one) && all.len == 0);
		const unsigned char *p = one.p;
		X509 *x = d2i_X509(NULL, &p, (long)one.len);
		unsigned char spki[32];
		struct reason why;

		law(x != NULL && public_key_spki_of(X509_get_X509_PUBKEY(x), spki, &why) == 0 &&
		    memcmp(spki, csr->spki, sizeof spki) == 0);
		X509_free(x);
	} else
		law(a->certificates.len == 0 && a->why.text[0] != '\0' && printable(a->why.text));
	if (a->outcome == ONLINE_PENDING)
		law(cmp_ticket_read(a->ticket, &ticket) && ticket.waits);
	law(a->wait >= 0);
	buf_free(&a->certificates);
}

/* A ticket is read again as it was written. */
static void try_ticket(struct bytes in)
{
	char *text = text_of(in.p, in.len), out[ONLINE_TICKET_MAX + 1];
	struct cmp_ticket ticket, again;

	if (text != NULL && cmp_ticket_read(text, &ticket)) {
		cmp_ticket_write(&ticket, out);
		law(cmp_ticket_read(out, &again) && memcmp(&ticket, &again, sizeof ticket) == 0);
	}
	free(text);
}

static void try_check(struct online_ca *ca)
{
	struct online_report report = {0};
	struct reason why = {.text = ""};

	if (ca->kind->check(ca, &report, &why) != 0)
		law(why.text[0] != '\0' && printable(why.text));
	for (size_t i = 0; i < report.text.len; i++)
		law(strchr("\t\n", report.text.p[i]) != NULL || (report.text.p[i] >= ' ' && report.text.p[i] <= '~'));
	buf_free(&report.certificates);
	buf_free(&report.text);
}

/* A request for the key of sep.key. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct bytes pem = fixture("sep.key");
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	X509_REQ *req = X509_REQ_new();
	struct reason why;
	unsigned char *der = NULL;
	int n;

	(void)argc, (void)argv;
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_UTF8,
	    (const unsigned char *)"SEP001122334455", -1, -1, 0);
	X509_REQ_set_pubkey(req, key);
	law(X509_REQ_sign(req, key, EVP_sha256()) > 0 && (n = i2d_X509_REQ(req, &der)) > 0);
	law((csr = csr_parse(der, (size_t)n, NULL, &why)) != NULL);
	OPENSSL_free(der);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct online_settings settings = {.type = ONLINE_CMP, .url = "http://ca.example/", .reference = "ra",
	    .secret_file = FUZZ_DATA "/cmp.secret"};
	struct online_answer answer = {.outcome = ONLINE_BROKEN};
	struct online_ca ca;
	struct cmp_message message;
	struct reason why;
	unsigned char *own = copy(data, size);
	uint8_t how;

	left = (struct bytes){own, size};
	cmp_message_read(left, &message);
	try_ticket(left);
	how = take(&left);
	protect = (how & 1) != 0;
	greet_well = (how & 2) == 0;
	exchanges = 0;
	csr->proof = (how & 4) != 0 ? CSR_RA : CSR_OWN;
	law(online_open(&ca, &settings, 1700000000, &why) == 0);
	if ((how & 0x30) == 0x30)
		try_check(&ca);
	else {
		if ((how & 0x10) != 0)
			ca.kind->poll(&ca, csr, "00112233445566778899aabbccddeeff.0.00112233445566778899aabbccddeeff.0011",
			    false, &answer);
		else
			ca.kind->submit(&ca, csr, "00112233445566778899aabbccddeeff", &answer);
		judge(&answer);
	}
	law(exchanges <= 8);
	online_close(&ca);
	free(own);
	return 0;
}
