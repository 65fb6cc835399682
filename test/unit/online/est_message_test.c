/* SPDX-License-Identifier: ISC */
#include "../mint.h"
#include "online/est_message.h"
#include "x509/ber.h"
#include "x509/der.h"
#include "x509/key.h"
#include "x509/pkcs7.h"

static struct bytes of(const struct buf *b)
{
	return (struct bytes){b->p, b->len};
}

static void url(const char *base, const char *label, const char *want)
{
	char out[EST_URL_MAX + 1];
	struct reason why = {.text = ""};
	int result = est_url(base, label, "cacerts", out, &why);

	ok(want != NULL ? result == 0 && strcmp(out, want) == 0 : result != 0 && *why.text != '\0', "the address of %s, %s: %s",
	    base, label, result == 0 ? out : why.text);
}

static void test_urls(void)
{
	url("https://ca", "", "https://ca/.well-known/est/cacerts");
	url("https://ca:8443/", "", "https://ca:8443/.well-known/est/cacerts");
	url("https://ca/", "phones", "https://ca/.well-known/est/phones/cacerts");
	url("https://ca/.well-known/est/", "phones", "https://ca/.well-known/est/phones/cacerts");
	url("https://ca/.well-known/est/phones", "", "https://ca/.well-known/est/phones/cacerts");
	url("https://ca/", "a/b", NULL);
	url("https://ca/", "..", NULL);
	url("https://ca/", "a?b", NULL);
	url("https://ca/?x=y", "", NULL);
}

/* A text of base64 stands for these bytes; NULL: it is refused. */
static void decodes(const char *text, const char *want)
{
	struct buf out = {0};
	struct reason why = {.text = ""};
	int result = est_decode((struct bytes){(const unsigned char *)text, strlen(text)}, &out, &why);

	ok(want != NULL ? result == 0 && out.len == strlen(want) && memcmp(out.p, want, out.len) == 0 :
	    result != 0 && *why.text != '\0', "base64 of %zu characters: %s", strlen(text), want != NULL ? want : why.text);
	buf_free(&out);
}

static void test_base64(void)
{
	unsigned char all[1000];
	struct buf text = {0}, back = {0};
	struct reason why;
	bool good = true, narrow = true;

	decodes("Zm9vYmFy", "foobar");
	decodes("Zm9v\nYmE=\n", "fooba");
	decodes(" Z\r\nm9vYg\t==\r\n\r\n", "foob");
	decodes("-----BEGIN PKCS7-----\r\nZm9v\r\n-----END PKCS7-----\r\n", "foo");
	decodes("Zm9vYg=", NULL);
	decodes("Zm9vYg", NULL);
	decodes("Zm9v=Zm9v", NULL);
	decodes("Zm9vY===", NULL);
	decodes("Zm9v!", NULL);
	decodes("<html>", NULL);
	decodes("", NULL);
	decodes("\n\n", NULL);
	decodes("-----BEGIN X-----", NULL);
	for (size_t len = 1; len < sizeof all; len++) {
		all[len - 1] = (unsigned char)(len * 37);
		text.len = back.len = 0;
		est_encode((struct bytes){all, len}, &text);
		good = good && est_decode(of(&text), &back, &why) == 0 && back.len == len && memcmp(back.p, all, len) == 0;
		for (size_t i = 0, from = 0; i < text.len; i++) {
			narrow = narrow && i - from <= 64;
			from = text.p[i] == '\n' ? i + 1 : from;
		}
		good = good && text.p[text.len - 1] == '\n';
	}
	ok(good, "what is encoded can be decoded, for a thousand lengths, and ends with a newline");
	ok(narrow, "no line has more than 64 characters");
	buf_free(&text);
	buf_free(&back);
}

/* BER in hex becomes this DER; NULL: it is refused. */
static void turns(const char *ber, const char *want)
{
	unsigned char in[64], der[64];
	struct buf out = {0};
	bool good;

	must(bytes_unhex(ber, strlen(ber) / 2, in), "hex");
	must(want == NULL || bytes_unhex(want, strlen(want) / 2, der), "hex");
	good = ber_to_der((struct bytes){in, strlen(ber) / 2}, &out);
	ok(want != NULL ? good && out.len == strlen(want) / 2 && memcmp(out.p, der, out.len) == 0 : !good, "BER %s is %s", ber,
	    want != NULL ? want : "refused");
	buf_free(&out);
}

