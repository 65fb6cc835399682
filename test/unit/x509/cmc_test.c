/* SPDX-License-Identifier: ISC */
#include <openssl/pkcs7.h>

#include <string.h>

#include "../fault.h"
#include "../mint.h"
#include "x509/cmc.h"
#include "x509/csr_make.h"
#include "x509/key.h"
#include "x509/openssl_error.h"

FAULT(void *, malloc, (size_t n), (n), NULL)
FAULT(void *, calloc, (size_t n, size_t size), (n, size), NULL)
FAULT(void *, realloc, (void *p, size_t n), (p, n), NULL)

#define DAY 86400
#define NOW ((time_t)1800000000)
#define USAGE "extendedKeyUsage=1.3.6.1.4.1.311.20.2.1"

static EVP_PKEY *rsa, *ec, *capf;

static EVP_PKEY *make_key(const char *spec)
{
	struct reason r;
	EVP_PKEY *key = key_make(spec, &r);

	must(key != NULL, spec);
	return key;
}

static struct csr *make_csr(EVP_PKEY *key, const char *device)
{
	struct reason r;
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	struct csr *c = n > 0 ? csr_make((struct bytes){der, (size_t)n}, device, capf, &r) : NULL;

	must(c != NULL, "a request");
	OPENSSL_free(der);
	return c;
}

static struct cert *make_agent(const char *name, EVP_PKEY *key, const char *const *ext)
{
	return mint(name, key, NULL, key, EVP_sha256(), NOW - DAY, NOW + DAY, ext);
}

static void template(const char *name, const char *why)
{
	struct reason r = {0};
	int result = cmc_check_template(name, &r);

	ok(why == NULL ? result == 0 : result == -1 && !r.trouble && strstr(r.text, why) != NULL,
	    "a template's name of %zu bytes: %s", strlen(name), why != NULL ? why : "good");
}

static void test_templates(void)
{
	char longest[4 * CMC_TEMPLATE_MAX + 8] = "";
	static const char *const bad[] = {"a&b", "a=b", "a%41", "a\\b", "a\tb", "\x1b[m", "a\x7f", "\xc2\x80"};

	template("WebServer", NULL);
	template("Phones (2 years), \xc3\xbc", NULL);
	template("", "empty");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		template(bad[i], "control character");
	template("\xff", "UTF-8");
	template("a\xc3", "UTF-8");
	template("\xed\xa0\x80", "UTF-8");
	for (int i = 0; i < CMC_TEMPLATE_MAX; i++)
		strcat(longest, "\xf0\x9f\x93\x9e");
	template(longest, NULL);
	strcat(longest, "x");
	template(longest, "more than 64");
}

static void test_shapes(void)
{
	enum cmc_shape shape = CMC_NONE;

	ok(cmc_shape_named("behalf", &shape) && shape == CMC_BEHALF, "behalf");
	ok(cmc_shape_named("agent", &shape) && shape == CMC_AGENT, "agent");
	ok(cmc_shape_named("none", &shape) && shape == CMC_NONE, "none");
	ok(!cmc_shape_named("", &shape) && !cmc_shape_named("agents", &shape), "nothing else");
}

static void agent(struct cert *c, EVP_PKEY *key, time_t now, bool trouble, const char *why)
{
	struct reason r = {0};
	int result = cmc_check_agent(c, key, now, &r);

	if (!ok(why == NULL ? result == 0 : result == -1 && r.trouble == trouble && strstr(r.text, why) != NULL,
	    "an agent: %s", why != NULL ? why : "good"))
		printf("# %s\n", r.text);
}

static void test_agents(void)
{
	static const char *const good[] = {USAGE, NULL}, *const none[] = {NULL};
	static const char *const two[] = {USAGE ",clientAuth", "keyUsage=digitalSignature", NULL};
	static const char *const any[] = {"extendedKeyUsage=anyExtendedKeyUsage", NULL};
	static const char *const crypt[] = {USAGE, "keyUsage=keyEncipherment", NULL};
	EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	struct cert *c = make_agent("a", rsa, good);

	agent(c, rsa, NOW, false, NULL);
	agent(c, rsa, NOW - DAY, false, NULL);
	agent(c, rsa, NOW - DAY - 1, true, "not valid before");
	agent(c, rsa, NOW + DAY - 1, false, NULL);
	agent(c, rsa, NOW + DAY, false, "expired");
	agent(c, ec, NOW, false, "not for the agent's key");
	agent(c, capf, NOW, false, "not for the agent's key");
	cert_free(c);
	agent(c = make_agent("a", ec, two), ec, NOW, false, NULL);
	cert_free(c);
	agent(c = make_agent("a", rsa, none), rsa, NOW, false, "extendedKeyUsage");
	cert_free(c);
	agent(c = make_agent("a", rsa, any), rsa, NOW, false, "extendedKeyUsage");
	cert_free(c);
	agent(c = make_agent("a", rsa, crypt), rsa, NOW, false, "digitalSignature");
	cert_free(c);
	agent(c = make_agent("a", small, good), small, NOW, false, "1024");
	cert_free(c);
	EVP_PKEY_free(small);
}

