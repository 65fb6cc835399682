/* SPDX-License-Identifier: ISC */
/* How a phone proves who it is: AUTH_RESPONSE as it comes from the network, against a fixed trust.
 * What is accepted names the device, and no other device, session or signature would do. */
#include "base/auth_string.h"
#include "capf/capfmsg.h"
#include "fuzz.h"
#include "lab.h"
#include "x509/phone_auth.h"

#define DEVICE "SEP001122334455"
#define OTHER "SEP001122334456"
#define SESSION 0x2a

static struct phone_auth_policy policy = {.now = 1800000000};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	policy.trust = lab_trust();
	return 0;
}

static bool proves(const struct phone_auth *p, const char *device, uint32_t session)
{
	struct reason r = {.text = ""};
	struct cert *c = phone_auth_check(p, device, session, &policy, &r);

	law(c != NULL || r.text[0] != '\0');
	if (c != NULL)
		law(device_named_by(device, c->cn) &&
		    same((struct bytes){c->der, c->der_len}, p->certificate));
	cert_free(c);
	return c != NULL;
}

/* The same, with one bit of a signature turned over. */
static bool proves_spoilt(const struct phone_auth *p, const struct bytes *which)
{
	struct phone_auth spoilt = *p;
	unsigned char *own = copy(which->p, which->len);
	struct bytes *to =
	    (struct bytes *)(void *)((char *)&spoilt + ((const char *)which - (const char *)p));
	bool result;

	own[which->len - 1] ^= 1;
	to->p = own;
	result = proves(&spoilt, DEVICE, SESSION);
	free(own);
	return result;
}

static void check(const struct phone_auth *p)
{
	if (!proves(p, DEVICE, SESSION))
		return;
	law(!proves(p, OTHER, SESSION));
	law(proves(p, DEVICE, SESSION + 1) == !p->sudi);
	law(!proves_spoilt(p, &p->sha1) && !proves_spoilt(p, &p->sha2));
	if (p->sudi)
		law(!proves_spoilt(p, &p->sudi_sha1) && !proves_spoilt(p, &p->sudi_sha512));
}

static void string(struct bytes got)
{
	char *text = text_of(got.p, got.len);

	law(!phone_auth_string_equal("", got));
	law(phone_auth_string_equal("1234", got) == (got.len == 4 && memcmp(got.p, "1234", 4) == 0));
	if (text != NULL && auth_string_ok(text))
		law(phone_auth_string_equal(text, got));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct capfmsg m;
	struct reason r;

	if (capfmsg_decode((struct bytes){own, size}, &m, &r) == 0) {
		check(&(struct phone_auth){.certificate = m.certificate, .sha1 = m.signed_data,
		    .sha2_digest = m.sha2_digest, .sha2 = m.sha2_signature,
		    .sudi = capfmsg_has(&m, CAPFMSG_SUDI_DATA),
		    .sudi_certificate = m.sudi_certificate, .sudi_sha1 = m.sudi_sha1,
		    .sudi_sha512 = m.sudi_sha512});
		string(m.password);
	}
	free(own);
	return 0;
}