static void test_ber(void)
{
	unsigned char deep[200];
	struct buf out = {0};

	turns("3003020105", "3003020105");
	turns("30800201050000", "3003020105");
	turns("308130800000020105" "0000", NULL);
	turns("3080a08004800000" "00000000", NULL);
	turns("30802480040161040162" "00000000", "300404026162");
	turns("2480248004016100000401620000", "04026162");
	turns("30820003020105", "3003020105");
	turns("3080020105", NULL);
	turns("300302010500", NULL);
	turns("3004020105", NULL);
	turns("24800201050000", NULL);
	turns("", NULL);
	turns("30", NULL);
	turns("3085000000000102", NULL);
	memset(deep, 0x30, sizeof deep);
	for (size_t i = 1; i < sizeof deep; i += 2)
		deep[i] = 0x80;
	ok(!ber_to_der((struct bytes){deep, sizeof deep}, &out), "what is nested too deep is refused");
	buf_free(&out);
}

/* SignedData as CAs send it, with this certificate, or none. */
static void put_list(struct buf *out, struct bytes certificate)
{
	static const unsigned char oid[] = {0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
	static const unsigned char head[] = {0x02, 1, 1, 0x31, 0};
	static const unsigned char data[] = {0x30, 11, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
	size_t inside;

	buf_put(out, oid, sizeof oid);
	inside = out->len;
	buf_put(out, head, sizeof head);
	buf_put(out, data, sizeof data);
	if (certificate.len > 0)
		der_put(out, DER_CONTEXT_0, certificate.p, certificate.len);
	buf_put(out, (const unsigned char[]){0x31, 0}, 2);
	der_wrap(out, inside, DER_SEQUENCE);
	der_wrap(out, inside, DER_CONTEXT_0);
	der_wrap(out, 0, DER_SEQUENCE);
}

/* The CMC response of a server that says this: the number of a status, of a fault (-1: none), a text. */
static void put_response(struct buf *out, unsigned char status, int fail, const char *text, struct bytes certificate)
{
	static const unsigned char oid[] = {0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
	static const unsigned char head[] = {0x02, 1, 3, 0x31, 0};
	static const unsigned char content[] = {0x06, 8, 0x2b, 6, 1, 5, 5, 7, 12, 3};
	static const unsigned char control[] = {0x02, 1, 1, 0x06, 8, 0x2b, 6, 1, 5, 5, 7, 7, 0x19};
	size_t inside, encap, data, info;

	buf_put(out, oid, sizeof oid);
	inside = out->len;
	buf_put(out, head, sizeof head);
	encap = out->len;
	buf_put(out, content, sizeof content);
	data = out->len;
	buf_put(out, control, sizeof control);
	info = out->len;
	der_put(out, DER_INTEGER, &status, 1);
	der_put(out, DER_SEQUENCE, (const unsigned char[]){2, 1, 1}, 3);
	if (*text != '\0')
		der_put(out, DER_UTF8_STRING, text, strlen(text));
	if (fail >= 0)
		der_put(out, DER_INTEGER, &(const unsigned char){(unsigned char)fail}, 1);
	der_wrap(out, info, DER_SEQUENCE);
	der_wrap(out, info, DER_SET);
	der_wrap(out, data, DER_SEQUENCE);
	der_wrap(out, data, DER_SEQUENCE);
	buf_put(out, (const unsigned char[]){0x30, 0, 0x30, 0}, 4);
	der_wrap(out, data, DER_SEQUENCE);
	der_wrap(out, data, DER_OCTET_STRING);
	der_wrap(out, data, DER_CONTEXT_0);
	der_wrap(out, encap, DER_SEQUENCE);
	if (certificate.len > 0)
		der_put(out, DER_CONTEXT_0, certificate.p, certificate.len);
	buf_put(out, (const unsigned char[]){0x31, 0}, 2);
	der_wrap(out, inside, DER_SEQUENCE);
	der_wrap(out, inside, DER_CONTEXT_0);
	der_wrap(out, 0, DER_SEQUENCE);
}

static void reads(struct buf *cms, const char *what, enum est_kind kind, struct bytes certificate, const char *text)
{
	struct buf body = {0}, out = {0};
	struct reason why = {.text = ""};
	enum est_kind got;

	est_encode(of(cms), &body);
	got = est_read(of(&body), &out, &why);
	ok(got == kind && (kind == EST_CERTIFICATES ? out.len == certificate.len && memcmp(out.p, certificate.p, out.len) == 0 :
	    strcmp(why.text, text) == 0), "%s: %d %s", what, got, why.text);
	buf_free(&body);
	buf_free(&out);
	cms->len = 0;
}

static void test_answers(void)
{
	struct reason r;
	EVP_PKEY *key = key_make("ec:256", &r);
	struct cert *cert = mint("SEP000000000001", key, NULL, key, EVP_sha256(), 1800000000, 1800086400,
	    (const char *const[]){NULL});
	struct bytes der = {cert->der, cert->der_len}, none = {NULL, 0};
	struct buf cms = {0};

	put_list(&cms, der);
	reads(&cms, "a list", EST_CERTIFICATES, der, "");
	put_list(&cms, none);
	reads(&cms, "an empty list", EST_UNREADABLE, none, "is a PKCS#7 file without certificates");
	put_list(&cms, (struct bytes){(const unsigned char *)"\x30\x03\x02\x01\x05", 5});
	reads(&cms, "a list of something else", EST_UNREADABLE, none, "has no certificates in it");
	put_list(&cms, (struct bytes){der.p, der.len});
	cms.len--;
	reads(&cms, "a list that is cut short", EST_UNREADABLE, none, "is no CMS");
	put_response(&cms, 0, -1, "", der);
	reads(&cms, "a CMC response", EST_CERTIFICATES, der, "");
	put_response(&cms, 0, -1, "fine", none);
	reads(&cms, "one without certificates", EST_UNREADABLE, none, "has no certificates in it");
	put_response(&cms, 2, 9, "no \033[2J key", der);
	reads(&cms, "one that refuses", EST_FAILED, none, "the CA refuses it (CMC status 2, popFailed): no \\x1b[2J key");
	put_response(&cms, 2, 99, "", none);
	reads(&cms, "one with an unknown reason", EST_FAILED, none, "the CA refuses it (CMC status 2)");
	put_response(&cms, 3, -1, "", none);
	reads(&cms, "one that is not decided", EST_PENDING, none,
	    "the CA has yet to decide, and CMC over EST has no way to ask");
	buf_free(&cms);
	cert_free(cert);
	EVP_PKEY_free(key);
}

static void attributes(const char *hex, const char *want)
{
	unsigned char der[64];
	struct buf body = {0}, out = {0};
	struct reason why = {.text = ""};
	int result;

	must(bytes_unhex(hex, strlen(hex) / 2, der), "hex");
	est_encode((struct bytes){der, strlen(hex) / 2}, &body);
	result = est_attributes(of(&body), &out, &why);
	ok(want != NULL ? result == 0 && out.len == strlen(want) && memcmp(out.p, want, out.len) == 0 : result != 0,
	    "attributes: %s", want != NULL ? want : why.text);
	buf_free(&body);
	buf_free(&out);
}

static void test_attributes(void)
{
	attributes("3000", "none");
	attributes("301f06092a864886f70d010907301206072b060101010116310706052b81040022", "1.2.840.113549.1.9.7 1.3.6.1.1.1.1.22");
	attributes("30030201" "05", NULL);
	attributes("3002300000", NULL);
	attributes("30053003020105", NULL);
	attributes("3003060180", "none");
}

int main(void)
{
	test_urls();
	test_base64();
	test_ber();
	test_answers();
	test_attributes();
	return tap_done();
}