/* Is No-Signature the first signer in DER, however short the name of the agent is? */
static void test_order(void)
{
	static const char *const good[] = {USAGE, NULL};
	EVP_PKEY *keys[] = {rsa, ec};
	struct csr *c = make_csr(ec, "SEP001122334455");

	for (size_t i = 0; i < 2; i++)
		for (int behalf = 0; behalf < 2; behalf++) {
			struct cmc cmc = {behalf ? CMC_BEHALF : CMC_AGENT, "Phone", make_agent("a", keys[i], good), keys[i]};
			struct buf out = {0};
			struct reason r;
			int put = cmc_put(&cmc, c, &out, &r);
			const unsigned char *p = out.p;
			PKCS7 *p7 = put == 0 ? d2i_PKCS7(NULL, &p, (long)out.len) : NULL;
			STACK_OF(PKCS7_SIGNER_INFO) *all = p7 != NULL ? PKCS7_get_signer_info(p7) : NULL;

			ok(sk_PKCS7_SIGNER_INFO_num(all) == 2 && p == out.p + out.len &&
			    OBJ_obj2nid(sk_PKCS7_SIGNER_INFO_value(all, 0)->digest_enc_alg->algorithm) ==
			    NID_id_alg_noSignature, "No-Signature is first, then %s", i == 0 ? "RSA" : "EC");
			PKCS7_free(p7);
			buf_free(&out);
			cert_free(cmc.agent);
		}
	csr_free(c);
}

/* A request with an attribute of so many bytes, which its own key signs. */
static struct csr *make_long(size_t n)
{
	X509_REQ *req = X509_REQ_new();
	unsigned char *text = calloc(1, n), *der = NULL;
	struct reason r;
	struct csr *c;
	int len = 0;

	must(text != NULL && X509_REQ_set_version(req, X509_REQ_VERSION_1) &&
	    X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(req), NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)"SEP1", -1, -1, 0) && X509_REQ_set_pubkey(req, ec) &&
	    X509_REQ_add1_attr_by_NID(req, NID_pkcs9_unstructuredName, V_ASN1_OCTET_STRING, text, (int)n) &&
	    X509_REQ_sign(req, ec, EVP_sha256()) > 0 && (len = i2d_X509_REQ(req, &der)) > 0, "a long request");
	c = csr_parse(der, (size_t)len, NULL, &r);
	must(c != NULL, "a long request");
	OPENSSL_free(der);
	X509_REQ_free(req);
	free(text);
	return c;
}

static void test_long(void)
{
	static const struct {
		size_t n;
		int result;
	} cases[] = {{64000, 0}, {65000, -1}};
	struct cmc cmc = {.shape = CMC_NONE, .template = "Phone"};

	for (size_t i = 0; i < 2; i++) {
		struct csr *c = make_long(cases[i].n);
		struct reason r = {0};
		struct buf out = {0};

		ok(cmc_put(&cmc, c, &out, &r) == cases[i].result && !r.trouble &&
		    (cases[i].result == 0 || strstr(r.text, "too many for CMC") != NULL),
		    "a request of %zu bytes: %s", c->der_len, r.text);
		buf_free(&out);
		csr_free(c);
	}
}

/* Each allocation fails once: then there is no request and a reason that says so, or the same as ever. */
static void test_memory(void)
{
	static const char *const good[] = {USAGE, NULL};
	struct cmc cmc = {CMC_BEHALF, "Phone", make_agent("a", rsa, good), rsa};
	struct csr *c = make_csr(ec, "SEP001122334455");
	struct buf want = {0}, out;
	struct reason r;
	unsigned n, wrong = 0, failed = 0;
	bool struck = true;

	must(cmc_put(&cmc, c, &want, &r) == 0, "a request");
	for (n = 1; struck; n++) {
		int result;

		out = (struct buf){0};
		openssl_error_forget();
		/* A key that lacked memory once gives signatures of OpenSSL 3.0 that do not hold. */
		must((cmc.key = EVP_PKEY_dup(rsa)) != NULL, "a copy of the key");
		fault_arm(n, ENOMEM);
		result = cmc_put(&cmc, c, &out, &r);
		struck = fault_over();
		failed += result != 0;
		if (result == 0 ? out.len != want.len || memcmp(out.p, want.p, want.len) != 0 : !r.trouble) {
			printf("# allocation %u: %s\n", n, result == 0 ? "other bytes" : r.text);
			wrong++;
		}
		buf_free(&out);
		EVP_PKEY_free(cmc.key);
	}
	ok(wrong == 0 && failed > 50 && n > failed, "without memory: %u of %u allocations end it", failed, n);
	buf_free(&want);
	csr_free(c);
	cert_free(cmc.agent);
}

int main(void)
{
	rsa = make_key("rsa:2048");
	ec = make_key("ec:256");
	capf = make_key("rsa:2048");
	test_templates();
	test_shapes();
	test_agents();
	test_order();
	test_long();
	test_memory();
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(capf);
	return tap_done();
}
