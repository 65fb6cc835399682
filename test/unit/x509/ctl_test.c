/* SPDX-License-Identifier: ISC */
/* Trust lists: what is made can be read and is good, limits of the format, and names as they stand in lists. */
#include <openssl/x509.h>

#include "../mint.h"
#include "x509/ctl.h"
#include "x509/ctl_check.h"
#include "x509/ctl_make.h"
#include "x509/key.h"
#include "x509/name.h"

#define DAY 86400
#define NOW ((time_t)1800000000)

static const char *const none[] = {NULL};
static EVP_PKEY *rsa, *ec;
static struct cert *signer, *other;

static void test_file_names(void)
{
	static const struct { const char *leaf, *inside; } each[] = {
	    {"CTLFile.tlv", "CTLFile.tlv"}, {"ITLFile.tlv", "ITLFile.tlv"},
	    {"ITLSEP0123456789AB.tlv", "ITLFile.tlv"}, {"CTLSEPCDEF00000000.tlv", "CTLFile.tlv"},
	    {"ITLSEP0123456789A.tlv", NULL}, {"ITLSEP0123456789ABC.tlv", NULL}, {"ITLSEP0123456789aB.tlv", NULL},
	    {"ITLSEP0123456789AB.tlv.sgn", NULL}, {"ITLSEP", NULL}, {"ITL", NULL}, {"", NULL}, {"itlfile.tlv", NULL},
	    {"XTLSEP0123456789AB.tlv", NULL}, {"ITLXEP0123456789AB.tlv", NULL}};

	for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
		const char *inside = ctl_file_name(each[i].leaf);

		ok(each[i].inside == NULL ? inside == NULL : inside != NULL && strcmp(inside, each[i].inside) == 0,
		    "\"%s\" has \"%s\" inside", each[i].leaf, each[i].inside != NULL ? each[i].inside : "nothing");
	}
}

static void test_numbers(void)
{
	ok(ctl_modulus(64) == 0 && ctl_modulus(128) == 1 && ctl_modulus(256) == 2 && ctl_modulus(512) == 3,
	    "the four moduli");
	ok(ctl_modulus(384) == -1 && ctl_modulus(0) == -1 && ctl_modulus_bytes(4) == 0, "and no others");
	ok(strcmp(ctl_role_name(0), "SAST") == 0 && strcmp(ctl_role_name(21), "TVS") == 0 &&
	    strcmp(ctl_role_name(7), "APP-SERVER") == 0 && strcmp(ctl_role_name(4), "CAPF") == 0, "roles have names");
	ok(ctl_role_name(5) == NULL && ctl_role_name(22) == NULL && ctl_role_name(-1) == NULL, "unknown ones have none");
}

static void count(void *ctx, const struct ctl_fault *fault)
{
	printf("# record %zu: %s\n", fault->record, fault->why.text);
	++*(int *)ctx;
}

/* How many things are wrong with a list; -1 when it cannot be read. */
static int wrong(struct bytes list, time_t now)
{
	struct reason why = {.text = ""};
	struct ctl c;
	int n = 0, result = -1;

	if (ctl_parse(&c, list, &why) != 0)
		printf("# %s\n", why.text);
	else if (ctl_check(&c, now, count, &n, &why) >= 0)
		result = n;
	ctl_free(&c);
	return result;
}

