/* SPDX-License-Identifier: ISC */
/* Certificates: what cert-import's children and trust-add do with bytes. What is accepted is DER
 * that is accepted again, alone or as PEM, and says the same. */
#include "fuzz.h"
#include "lab.h"
#include "quarantine/judge_cert.h"
#include "x509/der.h"
#include "x509/name.h"
#include "x509/pem.h"

#define NOW ((time_t)1800000000)	/* January 2027, when everything in data/ is valid */

static struct judge_cert rules = {.now = NOW};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	rules.trust = lab_trust();
	return 0;
}

static struct verdict judge(struct bytes data, struct buf *der)
{
	struct verdict v = {.good = false};

	judge_cert(&rules, data, &v, der);
	law(!v.good || (v.read && der->len > 0));
	law(v.good || (v.reason.text[0] != '\0' && der->len == 0));
	return v;
}

static bool same_verdict(const struct verdict *a, const struct verdict *b)
{
	return a->good == b->good && a->read == b->read &&
	    memcmp(a->facts.spki, b->facts.spki, sizeof a->facts.spki) == 0 &&
	    memcmp(a->facts.digest, b->facts.digest, sizeof a->facts.digest) == 0 && strcmp(a->facts.cn, b->facts.cn) == 0 &&
	    strcmp(a->facts.serial, b->facts.serial) == 0 && a->facts.not_after == b->facts.not_after;
}

/* PEM or DER, it is the same certificate, and the verdict on it passes a pipe unchanged. */
static void accepted(const struct verdict *v, struct bytes der)
{
	struct buf out = {0}, line = {0};
	struct verdict again, told = *v;
	size_t len;
	char *pem = pem_make("CERTIFICATE", der.p, der.len, &len);

	law(der_exact(der.p, der.len, false) && der_kind_of(der.p, der.len) == DER_CERT);
	again = judge(der, &out);
	law(same_verdict(v, &again) && same(der, (struct bytes){out.p, out.len}));
	buf_free(&out);
	law(pem != NULL);
	again = judge((struct bytes){(unsigned char *)pem, len}, &out);
	law(same_verdict(v, &again) && same(der, (struct bytes){out.p, out.len}));
	buf_free(&out);
	free(pem);
	law(v->facts.not_after > NOW && strspn(v->facts.serial, "0123456789abcdef") == strlen(v->facts.serial));
	told.facts.der = der.p;
	told.facts.der_len = der.len;
	verdict_encode(&told, &line);
	law(verdict_decode((struct bytes){line.p, line.len}, &again) && same_verdict(v, &again));
	buf_free(&line);
}

static void check_ca(struct bytes in)
{
	struct reason r = {.text = ""};
	struct cert *c = cert_parse(in.p, in.len, &r);
	char *name;

	law((c == NULL) == (r.text[0] != '\0'));
	if (c == NULL)
		return;
	if (cert_check_ca(c, &r) == 0)
		law(cert_check_phone(c, &r) != 0);
	name = name_line(X509_get_subject_name(c->x509));
	for (const char *p = name; p != NULL && *p != '\0'; p++)
		law(*p >= ' ' && *p <= '~');
	free(name);
	cert_free(c);
}

/* A bundle falls into pieces that follow each other. */
static void pieces(struct bytes in)
{
	struct bytes one;
	const unsigned char *end = in.p, *last = in.p + in.len;
	size_t n = 0;

	while (pem_next(&in, &one)) {
		law(one.p >= end && one.len > 0 && n++ <= 65536);
		end = one.p + one.len;
		law(end <= last && (in.len == 0 || in.p >= end));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct bytes in = {own, size};
	struct buf der = {0};
	struct verdict v = judge(in, &der);

	if (v.good)
		accepted(&v, (struct bytes){der.p, der.len});
	else
		check_ca(in);
	pieces(in);
	buf_free(&der);
	free(own);
	return 0;
}