static void test_make(void)
{
	const struct ctl_entry entry[] = {{signer, CTL_SAST}, {other, CTL_TVS}};
	struct ctl_form form = {"ITLFile.tlv", -1, CTL_SHA512, NOW};
	struct buf list = {0};
	struct reason why;
	size_t at = 99;
	struct ctl c;

	ok(ctl_make(entry, 2, &form, rsa, &list, &at, &why) == 0 && wrong((struct bytes){list.p, list.len}, NOW) == 0,
	    "a list that is made is good");
	ok(ctl_parse(&c, (struct bytes){list.p, list.len}, &why) == 0 && c.minor == 1 && c.n == 2 && c.time == NOW,
	    "with an EC key its version is 1.1");
	ok(ctl_follows(&c, &c), "who has it takes one by the same signer");
	ctl_free(&c);
	ok(wrong((struct bytes){list.p, list.len}, NOW + 1000 * DAY) == 2, "later both certificates have expired");
	ok(wrong((struct bytes){list.p, list.len}, NOW - 300) == 0 && wrong((struct bytes){list.p, list.len}, NOW - 301) == 1,
	    "a clock may be five minutes ahead");
	list.len = 0;
	form.minor = 0;
	ok(ctl_make(entry, 2, &form, rsa, &list, &at, &why) == 0 && wrong((struct bytes){list.p, list.len}, NOW) == 1,
	    "1.0 is made when it is asked for, and is wrong for EC");
	list.len = 0;
	ok(ctl_make(entry + 1, 1, &form, rsa, &list, &at, &why) != 0 && at == 1 && list.len == 0,
	    "no list without a SAST whose key is there: %s", why.text);
	ok(ctl_make(entry, 2, &form, ec, &list, &at, &why) != 0 && at == 2 && strstr(why.text, "RSA") != NULL,
	    "nor signed with EC");
	form.time = (time_t)UINT32_MAX + 1;
	ok(ctl_make(entry, 2, &form, rsa, &list, &at, &why) != 0, "nor in 2106: %s", why.text);
	form.time = -1;
	ok(ctl_make(entry, 2, &form, rsa, &list, &at, &why) != 0, "nor before 1970");
	buf_free(&list);
}

/* A certificate with this serial number, and one whose point is compressed. */
static void test_certificates(void)
{
	struct cert *zero = mint("zero", rsa, NULL, rsa, EVP_sha256(), NOW - DAY, NOW + DAY, none);
	struct ctl_entry entry[] = {{signer, CTL_SAST}, {zero, CTL_CAPF}};
	const struct ctl_form form = {"ITLFile.tlv", -1, CTL_SHA1, NOW};
	struct buf list = {0};
	struct reason why;
	size_t at;

	ASN1_INTEGER_set(X509_get_serialNumber(zero->x509), 0);
	ok(ctl_make(entry, 2, &form, rsa, &list, &at, &why) != 0 && at == 1 && strstr(why.text, "serial number 0") != NULL,
	    "a serial number 0 has no form");
	cert_free(zero);
	EVP_PKEY_set_utf8_string_param(ec, "point-format", "compressed");
	zero = mint("compressed", ec, NULL, ec, EVP_sha256(), NOW - DAY, NOW + DAY, none);
	EVP_PKEY_set_utf8_string_param(ec, "point-format", "uncompressed");
	entry[1].cert = zero;
	ok(ctl_make(entry, 2, &form, rsa, &list, &at, &why) != 0 && at == 1 && strstr(why.text, "uncompressed") != NULL,
	    "a compressed point is no uncompressed one");
	cert_free(zero);
	buf_free(&list);
}

/* Lengths that do not fit into two bytes, and more records than are read. */
static void test_limits(void)
{
	static unsigned char much[0x10000];
	struct ctl_record r = {.element = {{CTL_CERT, {much, 0xffff - 5 - 3}}}, .n = 1};
	struct ctl_record *many = calloc(CTL_RECORDS_MAX + 1, sizeof *many);
	struct ctl c = {.digest = CTL_SHA1, .modulus = 2, .signature = {much, 256}, .serial = {(const unsigned char *)"x", 1},
	    .file = {(const unsigned char *)"f", 1}, .record = &r, .n = 1}, read;
	struct buf list = {0};
	struct reason why;

	memset(much, 'x', sizeof much);
	must(many != NULL, "memory");
	ctl_put(&list, &c, true);
	ok(ctl_fits(&c) && ctl_parse(&read, (struct bytes){list.p, list.len}, &why) == 0, "a record of 65535 bytes fits");
	ctl_free(&read);
	r.element[0].value.len++;
	ok(!ctl_fits(&c), "one more does not");
	c.n = 0;
	/* Up to the subject the header has all but 11 bytes of its elements. */
	for (c.subject = (struct bytes){much, 0xffff}; !ctl_fits(&c); c.subject.len--)
		;
	list.len = 0;
	ctl_put(&list, &c, true);
	ok(list.len == 0xfffc && ctl_parse(&read, (struct bytes){list.p, list.len}, &why) == 0,
	    "a header has at most 65532 bytes, the last multiple of 4");
	ctl_free(&read);
	c.subject.len = 1;
	c.record = many;
	c.n = CTL_RECORDS_MAX;
	list.len = 0;
	ctl_put(&list, &c, true);
	ok(ctl_parse(&read, (struct bytes){list.p, list.len}, &why) == 0 && read.n == CTL_RECORDS_MAX, "%d records",
	    CTL_RECORDS_MAX);
	ctl_free(&read);
	c.n++;
	list.len = 0;
	ctl_put(&list, &c, true);
	ok(ctl_parse(&read, (struct bytes){list.p, list.len}, &why) != 0, "not one more: %s", why.text);
	ctl_free(&read);
	free(many);
	buf_free(&list);
	ok(ctl_parse(&read, (struct bytes){much, CTL_MAX_BYTES + 1}, &why) != 0, "nor more bytes: %s", why.text);
	ctl_free(&read);
}

/* One attribute. */
static void add(X509_NAME *name, const char *type, int kind, const char *value, int len, int set)
{
	must(X509_NAME_add_entry_by_txt(name, type, kind, (const unsigned char *)value, len, -1, set) == 1, type);
}

static bool written(const X509_NAME *name, const char *want)
{
	struct buf b = {0};
	struct reason why;
	bool same = name_put_rfc4514(&b, name, &why) == 0 && b.len == strlen(want) &&
	    (b.len == 0 || memcmp(b.p, want, b.len) == 0);

	if (!same)
		printf("# %.*s\n", (int)b.len, b.p != NULL ? (const char *)b.p : "");
	buf_free(&b);
	return same;
}

static void test_names(void)
{
	static const struct { const char *value, *want; } each[] = {
	    {"a", "CN=a"}, {"a b", "CN=a b"}, {" a", "CN=\\ a"}, {"a ", "CN=a\\ "}, {"  ", "CN=\\ \\ "}, {" ", "CN=\\ "},
	    {"   ", "CN=\\  \\ "}, {"#a#", "CN=\\#a#"}, {"a,b+c\"d\\e<f>g;h", "CN=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h"},
	    {"a=b", "CN=a=b"}, {"M\xc3\xbcnchen", "CN=M\xc3\xbcnchen"}, {"a\nb", "CN=a\nb"}};
	X509_NAME *name;

	for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
		name = X509_NAME_new();
		add(name, "CN", MBSTRING_UTF8, each[i].value, -1, 0);
		ok(written(name, each[i].want), "%s", i == 11 ? "a line feed" : each[i].want);
		X509_NAME_free(name);
	}
	name = X509_NAME_new();
	ok(written(name, ""), "an empty name");
	add(name, "C", V_ASN1_PRINTABLESTRING, "DE", -1, 0);
	add(name, "O", V_ASN1_T61STRING, "M\xfcller", -1, 0);
	add(name, "OU", V_ASN1_BMPSTRING, "\0A\0+", 4, 0);
	add(name, "CN", V_ASN1_UTF8STRING, "a\0b", 3, -1);
	ok(written(name, "C=DE,O=M\xc3\xbcller,OU=A\\++CN=a\\00b"),
	    "other kinds of text, a NUL, two attributes in one RDN");
	X509_NAME_free(name);
	name = X509_NAME_new();
	add(name, "emailAddress", V_ASN1_IA5STRING, "a@b", -1, 0);
	add(name, "serialNumber", V_ASN1_PRINTABLESTRING, "7", -1, 0);
	add(name, "1.2.3.4", V_ASN1_UTF8STRING, "x", -1, 0);
	ok(written(name, "1.2.840.113549.1.9.1=#1603614062,2.5.4.5=#130137,1.2.3.4=#0c0178"),
	    "what RFC 4514 has no name for: numbers and hex");
	X509_NAME_free(name);
	name = X509_NAME_new();
	add(name, "CN", V_ASN1_BIT_STRING, "x", 1, 0);
	ok(written(name, "CN=#03020378"), "a value that is no text: hex");
	X509_NAME_free(name);
}

int main(void)
{
	struct reason r;

	must((rsa = key_make("rsa:2048", &r)) != NULL && (ec = key_make("ec:256", &r)) != NULL, "keys");
	signer = mint("signer", rsa, NULL, rsa, EVP_sha256(), NOW - DAY, NOW + DAY, none);
	other = mint("other", ec, NULL, ec, EVP_sha256(), NOW - DAY, NOW + DAY, none);
	test_file_names();
	test_numbers();
	test_make();
	test_certificates();
	test_limits();
	test_names();
	cert_free(signer);
	cert_free(other);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	return tap_done();
}
